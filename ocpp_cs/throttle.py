"""Failed logins, counted: by charge points at the gateway, with API keys at the REST API.

It does not know what a login is, and keeps its counts in the memory of one process.
"""

from __future__ import annotations

import math
import threading
import time

_WINDOW_S = 60.0
_COUNTED = 50_000


class FailureLimits:
    """Failed logins of the last minute: per address and id, and per address (A3).

    The id is a charge point's identity or the public part of an API key. Never per id alone:
    anybody could lock it out.
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
        """Counts a login of the id before it is checked, so that guesses made at the same time
        count, too. Returns as `retry_after`; above 0 nothing was counted."""
        wait = self.retry_after(address, identity)
        if not wait:
            self._count((address, identity))
        return wait

    def failed(self, address: str) -> None:
        """Counts a failed login of the address."""
        self._count((address,))

    def succeeded(self, address: str, identity: str) -> None:
        """The earlier failures of the id are forgiven, as far as they came from there."""
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
