"""Security events that we saw ourselves, as rows beside those that charge points report (W13).

What is worth one, others decide.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import EPOCH
from ocpp_cs.db.models import SecurityEvent
from ocpp_cs.db.statement import Statement

INSERT_EVENT = Statement(
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
    tx.execute(
        INSERT_EVENT,
        charge_point_id=charge_point_id,
        source="central_system",
        type=type,
        occurred_at=now,
        received_at=now,
        tech_info=tech_info,
        critical=critical,
        event_key=f"own|{begin.isoformat()}|{type}|{tech_info}",
    )
