"""Which transactions a list has, and the way to them on which few rows are looked at.

A list is in the order of the start, and each filter but two has an index in that order: alone it is
walked to the end of the page. Of several filters one may match many and another hardly any; the
rarest leads then, so that a page costs the same whatever the others match. No row is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from ocpp_cs.db.models import Transaction, database
from ocpp_cs.db.queries.conditions import key_of, where
from ocpp_cs.rules import id_tag_key

# A filter that matches fewer is a way to the rows: they are looked up and sorted, in some 10 ms.
# What matches more is found soon when all rows are walked along in their order.
FEW = 6000

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
    conditions: Conditions = []
    if wanted.since is not None:
        conditions.append(start >= wanted.since)
    if wanted.until is not None:
        conditions.append(start < wanted.until)
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        if newest_first:
            conditions += [start <= after[0], (start < after[0]) | (id < after[1])]
        else:
            conditions += [start >= after[0], (start > after[0]) | (id > after[1])]
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
    """The ids of transactions that match the rarest filter, fewer than `FEW`, as a query.

    None where each filter matches more, or where one alone is walked along its index. `place` is
    as `in_time` made it.
    """
    ways = _ways(wanted)
    scattered = wanted.flag is not None or wanted.min_energy_wh is not None
    if len(ways) < 2 and not scattered:
        return None
    if place:
        ways.append([[]])
    rarest, least = None, FEW
    for way in ways:
        if not least:
            break
        ids = _ids(way, place, least)
        matched = ids.count(database.obj)
        if matched < least:
            rarest, least = ids, matched
    return rarest


def _ways(wanted: TransactionFilter) -> list[list[Conditions]]:
    """What an index each finds: a list of conditions, or of several ones that exclude another."""
    ways: list[list[Conditions]] = []
    connector = Transaction.connector_id == wanted.connector_id
    if wanted.charge_point_id is not None:
        of_connector = [] if wanted.connector_id is None else [connector]
        ways.append([[_at(wanted.charge_point_id), *of_connector]])
    elif wanted.connector_id is not None:
        ways.append([[connector]])
    if wanted.id_tag is not None:
        ways.append([[_by(wanted.id_tag)]])
    if wanted.parent_id_tag is not None:
        ways.append([[_by_group(wanted.parent_id_tag)]])
    if wanted.status is not None:
        ways.append([[Transaction.stopped_at.is_null(wanted.status == "active")]])
    if wanted.flag is not None:
        ways.append([[Transaction.flags != 0, Transaction.flags.in_(_kinds_with(wanted.flag))]])
    if wanted.min_energy_wh is not None:
        completed = [Transaction.stopped_at.is_null(False), _energy() >= wanted.min_energy_wh]
        active = [Transaction.stopped_at.is_null(), _energy_so_far() >= wanted.min_energy_wh]
        ways.append([completed, active])
    return ways


def _ids(way: Sequence[Conditions], place: Conditions, limit: int) -> Any:
    found: Any = None
    for conditions in way:
        part = where(Transaction.select(Transaction.id), [*conditions, *place])
        found = part if found is None else found.union_all(part)
    return found.limit(limit)


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
