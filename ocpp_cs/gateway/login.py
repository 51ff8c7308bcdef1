"""What logins may cost: slow hashes one after the other, verified keys remembered, guesses counted.

It does not know who may log in: that is the handshake's decision.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
import time
from collections.abc import Sequence

from ocpp_cs import credentials
from ocpp_cs.db.offload import offload

# Each slow check takes 16 MiB and a processor (F28).
_SLOW_CHECKS_AT_ONCE = 2
# A charge point gives up its handshake after some ten seconds.
_LONGEST_WAIT_S = 10.0
_REMEMBERED_FOR_S = 15 * 60.0
_REMEMBERED = 20_000
_WINDOW_S = 60.0
_COUNTED = 50_000


class Overloaded(Exception):
    """Too many slow checks are waiting."""


class KeyCheck:
    """Compares presented keys with stored hashes."""

    def __init__(self) -> None:
        self._gate = threading.BoundedSemaphore(_SLOW_CHECKS_AT_ONCE)
        self._secret = secrets.token_bytes(32)
        self._verified: dict[bytes, float] = {}

    def find(self, hashes: Sequence[str], presented: bytes, *, hide: bool) -> str | None:
        """The first of `hashes` whose key was presented, or None. Raises Overloaded.

        With `hide` a failure takes as long whatever kind of hashes there are, if any (A4).
        """
        for hash_text in hashes:
            if self._matches(hash_text, presented):
                return hash_text
        if hide and not any(map(credentials.is_slow, hashes)):
            self._slowly(credentials.DUMMY_HASH, presented)
        return None

    def _matches(self, hash_text: str, presented: bytes) -> bool:
        if not credentials.is_slow(hash_text):
            return credentials.verify(hash_text, presented)
        token = self._token(hash_text, presented)
        if self._verified.get(token, 0.0) > time.monotonic():
            return True
        if not self._slowly(hash_text, presented):
            return False
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = time.monotonic() + _REMEMBERED_FOR_S
        return True

    def _slowly(self, hash_text: str, presented: bytes) -> bool:
        if not self._gate.acquire(timeout=_LONGEST_WAIT_S):
            raise Overloaded
        try:
            return offload(lambda: credentials.verify(hash_text, presented))
        finally:
            self._gate.release()

    def _token(self, hash_text: str, presented: bytes) -> bytes:
        """Tells verified keys apart without keeping them; worthless outside of this process."""
        message = hash_text.encode() + hashlib.sha256(presented).digest()
        return hmac.digest(self._secret, message, "sha256")


class FailureLimits:
    """Failed logins of the last minute: per address and charge point, and per address (A3).

    Never per charge point alone: anybody could lock it out.
    """

    def __init__(self, per_id: int, per_address: int) -> None:
        self._per_id = per_id
        self._per_address = per_address
        self._lock = threading.Lock()
        # Key: (began at, failures).
        self._failures: dict[tuple[str, ...], tuple[float, int]] = {}

    def retry_after(self, address: str, identity: str) -> int:
        """Seconds until the next login may be tried; 0 if it may be now."""
        now = time.monotonic()
        with self._lock:
            waits = [
                self._wait((address, identity), self._per_id, now),
                self._wait((address,), self._per_address, now),
            ]
        return math.ceil(max(waits))

    def begin(self, address: str, identity: str) -> int:
        """Counts a login of the charge point before it is checked, so that guesses made at the
        same time count, too. Returns as `retry_after`; above 0 nothing was counted."""
        wait = self.retry_after(address, identity)
        if not wait:
            self._count((address, identity))
        return wait

    def failed(self, address: str) -> None:
        """Counts a failed login of the address."""
        self._count((address,))

    def succeeded(self, address: str, identity: str) -> None:
        """The charge point's earlier failures are forgiven."""
        with self._lock:
            self._failures.pop((address, identity), None)

    def _count(self, key: tuple[str, ...]) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._failures) >= _COUNTED:
                self._forget(now)
            began, failures = self._failures.get(key, (now, 0))
            if now - began >= _WINDOW_S:
                began, failures = now, 0
            self._failures[key] = (began, failures + 1)

    def _wait(self, key: tuple[str, ...], limit: int, now: float) -> float:
        began, failures = self._failures.get(key, (now, 0))
        return max(0.0, began + _WINDOW_S - now) if failures >= limit else 0.0

    def _forget(self, now: float) -> None:
        kept = {key: value for key, value in self._failures.items() if now - value[0] < _WINDOW_S}
        self._failures = kept if len(kept) < _COUNTED else {}
