"""Charge points with a ledger: what physically happened, and what the central system acknowledged.

For tests that kill the central system: afterwards its database is held against the ledger. They
queue while disconnected and retry until acknowledged (§3.7), with the same message id or a new one.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Literal

from ocpp_cs.ocpp16.errors import CallError, CallErrorCode
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.simulator.clock import RunningClock
from ocpp_cs.simulator.delivery import Delivery, MessageIds
from ocpp_cs.simulator.link import Address, Answer
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.transaction_queue import (
    LocalTransaction,
    Payload,
    QueuedMessage,
    TransactionQueue,
)
from tests.servers import wait_until

_FOR_EVER = 1_000_000_000


@dataclass(frozen=True)
class Entry:
    """One line of a ledger. `number` counts the events of one charge point from 0. An `event` has
    the payload without the transaction id; an `acknowledgement` has the payload that was sent, the
    message id that was answered, and the answer."""

    kind: Literal["event", "acknowledgement"]
    charge_point_id: str
    number: int
    action: str
    payload: Payload
    message_id: str = ""
    answer: Payload = field(default_factory=dict)


class Ledger:
    """Entries in the order in which they were made; with a `path` also as lines of JSON, each on
    the disk before the charge point goes on."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        # By (kind, action), and by kind alone.
        self.counts: Counter[tuple[str, str]] = Counter()
        self.totals: Counter[str] = Counter()
        self._file = None if path is None else path.open("a", encoding="utf-8")

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.counts[entry.kind, entry.action] += 1
        self.totals[entry.kind] += 1
        if self._file is not None:
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def events(self) -> list[Entry]:
        return [entry for entry in list(self.entries) if entry.kind == "event"]

    def acknowledgements(self) -> list[Entry]:
        return [entry for entry in list(self.entries) if entry.kind == "acknowledgement"]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class LedgerChargePoint:
    """One charge point: `happens` makes an event, `run` delivers until cancelled."""

    def __init__(
        self,
        url: str,
        charge_point_id: str,
        ledger: Ledger,
        statistics: Statistics,
        *,
        new_message_id_on_retry: bool,
        password: bytes | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.charge_point_id = charge_point_id
        self._ledger = ledger
        self._events = 0
        self._unacknowledged: deque[int] = deque()
        new_id = MessageIds()
        queue = TransactionQueue(new_id, new_id_on_retry=new_message_id_on_retry)
        self._queue = queue
        self._delivery = Delivery(
            self,
            Address(url, charge_point_id, password=password, timeout_s=timeout_s),
            queue,
            RunningClock(datetime.now(UTC), 1.0),
            statistics,
            Random(charge_point_id),
            new_id=new_id,
            longest_back_off_s=1.0,
        )

    def happens(self, action: str, payload: Payload, transaction: LocalTransaction | None) -> None:
        """Something physical that the central system has to learn of."""
        number, self._events = self._events, self._events + 1
        self._ledger.add(Entry("event", self.charge_point_id, number, action, payload))
        self._unacknowledged.append(number)
        self._delivery.owe(action, payload, transaction)

    async def run(self) -> None:
        await self._delivery.run()

    async def first_acceptance(self) -> None:
        await self._delivery.first_acceptance()

    async def settled(self) -> None:
        """Wait until everything is acknowledged."""
        await self._delivery.idle()

    async def close(self) -> None:
        await self._delivery.close()

    # What `Delivery` asks of its owner.

    def boot_notification(self) -> Payload:
        return {"chargePointVendor": "Ledger", "chargePointModel": "Ledger"}

    def accepted(self, interval_s: int) -> None:
        pass

    def connected(self) -> None:
        pass

    def retry_policy(self) -> tuple[int, int]:
        """Never give up, not even after CALLERRORs: the test wants to know."""
        return _FOR_EVER, 0

    def delivered(self, message: QueuedMessage, answer: Payload) -> None:
        entry = Entry(
            "acknowledgement",
            self.charge_point_id,
            self._unacknowledged.popleft(),
            message.action,
            message.payload_on_the_wire(),
            message.message_id,
            answer,
        )
        self._ledger.add(entry)

    def answer_call(self, action: str, payload: Payload) -> Answer:
        raise CallError(CallErrorCode.NOT_SUPPORTED, action)


class LedgerFleet:
    """Many of them in a thread of their own, charging one session after another until `finish`.

    Every second charge point sends a new message id with each retry, the others the same again.
    `every_s` is the real time between two events of one charge point; `samples` is the number of
    MeterValues in a session. Their simulated time is a minute per event, from `begins_at` on, each
    charge point's clock another multiple of `clocks_apart` away from it.

        with LedgerFleet(server.ws_url(""), 200) as fleet:
            fleet.wait_for_acknowledgements(1000)
            server.kill(signal.SIGKILL)
            fleet.wait_for_acknowledgements(2000)
            fleet.finish()
    """

    def __init__(
        self,
        url: str,
        count: int,
        *,
        ledger: Ledger | None = None,
        id_prefix: str = "LEDGER-",
        every_s: float = 0.5,
        samples: int = 5,
        begins_at: datetime = datetime(2024, 5, 1, tzinfo=UTC),
        clocks_apart: timedelta = timedelta(0),
        password: Callable[[str], bytes | None] = lambda charge_point_id: None,
        timeout_s: float = 10.0,
    ) -> None:
        self.ledger = Ledger() if ledger is None else ledger
        self.statistics = Statistics()
        self._url = url
        self._ids = [f"{id_prefix}{number:04d}" for number in range(count)]
        self._every_s = every_s
        self._samples = samples
        self._begins_at = begins_at
        self._clocks_apart = clocks_apart
        self._password = password
        self._timeout_s = timeout_s
        self._loop = asyncio.new_event_loop()
        self._finishing = asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> LedgerFleet:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(30.0)
        self.ledger.close()

    def wait_for_acknowledgements(self, count: int, seconds: float = 30.0) -> None:
        """Wait until so many were made in all; AssertionError when the deadline passes."""
        wait_until(
            lambda: self._fault or self.ledger.totals["acknowledgement"] >= count,
            seconds=seconds,
            what=f"{count} acknowledgements",
        )
        self._raise_fault()

    def end_sessions(self) -> None:
        """No new sessions; those that have begun go on to their stop."""
        self._loop.call_soon_threadsafe(self._finishing.set)

    def finish(self, seconds: float = 60.0) -> None:
        """No new sessions; returns when every event is acknowledged, else AssertionError."""
        self.end_sessions()
        self._thread.join(seconds)
        self._raise_fault()
        owed = self.ledger.totals["event"] - self.ledger.totals["acknowledgement"]
        assert not self._thread.is_alive(), f"{owed} events unacknowledged after {seconds:g} s"
        assert owed == 0, f"{owed} events unacknowledged"

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise AssertionError("a charge point failed") from self._fault

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._run())
        try:
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            pass
        except BaseException as fault:
            self._fault = fault
        finally:
            self._loop.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for index, charge_point_id in enumerate(self._ids):
                group.create_task(self._live(index, charge_point_id))

    async def _live(self, index: int, charge_point_id: str) -> None:
        charge_point = LedgerChargePoint(
            self._url,
            charge_point_id,
            self.ledger,
            self.statistics,
            new_message_id_on_retry=index % 2 == 1,
            password=self._password(charge_point_id),
            timeout_s=self._timeout_s,
        )
        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(charge_point.run())
            await charge_point.first_acceptance()
            begins_at = self._begins_at + (index - len(self._ids) // 2) * self._clocks_apart
            await self._charge(charge_point, Random(charge_point_id), begins_at)
            await charge_point.settled()
            await charge_point.close()
            delivering.cancel()

    async def _charge(
        self, charge_point: LedgerChargePoint, rng: Random, begins_at: datetime
    ) -> None:
        at, register_wh, sessions = begins_at, rng.randrange(1_000_000), 0

        async def next_minute() -> None:
            nonlocal at, register_wh
            at += timedelta(minutes=1)
            register_wh += rng.randrange(50, 400)
            await asyncio.sleep(self._every_s * rng.uniform(0.5, 1.5))

        while not self._finishing.is_set():
            transaction, sessions = LocalTransaction(), sessions + 1
            tag = f"{charge_point.charge_point_id[-8:]}-{sessions % 7}"
            charge_point.happens("StartTransaction", _start(tag, register_wh, at), transaction)
            await next_minute()
            for _ in range(self._samples):
                charge_point.happens("MeterValues", _meter_values(register_wh, at), transaction)
                await next_minute()
            charge_point.happens("StopTransaction", _stop(tag, register_wh, at), transaction)
            await next_minute()


def _start(id_tag: str, register_wh: int, at: datetime) -> dict[str, Any]:
    return {
        "connectorId": 1,
        "idTag": id_tag,
        "meterStart": register_wh,
        "timestamp": format_time(at),
    }


def _meter_values(register_wh: int, at: datetime) -> dict[str, Any]:
    sampled_values = [
        {"value": str(register_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "11040.0", "measurand": "Power.Active.Import", "unit": "W"},
    ]
    meter_value = {"timestamp": format_time(at), "sampledValue": sampled_values}
    return {"connectorId": 1, "meterValue": [meter_value]}


def _stop(id_tag: str, register_wh: int, at: datetime) -> dict[str, Any]:
    return {"idTag": id_tag, "meterStop": register_wh, "timestamp": format_time(at)}
