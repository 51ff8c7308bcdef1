"""The feed of events as people and programs read it: in its order, or the latest first.

How far it may be read stands in `db.feed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import ChargePoint, Event


class EventRow(NamedTuple):
    """An event; `id` is its place, `data` is JSON."""

    id: int
    type: str
    at: datetime
    charge_point_id: str | None
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; None does not filter. Charge points by their OCPP identities."""

    types: Sequence[str] | None = None
    charge_point_ids: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


def events(wanted: EventFilter, after: int, last: int | None, limit: int) -> list[EventRow]:
    """Events in their order: those behind `after`, up to the settled one `last`; None: all."""
    query = _select(wanted).where(Event.id > after)
    if last is not None:
        query = query.where(Event.id <= last)
    return [EventRow(*values) for values in query.order_by(Event.id).limit(limit).tuples()]


def latest_events(wanted: EventFilter, limit: int) -> list[EventRow]:
    """The latest first, settled or not: for a look at what has happened, not for a reader that
    must miss none."""
    query = _select(wanted).order_by(Event.id.desc())
    return [EventRow(*values) for values in query.limit(limit).tuples()]


def _select(wanted: EventFilter) -> Any:
    query: Any = Event.select(Event.id, Event.type, Event.at, ChargePoint.identity, Event.data)
    query = query.join(ChargePoint, "LEFT OUTER JOIN", on=(ChargePoint.id == Event.charge_point_id))
    if wanted.types is not None:
        query = query.where(Event.type.in_(list(wanted.types)))
    if wanted.charge_point_ids is not None:
        keys = ChargePoint.select(ChargePoint.id).where(
            ChargePoint.identity.in_(list(wanted.charge_point_ids))
        )
        query = query.where(Event.charge_point_id.in_(keys))
    if wanted.since is not None:
        query = query.where(Event.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Event.at < wanted.until)
    return query
