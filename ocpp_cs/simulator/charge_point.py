"""One simulated charge point: when its day happens, when its line breaks, what it says of itself.
Not its visitors (`sessions.py`), not the answers to commands (`incoming.py`), nor how messages
travel (`delivery.py`).
"""

import asyncio
import time
from collections.abc import Coroutine
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from ocpp_cs.simulator import payloads
from ocpp_cs.simulator.clock import Agenda, Clock, Happening
from ocpp_cs.simulator.configuration import Configuration
from ocpp_cs.simulator.connector import Connector, Reservation
from ocpp_cs.simulator.day import Day, register_at
from ocpp_cs.simulator.delivery import Delivery, MessageIds
from ocpp_cs.simulator.incoming import answer_call
from ocpp_cs.simulator.link import Address, Answer
from ocpp_cs.simulator.sessions import LocalList, Sessions
from ocpp_cs.simulator.smart_charging import Profiles
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.transaction_queue import Payload, QueuedMessage, TransactionQueue
from ocpp_cs.simulator.vendors import Vendor

_OWN_HEARTBEAT_INTERVAL_S = 3600
_REBOOT_BEGINS_AFTER = timedelta(seconds=10)
_REBOOT_TAKES = timedelta(seconds=40)
_HURRIED_PATIENCE_S = 5.0


class SimulatedChargePoint:
    """`await live()` is its whole life; `stop()` ends it early.

    `waits_for_answers`: the next event happens only when everything owed is delivered, unless the
    line is down (for a clock that leaps). `patience_s`: how long, in real seconds, it waits for a
    central system that takes nothing of what is owed before it gives up.
    """

    def __init__(
        self,
        vendor: Vendor,
        day: Day,
        address: Address,
        clock: Clock,
        statistics: Statistics,
        rng: Random,
        *,
        waits_for_answers: bool = False,
        patience_s: float = 60.0,
    ) -> None:
        self.vendor = vendor
        self.identity = address.identity
        self.clock = clock
        self.agenda = Agenda(clock)
        self.operative = True
        self.in_service = False
        self._day = day
        self._waits_for_answers = waits_for_answers
        self._patience_s = patience_s
        self._hurried = False
        self._waiting: asyncio.Timeout | None = None
        self.connectors = tuple(
            Connector(vendor, number, register_at(rng, vendor, day.starts_at), day.starts_at, rng)
            for number in range(1, vendor.connectors + 1)
        )
        new_id = MessageIds(time.time_ns() // 1000 if vendor.counts_message_ids else None)
        self._queue = TransactionQueue(new_id, new_id_on_retry=vendor.new_message_id_on_retry)
        # Its own chance: trouble on the line must not change what the meters show.
        chance = Random(rng.random())
        self._delivery = Delivery(
            self, address, self._queue, clock, statistics, chance, new_id=new_id
        )
        self.sessions = Sessions(
            vendor=vendor,
            identity=address.identity,
            connectors=self.connectors,
            configuration=Configuration(vendor),
            profiles=Profiles(vendor.connectors),
            local_list=LocalList(),
            agenda=self.agenda,
            delivery=self._delivery,
            statistics=statistics,
            rng=rng,
            report_statuses=self.report_statuses,
        )
        self.configuration = self.sessions.configuration

    # --- Its life ---------------------------------------------------------------------------------

    async def live(self) -> int:
        """Live the day; returns the number of messages that stayed undelivered."""
        # An operator may have to approve it first; with a clock that leaps nobody waits that long.
        length_s = (self._day.ends_at - self._day.starts_at).total_seconds()
        day_takes_s = 0.0 if self._waits_for_answers else self.clock.real_seconds(length_s)
        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(self._delivery.run())
            await self._patiently(self._delivery.first_acceptance(), at_least_s=day_takes_s)
            if self.in_service:
                await self._live_day()
                await self._settled()
            await self._delivery.close()
            delivering.cancel()
        return len(self._queue)

    def stop(self) -> None:
        """End the day now: the cars leave; what is owed is still delivered, if that is quick."""
        self._hurried = True
        self._patience_s = min(self._patience_s, _HURRIED_PATIENCE_S)
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time() + self._patience_s)
        self.soon(self._evening)

    @property
    def running_sessions(self) -> int:
        """Transactions that run now."""
        return sum(connector.session is not None for connector in self.connectors)

    @property
    def online(self) -> bool:
        """Connected and accepted."""
        return self._delivery.online

    async def _live_day(self) -> None:
        for visit in self._day.visits:
            self.agenda.add(visit.plugged_in_at, partial(self.sessions.plug_in, visit))
        for outage in self._day.outages:
            self.agenda.add(outage.starts_at, self._lose_line)
            self.agenda.add(outage.ends_at, self._regain_line)
        self.agenda.add(self._day.starts_at + self._heartbeat_interval(), self._beat)
        self.agenda.add(self._day.ends_at, self._evening)
        while (due := await self.agenda.next()) is not None:
            at, happening = due
            await happening(at)
            if (
                self._waits_for_answers
                and self.in_service
                and self._delivery.line_is_up
                and not await self._settled()
            ):
                self.stop()

    async def _settled(self) -> bool:
        """Wait until nothing is owed; False when the central system has taken nothing for as long
        as patience lasts. One that is slow but takes something is waited for."""
        owed = len(self._queue)
        while not await self._patiently(self._delivery.idle()):
            if self._hurried or len(self._queue) >= owed:
                return False
            owed = len(self._queue)
        return True

    async def _patiently(
        self, wanted: Coroutine[Any, Any, None], *, at_least_s: float = 0.0
    ) -> bool:
        """Wait for something, but no longer than one's patience lasts; False when it ran out."""
        try:
            async with asyncio.timeout(max(self._patience_s, at_least_s)) as self._waiting:
                await wanted
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._waiting = None

    async def _evening(self, at: datetime) -> None:
        """The simulated time is over: every car leaves, and nothing else is due."""
        self.in_service = False
        self.sessions.send_away(at)
        self.agenda.clear()
        self._delivery.line_up(reboot=False)

    # --- What happens to the whole of it ----------------------------------------------------------

    async def _lose_line(self, at: datetime) -> None:
        await self._delivery.line_down(politely=self.vendor.says_goodbye)

    async def _regain_line(self, at: datetime) -> None:
        self._delivery.line_up(reboot=self.vendor.reboots_after_outage)

    async def _beat(self, at: datetime) -> None:
        self._delivery.notify("Heartbeat", {})
        self.agenda.add(at + self._heartbeat_interval(), self._beat)

    def _heartbeat_interval(self) -> timedelta:
        return timedelta(
            seconds=self.configuration.seconds("HeartbeatInterval") or _OWN_HEARTBEAT_INTERVAL_S
        )

    async def reset(self, reason: str, at: datetime) -> None:
        """Stop every transaction, then reboot (§5.14); what could not be sent stays queued."""
        self.sessions.stop_all(at, reason)
        self.agenda.add(at + _REBOOT_BEGINS_AFTER, self._lose_line)
        self.agenda.add(at + _REBOOT_TAKES, self._come_back)

    async def _come_back(self, at: datetime) -> None:
        self._delivery.line_up(reboot=True)

    async def expire_reservation(
        self, connector: Connector, reservation: Reservation, at: datetime
    ) -> None:
        """The reservation's time is over (§5.13)."""
        if connector.reservation is reservation:
            connector.reservation = None
            self.report_statuses(at)

    async def trigger(self, message: str, connector_id: int | None, at: datetime) -> None:
        """Send the message that a TriggerMessage asked for (§5.17)."""
        if message == "BootNotification":
            self._delivery.boot_again()
        elif message == "Heartbeat":
            self._delivery.notify(message, {})
        elif message == "StatusNotification":
            self._tell_statuses(at, connector_id)
        elif message == "MeterValues":
            self._send_readings(at, connector_id)
        else:
            self._delivery.notify(message, {"status": "Idle"})

    def _send_readings(self, at: datetime, connector_id: int | None) -> None:
        measurands = self.configuration.measurands("MeterValuesSampledData") or (payloads.ENERGY,)
        for connector in self.connectors:
            if connector_id in (None, 0, connector.connector_id):
                connector.advance(at, self.configuration)
                number, reading = connector.connector_id, connector.reading(at)
                request = payloads.meter_values(self.vendor, number, reading, measurands, "Trigger")
                session = connector.session
                transaction = None if session is None else session.transaction
                self._delivery.owe("MeterValues", request, transaction)

    async def tell_progress(self, action: str, status: str, at: datetime) -> None:
        """A step of a diagnostics upload or a firmware update (§4.4, §4.5)."""
        self._delivery.notify(action, {"status": status})

    # --- For `incoming.py` ------------------------------------------------------------------------

    def soon(self, happening: Happening, delay: timedelta = timedelta()) -> None:
        """Let something happen now or `delay` later, in its place among what is due."""
        self.agenda.add(self.clock.now() + delay, happening)

    def connector(self, connector_id: int) -> Connector | None:
        """The connector of this number; None for 0 and for numbers that do not exist."""
        in_range = 1 <= connector_id <= len(self.connectors)
        return self.connectors[connector_id - 1] if in_range else None

    def report_statuses(self, at: datetime | None = None) -> None:
        """Tell every status that is not the one told last."""
        now = self.clock.now() if at is None else at
        for connector in self.connectors:
            connector.settle(now)
            if connector.status != connector.told_status:
                self._tell_statuses(now, connector.connector_id)

    def _tell_statuses(self, at: datetime, connector_id: int | None = None) -> None:
        """One StatusNotification, or one for each connector and the charge point itself (0)."""
        if not self.online:
            return
        if connector_id in (None, 0):
            status = "Available" if self.operative else "Unavailable"
            request = payloads.status_notification(self.vendor, 0, status, at)
            self._delivery.notify("StatusNotification", request, in_order=True)
        for connector in self.connectors:
            if connector_id in (None, connector.connector_id):
                connector.told_status = connector.status
                request = payloads.status_notification(
                    self.vendor, connector.connector_id, connector.status, connector.status_since
                )
                self._delivery.notify("StatusNotification", request, in_order=True)

    # --- For `delivery.py` ------------------------------------------------------------------------

    def boot_notification(self) -> Payload:
        return payloads.boot_notification(self.vendor, self.identity)

    def accepted(self, interval_s: int) -> None:
        self.in_service = True
        self.configuration.set_heartbeat_interval(interval_s)

    def retry_policy(self) -> tuple[int, int]:
        key = self.configuration.seconds
        return key("TransactionMessageAttempts"), key("TransactionMessageRetryInterval")

    def connected(self) -> None:
        """What was said while the line broke may never have arrived: every status is told anew."""
        self._tell_statuses(self.clock.now())

    def delivered(self, message: QueuedMessage, answer: Payload) -> None:
        """A tag refused in StartTransaction.conf ends the session, or at least its energy (§3.5.4,
        err 3.17)."""
        if message.action != "StartTransaction" or message.transaction is None:
            return
        info = answer.get("idTagInfo")
        if isinstance(info, dict) and info.get("status") == "Accepted":
            return
        where = self.sessions.deauthorise(message.transaction)
        if where is not None and self.configuration.flag("StopTransactionOnInvalidId"):
            self.soon(partial(self.sessions.stop_by, *where, "DeAuthorized"))

    def answer_call(self, action: str, payload: Payload) -> Answer:
        return answer_call(self, action, payload)
