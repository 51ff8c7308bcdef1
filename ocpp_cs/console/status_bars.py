"""Status over time as bars: which status a connector had from when to when, and where it is drawn.

Between two events the first one is in force; before the first one nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

WIDTH = 1000.0


class Event(Protocol):
    @property
    def connector_id(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def occurred_at(self) -> datetime: ...


class Stretch(NamedTuple):
    """A time with one status, and its place of `WIDTH`."""

    status: str
    begins: datetime
    ends: datetime
    x: float
    width: float

    @property
    def seconds(self) -> float:
        return (self.ends - self.begins).total_seconds()


class Timeline(NamedTuple):
    """Of a connector; `totals` are seconds by status, the longest first."""

    connector_id: int
    stretches: list[Stretch]
    totals: list[tuple[str, float]]


def timelines(
    connector_ids: Sequence[int], events: Iterable[Event], begins: datetime, ends: datetime
) -> list[Timeline]:
    """One for each connector, in their order. Times outside of the span are cut off."""
    told: dict[int, list[Event]] = {id: [] for id in connector_ids}
    for event in events:
        told.setdefault(event.connector_id, []).append(event)
    return [_timeline(id, told[id], begins, ends) for id in sorted(told)]


def _timeline(id: int, events: list[Event], begins: datetime, ends: datetime) -> Timeline:
    changes: list[tuple[datetime, str]] = []
    for event in sorted(events, key=lambda each: each.occurred_at):
        at = min(max(event.occurred_at, begins), ends)
        if not changes or changes[-1][1] != event.status:
            changes.append((at, event.status))
    whole = (ends - begins).total_seconds()
    untils = [*(at for at, _ in changes[1:]), ends]
    stretches = []
    for (at, status), until in zip(changes, untils, strict=False):
        if until > at:
            x = WIDTH * (at - begins).total_seconds() / whole
            width = WIDTH * (until - at).total_seconds() / whole
            stretches.append(Stretch(status, at, until, round(x, 2), round(width, 2)))
    totals: dict[str, float] = {}
    for stretch in stretches:
        totals[stretch.status] = totals.get(stretch.status, 0.0) + stretch.seconds
    return Timeline(id, stretches, sorted(totals.items(), key=lambda each: -each[1]))
