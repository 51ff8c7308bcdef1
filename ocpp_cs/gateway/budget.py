"""A budget of bytes that all connections of a process share (A6).

It knows no messages and no sockets: whoever can't take its share waits and reads nothing more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

_LOOK_AGAIN_S = 1.0


class Budget:
    """So many bytes may be held at one time; a single piece larger than that passes alone."""

    def __init__(self, limit: int) -> None:
        self.used = 0
        self._limit = limit
        self._waiting = 0
        self._released = threading.Condition(threading.Lock())

    def take(self, size: int, wanted: Callable[[], bool]) -> bool:
        """Waits until `size` bytes fit; False as soon as they are no longer `wanted`."""
        with self._released:
            while self.used and self.used + size > self._limit:
                self._waiting += 1
                try:
                    self._released.wait(_LOOK_AGAIN_S)
                finally:
                    self._waiting -= 1
                if not wanted():
                    return False
            self.used += size
            return True

    def release(self, size: int) -> None:
        with self._released:
            self.used -= size
            if self._waiting:
                self._released.notify_all()
