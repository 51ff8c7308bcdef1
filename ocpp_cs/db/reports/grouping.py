"""What a report is grouped by: keys of its rows, and the buckets of a time zone.

What is counted is the reports' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from ocpp_cs import buckets
from ocpp_cs.buckets import TooManyBuckets, Unit
from ocpp_cs.db.fields import from_milliseconds, to_milliseconds
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.db.offload import offload

LONGEST = 1_000_000  # rows of a report
MOST_BUCKETS = 100_000
MOST_GROUPS = 100_000

_EARLIEST = to_milliseconds(datetime(1, 1, 1, tzinfo=UTC))
_LATEST = to_milliseconds(datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC))

Key = tuple[Any, ...]


class TooLarge(ValueError):
    """The report would have too many rows; the text says so to who asked for it."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Columns of the key, in the report's own order, and a unit of time or none."""

    keys: tuple[str, ...]
    unit: Unit | None
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Buckets:
    """The buckets of a report: each begins at an edge and ends at the next one."""

    edges: list[int]  # milliseconds since 1970
    grouping: Grouping
    first: int = 0  # where the first one would begin if the window did not cut it

    @property
    def count(self) -> int:
        return len(self.edges) - 1

    def described(self, index: int) -> tuple[str | None, datetime | None, datetime | None]:
        """Its label, beginning and end; None where there are none."""
        begins, ends = self.edges[index], self.edges[index + 1]
        unit = self.grouping.unit
        return (
            None if unit is None else self._label(unit, index),
            None if begins == _EARLIEST else from_milliseconds(begins),
            None if ends == _LATEST else from_milliseconds(ends),
        )

    def _label(self, unit: Unit, index: int) -> str:
        begins = self.edges[index] if index else self.first
        return buckets.label(self.grouping.zone, unit, begins)


def buckets_of(
    grouping: Grouping, window: tuple[int | None, int | None], extent: tuple[int, int] | None
) -> Buckets:
    """The buckets of the window; where it is open, those that hold something of the extent.

    Without a unit of time it is one bucket. Raises TooLarge.
    """
    since, until = window
    if extent is None or (since is not None and until is not None and since >= until):
        return Buckets([0], grouping)
    if grouping.unit is None:
        ends = _LATEST if until is None else until
        return Buckets([_EARLIEST if since is None else since, ends], grouping)
    first = extent[0] if since is None else since
    last = extent[1] if until is None else until
    if first >= last:
        return Buckets([0], grouping)
    try:
        # Many years of hours take a while to be found.
        edges = offload(
            partial(buckets.edges, grouping.zone, grouping.unit, first, last, MOST_BUCKETS)
        )
    except TooManyBuckets:
        raise TooLarge(
            f"More than {MOST_BUCKETS:,} buckets of one {grouping.unit}: ask for a larger unit of "
            "time, or for less by from and to."
        ) from None
    uncut = edges[0]
    if since is not None:
        edges[0] = since
    if until is not None:
        edges[-1] = until
    return Buckets(edges, grouping, uncut)


def check_size(groups: int, buckets: int) -> None:
    """Raises TooLarge."""
    if groups > MOST_GROUPS or groups * buckets > LONGEST:
        raise TooLarge(
            f"{min(groups, MOST_GROUPS + 1):,} groups in {buckets:,} buckets of time are too many: "
            f"a report has at most {MOST_GROUPS:,} groups and {LONGEST:,} rows. Ask for a larger "
            "unit of time, or for less by from, to and the other filters."
        )


def identities(ids: set[int]) -> dict[int, str]:
    """What charge points are called: inside `Engine.read`."""
    query: Any = ChargePoint.select(ChargePoint.id, ChargePoint.identity).tuples()
    return {id: identity for id, identity in query if id in ids}
