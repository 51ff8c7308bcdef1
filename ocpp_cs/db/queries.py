"""What is read for people: pages of rows, single rows and summaries, as finished values.

Nothing is written here and nothing knows HTTP. Every function runs inside `Engine.read`. A page
is the rows after a key in the list's order (`after`, None for the first page), never an offset:
rows that arrive while someone reads neither repeat nor hide others. Keyset conditions are written
out, as a comparison of Peewee tuples would skip the conversion of times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, fn

from ocpp_cs.db.models import (
    ChargePoint,
    Connector,
    IdTag,
    MeterSeries,
    MeterValue,
    Transaction,
    TransactionEvidence,
)
from ocpp_cs.rules import id_tag_key


class ChargePointRow(NamedTuple):
    """A charge point; `id` is its OCPP identity."""

    id: str
    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    registration: str
    security_profile: int
    online: bool
    last_seen_at: datetime | None
    offline_since: datetime | None
    connected_at: datetime | None
    connectors_total: int
    note: str | None


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


class TransactionDetail(NamedTuple):
    transaction: TransactionRow
    samples: list[SampleSummary]
    evidence: list[Evidence]


class IdTagRow(NamedTuple):
    """An id tag; `key`, what tags are compared by, is only its place in the list."""

    id_tag: str
    parent_id_tag: str | None
    status: str
    expires_at: datetime | None
    max_active_transactions: int | None
    note: str | None
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePointFilter:
    """Which charge points; None does not filter. `q` is looked for in all the texts of a row."""

    online: bool | None = None
    registration: str | None = None
    q: str | None = None
    vendor: str | None = None
    model: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValueFilter:
    """Which samples; None does not filter, phase "" means samples without one."""

    measurand: str | None = None
    phase: str | None = None
    context: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTagFilter:
    status: str | None = None
    q: str | None = None


# --- Charge points ------------------------------------------------------------------------------


def charge_points(
    wanted: ChargePointFilter, after: tuple[str] | None, limit: int, *, now: datetime
) -> list[ChargePointRow]:
    """Charge points in the order of their ids; the key is (id)."""
    conditions: list[Any] = []
    if wanted.online is True:
        conditions.append(ChargePoint.present_until > now)
    elif wanted.online is False:
        conditions.append(ChargePoint.present_until.is_null() | (ChargePoint.present_until <= now))
    if wanted.registration is not None:
        conditions.append(ChargePoint.registration == wanted.registration)
    if wanted.vendor is not None:
        conditions.append(ChargePoint.vendor == wanted.vendor)
    if wanted.model is not None:
        conditions.append(ChargePoint.model == wanted.model)
    if wanted.q is not None:
        conditions.append(_any_contains(wanted.q, _CHARGE_POINT_TEXTS))
    if after is not None:
        conditions.append(ChargePoint.identity > after[0])
    query = _where(_select_charge_points(), conditions).order_by(ChargePoint.identity)
    return [_charge_point_row(values, now) for values in query.limit(limit).tuples()]


def charge_point(identity: str, *, now: datetime) -> ChargePointRow | None:
    query = _select_charge_points().where(ChargePoint.identity == identity).tuples()
    return next((_charge_point_row(values, now) for values in query), None)


_CHARGE_POINT_TEXTS = (
    ChargePoint.identity,
    ChargePoint.vendor,
    ChargePoint.model,
    ChargePoint.serial_number,
    ChargePoint.charge_box_serial_number,
    ChargePoint.firmware_version,
    ChargePoint.note,
)


def _select_charge_points() -> Any:
    # Connector 0 is the charge point itself (§4.9).
    connectors = Connector.select(fn.COUNT(Connector.id)).where(
        (Connector.charge_point_id == ChargePoint.id) & (Connector.connector_id > 0)
    )
    return ChargePoint.select(
        ChargePoint.identity,
        ChargePoint.vendor,
        ChargePoint.model,
        # Charge points before OCPP 1.5 named it otherwise; many still do (§6.3).
        fn.COALESCE(ChargePoint.serial_number, ChargePoint.charge_box_serial_number),
        ChargePoint.firmware_version,
        ChargePoint.registration,
        ChargePoint.security_profile,
        ChargePoint.last_seen_at,
        ChargePoint.present_until,
        ChargePoint.offline_since,
        ChargePoint.connected_at,
        connectors,
        ChargePoint.note,
    )


def _charge_point_row(values: Any, now: datetime) -> ChargePointRow:
    before, (last_seen_at, present_until, offline_since, *after) = values[:7], values[7:]
    online = present_until is not None and present_until > now
    # A process that died said no goodbye: its charge points are offline since their presence
    # expired (F6).
    gone_since = None if online else offline_since or present_until
    return ChargePointRow._make((*before, online, last_seen_at, gone_since, *after))


def all_charge_points() -> list[ChargePoint]:
    """Every charge point as it is stored, in the order of the ids: for the command line."""
    return list(ChargePoint.select().order_by(ChargePoint.identity))


# --- Transactions -------------------------------------------------------------------------------


def transactions(
    wanted: TransactionFilter,
    after: tuple[datetime, int] | None,
    limit: int,
    *,
    now: datetime,
    newest_first: bool = True,
) -> list[TransactionRow]:
    """Transactions in the order of their start; the key is (started_at, id)."""
    conditions = _transaction_conditions(wanted)
    start, id = Transaction.started_at, Transaction.id
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        if newest_first:
            conditions += [start <= after[0], (start < after[0]) | (id < after[1])]
        else:
            conditions += [start >= after[0], (start > after[0]) | (id > after[1])]
    order = (start.desc(), id.desc()) if newest_first else (start, id)
    query = _where(_select_transactions(), conditions).order_by(*order)
    return [_transaction_row(values, now) for values in query.limit(limit).tuples()]


def transaction(transaction_id: int, *, now: datetime) -> TransactionDetail | None:
    """A transaction with its samples summed up and the frames behind it."""
    query = _select_transactions().where(Transaction.id == transaction_id).tuples()
    row = next((_transaction_row(values, now) for values in query), None)
    if row is None:
        return None
    return TransactionDetail(row, _sample_summaries(row.id), _evidence(row.id))


def transaction_exists(transaction_id: int) -> bool:
    return Transaction.select().where(Transaction.id == transaction_id).exists()


def _transaction_conditions(wanted: TransactionFilter) -> list[Any]:
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(Transaction.charge_point_id == _key_of(wanted.charge_point_id))
    if wanted.connector_id is not None:
        conditions.append(Transaction.connector_id == wanted.connector_id)
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
    ).join(
        # Outer, so that no engine begins with the charge points and sorts all their transactions.
        ChargePoint,
        JOIN.LEFT_OUTER,
        on=(ChargePoint.id == Transaction.charge_point_id),
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
        .where(_samples_of(transaction_id))
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


# --- Meter values -------------------------------------------------------------------------------


def transaction_meter_values(
    transaction_id: int,
    wanted: MeterValueFilter,
    after: tuple[datetime, int, int] | None,
    limit: int,
) -> list[MeterValueRow]:
    """A transaction's samples in time's order; the key is (sampled_at, series_id, connector_id)."""
    conditions: list[Any] = [_samples_of(transaction_id)]
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
    query = _where(query, conditions).order_by(at, series, connector).limit(limit)
    return [_meter_value_row(*values) for values in query.tuples()]


def _meter_value_row(
    at: datetime, connector_id: int, measurand: str, value: Any, unit: str, phase: str, *rest: Any
) -> MeterValueRow:
    return MeterValueRow(at, connector_id, measurand, value, unit or None, phase or None, *rest)


def _samples_of(transaction_id: int) -> Any:
    """The beginning of the samples' primary key: they lie side by side."""
    owner = Transaction.select(Transaction.charge_point_id).where(Transaction.id == transaction_id)
    return (MeterValue.charge_point_id == owner) & (MeterValue.transaction_id == transaction_id)


# --- Id tags ------------------------------------------------------------------------------------


def id_tags(wanted: IdTagFilter, after: tuple[str] | None, limit: int) -> list[IdTagRow]:
    """Id tags in the order of their casefolded text; the key is (`id_tag_key(id_tag)`)."""
    conditions: list[Any] = []
    if wanted.status is not None:
        conditions.append(IdTag.status == wanted.status)
    if wanted.q is not None:
        key = id_tag_key(wanted.q)
        conditions.append(
            _any_contains(key, (IdTag.id_tag_key, IdTag.parent_id_tag_key))
            | IdTag.note.contains(wanted.q)
        )
    if after is not None:
        conditions.append(IdTag.id_tag_key > after[0])
    query = _where(_select_id_tags(), conditions).order_by(IdTag.id_tag_key).limit(limit)
    return [IdTagRow(*values) for values in query.tuples()]


def all_id_tags() -> list[IdTag]:
    """Every id tag as it is stored, in the order of their text: for the command line."""
    return list(IdTag.select().order_by(IdTag.id_tag_key))


def id_tag(text: str) -> IdTagRow | None:
    """The id tag of that text, whatever its case (R34)."""
    query = _select_id_tags().where(IdTag.id_tag_key == id_tag_key(text)).tuples()
    return next((IdTagRow(*values) for values in query), None)


def _select_id_tags() -> Any:
    return IdTag.select(
        IdTag.id_tag,
        IdTag.parent_id_tag,
        IdTag.status,
        IdTag.expires_at,
        IdTag.max_active_transactions,
        IdTag.note,
        IdTag.id_tag_key,
    )


# --- Parts of conditions ------------------------------------------------------------------------


def _where(query: Any, conditions: Iterable[Any]) -> Any:
    conditions = tuple(conditions)
    return query.where(*conditions) if conditions else query


def _key_of(identity: str) -> Any:
    """The integer key of a charge point, as a subquery that runs once; no row, no match."""
    return ChargePoint.select(ChargePoint.id).where(ChargePoint.identity == identity)


def _any_contains(text: str, fields: Iterable[Any]) -> Any:
    """That one of the fields contains the text; ASCII letters match whatever their case."""
    condition = None
    for field in fields:
        found = field.contains(text)
        condition = found if condition is None else condition | found
    return condition
