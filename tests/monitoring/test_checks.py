"""A question that hangs: nobody waits longer than the deadline, and one thread is held."""

from __future__ import annotations

import threading

import pytest

from ocpp_cs.monitoring.checks import SharedCheck
from tests.servers import wait_until


def threads_named(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_a_question_that_hangs_holds_one_thread_however_often_it_is_asked() -> None:
    let_go = threading.Event()
    check = SharedCheck("hanging", lambda: let_go.wait(30), deadline_s=0.05, fresh_s=0.0)
    try:
        for _ in range(3):
            with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
                check()
        assert threads_named("hanging") == 1
    finally:
        let_go.set()
    wait_until(lambda: threads_named("hanging") == 0)
    assert check() is True


def test_an_answer_is_shared_while_it_is_fresh() -> None:
    asked: list[None] = []
    fresh = SharedCheck("fresh", lambda: asked.append(None), deadline_s=5, fresh_s=60)
    assert [fresh(), fresh()] == [None, None]
    assert len(asked) == 1
    stale = SharedCheck("stale", lambda: asked.append(None), deadline_s=5, fresh_s=0)
    assert [stale(), stale()] == [None, None]
    assert len(asked) == 3


def test_a_failure_is_raised_to_everybody() -> None:
    def ask() -> None:
        raise ValueError("no")

    check = SharedCheck("failing", ask, deadline_s=5, fresh_s=60)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            check()
