"""Batches of commands as people read them, newest first, each with what became of its commands.

The counts are counted when they are asked for: a batch has no state of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import fn

from ocpp_cs.db.models import Command, CommandBatch
from ocpp_cs.db.queries.conditions import where


class CommandBatchRow(NamedTuple):
    """A batch; `request` is JSON text, the counts are of its commands by their status."""

    id: int
    action: str
    request: str
    created_by: str
    created_at: datetime
    commands_total: int
    commands_queued: int
    commands_sent: int
    commands_answered: int
    commands_rejected: int
    commands_timeout: int
    commands_expired: int
    commands_cancelled: int
    commands_unknown: int
    finished: bool


COMMAND_STATUSES = (
    "queued",
    "sent",
    "answered",
    "rejected",
    "timeout",
    "expired",
    "cancelled",
    "unknown",
)
"""Every status of a command; the first two are open, the others final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBatchFilter:
    """Which batches; None does not filter. `since` and `until` are of `created_at`."""

    action: str | None = None
    created_by: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def command_batches(
    wanted: CommandBatchFilter, after: tuple[int] | None, limit: int
) -> list[CommandBatchRow]:
    """Batches, the newest first; the key is (id)."""
    conditions: list[Any] = []
    if wanted.action is not None:
        conditions.append(CommandBatch.action == wanted.action)
    if wanted.created_by is not None:
        conditions.append(CommandBatch.created_by == wanted.created_by)
    if wanted.since is not None:
        conditions.append(CommandBatch.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(CommandBatch.created_at < wanted.until)
    if after is not None:
        conditions.append(CommandBatch.id < after[0])
    query = where(_select_batches(), conditions).order_by(CommandBatch.id.desc()).limit(limit)
    return _counted(list(query.tuples()))


def command_batch(id: int) -> CommandBatchRow | None:
    rows = list(_select_batches().where(CommandBatch.id == id).tuples())
    return next(iter(_counted(rows)), None)


def _select_batches() -> Any:
    return CommandBatch.select(
        CommandBatch.id,
        CommandBatch.action,
        CommandBatch.request,
        CommandBatch.created_by,
        CommandBatch.created_at,
        CommandBatch.commands_total,
    )


def _counted(rows: list[Any]) -> list[CommandBatchRow]:
    counts = _counts(row[0] for row in rows)
    found = []
    for row in rows:
        of_batch = [counts[row[0], status] for status in COMMAND_STATUSES]
        queued, sent = of_batch[:2]
        found.append(CommandBatchRow._make((*row, *of_batch, not queued and not sent)))
    return found


def _counts(ids: Iterable[int]) -> Counter[tuple[int, str]]:
    """Number of commands by batch and status."""
    query: Any = (
        Command.select(Command.batch_id, Command.status, fn.COUNT(Command.id))
        .where(Command.batch_id.in_(list(ids)))
        .group_by(Command.batch_id, Command.status)
    )
    return Counter({(id, status): count for id, status, count in query.tuples()})
