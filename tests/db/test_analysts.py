"""How long analysts rest: not at all while charge points are quiet, the longer the busier."""

from __future__ import annotations

import threading

import pytest

from ocpp_cs.db.analysts import AnalystThreads, rest


@pytest.mark.parametrize("busy", [0.0, 0.1, 0.25])
def test_nobody_rests_while_charge_points_are_quiet(busy: float) -> None:
    assert rest(0.02, busy, 5) == 0.0


def test_the_busier_charge_points_are_the_longer_analysts_rest() -> None:
    rests = [rest(0.01, busy, 1) for busy in (0.3, 0.5, 0.7, 0.8)]
    assert rests == sorted(set(rests))
    # Half of the core is left: three tenths of it are an analyst's, so 10 ms take 33 in all.
    assert rest(0.01, 0.5, 1) == pytest.approx(0.0233, abs=0.0001)


def test_several_analysts_share_what_one_would_get() -> None:
    one, two = (0.01 / (0.01 + rest(0.01, 0.5, at_once)) for at_once in (1, 2))
    assert 2 * two == pytest.approx(one)


def test_no_rest_is_long() -> None:
    """A query of seconds is no reason to wait for minutes; nor is an overloaded event loop."""
    assert rest(10.0, 0.9, 3) == rest(0.05, 1.2, 3) == 0.2


def test_on_plain_threads_a_call_is_simply_made() -> None:
    threads = AnalystThreads(2)
    assert not threads.green
    assert threads.run(threading.get_ident) == threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda: 1 // 0)
