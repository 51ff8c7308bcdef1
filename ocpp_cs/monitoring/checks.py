"""A question to the database that nobody waits for longer than a deadline.

What is asked, others decide. A database that hangs holds one thread, however often it is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Run(Generic[T]):
    """One time that the question is asked."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.ended_at = 0.0
        self.outcome: T | None = None
        self.error: Exception | None = None


class SharedCheck(Generic[T]):
    """Asks in a thread of its own; who comes meanwhile, or within `fresh_s` after, shares it."""

    def __init__(
        self, name: str, ask: Callable[[], T], *, deadline_s: float, fresh_s: float
    ) -> None:
        self._name = name
        self._ask = ask
        self._deadline_s = deadline_s
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._latest: _Run[T] | None = None

    def __call__(self) -> T:
        """The answer. Raises TimeoutError after the deadline, and what asking raised."""
        run = self._run()
        if not run.ended.wait(self._deadline_s):
            raise TimeoutError(f"no answer within {self._deadline_s:g} s")
        if run.error is not None:
            raise run.error
        return run.outcome  # type: ignore[return-value]  # it has ended without an error

    def _run(self) -> _Run[T]:
        with self._lock:
            latest = self._latest
            if latest is not None and (
                not latest.ended.is_set() or time.monotonic() - latest.ended_at < self._fresh_s
            ):
                return latest
            run = self._latest = _Run()
            threading.Thread(target=self._serve, args=(run,), name=self._name, daemon=True).start()
            return run

    def _serve(self, run: _Run[T]) -> None:
        try:
            run.outcome = self._ask()
        except Exception as error:
            run.error = error
        run.ended_at = time.monotonic()
        run.ended.set()
