"""Which transactions a list has, and the way to them on which few rows are looked at.

A list is in the order of the start, and each filter but two has an index in that order: alone it is
walked to the end of the page. Of several filters one may match many and another hardly any; the
rare ones lead then, so that a page costs the same whatever the others match. No row is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_, itemgetter
from typing import Any, NamedTuple

from peewee import SQL, NodeList, Select, Value, fn

from ocpp_cs.db.models import Transaction, database
from ocpp_cs.db.queries.conditions import key_of, on_postgresql, where
from ocpp_cs.rules import id_tag_key

# What matches fewer is looked up and sorted, in some 10 ms; of more, a page is found soon when all
# rows are walked along in their order.
FEW = 1500
# Two filters that match fewer each are brought together without a look at the rows.
MANY = 25_000

# Each step is one look into the index, so that a million flagged rows take no longer than ten.
_KINDS_OF_FLAGS = """
WITH RECURSIVE kinds (flags) AS (
    SELECT MIN(flags) FROM transactions WHERE flags <> 0
    UNION ALL
    SELECT (SELECT MIN(t.flags) FROM transactions AS t WHERE t.flags <> 0 AND t.flags > kinds.flags)
    FROM kinds WHERE kinds.flags IS NOT NULL
)
SELECT flags FROM kinds WHERE flags IS NOT NULL
"""

Conditions = list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFilter:
    """Which transactions; None does not filter. `since` inclusive, `until` exclusive."""

    charge_point_id: str | None = None
    connector_id: int | None = None
    id_tag: str | None = None
    parent_id_tag: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    flag: int | None = None  # any of these bits
    min_energy_wh: int | None = None


def in_time(
    wanted: TransactionFilter, after: tuple[datetime, int] | None, *, newest_first: bool
) -> Conditions:
    """Of the start, and of the place in the list: what bounds a walk along an index."""
    start, id = Transaction.started_at, Transaction.id
    since, until = wanted.since, wanted.until
    conditions: Conditions = []
    # One bound on each side, or SQLite might walk from the one to the other. The first half of a
    # place is implied by the second; engines walk an index by it.
    if after is not None and newest_first and (until is None or after[0] < until):
        conditions += [start <= after[0], (start < after[0]) | (id < after[1])]
        until = None
    if after is not None and not newest_first and (since is None or after[0] >= since):
        conditions += [start >= after[0], (start > after[0]) | (id > after[1])]
        since = None
    if since is not None:
        conditions.append(start >= since)
    if until is not None:
        conditions.append(start < until)
    return conditions


def matching(wanted: TransactionFilter) -> Conditions:
    """All else that is wanted, one condition or more."""
    conditions: Conditions = []
    if wanted.charge_point_id is not None:
        conditions.append(_at(wanted.charge_point_id))
    if wanted.connector_id is not None:
        connector: Any = Transaction.connector_id
        if any((wanted.id_tag, wanted.parent_id_tag, wanted.flag, wanted.status == "active")):
            connector += 0  # not by its index: the others find fewer
        conditions.append(connector == wanted.connector_id)
    if wanted.id_tag is not None:
        conditions.append(_by(wanted.id_tag))
    if wanted.parent_id_tag is not None:
        conditions.append(_by_group(wanted.parent_id_tag))
    if wanted.status is not None:
        conditions.append(Transaction.stopped_at.is_null(wanted.status == "active"))
    if wanted.flag is not None:
        conditions += [Transaction.flags != 0, Transaction.flags.bin_and(wanted.flag) != 0]
    if wanted.min_energy_wh is not None:
        conditions.append(_energy_so_far() >= wanted.min_energy_wh)
    return conditions


def few(wanted: TransactionFilter, place: Conditions) -> Any | None:
    """The ids of transactions that a rare filter matches, or two together, as a query of few rows.

    None where they match more, or where one alone is walked along its index. `place` is as
    `in_time` made it.
    """
    ways, scattered = _ways_in_time(wanted, place), _scattered_ways(wanted)
    if len(ways) < 2 and not scattered:
        return None
    if place:
        ways.append(_Way(place))
    ways += scattered
    return _few_on_postgresql(ways) if on_postgresql() else _few_on_sqlite(ways)


def _few_on_sqlite(ways: list[_Way]) -> Any | None:
    """What a way finds is counted along its index, up to `MANY`."""
    rare: list[tuple[int, Any]] = []
    for way in ways:
        ids = way.ids()
        matched: int = ids.limit(MANY).count(database.obj)
        if matched < FEW:
            return ids.limit(FEW)
        if matched < MANY:
            rare.append((matched, ids))
    if len(rare) < 2:
        return None
    [(_, one), (_, other)] = sorted(rare, key=itemgetter(0))[:2]
    return _if_few(one.intersect(other))


def _few_on_postgresql(ways: list[_Way]) -> Any | None:
    """It looks at the row of each entry that it counts; its statistics say whether that is worth
    it. Of two conditions on one table it brings the entries together before it reads rows."""
    rare = [(expected, way) for way in ways if (expected := _expected(way.ids())) < MANY]
    rare.sort(key=itemgetter(0))
    if len(rare) > 1:
        [(_, one), (_, other)] = rare[:2]
        both: Any = Transaction.select(Transaction.id).where(one.condition() & other.condition())
        found = [id for (id,) in both.limit(FEW).tuples()]
        if len(found) < FEW:  # as plain numbers, so that they are not looked for again
            array = Value(found, unpack=False).cast("integer[]")
            return Select(columns=[fn.UNNEST(array).alias("id")])
    return _if_few(rare[0][1].ids()) if rare else None


def _if_few(ids: Any) -> Any | None:
    ids = ids.limit(FEW)
    return ids if ids.count(database.obj) < FEW else None


class _Way(NamedTuple):
    """Transactions that an index finds: those of all conditions, and those of all `or_else`."""

    conditions: Conditions
    or_else: Sequence[Any] = ()

    def ids(self) -> Any:
        found = where(Transaction.select(Transaction.id), self.conditions)
        if not self.or_else:
            return found
        if on_postgresql():
            return Transaction.select(Transaction.id).where(self.condition())
        # Each for itself, so that its index alone says it.
        others = where(Transaction.select(Transaction.id), self.or_else)
        either = found.union_all(others).alias("either")
        return Transaction.select(either.c.id).from_(either)

    def condition(self) -> Any:
        found = reduce(and_, self.conditions)
        return found | reduce(and_, self.or_else) if self.or_else else found


def _expected(query: Any) -> int:
    """How many rows PostgreSQL's planner expects of a query."""
    explained = NodeList((SQL("EXPLAIN (FORMAT JSON)"), query))
    [[plans]] = database.obj.execute(explained).fetchall()
    return int(plans[0]["Plan"]["Plan Rows"])


def _ways_in_time(wanted: TransactionFilter, place: Conditions) -> list[_Way]:
    """What each filter finds by its index in the order of the start."""
    found: list[Conditions] = []
    connector = Transaction.connector_id == wanted.connector_id
    if wanted.charge_point_id is not None:
        of_connector = [] if wanted.connector_id is None else [connector]
        found.append([_at(wanted.charge_point_id), *of_connector])
    elif wanted.connector_id is not None:
        found.append([connector])
    if wanted.id_tag is not None:
        found.append([_by(wanted.id_tag)])
    if wanted.parent_id_tag is not None:
        found.append([_by_group(wanted.parent_id_tag)])
    if wanted.status == "active":
        found.append([Transaction.stopped_at.is_null()])
    return [_Way([*conditions, *place]) for conditions in found]


def _scattered_ways(wanted: TransactionFilter) -> list[_Way]:
    """What the others find, at whatever time: else an engine might walk along the time."""
    found: list[_Way] = []
    if wanted.flag is not None:
        kinds = Transaction.flags.in_(_kinds_with(wanted.flag))
        found.append(_Way([Transaction.flags != 0, kinds]))
    if wanted.min_energy_wh is not None:
        # Nothing else is asked of a completed one, so that the index alone says it.
        completed = [_energy() >= wanted.min_energy_wh]
        active = [
            Transaction.stopped_at.is_null(),
            Transaction.meter_stop_wh.is_null(),
            _energy_so_far() >= wanted.min_energy_wh,
        ]
        found.append(_Way(completed, or_else=active))
    return found


def _kinds_with(flag: int) -> list[int]:
    """The sets of flags that transactions have, of those with this one."""
    rows = database.obj.execute_sql(_KINDS_OF_FLAGS).fetchall()
    return [flags for (flags,) in rows if flags & flag]


def _at(identity: str) -> Any:
    return Transaction.charge_point_id == key_of(identity)


def _by(id_tag: str) -> Any:
    return Transaction.id_tag_key == id_tag_key(id_tag)


def _by_group(parent_id_tag: str) -> Any:
    return Transaction.parent_id_tag_key == id_tag_key(parent_id_tag)


def _energy() -> Any:
    """Energy of a completed one, as its index has it.

    Exact numerics, as two hostile registers can differ by 2^64.
    """
    return Transaction.meter_stop_wh.cast("NUMERIC") - Transaction.meter_start_wh.cast("NUMERIC")


def _energy_so_far() -> Any:
    """The same of an active one, too."""
    register = fn.COALESCE(Transaction.meter_stop_wh, Transaction.last_register_wh)
    return register.cast("NUMERIC") - Transaction.meter_start_wh.cast("NUMERIC")
