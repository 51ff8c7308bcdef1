"""Blocking calls beside the event loop: on plain threads simply called, under gevent elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from ocpp_cs.db.offload import green, native_lock, offload, own_threads
from tests.servers import PROJECT


def test_on_plain_threads_a_call_is_simply_made() -> None:
    assert not green()
    assert offload(threading.get_ident) == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        offload(lambda: 1 // 0)
    assert own_threads(1) is None
    assert type(native_lock()) is type(threading.Lock())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `green_threads` saw on an engine."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('green') / 'test.db'}"
    else:
        url = request.getfixturevalue("postgresql").create_database()
    done = subprocess.run(
        [sys.executable, "-m", "tests.db.green_threads", url],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "dialect": request.param, "stderr": done.stderr}


def test_green_threads_commit_and_read_without_a_deadlock(seen: Any) -> None:
    assert seen["green"]
    assert (seen["unfinished"], seen["stored"]) == (0, 200)
    assert seen["groups"] <= 10


def test_the_event_loop_turns_while_the_disk_works(seen: Any) -> None:
    """A commit there takes 0.5 s, so this is no question of a quick machine."""
    assert seen["largest_gap_s"] < 0.4


def test_a_commit_does_not_wait_for_queries(seen: Any) -> None:
    """There are more slow queries than the hub has threads, each of 1.5 s (promise 4)."""
    assert seen["queries_still_running"] == 16
    assert seen["commit_beside_queries_s"] < 1.3


def test_the_event_loop_turns_while_another_process_writes(seen: Any) -> None:
    if seen["dialect"] == "sqlite":  # PostgreSQL's writers don't exclude each other
        assert 0.4 < seen["commit_beside_writer_s"] < 5
        assert seen["largest_gap_beside_writer_s"] < 0.4


def test_a_call_runs_on_a_native_thread_and_its_exceptions_come_through(seen: Any) -> None:
    assert seen["offloaded_elsewhere"]
    assert seen["exceptions_come_through"]
    assert seen["stderr"] == ""  # a traceback in the log would be nobody's error


def test_a_native_lock_is_one_where_locks_are_green(seen: Any) -> None:
    assert seen["lock_is_native"]
    assert not seen["patched_lock_is_native"]
