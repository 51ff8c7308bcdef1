"""Fixtures of the simulator's tests: a fake central system, and one charge point in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from ocpp_cs.simulator.charge_point import SimulatedChargePoint
from ocpp_cs.simulator.clock import RunningClock
from ocpp_cs.simulator.day import Day, Outage, Visit
from ocpp_cs.simulator.link import Address
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.vendors import Vendor
from tests.servers import wait_until
from tests.simulator.central_system import FakeCentralSystem, fake_central_system

START = datetime(2026, 3, 2, 7, 59, 30, tzinfo=UTC)


@pytest.fixture
def central_system() -> Iterator[FakeCentralSystem]:
    """A fake central system with plain answers; a test may set its `script`."""
    with fake_central_system() as fake:
        yield fake


class Living:
    """A simulated charge point that lives in a thread; ended with its test."""

    def __init__(
        self,
        vendor: Vendor,
        fake: FakeCentralSystem,
        visits: tuple[Visit, ...],
        outages: tuple[Outage, ...],
    ) -> None:
        self.statistics = Statistics()
        self.identity = f"CP-{vendor.model}".replace(" ", "-")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),))
        self._vendor = vendor
        self._fake = fake
        self._visits = visits
        self._outages = outages
        self.charge_point: SimulatedChargePoint | None = None

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self.charge_point and self.charge_point.online, what="online")
        wait_until(lambda: self._fake.of("StatusNotification"), what="the first status")

    def stop(self) -> None:
        if self.charge_point is not None:
            self._loop.call_soon_threadsafe(self.charge_point.stop)
        self._thread.join(15)
        assert not self._thread.is_alive()
        self._loop.close()

    async def _live(self) -> None:
        address = Address(self._fake.url, self.identity, self._vendor.subprotocols, timeout_s=2.0)
        day = Day(START, START + timedelta(days=30), self._visits, self._outages)
        # A minute passes in a twentieth of a second.
        self.charge_point = SimulatedChargePoint(
            self._vendor, day, address, RunningClock(START, 1200), self.statistics, Random(1)
        )
        await self.charge_point.live()


StartLiving = Callable[..., Living]


@pytest.fixture
def living(central_system: FakeCentralSystem) -> Iterator[StartLiving]:
    """`living(vendor)` is a charge point that is online and waits for visitors and commands."""
    with _all_living(central_system) as start:
        yield start


@contextmanager
def _all_living(fake: FakeCentralSystem) -> Iterator[StartLiving]:
    started: list[Living] = []

    def start(vendor: Vendor, *visits: Visit, outages: tuple[Outage, ...] = ()) -> Living:
        new = Living(vendor, fake, visits, outages)
        started.append(new)
        new.start()
        return new

    try:
        yield start
    finally:
        for each in started:
            each.stop()
