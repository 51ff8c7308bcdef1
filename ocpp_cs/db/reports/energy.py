"""The energy report: energy, time and number of sessions per group and bucket, exact to the Wh.

Sessions that lie within one bucket are summed up by the database; only those that cross an edge
are split here, along their curve (`ocpp_cs.energy` has the rules). Nothing is written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from ocpp_cs.db.engine import Engine
from ocpp_cs.db.offload import offload
from ocpp_cs.db.reports.grouping import (
    MOST_GROUPS,
    Buckets,
    Grouping,
    Key,
    buckets_of,
    check_size,
    identities,
)
from ocpp_cs.db.reports.pages import Pages
from ocpp_cs.db.reports.sessions import Group, Measured, SessionFilter, Sessions
from ocpp_cs.energy import Curve, elapsed

_PLACE = ("begins", "charge_point_key", "connector_key", "id_tag_key", "parent_id_tag_key")
# A column of `transactions` per key of a row.
_COLUMNS = {
    "charge_point_id": "charge_point_id",
    "connector_id": "connector_id",
    "id_tag": "id_tag_key",
    "parent_id_tag": "parent_id_tag_key",
}
_INT64_MAX = 2**63 - 1

EnergyFilter = SessionFilter


class EnergyRow(NamedTuple):
    """A group in a bucket; keys that are not grouped by are None. The rest is its place."""

    bucket: str | None
    bucket_start: datetime | None
    bucket_end: datetime | None
    charge_point_id: str | None
    connector_id: int | None
    id_tag: str | None
    parent_id_tag: str | None
    energy_wh: int | float  # a float where no integer of 64 bits holds it: nonsense, shown as such
    transactions: int
    duration_s: float
    begins: int
    charge_point_key: str
    connector_key: int
    id_tag_key: str
    parent_id_tag_key: str


@dataclass(slots=True)
class _Cell:
    energy_wh: int = 0
    transactions: int = 0
    duration_ms: int = 0


class _Names(NamedTuple):
    """What a row shows of its key, and its place among the groups."""

    shown: tuple[str | None, int | None, str | None, str | None]
    place: tuple[str, int, str, str]
    key: Key


def energy_report(
    engine: Engine, wanted: EnergyFilter, grouping: Grouping, *, now: datetime
) -> Pages:
    """The report, ready to be read; raises TooLarge. Active sessions last until `now`."""
    columns = tuple(_COLUMNS[key] for key in grouping.keys)
    sessions = Sessions(engine, wanted, columns, now)
    groups = sessions.groups(MOST_GROUPS)
    spans = [span for group in groups.values() for span in (group.first, group.last)]
    extent = (min(spans), max(spans)) if spans else None
    buckets = buckets_of(grouping, sessions.window, extent)
    check_size(len(groups), buckets.count)
    called: dict[int, str] = {}
    if "charge_point_id" in grouping.keys:
        called = engine.read(lambda: identities({key[0] for key in groups}))
    names = offload(partial(_names, groups, grouping, called))
    report = _Report(sessions, buckets, names)
    return Pages(buckets, len(groups), report.rows, _PLACE)


def _names(groups: dict[Key, Group], grouping: Grouping, called: dict[int, str]) -> list[_Names]:
    """The groups in their order; charge points by what they are `called`."""
    found = []
    for key, group in groups.items():
        parts = dict(zip(grouping.keys, key, strict=True))
        identity = called.get(parts["charge_point_id"], "") if "charge_point_id" in parts else None
        parent = parts.get("parent_id_tag")
        shown = (identity, parts.get("connector_id"), group.id_tag, group.parent_id_tag)
        place = (
            identity or "",
            parts.get("connector_id", 0),
            parts.get("id_tag", ""),
            "" if parent is None else f"={parent}",
        )
        found.append(_Names(shown, place, key))
    return sorted(found, key=lambda names: names.place)


class _Report:
    def __init__(self, sessions: Sessions, buckets: Buckets, names: list[_Names]) -> None:
        self._sessions = sessions
        self._buckets = buckets
        self._names = names

    def rows(self, first: int, last: int) -> list[EnergyRow]:
        """The rows of the buckets [first, last)."""
        cells = self._cells(first, last)
        empty = _Cell()
        rows = []
        for index in range(first, last):
            described = self._buckets.described(index)
            begins = self._buckets.edges[index]
            for names in self._names:
                cell = cells.get((index, names.key), empty)
                energy = cell.energy_wh
                figures = (
                    energy if abs(energy) <= _INT64_MAX else float(energy),
                    cell.transactions,
                    cell.duration_ms / 1000,
                )
                row = (*described, *names.shown, *figures, begins, *names.place)
                rows.append(EnergyRow._make(row))
        return rows

    def _cells(self, first: int, last: int) -> dict[tuple[int, Key], _Cell]:
        edges = self._buckets.edges[first : last + 1]
        cells: defaultdict[tuple[int, Key], _Cell] = defaultdict(_Cell)
        found = self._sessions.sums(edges)
        for sums in found:
            cell = cells[first + sums.bucket, sums.key]
            cell.energy_wh += sums.energy_wh
            cell.duration_ms += sums.duration_ms
            cell.transactions += sums.started
        for session in self._sessions.crossing(edges, found):
            self._spread(cells, edges, first, session)
        return cells

    def _spread(
        self,
        cells: dict[tuple[int, Key], _Cell],
        edges: list[int],
        first: int,
        session: Measured,
    ) -> None:
        """Adds a session's part in each of the buckets that it lies in."""
        start, end = session.start[0], session.ends
        curve = Curve(session.start, session.registers, session.stop)
        index = max(bisect_right(edges, start) - 1, 0)
        register, passed = curve.at(edges[index]), elapsed(start, end, edges[index])
        for ends in edges[index + 1 :]:
            next_register, next_passed = curve.at(ends), elapsed(start, end, ends)
            cell = cells[first + index, session.key]
            cell.energy_wh += next_register - register
            cell.duration_ms += next_passed - passed
            register, passed = next_register, next_passed
            if ends >= max(end, session.stop[0]) and ends > start:
                return
            index += 1
