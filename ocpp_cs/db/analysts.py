"""Native threads for what analysts ask for, which leave the interpreter to charge points in need.

It does not know what is asked. Such a thread and the event loop share one interpreter: whenever the
event loop calls the kernel, several times for each message, a thread that has much to compute takes
its place. So while charge points keep the event loop busy, these threads rest after each piece of
work for a multiple of the time that it took (promise 4).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ocpp_cs.db.offload import offload, own_threads

T = TypeVar("T")

# Up to this share of a core charge points are not busy, and nobody rests.
_QUIET = 0.25
# Of what charge points leave of a core, what all analysts together get.
_GIVEN = 0.6
# A query that took long did not hold the interpreter meanwhile.
_LONGEST_REST_S = 0.2
_WINDOW_S = 0.2


class AnalystThreads:
    """At most `size` pieces of work at a time; where threads are native anyway it calls them."""

    def __init__(self, size: int) -> None:
        self._threads = own_threads(size)
        self._size = size
        self._inside = 0
        self._busy = 0.0  # the event loop's share of a core
        self._seen_at = self._used = 0.0

    @property
    def green(self) -> bool:
        """Whether work runs beside an event loop."""
        return self._threads is not None

    def states(self) -> dict[str, float]:
        """Pieces of work that have a thread, and that wait for one; where there are any."""
        running = min(self._inside, self._size)
        return {"running": running, "waiting": self._inside - running}

    def run(self, call: Callable[[], T]) -> T:
        """The result of `call()`; exceptions come through."""
        if self._threads is None:
            return call()
        used = 0.0

        def timed() -> T:
            nonlocal used
            began = time.thread_time()
            try:
                return call()
            finally:
                used = time.thread_time() - began

        self._inside += 1
        try:
            result = offload(timed, self._threads)
            time.sleep(rest(used, self._event_loop(), self._inside))
        finally:
            self._inside -= 1
        return result

    def _event_loop(self) -> float:
        """The share of a core that this thread, the event loop's, took lately."""
        now = time.monotonic()
        if now - self._seen_at >= _WINDOW_S:
            used = time.thread_time()
            self._busy = (used - self._used) / (now - self._seen_at)
            self._seen_at, self._used = now, used
        return self._busy


def rest(used: float, busy: float, at_once: int) -> float:
    """How long one of so many analysts rests after `used` seconds of processor time, in seconds."""
    if busy <= _QUIET:
        return 0.0
    share = _GIVEN * max(1.0 - busy, 0.1) / at_once
    return min(used * (1.0 / share - 1.0), _LONGEST_REST_S)
