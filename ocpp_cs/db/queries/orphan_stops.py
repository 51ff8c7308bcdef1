"""Stops that fit no transaction, as people read them, the newest first.

What becomes of one is decided in `resolutions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN

from ocpp_cs.db.models import ChargePoint, OrphanStop
from ocpp_cs.db.queries.conditions import key_of, where


class OrphanStopRow(NamedTuple):
    """An orphan stop; `transaction_id` is the one that was claimed, energy is in Wh."""

    id: int
    charge_point_id: str | None
    transaction_id: int
    likely_transaction_id: int | None
    id_tag: str | None
    meter_stop_wh: int
    stopped_at: datetime
    stop_reason: str | None
    flags: int  # bits of rules.TransactionFlag
    received_at: datetime
    resolution: str | None
    resolved_transaction_id: int | None
    resolution_note: str | None
    resolved_by: str | None
    resolved_at: datetime | None


class OrphanStopDetail(NamedTuple):
    stop: OrphanStopRow
    frame: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanStopFilter:
    """Which ones; None does not filter. `since` inclusive, `until` exclusive, of the receipt."""

    charge_point_id: str | None = None
    transaction_id: int | None = None
    resolved: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def orphan_stops(
    wanted: OrphanStopFilter, after: tuple[int] | None, limit: int
) -> list[OrphanStopRow]:
    """Orphan stops, the newest first; the key is (id)."""
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(OrphanStop.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.transaction_id is not None:
        conditions.append(OrphanStop.transaction_id == wanted.transaction_id)
    if wanted.resolved is not None:
        conditions.append(OrphanStop.resolution.is_null(not wanted.resolved))
    if wanted.since is not None:
        conditions.append(OrphanStop.received_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(OrphanStop.received_at < wanted.until)
    if after is not None:
        conditions.append(OrphanStop.id < after[0])
    query = where(_select(*_COLUMNS), conditions).order_by(OrphanStop.id.desc()).limit(limit)
    return [OrphanStopRow(*values) for values in query.tuples()]


def orphan_stop(id: int) -> OrphanStopDetail | None:
    query = _select(*_COLUMNS, OrphanStop.frame).where(OrphanStop.id == id).tuples()
    return next((OrphanStopDetail(OrphanStopRow(*values), frame) for *values, frame in query), None)


_COLUMNS = (
    OrphanStop.id,
    ChargePoint.identity,
    OrphanStop.transaction_id,
    OrphanStop.likely_transaction_id,
    OrphanStop.id_tag,
    OrphanStop.meter_stop_wh,
    OrphanStop.stopped_at,
    OrphanStop.stop_reason,
    OrphanStop.flags,
    OrphanStop.received_at,
    OrphanStop.resolution,
    OrphanStop.resolved_transaction_id,
    OrphanStop.resolution_note,
    OrphanStop.resolved_by,
    OrphanStop.resolved_at,
)


def _select(*columns: Any) -> Any:
    return OrphanStop.select(*columns).join(
        # Outer, so that no engine begins with the charge points and sorts all their stops.
        ChargePoint,
        JOIN.LEFT_OUTER,
        on=(ChargePoint.id == OrphanStop.charge_point_id),
    )
