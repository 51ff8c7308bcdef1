"""Sessions that were asked for over REST, newest first.

How one comes to its outcome stands in `commands.remote_starts`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import ChargePoint, RemoteStart
from ocpp_cs.db.queries.conditions import key_of, where


class RemoteStartRow(NamedTuple):
    """A RemoteStartTransaction and what came of it; `charge_point_id` is the identity."""

    id: int
    charge_point_id: str
    connector_id: int | None
    id_tag: str
    outcome: str
    reason: str | None
    command_id: int
    transaction_id: int | None
    waits_until: datetime | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None


def remote_starts(identity: str, after: tuple[int] | None, limit: int) -> list[RemoteStartRow]:
    """Those of a charge point, the newest first; the key is (id)."""
    conditions: list[Any] = [RemoteStart.charge_point_id == key_of(identity)]
    if after is not None:
        conditions.append(RemoteStart.id < after[0])
    query = where(_select(), conditions).order_by(RemoteStart.id.desc()).limit(limit)
    return [RemoteStartRow(*values) for values in query.tuples()]


def remote_start(identity: str, id: int) -> RemoteStartRow | None:
    query = _select().where(
        (RemoteStart.id == id) & (RemoteStart.charge_point_id == key_of(identity))
    )
    return next((RemoteStartRow(*values) for values in query.tuples()), None)


def _select() -> Any:
    return RemoteStart.select(
        RemoteStart.id,
        ChargePoint.identity,
        RemoteStart.connector_id,
        RemoteStart.id_tag,
        RemoteStart.outcome,
        RemoteStart.reason,
        RemoteStart.command_id,
        RemoteStart.transaction_id,
        RemoteStart.waits_until,
        RemoteStart.created_by,
        RemoteStart.created_at,
        RemoteStart.finished_at,
    ).join(ChargePoint, on=(ChargePoint.id == RemoteStart.charge_point_id))
