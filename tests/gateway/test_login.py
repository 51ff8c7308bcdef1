"""The price of logins: rationed hashes, remembered keys (A4, F28)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from ocpp_cs import credentials
from ocpp_cs.gateway import login
from ocpp_cs.gateway.login import KeyCheck, Overloaded
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
