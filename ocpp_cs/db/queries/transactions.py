"""Transactions with what follows from them: energy, duration, power, samples and frames.

Nothing is changed here, flags are only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, fn

from ocpp_cs.db.models import (
    ChargePoint,
    MeterSeries,
    MeterValue,
    Transaction,
    TransactionEvidence,
)
from ocpp_cs.db.queries.conditions import key_of, where
from ocpp_cs.db.queries.meter_values import samples_of
from ocpp_cs.rules import id_tag_key


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


# Outer, so that no engine begins with the charge points and sorts all their transactions.
CHARGE_POINT = (ChargePoint, JOIN.LEFT_OUTER, ChargePoint.id == Transaction.charge_point_id)


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


def transactions(
    wanted: TransactionFilter,
    after: tuple[datetime, int] | None,
    limit: int,
    *,
    now: datetime,
    newest_first: bool = True,
) -> list[TransactionRow]:
    """Transactions in the order of their start; the key is (started_at, id)."""
    query = in_order(_select_transactions(), wanted, after, newest_first=newest_first)
    return [_transaction_row(values, now) for values in query.limit(limit).tuples()]


def in_order(
    query: Any,
    wanted: TransactionFilter,
    after: tuple[datetime, int] | None,
    *,
    newest_first: bool,
) -> Any:
    """A query of transactions with its conditions, from a place on."""
    conditions = _transaction_conditions(wanted)
    start, id = Transaction.started_at, Transaction.id
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        if newest_first:
            conditions += [start <= after[0], (start < after[0]) | (id < after[1])]
        else:
            conditions += [start >= after[0], (start > after[0]) | (id > after[1])]
    order = (start.desc(), id.desc()) if newest_first else (start, id)
    return where(query, conditions).order_by(*order)


def transaction(transaction_id: int, *, now: datetime) -> TransactionDetail | None:
    """A transaction with its samples summed up and the frames behind it."""
    row = transaction_row(transaction_id, now=now)
    if row is None:
        return None
    return TransactionDetail(row, _closing(row.id), _sample_summaries(row.id), _evidence(row.id))


def transaction_row(transaction_id: int, *, now: datetime) -> TransactionRow | None:
    """A transaction as it stands in the list."""
    query = _select_transactions().where(Transaction.id == transaction_id).tuples()
    return next((_transaction_row(values, now) for values in query), None)


def transaction_exists(transaction_id: int) -> bool:
    return Transaction.select().where(Transaction.id == transaction_id).exists()


def _transaction_conditions(wanted: TransactionFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(Transaction.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.connector_id is not None:
        connector: Any = Transaction.connector_id
        if any((wanted.id_tag, wanted.parent_id_tag, wanted.flag, wanted.status == "active")):
            connector += 0  # not by its index: the others find fewer
        conditions.append(connector == wanted.connector_id)
    if wanted.id_tag is not None:
        conditions.append(Transaction.id_tag_key == id_tag_key(wanted.id_tag))
    if wanted.parent_id_tag is not None:
        conditions.append(Transaction.parent_id_tag_key == id_tag_key(wanted.parent_id_tag))
    if wanted.status is not None:
        conditions.append(Transaction.stopped_at.is_null(wanted.status == "active"))
    if wanted.since is not None:
        conditions.append(Transaction.started_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Transaction.started_at < wanted.until)
    if wanted.flag is not None:
        conditions += [Transaction.flags != 0, Transaction.flags.bin_and(wanted.flag) != 0]
    if wanted.min_energy_wh is not None:
        conditions.append(_energy_wh() >= wanted.min_energy_wh)
    return conditions


def _energy_wh() -> Any:
    """Energy for conditions: exact numerics, as two hostile registers can differ by 2^64."""
    register = fn.COALESCE(Transaction.meter_stop_wh, Transaction.last_register_wh)
    return register.cast("NUMERIC") - Transaction.meter_start_wh.cast("NUMERIC")


def _select_transactions() -> Any:
    return Transaction.select(
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
    ).join(*CHARGE_POINT)


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
