"""Figures that take long to make: made by one thread for all who look, and kept for a while.

Whoever asks waits a moment at most; then it is what was known before, or nothing yet.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ocpp_cs.db.away import log_failure

THREAD = "console-figures"
K = TypeVar("K")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Kept(Generic[K, T]):
    """What `make(key)` returned last. It is made anew for another key, or when it is older than
    `for_s`."""

    def __init__(self, make: Callable[[K], T], *, for_s: float, waits_s: float) -> None:
        self._make = make
        self._for_s = for_s
        self._waits_s = waits_s
        self._lock = threading.Lock()
        # Key, when it was made, and what it is.
        self._known: tuple[K, float, T] | None = None
        self._making: threading.Event | None = None

    def get(self, key: K) -> T | None:
        """None: it takes longer than one waits; ask again."""
        with self._lock:
            known, making = self._known, self._making
            if known and known[0] == key and time.monotonic() - known[1] < self._for_s:
                return known[2]
            if making is None:
                making = self._making = threading.Event()
                threading.Thread(
                    target=self._run, args=(key, making), name=THREAD, daemon=True
                ).start()
        making.wait(self._waits_s)
        known = self._known
        return known[2] if known and known[0] == key else None

    def _run(self, key: K, done: threading.Event) -> None:
        try:
            made = self._make(key)
            self._known = (key, time.monotonic(), made)
        except Exception as error:
            log_failure(logger, "adding up figures of the console", error)
        finally:
            with self._lock:
                self._making = None
            done.set()
