"""Reads the sessions of an energy report: sums of many, and single ones with their registers.

How they are split is `energy`'s. All of it in small steps: see the package.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import from_milliseconds, to_milliseconds
from ocpp_cs.db.registers import (
    Series,
    Session,
    milliseconds,
    register_series,
    registers,
    select,
)
from ocpp_cs.db.reports.grouping import Key
from ocpp_cs.energy import Point
from ocpp_cs.rules import id_tag_key

# Sessions that are read at a time, and samples that they are guessed to have.
_CHUNK = 500
_CHUNK_SAMPLES = 2000
_MS_PER_SAMPLE = 60_000
# Beyond it (1 TWh) a register shows nonsense, whose sums might be too large for the database.
_MOST_ENERGY = 2**40

# How far a stop may lie after the report's time when one comes in while it is read.
_STOPPED_MEANWHILE_MS = 86_400_000
_EARLIEST = to_milliseconds(datetime(1, 1, 1, tzinfo=UTC))

_MILLISECOND = timedelta(milliseconds=1)

_GROUPS = """
SELECT {columns} {id_tag}, {parent_id_tag}, MIN(t.started_at), MAX(t.started_at),
    MAX(t.stopped_at), COUNT(*) - COUNT(t.stopped_at),
    MAX(CASE WHEN t.stopped_at IS NULL THEN t.last_register_at END),
    MAX(t.stopped_at - t.started_at), MIN(CASE WHEN t.stopped_at IS NULL THEN t.started_at END)
FROM transactions AS t WHERE {conditions} {group_by} LIMIT {limit}
"""
_INSIDE = (
    f"t.stopped_at <= buckets.ends AND t.meter_start_wh BETWEEN -{_MOST_ENERGY} AND {_MOST_ENERGY}"
    f" AND t.meter_stop_wh BETWEEN -{_MOST_ENERGY} AND {_MOST_ENERGY}"
)
_SUMS = f"""
COUNT(*), COUNT(CASE WHEN {_INSIDE} THEN 1 END),
SUM(CASE WHEN {_INSIDE} THEN t.meter_stop_wh - t.meter_start_wh END),
SUM(CASE WHEN {_INSIDE} THEN t.stopped_at - t.started_at END),
COUNT(CASE WHEN t.stopped_at > buckets.ends THEN 1 END), MAX(t.stopped_at - t.started_at)
"""
_BUCKETS = "WITH buckets (bucket, begins, ends) AS (VALUES {buckets}) "
_STARTED = "t.started_at >= buckets.begins AND t.started_at < buckets.ends"
# Each engine its own way to go through the index on the start once per bucket.
_SQLITE_SUMS = (
    _BUCKETS
    + "SELECT buckets.bucket, {columns}"
    + _SUMS
    + "FROM buckets CROSS JOIN transactions AS t WHERE "
    + _STARTED
    + "{conditions} GROUP BY buckets.bucket {group_by}"
)
_POSTGRESQL_SUMS = (
    _BUCKETS
    + "SELECT buckets.bucket, sums.* FROM buckets CROSS JOIN LATERAL (SELECT {columns}"
    + _SUMS
    + "FROM transactions AS t WHERE "
    + _STARTED
    + "{conditions} {lateral_group_by}) AS sums"
)
_SESSIONS = """
SELECT t.id, t.charge_point_id, t.started_at, t.stopped_at, t.meter_start_wh, t.meter_stop_wh,
    t.last_register_at, t.last_register_wh {columns}
FROM transactions AS t WHERE {conditions} ORDER BY t.started_at, t.id LIMIT {limit}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions; None does not filter. They are cut at `since` and `until`."""

    charge_point_id: str | None = None
    connector_id: int | None = None
    id_tag: str | None = None
    parent_id_tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Group(NamedTuple):
    """A group: how its id tags are spelt (the least of several), and how far its sessions reach."""

    id_tag: str | None
    parent_id_tag: str | None
    first: int
    last: int


class Sums(NamedTuple):
    """The sessions of a group that started in a bucket; energy and time of those inside alone."""

    bucket: int
    key: Key
    started: int
    inside: int
    energy_wh: int
    duration_ms: int
    crossing: int  # that stopped after the bucket
    longest_ms: int  # of all that have stopped


class Measured(NamedTuple):
    """A single session. `stop` is as far as its energy is known, `ends` where its time ends."""

    key: Key
    start: Point
    registers: list[Point]
    stop: Point
    ends: int


class Sessions:
    """The sessions that a filter lets through, with their keys: the `columns` of transactions."""

    def __init__(
        self, engine: Engine, wanted: SessionFilter, columns: tuple[str, ...], now: datetime
    ) -> None:
        self._engine = engine
        self._columns = columns
        self._now = to_milliseconds(now)
        self.window = (
            None if wanted.since is None else to_milliseconds(wanted.since),
            None if wanted.until is None else to_milliseconds(wanted.until),
        )
        self._wanted = wanted
        self._conditions, self._parameters = _conditions(wanted)
        self._series: Series | None = None
        self._longest_ms = 0

    def groups(self, most: int) -> dict[Key, Group]:
        """The groups that have a session in the window; one more than `most` of them at most.

        It is asked first, since it finds out how long sessions last: that bounds all later reads.
        """
        since, until = self._wanted.since, self._wanted.until
        found: dict[Key, Group] = {}
        started = [("t.started_at >= ?", since), ("t.started_at < ?", until)]
        given = [(condition, bound) for condition, bound in started if bound is not None]
        self._add_groups(found, most, [c for c, _ in given], [bound for _, bound in given])
        if since is not None and (until is None or since < until):
            # The inner query needs nothing but its index.
            stopped = (
                "t.id IN (SELECT id FROM transactions WHERE stopped_at > ? AND started_at < ?)"
            )
            self._add_groups(found, most, [stopped], [since, since])
            self._add_groups(found, most, *self._still_active(since))
        return found

    def sums(self, edges: list[int]) -> list[Sums]:
        """What the database sums up, per bucket and group."""
        parameters: list[Any] = []
        for bucket, (begins, ends) in enumerate(pairwise(edges)):
            parameters += [bucket, from_milliseconds(begins), from_milliseconds(ends)]
        sqlite = self._engine.dialect == "sqlite"
        names = ", ".join(f"t.{column}" for column in self._columns)
        sql = (_SQLITE_SUMS if sqlite else _POSTGRESQL_SUMS).format(
            buckets=", ".join(["(?, ?, ?)"] * (len(edges) - 1)),
            columns=f"{names}, " if names else "",
            conditions="".join(f" AND {condition}" for condition in self._conditions),
            group_by=f", {names}" if names else "",
            lateral_group_by=f"GROUP BY {names}" if names else "",
        )
        rows = self._engine.read(lambda: select(sql, [*parameters, *self._parameters]))
        return [
            Sums(
                bucket,
                tuple(key),
                started,
                inside,
                int(energy or 0),
                _duration(passed),
                crossing,
                _duration(longest),
            )
            for bucket, *key, started, inside, energy, passed, crossing, longest in rows
            if started
        ]

    def crossing(self, edges: list[int], sums: Sequence[Sums]) -> Iterator[Measured]:
        """Every session with a part in [edges[0], edges[-1]) that these sums have left out."""
        return self._measured(edges, self._left_out(edges, sums))

    def _left_out(self, edges: list[int], sums: Sequence[Sums]) -> Iterator[Any]:
        since = from_milliseconds(edges[0])
        # They last no longer than the longest: without that a database would look at all before.
        earliest = from_milliseconds(max(edges[0] - self._longest_ms, _EARLIEST))
        stopped = ("t.stopped_at > ?", "t.started_at < ?", "t.started_at >= ?")
        yield from self._each(stopped, [since, since, earliest])
        yield from self._each(*self._still_active(since))
        outside = (
            "t.started_at >= ?",
            "t.started_at < ?",
            f"({_INSIDE}) IS NOT TRUE".replace("buckets.ends", "?"),
        )
        for bucket, begins in sorted(_earliest_left_out(edges, sums).items()):
            bounds = [from_milliseconds(at) for at in (begins, edges[bucket + 1])]
            yield from self._each(outside, [*bounds, bounds[1]])

    def _still_active(self, since: datetime) -> tuple[Sequence[str], list[Any]]:
        """The conditions of active sessions that began before a time and reach beyond it."""
        active = ("t.stopped_at IS NULL", "t.started_at < ?")
        if self._now > to_milliseconds(since):
            return active, [since]
        return (*active, "t.last_register_at > ?"), [since, since]

    def _add_groups(
        self,
        found: dict[Key, Group],
        most: int,
        conditions: Sequence[str],
        parameters: Sequence[Any],
    ) -> None:
        names = ", ".join(f"t.{column}" for column in self._columns)
        sql = _GROUPS.format(
            columns=f"{names}, " if names else "",
            id_tag=self._spelling("id_tag"),
            parent_id_tag=self._spelling("parent_id_tag"),
            conditions=" AND ".join([*conditions, *self._conditions]) or "1 = 1",
            group_by=f"GROUP BY {names}" if names else "",
            limit=most + 1,
        )
        width = len(self._columns)
        for row in self._engine.read(lambda: select(sql, [*parameters, *self._parameters])):
            if row[width + 2] is not None:  # else it is the sum of nothing
                key = tuple(row[:width])
                group = self._group(*row[width:])
                found[key] = group if key not in found else _merged(found[key], group)

    def _group(
        self,
        id_tag: str | None,
        parent_id_tag: str | None,
        first: Any,
        last_start: Any,
        last_stop: Any,
        active: int,
        last_register: Any,
        longest: Any,
        first_active: Any,
    ) -> Group:
        lasted = [_duration(longest)]
        if first_active is not None:  # it may have stopped by the time that its rows are read
            lasted.append(self._now + _STOPPED_MEANWHILE_MS - milliseconds(first_active))
        self._longest_ms = max(self._longest_ms, *lasted)
        reaches = [milliseconds(last_start) + 1]
        reaches += [milliseconds(at) for at in (last_stop, last_register) if at is not None]
        if active:
            reaches.append(self._now)
        return Group(id_tag, parent_id_tag, milliseconds(first), max(reaches))

    def _spelling(self, name: str) -> str:
        """SQL for how a group's tags are spelt; NULL where there is no group for each tag."""
        return f"MIN(t.{name})" if f"{name}_key" in self._columns else "NULL"

    def _each(self, conditions: Sequence[str], parameters: list[Any]) -> Iterator[Any]:
        """The sessions in the order of their start, read a chunk at a time."""
        after: list[Any] = []
        while True:
            found = [*conditions, *self._conditions]
            if after:
                found.append("(t.started_at, t.id) > (?, ?)")
            sql = _SESSIONS.format(
                columns="".join(f", t.{column}" for column in self._columns),
                conditions=" AND ".join(found),
                limit=_CHUNK,
            )
            values = [*parameters, *self._parameters, *after]
            rows = self._engine.read(partial(select, sql, values))
            yield from rows
            if len(rows) < _CHUNK:
                return
            after = [rows[-1][2], rows[-1][0]]

    def _measured(self, edges: list[int], rows: Iterable[Any]) -> Iterator[Measured]:
        """The sessions, with their registers where those are needed."""
        batch: list[tuple[Session, Measured]] = []
        samples = 0
        for id, charge_point_id, *values in rows:
            session = self._session(*values[:6], key=tuple(values[6:]))
            if not _is_split(session, edges):
                yield session
                continue
            batch.append((Session(charge_point_id, id), session))
            samples += 1 + (session.stop[0] - session.start[0]) // _MS_PER_SAMPLE
            if samples > _CHUNK_SAMPLES or len(batch) == _CHUNK:
                yield from self._with_registers(batch)
                batch, samples = [], 0
        yield from self._with_registers(batch)

    def _session(
        self,
        started_at: Any,
        stopped_at: Any,
        meter_start_wh: int,
        meter_stop_wh: int | None,
        last_register_at: Any,
        last_register_wh: int | None,
        *,
        key: Key,
    ) -> Measured:
        start = (milliseconds(started_at), meter_start_wh)
        if stopped_at is not None:
            ends = milliseconds(stopped_at)
            stop = (ends, meter_start_wh if meter_stop_wh is None else meter_stop_wh)
        else:
            ends, stop = self._now, start
            if last_register_at is not None and last_register_wh is not None:
                stop = (milliseconds(last_register_at), last_register_wh)
        return Measured(key, start, [], stop, ends)

    def _with_registers(self, batch: list[tuple[Session, Measured]]) -> Iterator[Measured]:
        if not batch:
            return
        if self._series is None:
            self._series = self._engine.read(register_series)
        series = self._series
        known = self._engine.read(lambda: registers([place for place, _ in batch], series))
        for place, session in batch:
            yield session._replace(registers=known.get(place.transaction_id, []))


def _conditions(wanted: SessionFilter) -> tuple[list[str], list[Any]]:
    given: list[tuple[str, Any]] = [
        (
            "t.charge_point_id = (SELECT id FROM charge_points WHERE identity = ?)",
            wanted.charge_point_id,
        ),
        ("t.connector_id = ?", wanted.connector_id),
        ("t.id_tag_key = ?", None if wanted.id_tag is None else id_tag_key(wanted.id_tag)),
        (
            "t.parent_id_tag_key = ?",
            None if wanted.parent_id_tag is None else id_tag_key(wanted.parent_id_tag),
        ),
    ]
    conditions = [condition for condition, value in given if value is not None]
    return conditions, [value for _, value in given if value is not None]


def _earliest_left_out(edges: list[int], sums: Sequence[Sums]) -> dict[int, int]:
    """The buckets in which sessions started that are not in the sums, and since when.

    Who crosses the end of a bucket started no earlier than the longest session lasted. Others,
    active ones and those with odd registers, may have started at any time in it.
    """
    found: dict[int, int] = {}
    for each in sums:
        if each.started > each.inside:
            begins, ends = edges[each.bucket : each.bucket + 2]
            if each.started == each.inside + each.crossing:
                begins = max(begins, ends - each.longest_ms)
            found[each.bucket] = min(begins, found.get(each.bucket, begins))
    return found


def _is_split(session: Measured, edges: list[int]) -> bool:
    """Whether its registers matter: an edge lies between its start and its stop."""
    inside = bisect_right(edges, session.start[0]) < bisect_left(edges, session.stop[0])
    return inside and session.start[1] < session.stop[1]


def _merged(one: Group, other: Group) -> Group:
    return Group(
        _least(one.id_tag, other.id_tag),
        _least(one.parent_id_tag, other.parent_id_tag),
        min(one.first, other.first),
        max(one.last, other.last),
    )


def _least(one: str | None, other: str | None) -> str | None:
    return min((text for text in (one, other) if text is not None), default=None)


def _duration(passed: Any) -> int:
    return passed // _MILLISECOND if isinstance(passed, timedelta) else int(passed or 0)
