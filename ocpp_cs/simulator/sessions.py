"""From plug-in to plug-out at the connectors of one simulated charge point.
It neither plans the visits (`day.py`) nor sends anything itself (`delivery.py`).

Everything happens at the time that it was planned for, however late it is told: a slow central
system or a dead line never changes what happened.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from ocpp_cs.simulator.clock import Agenda
from ocpp_cs.simulator.configuration import Configuration
from ocpp_cs.simulator.connector import Connector, Session
from ocpp_cs.simulator.day import Visit, make_visit
from ocpp_cs.simulator.delivery import Delivery
from ocpp_cs.simulator.smart_charging import Profiles, TransactionTimes
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.transaction_queue import LocalTransaction, Payload
from ocpp_cs.simulator.vendors import Vendor

_LIMIT_CHECK_S = 60
# From the command to the start: the cable is at hand, and nobody presents a tag.
_REMOTE_START_TAKES = timedelta(seconds=2)
_REFUSED_DRIVER_LEAVES_AFTER = timedelta(seconds=30)


@dataclass(slots=True)
class LocalList:
    """The Local Authorization List (§3.5.2): id tags (casefolded) and their status."""

    version: int = 0
    statuses: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The visitors of one charge point. `report_statuses(at)` is called after every change."""

    vendor: Vendor
    identity: str
    connectors: tuple[Connector, ...]
    configuration: Configuration
    profiles: Profiles
    local_list: LocalList
    agenda: Agenda
    delivery: Delivery
    statistics: Statistics
    rng: Random
    report_statuses: Callable[[datetime], None]

    async def plug_in(self, visit: Visit, at: datetime) -> None:
        """A car arrives; it drives on if its connector is taken, out of order or reserved."""
        connector = self.connectors[visit.connector_id - 1]
        if not connector.free or not self.may_use(connector, visit.id_tag):
            return
        connector.plug_in(visit)
        self.report_statuses(at)
        self.agenda.add(at + visit.authorises_after, partial(self._present_tag, connector, visit))

    async def drive_in_remotely(self, connector: Connector, id_tag: str, at: datetime) -> None:
        """A car plugs in for a RemoteStartTransaction (§5.11)."""
        if not connector.free:
            return
        number = connector.connector_id
        chance = make_visit(self.rng, self.vendor, self.identity, number, at)
        visit = replace(chance, id_tag=id_tag, authorises_after=_REMOTE_START_TAKES)
        connector.plug_in(visit)
        self.report_statuses(at)
        first = self.configuration.flag("AuthorizeRemoteTxRequests")
        then = self._present_tag if first else self._start
        self.agenda.add(at + visit.authorises_after, partial(then, connector, visit))

    async def _present_tag(self, connector: Connector, visit: Visit, at: datetime) -> None:
        if await self._authorised(visit.id_tag):
            await self._start(connector, visit, at)
        else:
            leave = partial(self._unplug, connector, visit)
            self.agenda.add(at + _REFUSED_DRIVER_LEAVES_AFTER, leave)

    async def _authorised(self, id_tag: str) -> bool:
        """Ask the central system; offline the Local Authorization List decides, and lets in whom it
        does not know (§3.5.4)."""
        listed = self.local_list.statuses.get(id_tag.casefold())
        if listed is not None and self.configuration.flag("LocalPreAuthorize"):
            return listed == "Accepted"
        answer = await self.delivery.ask("Authorize", {"idTag": id_tag})
        if answer is not None:
            return _verdict(answer) == "Accepted"
        return listed == "Accepted" or (
            listed is None and self.configuration.flag("AllowOfflineTxForUnknownId")
        )

    async def _start(self, connector: Connector, visit: Visit, at: datetime) -> None:
        if connector.visit is not visit or connector.session is not None:
            return
        session, request = connector.begin(visit, at, self.configuration)
        self.statistics.sessions_started += 1
        self.delivery.owe("StartTransaction", request, session.transaction)
        self._limit(connector, session, at)
        self._plan_sample(connector, session, at)
        self.agenda.add(visit.leaves_at, partial(self._leave, connector, session))
        self.report_statuses(at)

    def _plan_sample(self, connector: Connector, session: Session, at: datetime) -> None:
        interval = self.configuration.seconds("MeterValueSampleInterval") or _LIMIT_CHECK_S
        self.agenda.add(at + timedelta(seconds=interval), partial(self._sample, connector, session))

    async def _sample(self, connector: Connector, session: Session, at: datetime) -> None:
        if connector.session is not session:
            return
        request = connector.sample(at, self.configuration)
        if request is not None and self.configuration.seconds("MeterValueSampleInterval"):
            self.delivery.owe("MeterValues", request, session.transaction)
        self._limit(connector, session, at)
        self._plan_sample(connector, session, at)
        self.report_statuses(at)

    def _limit(self, connector: Connector, session: Session, at: datetime) -> None:
        """Smart charging; and no energy for an id tag that was refused after the start (§3.5.4)."""
        times = self.transaction_times(connector)
        limit = self.profiles.limit_w(connector.connector_id, at, times)
        session.charging.limit_w = 0.0 if session.deauthorised else limit

    async def _leave(self, connector: Connector, session: Session, at: datetime) -> None:
        """The driver ends the transaction, in one of three ways."""
        if connector.session is not session:
            return
        farewell = session.visit.farewell
        if farewell == "pulls_cable":
            self._stop(connector, session, at, "EVDisconnected")
        else:
            reason = None if farewell == "presents_tag_silently" else "Local"
            self._stop(connector, session, at, reason, tag=True)

    async def stop_by(
        self, connector: Connector, session: Session, reason: str, at: datetime
    ) -> None:
        """End this session, if it still runs, for a reason of §7.36."""
        if connector.session is session:
            self._stop(connector, session, at, reason)

    def _stop(
        self,
        connector: Connector,
        session: Session,
        at: datetime,
        reason: str | None,
        *,
        tag: bool = False,
    ) -> None:
        id_tag = session.visit.id_tag if tag else None
        request = connector.end(at, self.configuration, reason=reason, id_tag=id_tag)
        self.delivery.owe("StopTransaction", request, session.transaction)
        self.statistics.sessions_finished += 1
        self.statistics.energy_wh += int(connector.register_wh) - session.meter_start_wh
        self.profiles.end_transaction(connector.connector_id)
        leave = partial(self._unplug, connector, session.visit)
        self.agenda.add(at + session.visit.unplugs_after, leave)
        self.report_statuses(at)

    async def _unplug(self, connector: Connector, visit: Visit, at: datetime) -> None:
        if connector.visit is visit and connector.session is None:
            connector.unplug()
            self.report_statuses(at)

    def deauthorise(self, transaction: LocalTransaction) -> tuple[Connector, Session] | None:
        """The central system refused the id tag after the start: no more energy from the next
        sample on (§3.5.4). Returns where that was, None when the session is over."""
        for connector in self.connectors:
            session = connector.session
            if session is not None and session.transaction is transaction:
                session.deauthorised = True
                return connector, session
        return None

    def stop_all(self, at: datetime, reason: str) -> None:
        """End every session for a reason of §7.36; the cars stay."""
        for connector in self.connectors:
            if connector.session is not None:
                self._stop(connector, connector.session, at, reason)

    def send_away(self, at: datetime) -> None:
        """Every driver presents the tag and leaves."""
        for connector in self.connectors:
            if connector.session is not None:
                self._stop(connector, connector.session, at, "Local", tag=True)
            connector.unplug()
        self.report_statuses(at)

    def may_use(self, connector: Connector, id_tag: str) -> bool:
        """A reserved connector is only for whom it is reserved for (§5.13)."""
        reservation = connector.reservation
        return reservation is None or reservation.id_tag.casefold() == id_tag.casefold()

    def transaction_times(self, connector: Connector | None) -> TransactionTimes | None:
        """The running transaction of a connector, as charging profiles see it."""
        if connector is None or connector.session is None:
            return None
        session = connector.session
        return TransactionTimes(session.transaction.transaction_id, session.charging.began_at)


def _verdict(answer: Payload) -> object:
    info = answer.get("idTagInfo")
    return info.get("status") if isinstance(info, dict) else None
