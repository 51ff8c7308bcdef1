"""Samples: of one transaction in the order of time, and of all in the order of their key.

What they add up to is in `transactions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from peewee import JOIN, Join, Tuple, ValuesList

from ocpp_cs.db.models import (
    STRAY_AFTER,
    ChargePoint,
    MeterSeries,
    MeterValue,
    Transaction,
)
from ocpp_cs.db.queries.conditions import where

# Charge points whose transactions are looked up at a time: few at first, as a page is small; more
# and more while nothing is found.
_FIRST_CHARGE_POINTS, _MOST_CHARGE_POINTS = 1, 256
# Transactions whose samples are read at a time. For more of them SQLite, once it has statistics,
# would go through all samples to make a Bloom filter.
_OWNERS = 64
# Times of a message may be rounded: a sample may lie so far before its start and be no oddity.
_ROUNDING = timedelta(minutes=1)


class MeterValueRow(NamedTuple):
    """A sampled value; `series_id` is only a part of its place in the list."""

    sampled_at: datetime
    connector_id: int
    measurand: str
    value: float | None
    unit: str | None
    phase: str | None
    location: str
    context: str
    format: str
    raw_value: str
    series_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValueFilter:
    """Which samples; None does not filter, phase "" means samples without one."""

    measurand: str | None = None
    phase: str | None = None
    context: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyMeterValueFilter(MeterValueFilter):
    """As `MeterValueFilter`, of whatever transaction; 0 is the lack of one."""

    charge_point_id: str | None = None
    connector_id: int | None = None
    transaction_id: int | None = None


class AnyMeterValueRow(NamedTuple):
    """A sampled value with what it belongs to; the last three are parts of its place."""

    charge_point_id: str
    transaction_id: int | None
    sampled_at: datetime
    connector_id: int
    measurand: str
    value: float | None
    unit: str | None
    phase: str | None
    location: str
    context: str
    format: str
    raw_value: str
    series_id: int
    charge_point_key: int
    transaction_key: int  # 0: none


AnyKey = tuple[int, int, datetime, int, int]


def transaction_meter_values(
    transaction_id: int,
    wanted: MeterValueFilter,
    after: tuple[datetime, int, int] | None,
    limit: int,
) -> list[MeterValueRow]:
    """A transaction's samples in time's order; the key is (sampled_at, series_id, connector_id)."""
    at, series, connector = MeterValue.sampled_at, MeterValue.series_id, MeterValue.connector_id
    conditions: list[Any] = [samples_of(transaction_id), *_in_time(wanted)]
    for field, value in _kind(wanted):
        conditions.append(field == value)
    if after is not None:
        same_time = (series > after[1]) | ((series == after[1]) & (connector > after[2]))
        conditions += [at >= after[0], (at > after[0]) | same_time]
    query = MeterValue.select(*_COLUMNS).join(
        MeterSeries, JOIN.LEFT_OUTER, on=(MeterSeries.id == series)
    )
    query = where(query, conditions).order_by(at, series, connector).limit(limit)
    return [_meter_value_row(*values) for values in query.tuples()]


def meter_values(
    wanted: AnyMeterValueFilter, after: AnyKey | None, limit: int
) -> list[AnyMeterValueRow]:
    """Samples of all transactions and of none, in the order of their primary key, which is
    (charge_point_key, transaction_key, sampled_at, series_id, connector_id).

    There is no index by time, as it would double what a sample takes on disk. A range of time is
    found by the transactions that reach into it instead.
    """
    conditions = _in_time(wanted)
    if any(value is not None for _, value in _kind(wanted)):
        # Before and not within: with a handful of numbers no engine begins at the kinds.
        kinds = where(MeterSeries.select(MeterSeries.id), [f == v for f, v in _kind(wanted)])
        conditions.append(MeterValue.series_id.in_([id for (id,) in kinds.tuples()]))
    if wanted.connector_id is not None:
        conditions.append(MeterValue.connector_id == wanted.connector_id)
    charge_point: int | None = None
    if wanted.charge_point_id is not None:
        found: Any = ChargePoint.select(ChargePoint.id).where(
            ChargePoint.identity == wanted.charge_point_id
        )
        charge_point = found.scalar()
        if charge_point is None:
            return []
        conditions.append(MeterValue.charge_point_id == charge_point)
    if wanted.transaction_id:
        return _page([*conditions, samples_of(wanted.transaction_id)], after, limit)
    if wanted.since is None and wanted.until is None and wanted.transaction_id is None:
        return _page(conditions, after, limit)
    rows: list[AnyMeterValueRow] = []
    for owners in _owners(wanted, charge_point, after):
        rows += _page(conditions, after, limit - len(rows), owners)
        if len(rows) >= limit:
            break
    return rows


def _owners(
    wanted: AnyMeterValueFilter, charge_point: int | None, after: AnyKey | None
) -> Iterator[list[tuple[int, int]]]:
    """Charge points and transactions in the order of samples' keys, among them all whose samples
    can lie in the wanted time, from the place `after` on."""
    first = (0, 0) if after is None else after[:2]
    for batch in _charge_points(first[0]) if charge_point is None else [[charge_point]]:
        found = {(id, 0) for id in batch}
        if wanted.transaction_id != 0:
            found |= _reaching_into(wanted, batch)
        owners = sorted(owner for owner in found if owner >= first)
        for begin in range(0, len(owners), _OWNERS):
            yield owners[begin : begin + _OWNERS]


def _charge_points(first: int) -> Iterator[list[int]]:
    """The keys of all charge points from the first one on, in batches that grow."""
    size = _FIRST_CHARGE_POINTS
    while True:
        query: Any = ChargePoint.select(ChargePoint.id).where(ChargePoint.id >= first)
        batch = [id for (id,) in query.order_by(ChargePoint.id).limit(size).tuples()]
        if batch:
            yield batch
        if len(batch) < size:
            return
        first, size = batch[-1] + 1, min(4 * size, _MOST_CHARGE_POINTS)


def _reaching_into(
    wanted: AnyMeterValueFilter, charge_points: Sequence[int]
) -> set[tuple[int, int]]:
    """Transactions with samples that can lie in the wanted time: those that started in it or not
    long before, and the few of which that says nothing."""
    of_them = [Transaction.charge_point_id.in_(charge_points)]
    if wanted.since is not None:
        of_them.append(Transaction.last_sample_at >= wanted.since)
    near = list(of_them)
    if wanted.since is not None:
        near.append(Transaction.started_at >= _earlier(wanted.since, STRAY_AFTER))
    if wanted.until is not None:
        near.append(Transaction.started_at < _later(wanted.until, _ROUNDING))
    found: set[tuple[int, int]] = set()
    for conditions in (near, [*of_them, Transaction.stray.is_null(False)]):
        query = where(Transaction.select(Transaction.charge_point_id, Transaction.id), conditions)
        found.update(query.tuples())
    return found


def _earlier(at: datetime, by: timedelta) -> datetime:
    return at - by if at.year > 1 else at


def _later(at: datetime, by: timedelta) -> datetime:
    return at + by if at.year < 9999 else at


def _page(
    conditions: Sequence[Any],
    after: AnyKey | None,
    limit: int,
    owners: list[tuple[int, int]] | None = None,
) -> list[AnyMeterValueRow]:
    """Samples after a place, if need be of these charge points and transactions alone."""
    key: tuple[Any, ...] = (
        MeterValue.charge_point_id,
        MeterValue.transaction_id,
        MeterValue.sampled_at,
        MeterValue.series_id,
        MeterValue.connector_id,
    )
    source: Any = MeterValue
    place = key
    if owners is not None:
        # Crossed, so that SQLite looks these few up instead of going along all samples.
        few = ValuesList(owners, alias="owners")
        source = Join(few, MeterValue, JOIN.CROSS)
        conditions = [*conditions, key[0] == few.c.column1, key[1] == few.c.column2]
        place = (key[0] + 0, *key[1:])
    if after is not None:
        # As one comparison, which both engines walk the primary key by; the time needs no
        # conversion, as a cursor's is in UTC already.
        conditions = [*conditions, Tuple(*place) > Tuple(*after)]
    source = Join(source, MeterSeries, JOIN.LEFT_OUTER, MeterSeries.id == key[3])
    source = Join(source, ChargePoint, JOIN.LEFT_OUTER, ChargePoint.id == key[0])
    query: Any = MeterValue.select(*key[:2], ChargePoint.identity, *_COLUMNS).from_(source)
    query = where(query, conditions).order_by(*key).limit(limit)
    return [_any_row(*values) for values in query.tuples()]


def _any_row(
    charge_point_key: int, transaction_key: int, identity: str, *values: Any
) -> AnyMeterValueRow:
    value = _meter_value_row(*values)
    place = (charge_point_key, transaction_key)
    return AnyMeterValueRow(identity, transaction_key or None, *value, *place)


def _in_time(wanted: MeterValueFilter) -> list[Any]:
    conditions = []
    if wanted.since is not None:
        conditions.append(MeterValue.sampled_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(MeterValue.sampled_at < wanted.until)
    return conditions


def _kind(wanted: MeterValueFilter) -> list[tuple[Any, str]]:
    """The wanted parts of a sample's kind."""
    parts = (
        (MeterSeries.measurand, wanted.measurand),
        (MeterSeries.phase, wanted.phase),
        (MeterSeries.context, wanted.context),
    )
    return [(field, value) for field, value in parts if value is not None]


_COLUMNS = (
    MeterValue.sampled_at,
    MeterValue.connector_id,
    MeterSeries.measurand,
    MeterValue.value,
    MeterSeries.unit,
    MeterSeries.phase,
    MeterSeries.location,
    MeterSeries.context,
    MeterSeries.format,
    MeterValue.raw_value,
    MeterValue.series_id,
)


def _meter_value_row(
    at: datetime, connector_id: int, measurand: str, value: Any, unit: str, phase: str, *rest: Any
) -> MeterValueRow:
    return MeterValueRow(at, connector_id, measurand, value, unit or None, phase or None, *rest)


def samples_of(transaction_id: int) -> Any:
    """The beginning of the samples' primary key: they lie side by side."""
    owner = Transaction.select(Transaction.charge_point_id).where(Transaction.id == transaction_id)
    return (MeterValue.charge_point_id == owner) & (MeterValue.transaction_id == transaction_id)
