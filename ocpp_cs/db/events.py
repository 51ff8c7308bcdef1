"""Events go into the feed in the transaction of what they tell of, those of a whole group at once.

What is worth an event, and what it carries, others decide (`ocpp_cs.events`); how the feed is read
stands in `feed.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ocpp_cs.db.batch import BatchInsert
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import StoredTime
from ocpp_cs.events import Event

TOPIC = "events"
"""Notices of it say that there are new events; within this process only."""


class _Row(NamedTuple):
    """A row of `events` without its key."""

    type: str
    at: StoredTime
    charge_point_id: int | None
    data: str


_insert = BatchInsert(
    "events",
    {"type": "text", "at": "timestamptz", "charge_point_id": "int4", "data": "text"},
)


def note_event(tx: Tx, charge_point_id: int | None, event: Event, now: datetime) -> None:
    """Puts an event into the feed with the rest of the transaction; None: of no charge point.

    Those of a transaction keep their order.
    """
    tx.later(_write, _Row(event.type, tx.time(now), charge_point_id, event.encoded()))


def _write(tx: Tx, rows: list[_Row]) -> None:
    _insert(tx, rows)
    tx.tell(TOPIC, "")
