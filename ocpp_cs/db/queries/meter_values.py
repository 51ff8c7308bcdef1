"""Samples of a transaction in the order of time.

What they add up to is in `transactions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN

from ocpp_cs.db.models import (
    MeterSeries,
    MeterValue,
    Transaction,
)
from ocpp_cs.db.queries.conditions import where


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


def transaction_meter_values(
    transaction_id: int,
    wanted: MeterValueFilter,
    after: tuple[datetime, int, int] | None,
    limit: int,
) -> list[MeterValueRow]:
    """A transaction's samples in time's order; the key is (sampled_at, series_id, connector_id)."""
    conditions: list[Any] = [samples_of(transaction_id)]
    at, series, connector = MeterValue.sampled_at, MeterValue.series_id, MeterValue.connector_id
    for field, value in (
        (MeterSeries.measurand, wanted.measurand),
        (MeterSeries.phase, wanted.phase),
        (MeterSeries.context, wanted.context),
    ):
        if value is not None:
            conditions.append(field == value)
    if wanted.since is not None:
        conditions.append(at >= wanted.since)
    if wanted.until is not None:
        conditions.append(at < wanted.until)
    if after is not None:
        same_time = (series > after[1]) | ((series == after[1]) & (connector > after[2]))
        conditions += [at >= after[0], (at > after[0]) | same_time]
    query = MeterValue.select(
        at,
        connector,
        MeterSeries.measurand,
        MeterValue.value,
        MeterSeries.unit,
        MeterSeries.phase,
        MeterSeries.location,
        MeterSeries.context,
        MeterSeries.format,
        MeterValue.raw_value,
        series,
    ).join(MeterSeries, JOIN.LEFT_OUTER, on=(MeterSeries.id == series))
    query = where(query, conditions).order_by(at, series, connector).limit(limit)
    return [_meter_value_row(*values) for values in query.tuples()]


def _meter_value_row(
    at: datetime, connector_id: int, measurand: str, value: Any, unit: str, phase: str, *rest: Any
) -> MeterValueRow:
    return MeterValueRow(at, connector_id, measurand, value, unit or None, phase or None, *rest)


def samples_of(transaction_id: int) -> Any:
    """The beginning of the samples' primary key: they lie side by side."""
    owner = Transaction.select(Transaction.charge_point_id).where(Transaction.id == transaction_id)
    return (MeterValue.charge_point_id == owner) & (MeterValue.transaction_id == transaction_id)
