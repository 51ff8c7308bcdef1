"""The audit trail as people read it: the newest first.

Who writes it is `audit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import AuditEvent
from ocpp_cs.db.queries.conditions import where


class AuditEventRow(NamedTuple):
    """A line of the trail; `detail` is JSON."""

    id: int
    at: datetime
    actor: str
    remote_address: str | None
    action: str
    target: str
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEventFilter:
    """Which lines; None does not filter. `since` inclusive, `until` exclusive."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def audit_events(
    wanted: AuditEventFilter, after: tuple[datetime, int] | None, limit: int
) -> list[AuditEventRow]:
    """Lines, the newest first; the key is (at, id)."""
    conditions: list[Any] = []
    for field, value in (
        (AuditEvent.actor, wanted.actor),
        (AuditEvent.action, wanted.action),
        (AuditEvent.target, wanted.target),
    ):
        if value is not None:
            conditions.append(field == value)
    if wanted.since is not None:
        conditions.append(AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(AuditEvent.at < wanted.until)
    at, id = AuditEvent.at, AuditEvent.id
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        conditions += [at <= after[0], (at < after[0]) | (id < after[1])]
    query = AuditEvent.select(
        id,
        at,
        AuditEvent.actor,
        AuditEvent.remote_address,
        AuditEvent.action,
        AuditEvent.target,
        AuditEvent.detail,
    )
    query = where(query, conditions).order_by(at.desc(), id.desc()).limit(limit)
    return [_row(*values) for values in query.tuples()]


def _row(id: int, at: datetime, actor: str, address: str, *rest: Any) -> AuditEventRow:
    action, target, detail = rest
    return AuditEventRow(id, at, actor, address or None, action, target, detail or None)
