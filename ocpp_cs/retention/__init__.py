"""Retention: rows that are older than their settings allow are deleted, a little at a time.

Transactions and what proves them are no part of it: they are deleted only where a person asks for
that (`transactions`). No chunk takes so long that a charge point's message waits for it noticeably.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from config.settings import Settings
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.retention import meter_values, old_rows, stored_files

__all__ = ["KINDS", "PAUSE_S", "Kind", "Store", "cutoff", "prune"]

T = TypeVar("T")

PAUSE_S = 0.05
"""Between two chunks: what charge points send in it goes first."""

# Steps of a kind: the rows that each has deleted, or would delete in a dry run.
Prune = Callable[["Store", datetime, bool], Iterator[int]]


class Writer(Protocol):
    def __call__(self, work: Callable[[Tx], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Store:
    """Where a kind reads and writes: reads beside the event loop, writes as any other work."""

    engine: Engine
    write: Writer


@dataclass(frozen=True, slots=True)
class Kind:
    """What is pruned together. `setting` is the one that says for how many days it is kept."""

    setting: str
    prune: Prune
    zero_keeps: bool = True  # whether 0 days keep everything, or nothing


KINDS: Mapping[str, Kind] = {
    "messages": Kind("message_log_days", old_rows.messages, zero_keeps=False),
    "meter_values": Kind("meter_value_days", meter_values.steps),
    "events": Kind("event_days", old_rows.events),
    "feed": Kind("feed_days", old_rows.feed),
    "files": Kind("file_days", stored_files.steps),
    "connection_attempts": Kind("connection_attempt_days", old_rows.connection_attempts),
}


def cutoff(kind: Kind, settings: Settings, now: datetime) -> datetime | None:
    """What is older than this is pruned; None: nothing is."""
    days: int = getattr(settings, kind.setting)
    return None if days == 0 and kind.zero_keeps else now - timedelta(days=days)


def prune(
    store: Store,
    kind: Kind,
    before: datetime,
    *,
    dry_run: bool = False,
    progress: Callable[[int], Any] = lambda rows: None,
    pause: Callable[[float], Any] = time.sleep,
) -> int:
    """Deletes what is older than `before`; how many rows that were, or would be in a dry run.

    Raises StoreUnavailable; what was deleted until then stays deleted, and a later run goes on.
    """
    total = 0
    for rows in kind.prune(store, before, dry_run):
        total += rows
        progress(total)
        if not dry_run:
            pause(PAUSE_S)
    return total
