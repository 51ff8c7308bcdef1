"""Frames of transactions that could not be read, as people read them, the newest first.

What becomes of one is decided in `resolutions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN

from ocpp_cs.db.models import ChargePoint, QuarantinedFrame
from ocpp_cs.db.queries.conditions import key_of, where


class QuarantinedFrameRow(NamedTuple):
    """A frame in quarantine; `received` is how often it came."""

    id: int
    charge_point_id: str | None
    action: str
    message_id: str
    error: str
    received: int
    received_at: datetime
    last_received_at: datetime
    resolution: str | None
    resolved_transaction_id: int | None
    resolution_note: str | None
    resolved_by: str | None
    resolved_at: datetime | None


class QuarantinedFrameDetail(NamedTuple):
    quarantined: QuarantinedFrameRow
    frame: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineFilter:
    """Which ones; None does not filter. `since` inclusive, `until` exclusive, of the first time
    that it came."""

    charge_point_id: str | None = None
    action: str | None = None
    resolved: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def quarantined_frames(
    wanted: QuarantineFilter, after: tuple[int] | None, limit: int
) -> list[QuarantinedFrameRow]:
    """Frames in quarantine, the newest first; the key is (id)."""
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(QuarantinedFrame.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.action is not None:
        conditions.append(QuarantinedFrame.action == wanted.action)
    if wanted.resolved is not None:
        conditions.append(QuarantinedFrame.resolution.is_null(not wanted.resolved))
    if wanted.since is not None:
        conditions.append(QuarantinedFrame.received_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(QuarantinedFrame.received_at < wanted.until)
    if after is not None:
        conditions.append(QuarantinedFrame.id < after[0])
    query = where(_select(*_COLUMNS), conditions).order_by(QuarantinedFrame.id.desc()).limit(limit)
    return [QuarantinedFrameRow(*values) for values in query.tuples()]


def quarantined_frame(id: int) -> QuarantinedFrameDetail | None:
    query = _select(*_COLUMNS, QuarantinedFrame.frame).where(QuarantinedFrame.id == id).tuples()
    return next(
        (QuarantinedFrameDetail(QuarantinedFrameRow(*values), frame) for *values, frame in query),
        None,
    )


_COLUMNS = (
    QuarantinedFrame.id,
    ChargePoint.identity,
    QuarantinedFrame.action,
    QuarantinedFrame.message_id,
    QuarantinedFrame.error,
    QuarantinedFrame.received,
    QuarantinedFrame.received_at,
    QuarantinedFrame.last_received_at,
    QuarantinedFrame.resolution,
    QuarantinedFrame.resolved_transaction_id,
    QuarantinedFrame.resolution_note,
    QuarantinedFrame.resolved_by,
    QuarantinedFrame.resolved_at,
)


def _select(*columns: Any) -> Any:
    return QuarantinedFrame.select(*columns).join(
        # Outer, so that no engine begins with the charge points and sorts all their frames.
        ChargePoint,
        JOIN.LEFT_OUTER,
        on=(ChargePoint.id == QuarantinedFrame.charge_point_id),
    )
