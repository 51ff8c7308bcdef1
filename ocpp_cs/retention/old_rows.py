"""Prunes tables whose rows are on their own: frames, events, connection attempts.

Which rows are due is read, not written: the writing connection only deletes what was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import (
    ConnectionAttempt,
    DataTransfer,
    DiagnosticsEvent,
    Event,
    FileTransfer,
    FirmwareEvent,
    Message,
    SecurityEvent,
    StatusEvent,
    Table,
    WebhookDelivery,
)
from ocpp_cs.db.statement import fn

if TYPE_CHECKING:
    from ocpp_cs.retention import Store

CHUNK = 500
"""Rows that are deleted in one transaction: some milliseconds."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A table whose rows are pruned by the time in `at`.

    `in_order`: ids grow with that time, nearly. Then a walk over the ids ends where the rows are
    too young; what lies on the wrong side for a moment is found by a later run.
    """

    table: type[Table]
    at: Any  # the field
    in_order: bool = True

    @property
    def id(self) -> Any:
        key: Any = self.table._meta.primary_key
        return key

    def due(self, before: datetime) -> Any:
        """The condition for what is pruned."""
        return self.at < before


class _Statuses(_Source):
    """The newest status of each connector stays, however old it is."""

    def due(self, before: datetime) -> Any:
        newer = StatusEvent.alias()
        is_newer = (newer.occurred_at > StatusEvent.occurred_at) | (
            (newer.occurred_at == StatusEvent.occurred_at) & (newer.id > StatusEvent.id)
        )
        found = newer.select(newer.id).where(
            (newer.charge_point_id == StatusEvent.charge_point_id)
            & (newer.connector_id == StatusEvent.connector_id)
            & (newer.occurred_at >= StatusEvent.occurred_at)
            & is_newer
        )
        return (self.at < before) & fn.EXISTS(found)


_EVENTS = (
    _Statuses(StatusEvent, StatusEvent.received_at),
    _Source(FirmwareEvent, FirmwareEvent.received_at),
    _Source(DiagnosticsEvent, DiagnosticsEvent.received_at),
    _Source(SecurityEvent, SecurityEvent.received_at),
    _Source(DataTransfer, DataTransfer.received_at),
    _Source(FileTransfer, FileTransfer.created_at),
)
_MESSAGES = _Source(Message, Message.sent_at)
_FEED = (_Source(Event, Event.at), _Source(WebhookDelivery, WebhookDelivery.given_up_at))
# Rows are counted up for as long as somebody tries.
_ATTEMPTS = _Source(ConnectionAttempt, ConnectionAttempt.last_attempted_at, in_order=False)


def messages(store: Store, before: datetime, dry_run: bool) -> Iterator[int]:
    return _prune(store, _MESSAGES, before, dry_run)


def events(store: Store, before: datetime, dry_run: bool) -> Iterator[int]:
    for source in _EVENTS:
        yield from _prune(store, source, before, dry_run)


def feed(store: Store, before: datetime, dry_run: bool) -> Iterator[int]:
    for source in _FEED:
        yield from _prune(store, source, before, dry_run)


def connection_attempts(store: Store, before: datetime, dry_run: bool) -> Iterator[int]:
    return _prune(store, _ATTEMPTS, before, dry_run)


@dataclass(frozen=True, slots=True)
class _Window:
    """Some rows beside each other, by their ids."""

    first: int
    last: int
    old: int  # how many are older than wanted
    more: bool  # whether rows that are due may follow


def _prune(store: Store, source: _Source, before: datetime, dry_run: bool) -> Iterator[int]:
    """Walks over the ids; after each step the rows that are gone."""
    after = 0
    while True:
        window = store.engine.read(lambda: _window(source, after, before))  # noqa: B023
        if window is None:
            return
        if window.old:
            within = source.id.between(window.first, window.last) & source.due(before)
            if dry_run:
                yield store.engine.read(lambda: int(source.table.select().where(within).count()))  # noqa: B023
            else:
                yield store.write(lambda tx: _delete(tx, source, within))  # noqa: B023
        if not window.more:
            return
        after = window.last


def _window(source: _Source, after: int, before: datetime) -> _Window | None:
    query: Any = (
        source.table.select(source.id, source.at)
        .where(source.id > after)
        .order_by(source.id)
        .limit(CHUNK)
    )
    rows = list(query.tuples())
    if not rows:
        return None
    old = [at < before for _, at in rows]
    more = len(rows) == CHUNK and (old[-1] or not source.in_order)
    return _Window(rows[0][0], rows[-1][0], sum(old), more)


def _delete(tx: Tx, source: _Source, condition: Any) -> int:
    return int(tx.run(source.table.delete().where(condition)).rowcount)
