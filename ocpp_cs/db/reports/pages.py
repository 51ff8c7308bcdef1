"""The rows of a report in pages, which computes no more of them than a page needs.

What the rows say is the reports' own. A stream asks for chunk after chunk: what was computed and
not taken is kept for the next one, and the ranges grow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ocpp_cs.db.reports.grouping import Buckets

# Rows that are computed at a time: on PostgreSQL they are fetched on the event loop.
_MOST_CELLS = 4000
# Each bucket is three parameters of a statement.
_MOST_BUCKETS = 500

Place = tuple[Any, ...]


class Pages:
    """Rows in the order of their bucket and key; `read` is what `api.lists` asks for."""

    def __init__(
        self,
        buckets: Buckets,
        rows_of_a_bucket: int,
        compute: Callable[[int, int], list[Any]],
        place: tuple[str, ...],
    ) -> None:
        """`compute(first, last)`: the rows of the buckets [first, last) in order. `place`: the
        attributes of a row that say where it stands; the first is where its bucket begins."""
        self._buckets = buckets
        self._rows_of_a_bucket = max(rows_of_a_bucket, 1)
        self._compute = compute
        self._place = attrgetter(*place)
        self._cells = 0
        self._waiting: list[Any] = []
        self._taken: Place | None = None
        self._next = 0

    def read(self, after: Place | None, limit: int) -> list[Any]:
        """At most `limit` rows after a place, None for the first ones."""
        if after is None or after != self._taken:
            self._seek(after)
        self._cells = max(self._cells, min(limit, _MOST_CELLS))
        while len(self._waiting) < limit and self._next < self._buckets.count:
            self._advance(after)
        rows, self._waiting = self._waiting[:limit], self._waiting[limit:]
        if rows:
            self._taken = self._place(rows[-1])
        return rows

    def _seek(self, after: Place | None) -> None:
        edges = self._buckets.edges
        self._waiting = []
        self._next = 0 if after is None else max(bisect_right(edges, after[0]) - 1, 0)

    def _advance(self, after: Place | None) -> None:
        size = min(-(-self._cells // self._rows_of_a_bucket), _MOST_BUCKETS)
        last = min(self._next + size, self._buckets.count)
        rows = self._compute(self._next, last)
        if after is not None:
            rows = [row for row in rows if self._place(row) > after]
        self._waiting += rows
        self._next = last
        self._cells = min(2 * self._cells, _MOST_CELLS)
