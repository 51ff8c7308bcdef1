"""Transactions with what follows from them: energy, duration, power, samples and frames.

Nothing is changed here, flags are only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, Join, fn

from ocpp_cs.db.models import (
    ChargePoint,
    MeterSeries,
    MeterValue,
    Transaction,
    TransactionEvidence,
)
from ocpp_cs.db.queries.conditions import where
from ocpp_cs.db.queries.meter_values import samples_of
from ocpp_cs.db.queries.transaction_filters import (
    Conditions,
    TransactionFilter,
    few,
    in_time,
    matching,
)


class TransactionRow(NamedTuple):
    """A transaction with what follows from it; energy in Wh, power in W, duration in seconds."""

    id: int
    charge_point_id: str
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    id_tag_status: str
    started_at: datetime
    stopped_at: datetime | None
    received_at: datetime
    meter_start_wh: int
    meter_stop_wh: int | None
    energy_wh: int | None
    duration_s: float
    average_power_w: float | None
    max_power_w: float | None
    stop_reason: str | None
    stop_id_tag: str | None
    reservation_id: int | None
    status: str  # "active" or "completed"
    flags: int  # bits of rules.TransactionFlag


class SampleSummary(NamedTuple):
    """All samples of one kind within a transaction; values in `unit`."""

    measurand: str
    phase: str | None
    location: str
    unit: str | None
    samples: int
    first_sampled_at: datetime
    last_sampled_at: datetime
    min_value: float | None
    max_value: float | None


class Evidence(NamedTuple):
    """A frame behind a transaction, as it arrived; `kind` is start, stop or conflicting_stop."""

    kind: str
    message_id: str
    received_at: datetime
    frame: str


class Closing(NamedTuple):
    """An operator's closing of a transaction whose stop did not come; all None without one."""

    closed_at: datetime | None
    closed_by: str | None
    close_reason: str | None


class TransactionDetail(NamedTuple):
    transaction: TransactionRow
    closing: Closing
    samples: list[SampleSummary]
    evidence: list[Evidence]


def transactions(
    wanted: TransactionFilter,
    after: tuple[datetime, int] | None,
    limit: int,
    *,
    now: datetime,
    newest_first: bool = True,
) -> list[TransactionRow]:
    """Transactions in the order of their start; the key is (started_at, id)."""
    place = in_time(wanted, after, newest_first=newest_first)
    query = select_transactions(_columns(), few(wanted, place))
    rows = in_order(query, wanted, place, newest_first=newest_first).limit(limit).tuples()
    return [_transaction_row(values, now) for values in rows]


def in_order(
    query: Any, wanted: TransactionFilter, place: Conditions, *, newest_first: bool
) -> Any:
    """A query of transactions with its conditions, from a place on."""
    start, id = Transaction.started_at, Transaction.id
    order = (start.desc(), id.desc()) if newest_first else (start, id)
    return where(query, [*place, *matching(wanted)]).order_by(*order)


def transaction(transaction_id: int, *, now: datetime) -> TransactionDetail | None:
    """A transaction with its samples summed up and the frames behind it."""
    row = transaction_row(transaction_id, now=now)
    if row is None:
        return None
    return TransactionDetail(row, _closing(row.id), _sample_summaries(row.id), _evidence(row.id))


def transaction_row(transaction_id: int, *, now: datetime) -> TransactionRow | None:
    """A transaction as it stands in the list."""
    query = select_transactions(_columns()).where(Transaction.id == transaction_id).tuples()
    return next((_transaction_row(values, now) for values in query), None)


def transaction_exists(transaction_id: int) -> bool:
    return Transaction.select().where(Transaction.id == transaction_id).exists()


def select_transactions(columns: Sequence[Any], ids: Any | None = None) -> Any:
    """Of all transactions, or of those of a query of ids, with their charge points."""
    source: Any = Transaction
    if ids is not None:
        # Crossed, so that SQLite looks these few up instead of going along all others.
        few_ids = ids.alias("few")
        source = Join(few_ids, Transaction, JOIN.CROSS)
    # Outer, so that no engine begins with the charge points and sorts all their transactions.
    of_them = ChargePoint.id == Transaction.charge_point_id
    source = Join(source, ChargePoint, JOIN.LEFT_OUTER, of_them)
    query: Any = Transaction.select(*columns).from_(source)
    return query if ids is None else query.where(Transaction.id == few_ids.c.id)


def _columns() -> tuple[Any, ...]:
    """What `_transaction_row` reads."""
    return (
        Transaction.id,
        ChargePoint.identity,
        Transaction.connector_id,
        Transaction.id_tag,
        Transaction.parent_id_tag,
        Transaction.id_tag_status,
        Transaction.started_at,
        Transaction.stopped_at,
        Transaction.received_at,
        Transaction.meter_start_wh,
        Transaction.meter_stop_wh,
        Transaction.last_register_wh,
        Transaction.last_register_at,
        Transaction.max_power_w,
        Transaction.stop_reason,
        Transaction.stop_id_tag,
        Transaction.reservation_id,
        Transaction.flags,
    )


def _transaction_row(values: Any, now: datetime) -> TransactionRow:
    started_at, stopped_at, _, meter_start_wh, meter_stop_wh = values[6:11]
    last_register_wh, last_register_at, max_power_w, *stop, flags = values[11:]
    if stopped_at is not None:
        register_wh, register_at, until, status = meter_stop_wh, stopped_at, stopped_at, "completed"
    else:
        register_wh, register_at, until, status = last_register_wh, last_register_at, now, "active"
    energy_wh = None if register_wh is None else register_wh - meter_start_wh
    duration_s = (until - started_at).total_seconds()
    average_power_w = _average_power_w(energy_wh, started_at, register_at)
    computed = (energy_wh, duration_s, average_power_w, max_power_w)
    return TransactionRow._make((*values[:11], *computed, *stop, status, flags))


def _average_power_w(
    energy_wh: int | None, started_at: datetime, register_at: datetime | None
) -> float | None:
    """Energy over the time that it was measured over; None where that is none (odd clocks)."""
    if energy_wh is None or register_at is None or register_at <= started_at:
        return None
    return round(energy_wh * 3600 / (register_at - started_at).total_seconds(), 1)


def _closing(transaction_id: int) -> Closing:
    columns = (Transaction.closed_at, Transaction.closed_by, Transaction.close_reason)
    query: Any = Transaction.select(*columns).where(Transaction.id == transaction_id)
    return next(Closing(*values) for values in query.tuples())


def _sample_summaries(transaction_id: int) -> list[SampleSummary]:
    kind = (MeterSeries.measurand, MeterSeries.phase, MeterSeries.location, MeterSeries.unit)
    query: Any = (
        MeterValue.select(
            *kind,
            fn.COUNT(MeterValue.series_id),
            fn.MIN(MeterValue.sampled_at),
            fn.MAX(MeterValue.sampled_at),
            fn.MIN(MeterValue.value),
            fn.MAX(MeterValue.value),
        )
        .join(MeterSeries, on=(MeterSeries.id == MeterValue.series_id))
        .where(samples_of(transaction_id))
        .group_by(*kind)
        .order_by(*kind)
    )
    return [
        SampleSummary(measurand, phase or None, location, unit or None, *rest)
        for measurand, phase, location, unit, *rest in query.tuples()
    ]


def _evidence(transaction_id: int) -> list[Evidence]:
    query: Any = (
        TransactionEvidence.select(
            TransactionEvidence.kind,
            TransactionEvidence.message_id,
            TransactionEvidence.received_at,
            TransactionEvidence.frame,
        )
        .where(TransactionEvidence.transaction_id == transaction_id)
        .order_by(TransactionEvidence.id)
    )
    return [Evidence(*values) for values in query.tuples()]
