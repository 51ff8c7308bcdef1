"""The utilisation report: how long connectors had which status, per group and bucket.

A status lasts until the connector's next one, the latest until now; before its first one a
connector was not observed. Connector 0 is the charge point as a whole, and left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import from_milliseconds, to_milliseconds
from ocpp_cs.db.registers import milliseconds, select
from ocpp_cs.db.reports.grouping import (
    MOST_GROUPS,
    Buckets,
    Grouping,
    buckets_of,
    check_size,
    identities,
)
from ocpp_cs.db.reports.pages import Pages

_PLACE = ("begins", "charge_point_key", "connector_key", "status")
_CONNECTORS_AT_A_TIME = 50
_CHUNK = 500

_CONNECTORS = """
SELECT c.charge_point_id, c.connector_id, (
    SELECT MIN(e.occurred_at) FROM status_events AS e
    WHERE e.charge_point_id = c.charge_point_id AND e.connector_id = c.connector_id
)
FROM connectors AS c WHERE c.connector_id > 0 {conditions}
ORDER BY c.charge_point_id, c.connector_id LIMIT {limit}
"""
_WANTED = "WITH wanted (charge_point_id, connector_id) AS (VALUES {connectors}) "
_BEFORE = (
    _WANTED
    + """
SELECT e.charge_point_id, e.connector_id, e.status FROM status_events AS e WHERE e.id IN (
    SELECT (
        SELECT p.id FROM status_events AS p
        WHERE p.charge_point_id = wanted.charge_point_id
            AND p.connector_id = wanted.connector_id AND p.occurred_at < ?
        ORDER BY p.occurred_at DESC, p.id DESC LIMIT 1
    ) FROM wanted
)
"""
)
_EVENTS = (
    _WANTED
    + """
SELECT e.charge_point_id, e.connector_id, e.occurred_at, e.id, e.status
FROM wanted CROSS JOIN status_events AS e
WHERE e.charge_point_id = wanted.charge_point_id AND e.connector_id = wanted.connector_id
    AND e.occurred_at >= ? AND e.occurred_at < ? {after}
ORDER BY e.charge_point_id, e.connector_id, e.occurred_at, e.id LIMIT {limit}
"""
)
_AFTER = "AND (e.charge_point_id, e.connector_id, e.occurred_at, e.id) > (?, ?, ?, ?)"

Connector = tuple[int, int]  # charge point, connector
Group = tuple[str, int]  # as it is shown; empty and 0 where it is not grouped by


@dataclass(frozen=True, slots=True, kw_only=True)
class UtilisationFilter:
    """Which connectors; None does not filter. Statuses are cut at `since` and `until`."""

    charge_point_id: str | None = None
    connector_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


class UtilisationRow(NamedTuple):
    """A status of a group in a bucket; `share` is of the time in which the group was observed."""

    bucket: str | None
    bucket_start: datetime | None
    bucket_end: datetime | None
    charge_point_id: str | None
    connector_id: int | None
    status: str
    duration_s: float
    share: float
    begins: int
    charge_point_key: str
    connector_key: int


def utilisation_report(
    engine: Engine, wanted: UtilisationFilter, grouping: Grouping, *, now: datetime
) -> Pages:
    """The report, ready to be read; raises TooLarge."""
    found, first = engine.read(lambda: _connectors(wanted))
    connectors = {
        connector: _group(identity, connector[1], grouping) for connector, identity in found.items()
    }
    window = (
        None if wanted.since is None else to_milliseconds(wanted.since),
        None if wanted.until is None else to_milliseconds(wanted.until),
    )
    extent = None if first is None else (first, max(to_milliseconds(now), first + 1))
    buckets = buckets_of(grouping, window, extent)
    groups = len(set(connectors.values()))
    check_size(groups, buckets.count)
    report = _Report(engine, connectors, buckets, to_milliseconds(now))
    return Pages(buckets, groups, report.rows, _PLACE)


def _connectors(wanted: UtilisationFilter) -> tuple[dict[Connector, str], int | None]:
    """Those that were observed with the identities of their charge points, and since when."""
    conditions = ""
    parameters: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions += " AND c.charge_point_id = (SELECT id FROM charge_points WHERE identity = ?)"
        parameters.append(wanted.charge_point_id)
    if wanted.connector_id is not None:
        conditions += " AND c.connector_id = ?"
        parameters.append(wanted.connector_id)
    sql = _CONNECTORS.format(conditions=conditions, limit=MOST_GROUPS + 1)
    rows = [row for row in select(sql, parameters) if row[2] is not None]
    called = identities({row[0] for row in rows})
    found = {(row[0], row[1]): called.get(row[0], "") for row in rows}
    return found, min((milliseconds(row[2]) for row in rows), default=None)


def _group(identity: str, connector_id: int, grouping: Grouping) -> Group:
    return (
        identity if "charge_point_id" in grouping.keys else "",
        connector_id if "connector_id" in grouping.keys else 0,
    )


class _Report:
    def __init__(
        self, engine: Engine, connectors: dict[Connector, Group], buckets: Buckets, now: int
    ) -> None:
        self._engine = engine
        self._connectors = connectors
        self._buckets = buckets
        self._now = now

    def rows(self, first: int, last: int) -> list[UtilisationRow]:
        """The rows of the buckets [first, last)."""
        edges = self._buckets.edges[first : last + 1]
        found: defaultdict[tuple[int, Group], dict[str, int]] = defaultdict(dict)
        for connector, status, since, until in self._periods(edges):
            self._spread(found, edges, (self._connectors[connector], status, since, until))
        rows = []
        for index, group in sorted(found):
            described = self._buckets.described(first + index)
            durations = found[index, group]
            observed = sum(durations.values())
            for status, duration in sorted(durations.items()):
                rows.append(
                    UtilisationRow(
                        *described,
                        group[0] or None,
                        group[1] or None,
                        status,
                        duration / 1000,
                        round(duration / observed, 6),
                        edges[index],
                        *group,
                    )
                )
        return rows

    def _spread(
        self,
        found: dict[tuple[int, Group], dict[str, int]],
        edges: list[int],
        period: tuple[Group, str, int, int],
    ) -> None:
        group, status, since, until = period
        index = bisect_right(edges, since) - 1
        while since < until:
            ends = min(edges[index + 1], until)
            durations = found[index, group]
            durations[status] = durations.get(status, 0) + ends - since
            since, index = ends, index + 1

    def _periods(self, edges: list[int]) -> Iterator[tuple[Connector, str, int, int]]:
        """Each status of each connector within the edges, and from when to when it lasted."""
        begins, ends = edges[0], min(edges[-1], self._now)
        if begins >= ends:
            return
        all_of_them = list(self._connectors)
        for start in range(0, len(all_of_them), _CONNECTORS_AT_A_TIME):
            batch = all_of_them[start : start + _CONNECTORS_AT_A_TIME]
            before = self._before(batch, begins)
            state = {connector: (status, begins) for connector, status in before}
            for connector, events in groupby(self._events(batch, begins, ends), itemgetter(0, 1)):
                for _, _, occurred_at, _, status in events:
                    at = milliseconds(occurred_at)
                    if connector in state:
                        yield connector, *state[connector], at
                    state[connector] = status, at
            for connector, (status, since) in state.items():
                yield connector, status, since, ends

    def _before(self, batch: list[Connector], begins: int) -> list[tuple[Connector, str]]:
        """Which status each connector had at a time, of those that had one."""
        sql, parameters = _statement(_BEFORE, batch)
        rows = self._engine.read(lambda: select(sql, [*parameters, from_milliseconds(begins)]))
        return [((row[0], row[1]), row[2]) for row in rows]

    def _events(self, batch: list[Connector], begins: int, ends: int) -> Iterator[Any]:
        bounds = [from_milliseconds(begins), from_milliseconds(ends)]
        after: list[Any] = []
        while True:
            sql, parameters = _statement(_EVENTS, batch, _AFTER if after else "")
            values = [*parameters, *bounds, *after]
            rows = self._engine.read(partial(select, sql, values))
            yield from rows
            if len(rows) < _CHUNK:
                return
            after = list(rows[-1][:4])


def _statement(sql: str, batch: list[Connector], after: str = "") -> tuple[str, list[Any]]:
    places = ", ".join(["(?, ?)"] * len(batch))
    return (
        sql.format(connectors=places, after=after, limit=_CHUNK),
        [id for connector in batch for id in connector],
    )
