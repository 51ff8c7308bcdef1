"""A steady load: each charge point sends a MeterValues every few seconds, and answers are timed.
Not a believable day (`fleet.py`): no arrivals, no simulated clock, every charge point charges.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

from ocpp_cs.ocpp16.errors import CallError, CallErrorCode
from ocpp_cs.simulator import payloads
from ocpp_cs.simulator.charging import Charging
from ocpp_cs.simulator.clock import sleep_unless
from ocpp_cs.simulator.day import make_visit, register_at
from ocpp_cs.simulator.delivery import MessageIds
from ocpp_cs.simulator.fleet import (
    CentralSystemUnreachable,
    FleetOptions,
    allow_sockets,
    on_interrupt,
)
from ocpp_cs.simulator.link import (
    Answer,
    CallRefused,
    CannotConnect,
    ConnectionLost,
    Link,
    LinkError,
    open_link,
)
from ocpp_cs.simulator.statistics import Latency, Statistics
from ocpp_cs.simulator.transaction_queue import Payload
from ocpp_cs.simulator.vendors import vendor_of

_PROGRESS_EVERY_S = 0.2
_RAMP_PER_S = 200.0
# A message that could not leave within this time of its turn, since the one before had no answer.
_LATE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Real seconds: one message per charge point every `every_s`, for `for_s`, after all of them
    are connected. Of `fleet`, what names and connects charge points is used."""

    fleet: FleetOptions
    every_s: float = 5.0
    for_s: float = 60.0


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is: charge points that charge, real seconds of the timed stretch."""

    ready: int
    elapsed_s: float
    messages: int
    errors: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """`latency` is of the MeterValues in the timed stretch alone; `statistics` is of everything.

    `late` messages left more than a second after their turn; `lost` got no answer.
    """

    charge_points: int
    ready: int
    real_s: float
    interrupted: bool
    late: int
    lost: int
    latency: Latency
    not_accepted: dict[str, str]
    statistics: Statistics

    @property
    def failed(self) -> bool:
        """Somebody could not take part, or something was refused, garbled or lost."""
        counted = self.statistics
        return bool(
            self.not_accepted
            or self.lost
            or counted.call_errors
            or counted.violations
            or counted.timeouts
            or counted.connections_lost
        )


def run_load(options: LoadOptions, progress: Callable[[LoadProgress], None]) -> LoadReport:
    """Apply the load. `progress` is called a few times a second; Ctrl-C ends it early, cleanly.
    Raises CentralSystemUnreachable when nobody can connect at the start."""
    allow_sockets(options.fleet.charge_points)
    return asyncio.run(_Load(options).run(progress))


class _Load:
    """What the charge points of one load share."""

    def __init__(self, options: LoadOptions) -> None:
        self.options = options
        self.statistics = Statistics()
        self.latency = Latency()
        self.late = 0
        self.lost = 0
        self.ready = 0
        self.interrupted = False
        # The timed stretch: set at its start, with the loop's time, and at its end.
        self.go = asyncio.Event()
        self.over = asyncio.Event()
        self.began = 0.0
        self.elapsed_s = 0.0

    async def run(self, progress: Callable[[LoadProgress], None]) -> LoadReport:
        fleet = self.options.fleet
        charge_points = [_LoadChargePoint(self, index) for index in range(fleet.charge_points)]
        on_interrupt(self._interrupt)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch(progress))
            lives = [group.create_task(charge_point.live()) for charge_point in charge_points]
            for charge_point in charge_points:
                await charge_point.started.wait()
            if self.ready:
                await self._time()
            self.over.set()
            self.go.set()
            await asyncio.wait(lives)
            watching.cancel()
        if not self.ready and not self.interrupted:
            reason = next(iter(self.statistics.refused.values()))
            raise CentralSystemUnreachable(f"No charge point could start at {fleet.url}: {reason}.")
        progress(self._progress())
        return LoadReport(
            fleet.charge_points,
            self.ready,
            self.elapsed_s,
            self.interrupted,
            self.late,
            self.lost,
            self.latency,
            dict(self.statistics.refused),
            self.statistics,
        )

    async def _time(self) -> None:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        self.go.set()
        await sleep_unless(self.over, self.options.for_s)
        self.elapsed_s = loop.time() - self.began

    async def _watch(self, progress: Callable[[LoadProgress], None]) -> None:
        while True:
            progress(self._progress())
            await asyncio.sleep(_PROGRESS_EVERY_S)

    def _progress(self) -> LoadProgress:
        elapsed_s = self.elapsed_s
        if self.go.is_set() and not elapsed_s:
            elapsed_s = asyncio.get_running_loop().time() - self.began
        counted = self.statistics
        errors = counted.call_errors.total() + counted.timeouts + self.lost
        return LoadProgress(self.ready, elapsed_s, self.latency.count, errors)

    def _interrupt(self) -> None:
        self.interrupted = True
        self.over.set()


class _LoadChargePoint:
    """One charge point that charges on connector 1 for the whole load."""

    def __init__(self, load: _Load, index: int) -> None:
        self._load = load
        self._index = index
        self._fleet = load.options.fleet
        self._vendor = vendor_of(index)
        self._address = self._fleet.address(index)
        self._rng = Random(f"{self._fleet.seed}/{self._address.identity}")
        self._new_id = MessageIds()
        self._link: Link | None = None
        self._transaction_id: object = None
        self.started = asyncio.Event()

    async def live(self) -> None:
        """Connect, start a transaction, send through the timed stretch, stop the transaction."""
        load = self._load
        await sleep_unless(load.over, self._index / _RAMP_PER_S)
        if load.over.is_set():
            self.started.set()
            return
        try:
            charging = await self._start()
        except LinkError as error:
            load.statistics.refused[self._address.identity] = str(error)
            return
        finally:
            self.started.set()
        load.ready += 1
        await load.go.wait()
        await self._send_in_turn(charging)
        await self._stop(charging)

    async def _start(self) -> Charging:
        link = await self._connect()
        vendor, identity, now = self._vendor, self._address.identity, datetime.now(UTC)
        boot = payloads.boot_notification(vendor, identity)
        answer = await link.call("BootNotification", boot, self._new_id())
        if answer.get("status") != "Accepted":
            raise CannotConnect(f"registration {answer.get('status')}")
        visit = make_visit(self._rng, vendor, identity, 1, now)
        # A big battery, so that no car is full before the load is over.
        vehicle = replace(visit.vehicle, battery_wh=10_000_000)
        visit = replace(visit, vehicle=vehicle, target_soc=1.0)
        charging = Charging(visit, vendor, register_at(self._rng, vendor, now), now, self._rng)
        register = int(charging.register_wh)
        start = payloads.start_transaction(vendor, 1, visit.id_tag, register, now)
        answer = await link.call("StartTransaction", start, self._new_id())
        self._transaction_id = answer.get("transactionId")
        return charging

    async def _connect(self) -> Link:
        self._link = await open_link(self._address, _refuse, self._load.statistics)
        self._load.statistics.connections += 1
        return self._link

    async def _send_in_turn(self, charging: Charging) -> None:
        load, loop = self._load, asyncio.get_running_loop()
        every_s = load.options.every_s
        due = load.began + self._rng.random() * every_s
        while due < load.began + load.options.for_s and not load.over.is_set():
            await sleep_unless(load.over, due - loop.time())
            if load.over.is_set():
                return
            load.late += loop.time() - due > _LATE_S
            await self._send(charging)
            due += every_s

    async def _send(self, charging: Charging) -> None:
        load, loop = self._load, asyncio.get_running_loop()
        charging.advance(datetime.now(UTC))
        request = payloads.meter_values(self._vendor, 1, charging.reading())
        request["transactionId"] = self._transaction_id
        try:
            link = self._link
            if link is None:
                link = await self._connect()
                load.statistics.reconnects += 1
            sent_at = loop.time()
            await link.call("MeterValues", request, self._new_id())
            load.latency.add(loop.time() - sent_at)
        except CallRefused:
            return
        except LinkError as error:
            load.lost += 1
            load.statistics.connections_lost += isinstance(error, ConnectionLost)
            await self._hang_up()

    async def _stop(self, charging: Charging) -> None:
        now = datetime.now(UTC)
        charging.advance(now)
        request = payloads.stop_transaction(
            self._vendor, int(charging.register_wh), now, id_tag=None, reason="Local"
        )
        request["transactionId"] = self._transaction_id
        if self._link is None:
            return
        try:
            await self._link.call("StopTransaction", request, self._new_id())
        except LinkError as error:
            self._load.lost += not isinstance(error, CallRefused)
        await self._hang_up()

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()


def _refuse(action: str, payload: Payload) -> Answer:
    """These charge points take no orders."""
    raise CallError(CallErrorCode.NOT_SUPPORTED, f"{action} is not supported under load")
