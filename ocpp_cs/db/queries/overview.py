"""The whole installation at a glance: how many charge points, connectors and sessions are how.

Each query goes over charge points, connectors, open transactions or a few rows of an index; none
over all that ever happened. Energy is in Wh, power in W.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Case, fn

from ocpp_cs.db.models import ChargePoint, Connector, Transaction
from ocpp_cs.db.registers import power_series, select
from ocpp_cs.metering import Measurement, Totals

POWER_HOLDS = timedelta(minutes=15)
"""How long the power of a sample counts as that of now."""

_OFFLINE = "Offline"
_OUTLET = "Outlet"
_POWER = """
WITH live (charge_point_id, id, last_sample_at) AS (
    SELECT charge_point_id, id, last_sample_at FROM transactions
    WHERE stopped_at IS NULL AND last_sample_at >= ?{among}
)
SELECT m.transaction_id, m.series_id, m.value
FROM live CROSS JOIN meter_values AS m
WHERE m.charge_point_id = live.charge_point_id AND m.transaction_id = live.id
    AND m.sampled_at = live.last_sample_at AND m.series_id IN ({series}) AND m.value IS NOT NULL
"""


class ChargePointCounts(NamedTuple):
    """Charge points that are registered; those offline were online once."""

    total: int
    online: int
    offline: int
    never_seen: int
    pending: int


class StatusCount(NamedTuple):
    """How many connectors have a status."""

    status: str
    connectors: int


class RunningSessions(NamedTuple):
    """Open transactions: how many, what they have charged, and the power of each one, by its id,
    as far as its latest sample says it."""

    total: int
    energy_wh: int
    power_w: dict[int, float]


class OfflineRow(NamedTuple):
    charge_point_id: str
    offline_since: datetime


class FaultRow(NamedTuple):
    """A connector that is faulted, of a charge point that is online."""

    charge_point_id: str
    connector_id: int
    error_code: str
    info: str | None
    vendor_error_code: str | None
    since: datetime


class StuckRow(NamedTuple):
    """An open transaction that is thought to have ended."""

    id: int
    charge_point_id: str
    connector_id: int
    suspect_since: datetime


def charge_point_counts(*, now: datetime) -> ChargePointCounts:
    def count(condition: Any) -> Any:
        return fn.COUNT(Case(None, ((condition, 1),)))

    online = ChargePoint.present_until > now
    known = ChargePoint.last_seen_at.is_null(False)
    query: Any = ChargePoint.select(
        fn.COUNT(ChargePoint.id),
        count(online),
        count(known),
        count(ChargePoint.registration == "pending"),
    )
    [(total, present, seen, pending)] = query.tuples()
    return ChargePointCounts(total, present, max(seen - present, 0), total - seen, pending)


def connector_counts(*, now: datetime) -> list[StatusCount]:
    """The most frequent first. A status is as OCPP spells it, or `Offline` with the charge point;
    connector 0, the charge point itself, is none."""
    online = ChargePoint.present_until > now
    status = Case(None, ((online, Connector.status),), _OFFLINE).alias("shown_status")
    query: Any = (
        Connector.select(status, fn.COUNT(Connector.id))
        .join(ChargePoint, on=(ChargePoint.id == Connector.charge_point_id))
        .where(Connector.connector_id > 0)
        .group_by(SQL("shown_status"))
    )
    found = [StatusCount(*values) for values in query.tuples()]
    return sorted(found, key=lambda each: (-each.connectors, each.status))


def running_sessions(*, now: datetime) -> RunningSessions:
    # As floats, since hostile registers would overflow whole numbers.
    register, start = (
        field.cast("DOUBLE PRECISION")
        for field in (Transaction.last_register_wh, Transaction.meter_start_wh)
    )
    charged = register - start
    query: Any = Transaction.select(fn.COUNT(Transaction.id), fn.SUM(charged)).where(
        Transaction.stopped_at.is_null()
    )
    [(total, energy_wh)] = query.tuples()
    return RunningSessions(total, int(energy_wh or 0), powers_now(now=now))


def powers_now(among: Sequence[int] = (), *, now: datetime) -> dict[int, float]:
    """The power of open transactions by their id, as far as the latest sample of each says it and
    is not too old; of those `among`, or of all."""
    kinds = power_series()
    if not kinds:
        return {}
    ids = f" AND id IN ({_marks(among)})" if among else ""
    sql = _POWER.format(among=ids, series=_marks(kinds))
    return powers(select(sql, [now - POWER_HOLDS, *among, *kinds]), kinds)


def _marks(values: Collection[int]) -> str:
    return ", ".join("?" * len(values))


def powers(rows: Iterable[Any], kinds: dict[int, Measurement]) -> dict[int, float]:
    """The power of transactions from samples of one instant each: (transaction, series, value).

    As with registers, phases are summed up, and the outlet counts most.
    """
    instants: defaultdict[int, defaultdict[tuple[bool, str, str], Totals]]
    instants = defaultdict(lambda: defaultdict(Totals))
    for transaction_id, series_id, value in rows:
        kind = kinds[series_id]
        place = (kind.location == _OUTLET, kind.location, kind.context)
        instants[transaction_id][place].add(kind, value)
    found = {}
    for transaction_id, totals in instants.items():
        known = [(place, total.power_w) for place, total in totals.items()]
        counted = [(place, power) for place, power in known if power is not None]
        if counted:
            found[transaction_id] = max(counted)[1]
    return found


def offline_charge_points(limit: int, *, now: datetime) -> list[OfflineRow]:
    """Those that were online once, the latest to leave first."""
    gone = fn.COALESCE(ChargePoint.offline_since, ChargePoint.present_until)
    query: Any = (
        ChargePoint.select(
            ChargePoint.identity, ChargePoint.offline_since, ChargePoint.present_until
        )
        .where(ChargePoint.last_seen_at.is_null(False))
        .where(ChargePoint.present_until.is_null() | (ChargePoint.present_until <= now))
        .where(gone.is_null(False))
        .order_by(gone.desc(), ChargePoint.id.desc())
        .limit(limit)
    )
    return [OfflineRow(identity, since or until) for identity, since, until in query.tuples()]


def faulted_connectors(limit: int, *, now: datetime) -> list[FaultRow]:
    """The latest first; 0, the charge point itself, may be faulted, too."""
    query: Any = (
        Connector.select(
            ChargePoint.identity,
            Connector.connector_id,
            Connector.error_code,
            Connector.info,
            Connector.vendor_error_code,
            Connector.since,
        )
        .join(ChargePoint, on=(ChargePoint.id == Connector.charge_point_id))
        .where((Connector.status == "Faulted") & (ChargePoint.present_until > now))
        .order_by(Connector.since.desc(), Connector.id.desc())
        .limit(limit)
    )
    return [FaultRow(*values) for values in query.tuples()]


def stuck_transactions(limit: int) -> list[StuckRow]:
    """The latest to be suspected first."""
    query: Any = (
        Transaction.select(
            Transaction.id,
            ChargePoint.identity,
            Transaction.connector_id,
            Transaction.suspect_since,
        )
        .join(ChargePoint, JOIN.LEFT_OUTER, on=(ChargePoint.id == Transaction.charge_point_id))
        .where(Transaction.stopped_at.is_null() & Transaction.suspect_since.is_null(False))
        .order_by(Transaction.suspect_since.desc(), Transaction.id.desc())
        .limit(limit)
    )
    return [StuckRow(*values) for values in query.tuples()]
