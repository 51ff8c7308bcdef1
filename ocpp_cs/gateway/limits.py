"""What every connection of a process is held to: deadlines, sizes, and budgets that they share.

It knows no messages and no sockets; `websocket` keeps to it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from config.settings import Settings
from ocpp_cs.db.offload import native_lock

_LOOK_AGAIN_S = 1.0


class Budget:
    """So many bytes may be held at one time (A6); a single piece larger than that passes alone."""

    def __init__(self, limit: int) -> None:
        self.used = 0
        self._limit = limit
        self._lock = native_lock()  # of both counters; nothing under it lets other threads run
        self._waiting = 0
        self._released = threading.Condition(threading.Lock())

    def take(self, size: int, wanted: Callable[[], bool]) -> bool:
        """Waits until `size` bytes fit; False as soon as they are no longer `wanted`."""
        return self._fits(size) or self._wait(size, wanted)

    def release(self, size: int) -> None:
        with self._lock:
            self.used -= size
            waiting = self._waiting
        if waiting:
            with self._released:
                self._released.notify_all()

    def _fits(self, size: int) -> bool:
        with self._lock:
            if self.used and self.used + size > self._limit:
                return False
            self.used += size
            return True

    def _wait(self, size: int, wanted: Callable[[], bool]) -> bool:
        with self._released:
            with self._lock:
                self._waiting += 1  # before it looks once more: who releases now will notify
            try:
                while not self._fits(size):
                    self._released.wait(_LOOK_AGAIN_S)
                    if not wanted():
                        return False
                return True
            finally:
                with self._lock:
                    self._waiting -= 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    ping_interval: float
    pong_timeout: float
    write_timeout: float
    max_message_bytes: int
    unfinished: Budget  # messages that have not arrived whole
    unanswered: Budget  # messages that are being worked on


def limits_of(settings: Settings) -> Limits:
    """The limits that the operator has set.

    There are two budgets, so that unfinished messages, which a peer can keep for long, never take
    the place of those that arrived whole. Each has room for the largest message.
    """
    room = max(settings.max_inflight_bytes // 2, settings.max_message_bytes)
    return Limits(
        ping_interval=settings.ping_interval,
        pong_timeout=settings.pong_timeout,
        write_timeout=settings.write_timeout,
        max_message_bytes=settings.max_message_bytes,
        unfinished=Budget(room),
        unanswered=Budget(room),
    )
