"""Security events as rows: those of charge points, and beside them those that we saw (W13).

What is worth one, others decide.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.events import note_event
from ocpp_cs.db.fields import EPOCH
from ocpp_cs.db.models import SecurityEvent
from ocpp_cs.db.statement import Statement
from ocpp_cs.events import SecurityEventNoted, instant

_INSERT_EVENT = Statement(
    lambda p: SecurityEvent.insert(
        charge_point_id=p.charge_point_id,
        source=p.source,
        type=p.type,
        occurred_at=p.occurred_at,
        received_at=p.received_at,
        tech_info=p.tech_info,
        critical=p.critical,
        event_key=p.event_key,
    ).on_conflict(
        action="nothing",
        conflict_target=[SecurityEvent.charge_point_id, SecurityEvent.event_key],
    )
)


def note_own_event(
    tx: Tx,
    charge_point_id: int,
    type: str,
    tech_info: str,
    *,
    now: datetime,
    period: timedelta = timedelta(minutes=1),
    critical: bool = True,
) -> None:
    """Once per kind and text in each `period`, which divides a day, at most."""
    begin = now - (now - EPOCH) % period
    insert_event(
        tx,
        charge_point_id=charge_point_id,
        source="central_system",
        type=type,
        occurred_at=now,
        received_at=now,
        tech_info=tech_info,
        critical=critical,
        event_key=f"own|{begin.isoformat()}|{type}|{tech_info}",
    )


def insert_event(tx: Tx, **row: Any) -> None:
    """Stores a security event and puts it into the feed, unless it is there already."""
    if tx.execute(_INSERT_EVENT, **row).rowcount:
        event = SecurityEventNoted(
            event=row["type"],
            source=row["source"],
            critical=row["critical"],
            tech_info=row["tech_info"],
            occurred_at=instant(row["occurred_at"]),
        )
        note_event(tx, row["charge_point_id"], event, row["received_at"])
