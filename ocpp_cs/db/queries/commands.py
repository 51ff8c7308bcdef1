"""Commands as people read them, newest first.

How one comes to its status stands in `commands.table`. Requests are as they were stored: whoever
shows them blots out their secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, fn

from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, Command, database
from ocpp_cs.db.queries.conditions import key_of, where
from ocpp_cs.db.statement import Statement


class CommandRow(NamedTuple):
    """A command; `request` and `response` are JSON texts."""

    id: int
    charge_point_id: str | None
    action: str
    request: str
    status: str
    response: str | None
    error_code: str | None
    error_description: str | None
    batch_id: int | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFilter:
    """Which commands; None does not filter. `since` and `until` are of `created_at`."""

    charge_point_id: str | None = None
    action: str | None = None
    status: str | None = None
    batch_id: int | None = None
    created_by: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def commands(wanted: CommandFilter, after: tuple[int] | None, limit: int) -> list[CommandRow]:
    """Commands, the newest first; the key is (id)."""
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(Command.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.action is not None:
        conditions.append(Command.action == wanted.action)
    if wanted.status is not None:
        conditions.append(Command.status == wanted.status)
    if wanted.batch_id is not None:
        conditions.append(Command.batch_id == wanted.batch_id)
    if wanted.created_by is not None:
        conditions.append(Command.created_by == wanted.created_by)
    if wanted.since is not None:
        conditions.append(Command.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Command.created_at < wanted.until)
    if after is not None:
        conditions.append(Command.id < after[0])
    query = where(_select_commands(), conditions).order_by(Command.id.desc()).limit(limit)
    return [CommandRow(*values) for values in query.tuples()]


def open_commands() -> dict[str, int]:
    """How many commands have not ended, by status; those that are not there are 0."""
    open_ones = Command.finished_at.is_null()
    counted = Command.select(Command.status, fn.COUNT(Command.id)).where(open_ones)
    rows: Any = counted.group_by(Command.status).tuples()
    return {"queued": 0, "sent": 0, **dict(rows)}


def command(id: int) -> CommandRow | None:
    """Compiled once: whoever waits for a command looks at least twice."""
    row = database.execute_sql(*_COMMAND.bind({"id": id})).fetchone()
    return None if row is None else CommandRow(*row[:_TIMES], *map(read_time, row[_TIMES:]))


def _select_commands() -> Any:
    return Command.select(
        Command.id,
        ChargePoint.identity,
        Command.action,
        Command.request,
        Command.status,
        Command.response,
        Command.error_code,
        Command.error_description,
        Command.batch_id,
        Command.created_by,
        Command.created_at,
        Command.expires_at,
        Command.sent_at,
        Command.finished_at,
    ).join(
        # Outer, so that no engine begins with the charge points and sorts all their commands.
        ChargePoint,
        JOIN.LEFT_OUTER,
        on=(ChargePoint.id == Command.charge_point_id),
    )


_COMMAND = Statement(lambda p: _select_commands().where(Command.id == p.id))
_TIMES = CommandRow._fields.index("created_at")  # from here on all columns are times
