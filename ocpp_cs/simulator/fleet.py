"""N simulated charge points, a day, a speed: runs them all in one event loop and counts.
Not the command line (`command.py`) and not the load generator (`load.py`).
"""

import asyncio
import resource
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from ocpp_cs.simulator.charge_point import SimulatedChargePoint
from ocpp_cs.simulator.clock import Clock, LeapingClock, RunningClock
from ocpp_cs.simulator.day import plan_day
from ocpp_cs.simulator.link import Address
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.vendors import vendor_of

_PROGRESS_EVERY_S = 0.2
# Connections per second at the start; a real fleet does not come as one man either.
_RAMP_PER_S = 250.0
_SPARE_FILES = 64


class CentralSystemUnreachable(Exception):
    """Not one charge point could connect; the text is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """`url` is the endpoint without the identity (J §3.1.1). `hours` and `starts_at` are simulated
    time; without `starts_at` the day ends now. `speed` 0 means as fast as answers arrive.
    `offline_rate` is the number of outages per charge point in 24 simulated hours. `timeout_s` and
    `patience_s` are real time: for one answer, and for a central system that takes nothing.
    `live` is real time from now on, in which nobody comes by himself and no line is ever down."""

    url: str = "ws://localhost:8081/ocpp"
    charge_points: int = 5
    hours: float = 24.0
    speed: float = 600.0
    seed: int = 1
    id_prefix: str = "SIM-"
    passwords: Mapping[str, bytes] = field(default_factory=dict)
    offline_rate: float = 1.0
    starts_at: datetime | None = None
    timeout_s: float = 30.0
    patience_s: float = 60.0
    live: bool = False

    def identity(self, index: int) -> str:
        """The identity of charge point number `index`, from 0."""
        return f"{self.id_prefix}{index + 1:04d}"

    def address(self, index: int) -> Address:
        """Where charge point number `index` connects, and as whom."""
        identity = self.identity(index)
        subprotocols = vendor_of(index).subprotocols
        password = self.passwords.get(identity)
        return Address(self.url, identity, subprotocols, password, self.timeout_s)


@dataclass(frozen=True, slots=True)
class FleetProgress:
    """How far a fleet is; simulated seconds, and what runs at this moment."""

    simulated_at: datetime
    simulated_s: float
    total_s: float
    online: int
    running_sessions: int
    messages: int
    errors: int


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What came of it. `undelivered` are transaction-related messages that nobody took;
    `not_accepted` tells for each identity why it is not connected or registered."""

    charge_points: int
    simulated_s: float
    real_s: float
    interrupted: bool
    undelivered: int
    not_accepted: dict[str, str]
    statistics: Statistics

    @property
    def failed(self) -> bool:
        """The central system refused, lost or garbled something."""
        counted = self.statistics
        return bool(
            counted.call_errors or counted.violations or self.undelivered or self.not_accepted
        )


def run(options: FleetOptions, progress: Callable[[FleetProgress], None]) -> FleetReport:
    """Live the day. `progress` is called a few times a second. Ctrl-C ends the day early, cleanly;
    a second one at once. Raises CentralSystemUnreachable when nobody can connect at the start."""
    allow_sockets(options.charge_points)
    return asyncio.run(_Fleet(options).run(progress))


def allow_sockets(wanted: int) -> None:
    """Raise the limit of open files as far as `wanted` sockets need, if that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        highest = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))


def on_interrupt(act: Callable[[], None]) -> None:
    """Call `act` at the first Ctrl-C, and let the second one be an ordinary KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def first() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        act()

    loop.add_signal_handler(signal.SIGINT, first)


class _Fleet:
    def __init__(self, options: FleetOptions) -> None:
        self._options = options
        length = timedelta(hours=options.hours)
        now = datetime.now(UTC)
        self._starts_at = options.starts_at or (now if options.live else now - length)
        self._length_s = length.total_seconds()
        self._statistics = Statistics()
        self._charge_points: list[SimulatedChargePoint] = []
        self._undelivered = 0
        self._interrupted = False

    async def run(self, progress: Callable[[FleetProgress], None]) -> FleetReport:
        loop = asyncio.get_running_loop()
        began = loop.time()
        speed = 1.0 if self._options.live else self._options.speed
        common = RunningClock(self._starts_at, speed) if speed else None
        for index in range(self._options.charge_points):
            clock = common or LeapingClock(self._starts_at)
            self._charge_points.append(self._charge_point(index, clock))
        on_interrupt(self._interrupt)
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(progress))
                lives = [
                    group.create_task(self._live(index, charge_point))
                    for index, charge_point in enumerate(self._charge_points)
                ]
                await asyncio.wait(lives)
                watching.cancel()
        except* CentralSystemUnreachable as unreachable:
            raise unreachable.exceptions[0] from None
        progress(self._progress())
        return FleetReport(
            self._options.charge_points,
            self._progress().simulated_s,
            loop.time() - began,
            self._interrupted,
            self._undelivered,
            dict(self._statistics.refused),
            self._statistics,
        )

    def _charge_point(self, index: int, clock: Clock) -> SimulatedChargePoint:
        options = self._options
        vendor = vendor_of(index)
        address = options.address(index)
        rng = Random(f"{options.seed}/{address.identity}")
        day = plan_day(
            rng, vendor, address.identity, self._starts_at, options.hours, options.offline_rate
        )
        if options.live:
            day = replace(day, visits=(), outages=())
        return SimulatedChargePoint(
            vendor,
            day,
            address,
            clock,
            self._statistics,
            rng,
            waits_for_answers=not options.speed and not options.live,
            patience_s=options.patience_s,
        )

    async def _live(self, index: int, charge_point: SimulatedChargePoint) -> None:
        await asyncio.sleep(index / _RAMP_PER_S)
        self._undelivered += await charge_point.live()

    async def _watch(self, progress: Callable[[FleetProgress], None]) -> None:
        while True:
            progress(self._progress())
            refused = self._statistics.refused
            if not self._statistics.connections and len(refused) == self._options.charge_points:
                reason, _ = Counter(refused.values()).most_common(1)[0]
                raise CentralSystemUnreachable(
                    f"No charge point could connect to {self._options.url}: {reason}."
                )
            await asyncio.sleep(_PROGRESS_EVERY_S)

    def _progress(self) -> FleetProgress:
        points = self._charge_points
        # With leaping clocks each charge point is at its own hour; their mean is the fleet's.
        elapsed = [(point.clock.now() - self._starts_at).total_seconds() for point in points]
        simulated_s = min(sum(elapsed) / len(elapsed), self._length_s)
        counted = self._statistics
        return FleetProgress(
            self._starts_at + timedelta(seconds=simulated_s),
            simulated_s,
            self._length_s,
            sum(point.online for point in points),
            sum(point.running_sessions for point in points),
            counted.messages.total(),
            counted.call_errors.total() + counted.timeouts + counted.violations.total(),
        )

    def _interrupt(self) -> None:
        self._interrupted = True
        for charge_point in self._charge_points:
            charge_point.stop()
