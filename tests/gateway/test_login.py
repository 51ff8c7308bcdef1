"""The price of logins: rationed hashes, remembered keys, counted failures (A3, A4, F28)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from ocpp_cs import credentials
from ocpp_cs.gateway import login
from ocpp_cs.gateway.login import FailureLimits, KeyCheck, Overloaded
from tests.servers import wait_until

KEY = bytes(range(20))
PASSWORD = b"correct-horse-battery"
FAST = credentials.hash_key(KEY, generated=True)
SLOW = credentials.hash_key(PASSWORD, generated=False)


def fastest(work: Callable[[], object]) -> float:
    """Processor seconds, the smallest of some runs."""
    times = []
    for _ in range(3):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def test_the_hash_that_fits_is_found() -> None:
    keys = KeyCheck()
    for hashes in ((FAST, SLOW), (SLOW, FAST)):
        assert keys.find(hashes, KEY, hide=False) == FAST
        assert keys.find(hashes, PASSWORD, hide=False) == SLOW
        assert keys.find(hashes, b"wrong", hide=True) is None
    assert keys.find((), KEY, hide=True) is None


def test_verified_password_is_remembered_and_a_wrong_one_is_not() -> None:
    keys = KeyCheck()
    once = fastest(lambda: KeyCheck().find((SLOW,), PASSWORD, hide=False))
    keys.find((SLOW,), PASSWORD, hide=False)
    assert fastest(lambda: keys.find((SLOW,), PASSWORD, hide=False)) < once / 10
    assert fastest(lambda: keys.find((SLOW,), b"wrong", hide=False)) > once / 3
    other = credentials.hash_key(PASSWORD + b"!", generated=False)
    assert keys.find((other,), PASSWORD, hide=False) is None


def test_memory_of_verified_passwords_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_REMEMBERED_FOR_S", 0.0)
    keys = KeyCheck()
    first = fastest(lambda: keys.find((SLOW,), PASSWORD, hide=False))
    assert fastest(lambda: keys.find((SLOW,), PASSWORD, hide=False)) > first / 3


def test_failure_takes_as_long_with_any_hash_or_none() -> None:
    keys = KeyCheck()
    times = [
        fastest(lambda hashes=hashes: keys.find(hashes, b"wrong", hide=True))  # type: ignore[misc]
        for hashes in ((), (FAST,), (SLOW,), (FAST, FAST))
    ]
    assert max(times) / min(times) < 2.5


def test_slow_checks_are_rationed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once; who waits too long is told so, and a fast check does not wait at all."""
    monkeypatch.setattr(login, "_LONGEST_WAIT_S", 0.05)
    let_go = threading.Event()
    busy = []

    def verify(_hash_text: str, _presented: bytes) -> bool:
        busy.append(1)
        return not let_go.wait(10)

    keys = KeyCheck()
    with monkeypatch.context() as patch:
        patch.setattr(credentials, "verify", verify)
        threads = [
            threading.Thread(target=keys.find, args=((SLOW,), PASSWORD), kwargs={"hide": False})
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(busy) == 2)
        with pytest.raises(Overloaded):
            keys.find((SLOW,), PASSWORD, hide=False)
    assert keys.find((FAST,), KEY, hide=False) == FAST
    let_go.set()
    for thread in threads:
        thread.join()
    assert keys.find((SLOW,), PASSWORD, hide=False) == SLOW


# --- Failures -----------------------------------------------------------------------------------


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
    monkeypatch.setattr(login, "_WINDOW_S", 0.2)
    limits = FailureLimits(per_id=1, per_address=100)
    limits.begin("1.1.1.1", "CP1")
    assert limits.retry_after("1.1.1.1", "CP1") == 1  # whole seconds, rounded up
    wait_until(lambda: limits.begin("1.1.1.1", "CP1") == 0, seconds=2)
    assert limits.retry_after("1.1.1.1", "CP1") == 1


def test_counters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_COUNTED", 100)
    limits = FailureLimits(per_id=1, per_address=1)
    for number in range(1000):
        limits.failed(f"10.0.0.{number}")
    assert len(limits._failures) <= 100
