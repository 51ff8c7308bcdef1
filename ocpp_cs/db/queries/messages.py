"""The archive of frames as people read it: by the time at which each call was made.

Who writes it is `handlers.archive`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN

from ocpp_cs.db.models import ChargePoint, Message
from ocpp_cs.db.queries.conditions import key_of, where


class MessageRow(NamedTuple):
    """A CALL and what answered it; frames as text."""

    id: int
    charge_point_id: str | None
    direction: str  # "from_charge_point" or "from_central_system"
    message_id: str
    action: str | None
    request: str
    response: str | None
    error_code: str | None
    sent_at: datetime
    answered_at: datetime | None
    duration_s: float | None
    connection_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which calls; None does not filter. `since` inclusive, `until` exclusive."""

    charge_point_id: str | None = None
    direction: str | None = None
    action: str | None = None
    error: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def messages(
    wanted: MessageFilter,
    after: tuple[datetime, int] | None,
    limit: int,
    *,
    newest_first: bool = True,
) -> list[MessageRow]:
    """Calls in the order in which they were made; the key is (sent_at, id)."""
    conditions = _conditions(wanted)
    sent, id = Message.sent_at, Message.id
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        if newest_first:
            conditions += [sent <= after[0], (sent < after[0]) | (id < after[1])]
        else:
            conditions += [sent >= after[0], (sent > after[0]) | (id > after[1])]
    order = (sent.desc(), id.desc()) if newest_first else (sent, id)
    query = where(_select(), conditions).order_by(*order).limit(limit)
    return [_row(*values) for values in query.tuples()]


def _conditions(wanted: MessageFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(Message.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.direction is not None:
        conditions.append(Message.direction == wanted.direction)
    if wanted.action is not None:
        conditions.append(Message.action == wanted.action)
    if wanted.error is not None:
        conditions.append(Message.error_code.is_null(not wanted.error))
    if wanted.since is not None:
        conditions.append(Message.sent_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Message.sent_at < wanted.until)
    return conditions


def _select() -> Any:
    return Message.select(
        Message.id,
        ChargePoint.identity,
        Message.charge_point_id,
        Message.connection_epoch,
        Message.direction,
        Message.message_id,
        Message.action,
        Message.request,
        Message.response,
        Message.error_code,
        Message.sent_at,
        Message.answered_at,
    ).join(
        # Outer, so that no engine begins with the charge points and sorts all their messages.
        ChargePoint,
        JOIN.LEFT_OUTER,
        on=(ChargePoint.id == Message.charge_point_id),
    )


def _row(id: int, identity: str | None, key: int, epoch: int, *rest: Any) -> MessageRow:
    direction, message_id, action, request, response, error_code, sent_at, answered_at = rest
    return MessageRow(
        id=id,
        charge_point_id=identity,
        direction=direction,
        message_id=message_id,
        action=action or None,
        request=request,
        response=response,
        error_code=error_code,
        sent_at=sent_at,
        answered_at=answered_at,
        duration_s=None if answered_at is None else (answered_at - sent_at).total_seconds(),
        connection_id=f"{key}-{epoch}",
    )
