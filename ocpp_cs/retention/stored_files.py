"""Prunes files of charge points, whole ones by their age and those that never became whole.

Firmware stays until an operator deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ocpp_cs import files
from ocpp_cs.db.models import StoredFile

if TYPE_CHECKING:
    from ocpp_cs.retention import Store

_AT_ONCE = 50


def steps(store: Store, before: datetime, dry_run: bool) -> Iterator[int]:
    """Files that charge points uploaded before that time."""
    due = (StoredFile.charge_point_id != files.OF_ALL) & (StoredFile.created_at < before)
    return _prune(store, due, dry_run)


def unfinished(store: Store, before: datetime) -> Iterator[int]:
    """What began to arrive before that time, and never did: its process has died."""
    due = StoredFile.completed_at.is_null() & (StoredFile.created_at < before)
    return _prune(store, due, dry_run=False)


def _prune(store: Store, due: Any, dry_run: bool) -> Iterator[int]:
    if dry_run:
        yield store.engine.read(lambda: int(StoredFile.select().where(due).count()))
        return
    query: Any = StoredFile.select(StoredFile.id).where(due).order_by(StoredFile.id)
    while ids := store.engine.read(lambda: [id for (id,) in query.limit(_AT_ONCE).tuples()]):
        for id in ids:
            yield int(files.delete(store.write, id))
