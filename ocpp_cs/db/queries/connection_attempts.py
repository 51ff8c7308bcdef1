"""Handshakes as people read them: those alike in one row, the latest first.

Who records them is `handlers.connections`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import ChargePoint, ConnectionAttempt
from ocpp_cs.db.queries.conditions import where
from ocpp_cs.hints import hint_of

ACCEPTED = "accepted"


class ConnectionAttemptRow(NamedTuple):
    """Handshakes of one identity from one address with one outcome."""

    id: int
    charge_point_id: str
    remote_address: str
    outcome: str
    http_status: int
    attempts: int
    first_attempted_at: datetime
    last_attempted_at: datetime
    subprotocols: str
    user_agent: str

    @property
    def accepted(self) -> bool:
        return self.outcome == ACCEPTED

    @property
    def hint(self) -> str | None:
        return hint_of(self.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionAttemptFilter:
    """Which handshakes; None does not filter. `since` and `until` are of the latest one;
    `registered`: whether the identity is that of a charge point that is known."""

    charge_point_id: str | None = None
    remote_address: str | None = None
    outcome: str | None = None
    accepted: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    registered: bool | None = None


def connection_attempts(
    wanted: ConnectionAttemptFilter, after: tuple[datetime, int] | None, limit: int
) -> list[ConnectionAttemptRow]:
    """Handshakes, the latest first; the key is (last_attempted_at, id)."""
    at, id = ConnectionAttempt.last_attempted_at, ConnectionAttempt.id
    outcome = ConnectionAttempt.outcome
    conditions: list[Any] = []
    for field, value in (
        (ConnectionAttempt.identity, wanted.charge_point_id),
        (ConnectionAttempt.remote_address, wanted.remote_address),
        (outcome, wanted.outcome),
    ):
        if value is not None:
            conditions.append(field == value)
    if wanted.accepted is not None:
        conditions.append(outcome == ACCEPTED if wanted.accepted else outcome != ACCEPTED)
    if wanted.registered is not None:
        known = ConnectionAttempt.identity.in_(ChargePoint.select(ChargePoint.identity))
        conditions.append(known if wanted.registered else ~known)
    if wanted.since is not None:
        conditions.append(at >= wanted.since)
    if wanted.until is not None:
        conditions.append(at < wanted.until)
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        conditions += [at <= after[0], (at < after[0]) | (id < after[1])]
    query = ConnectionAttempt.select(
        id,
        ConnectionAttempt.identity,
        ConnectionAttempt.remote_address,
        outcome,
        ConnectionAttempt.http_status,
        ConnectionAttempt.attempts,
        ConnectionAttempt.attempted_at,
        at,
        ConnectionAttempt.subprotocols,
        ConnectionAttempt.user_agent,
    )
    query = where(query, conditions).order_by(at.desc(), id.desc()).limit(limit)
    return [ConnectionAttemptRow(*values) for values in query.tuples()]
