"""The course of a transaction: power and energy register over time, in a bounded number of points.

Samples outside of the transaction are left out. What its registers are billed by is `db.registers`.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

from peewee import SQL, fn

from ocpp_cs.db.fields import from_milliseconds, to_milliseconds
from ocpp_cs.db.models import MeterValue, Transaction
from ocpp_cs.db.queries.meter_values import samples_of
from ocpp_cs.db.queries.overview import powers
from ocpp_cs.db.queries.scans import milliseconds_between
from ocpp_cs.db.registers import Session, points, power_series, register_series, registers

CURVE_POINTS = 120


class CurvePoint(NamedTuple):
    """What is known at a time: power in W, register in Wh."""

    at: datetime
    power_w: float | None
    register_wh: int | None


class TransactionCurve(NamedTuple):
    """In the order of time. `thinned`: points stand for more samples than one."""

    points: list[CurvePoint]
    thinned: bool


def transaction_curve(
    transaction_id: int, since: datetime, until: datetime, *, most: int = CURVE_POINTS
) -> TransactionCurve:
    """What lies from `since` to `until`, both included, in so many parts of the same length.

    A part has the mean of the power and the highest register, at the time of its last sample. Where
    the samples have been pruned, their quarter hours are what is left.
    """
    span = max(to_milliseconds(until) - to_milliseconds(since), 0)
    width = span // most + 1
    powered, registered = power_series(), register_series()
    part = milliseconds_between(since, MeterValue.sampled_at) / width
    query: Any = (
        MeterValue.select(
            part.alias("part"),
            MeterValue.series_id,
            fn.MAX(MeterValue.sampled_at),
            fn.AVG(MeterValue.value),
            fn.MAX(MeterValue.value),
            fn.COUNT(MeterValue.value),
        )
        .where(samples_of(transaction_id))
        .where((MeterValue.sampled_at >= since) & (MeterValue.sampled_at <= until))
        .where(MeterValue.series_id.in_([*powered, *registered]))
        .where(MeterValue.value.is_null(False))
        .group_by(SQL("part"), MeterValue.series_id)
    )
    rows = list(query.tuples())
    last: dict[int, int] = {}
    for number, _, at, *_ in rows:
        last[number] = max(last.get(number, 0), to_milliseconds(at))
    means = ((last[n], series, mean) for n, series, _, mean, _, _ in rows if series in powered)
    highest = sorted((last[n], series, top) for n, series, _, _, top, _ in rows)
    highest = [row for row in highest if row[1] in registered]
    power_at = powers(means, powered)
    register_at = dict(_readings(transaction_id, since, until)) if not highest else {}
    register_at.update(points(highest, registered))
    found = [
        CurvePoint(from_milliseconds(at), power_at.get(at), register_at.get(at))
        for at in sorted({*power_at, *register_at})
    ]
    counts: defaultdict[int, int] = defaultdict(int)
    for number, _, _, _, _, count in rows:
        counts[number] = max(counts[number], count)
    return TransactionCurve(found, any(count > 1 for count in counts.values()))


def _readings(transaction_id: int, since: datetime, until: datetime) -> list[tuple[int, int]]:
    query: Any = Transaction.select(Transaction.charge_point_id).where(
        Transaction.id == transaction_id
    )
    sessions = [Session(owner, transaction_id) for (owner,) in query.tuples()]
    first, last = to_milliseconds(since), to_milliseconds(until)
    kept = registers(sessions, {}).get(transaction_id, [])
    return [reading for reading in sorted(kept) if first <= reading[0] <= last]
