"""Simulated time: a clock that runs faster than the wall's, one that leaps, and what is due next.
Not a scheduler for anything else: one agenda belongs to one charge point.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol

# How fast waiting passes that a leaping clock cannot leap over: retries, refused boots.
_LEAPING_SPEED = 600.0


async def sleep_unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep real seconds, or until the event is set; not at all when they are not positive."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


class Clock(Protocol):
    """Simulated time, aware UTC."""

    def now(self) -> datetime:
        """The simulated moment."""

    async def wait_until(self, at: datetime, sooner: asyncio.Event) -> None:
        """Return when `at` has come, or earlier when `sooner` is set."""

    def real_seconds(self, simulated_s: float) -> float:
        """How long a simulated stretch takes on the wall's clock, in seconds."""


class RunningClock:
    """Start plus elapsed time times speed. One for the whole fleet."""

    def __init__(self, start: datetime, speed: float) -> None:
        self._start = start
        self._speed = speed
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(self._loop.time() - self._began) * self._speed)

    async def wait_until(self, at: datetime, sooner: asyncio.Event) -> None:
        await sleep_unless(sooner, (at - self.now()).total_seconds() / self._speed)

    def real_seconds(self, simulated_s: float) -> float:
        return simulated_s / self._speed


class LeapingClock:
    """Time leaps to whatever is due next: the day passes as fast as answers arrive. One for each
    charge point, which therefore may be hours ahead of its neighbour."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    async def wait_until(self, at: datetime, sooner: asyncio.Event) -> None:
        self._now = max(self._now, at)
        # Give the others their turn, or a day without answers to wait for would starve them.
        await asyncio.sleep(0)

    def real_seconds(self, simulated_s: float) -> float:
        return simulated_s / _LEAPING_SPEED


Happening = Callable[[datetime], Awaitable[None]]


class Agenda:
    """What happens next at one charge point, in order of time, then of entry."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[tuple[datetime, int, Happening]] = []
        self._order = count()
        self._changed = asyncio.Event()

    def add(self, at: datetime, happening: Happening) -> None:
        """Let `happening(at)` happen at `at`; a time in the past means as soon as possible, and
        the happening is still told the time it was meant for."""
        heapq.heappush(self._entries, (at, next(self._order), happening))
        self._changed.set()

    def clear(self) -> None:
        """Nothing is due any more."""
        self._entries.clear()
        self._changed.set()

    async def next(self) -> tuple[datetime, Happening] | None:
        """Wait until the first entry is due and take it; None when the agenda is empty."""
        while self._entries:
            at = self._entries[0][0]
            self._changed.clear()
            await self._clock.wait_until(at, self._changed)
            if not self._changed.is_set():
                if not self._entries:
                    return None
                _, _, happening = heapq.heappop(self._entries)
                return at, happening
        return None
