"""Failed logins are counted per address and id, and per address; never per id alone (A3)."""

from __future__ import annotations

import pytest

from ocpp_cs import throttle
from ocpp_cs.throttle import FailureLimits
from tests.servers import wait_until


def test_limit_per_charge_point_and_address() -> None:
    limits = FailureLimits(per_id=2, per_address=100)
    assert [limits.begin("1.1.1.1", "CP1") for _ in range(2)] == [0, 0]
    assert limits.begin("1.1.1.1", "CP1") == 60
    assert limits.retry_after("1.1.1.1", "CP1") == 60
    # Neither another charge point of that address nor the real one elsewhere is locked out.
    assert limits.begin("1.1.1.1", "CP2") == 0
    assert limits.begin("2.2.2.2", "CP1") == 0


def test_limit_per_address() -> None:
    limits = FailureLimits(per_id=100, per_address=2)
    for identity in ("CP1", "CP2"):
        limits.begin("1.1.1.1", identity)
        limits.failed("1.1.1.1")
    assert limits.begin("1.1.1.1", "CP3") == 60
    assert limits.begin("2.2.2.2", "CP3") == 0


def test_success_clears_the_charge_point_but_not_its_address() -> None:
    limits = FailureLimits(per_id=1, per_address=1)
    limits.begin("1.1.1.1", "CP1")
    limits.succeeded("1.1.1.1", "CP1")
    assert limits.retry_after("1.1.1.1", "CP1") == 0
    limits.failed("1.1.1.1")
    limits.succeeded("1.1.1.1", "CP1")
    assert limits.retry_after("1.1.1.1", "CP1") == 60


def test_failures_are_forgotten_after_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_WINDOW_S", 0.2)
    limits = FailureLimits(per_id=1, per_address=100)
    limits.begin("1.1.1.1", "CP1")
    assert limits.retry_after("1.1.1.1", "CP1") == 1  # whole seconds, rounded up
    wait_until(lambda: limits.begin("1.1.1.1", "CP1") == 0, seconds=2)
    assert limits.retry_after("1.1.1.1", "CP1") == 1


def test_counters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_COUNTED", 100)
    limits = FailureLimits(per_id=1, per_address=1)
    for number in range(1000):
        limits.failed(f"10.0.0.{number}")
    assert len(limits._failures) <= 100
