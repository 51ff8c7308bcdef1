"""MeterValues (§4.7), and the samples that come with a StopTransaction.

Every sample is kept with the text it came as; numbers are brought to one unit per kind. Nothing
is refused for what it says: what can't be a number has no `value` (R26, R35).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import StoredTime, read_time
from ocpp_cs.db.models import MeterSeries, Transaction
from ocpp_cs.db.samples import Sample, TransactionProgress, insert_samples, update_progress
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.handlers.context import CallContext, note_deviation
from ocpp_cs.handlers.quarantine import keep_frame
from ocpp_cs.handlers.security import note_security_event
from ocpp_cs.metering import OTHERS, Measurement, Totals, is_billed, measurement, sample_number
from ocpp_cs.ocpp16.messages.core import MeterValuesRequest, MeterValuesResponse
from ocpp_cs.ocpp16.types import MeterValue, SampledValue
from ocpp_cs.rules import TransactionFlag

# Clocks that send whole seconds begin a sample up to one before the start that it belongs to.
_ROUNDING = timedelta(seconds=1)
_OUTSIDE = TransactionFlag.SAMPLE_OUTSIDE.value

MOST_SERIES = 5000
"""Kinds of samples that are told apart (A9). Those of bills are beside this bound; one more of the
others is stored as `Other`, with all that was sent of it as its text."""

# The fields that name the kind of a sample, in the order of `measurement`.
Words: TypeAlias = tuple[str | None, ...]

# Of words as they are sent: many may stand for one kind.
_KNOWN_SERIES = 20_000

_FIND_OWNER = Statement(
    lambda p: Transaction.select(
        Transaction.charge_point_id, Transaction.connector_id, Transaction.started_at
    ).where(Transaction.id == p.transaction_id)
)
_FIND_SERIES = Statement(
    lambda p: MeterSeries.select(MeterSeries.id).where(
        (MeterSeries.measurand == p.measurand)
        & (MeterSeries.phase == p.phase)
        & (MeterSeries.location == p.location)
        & (MeterSeries.context == p.context)
        & (MeterSeries.format == p.format)
        & (MeterSeries.sent_unit == p.sent_unit)
    )
)
_COUNT_SERIES = Statement(lambda p: MeterSeries.select(fn.COUNT(MeterSeries.id)))
_INSERT_SERIES = Statement(
    lambda p: MeterSeries.insert(
        measurand=p.measurand,
        phase=p.phase,
        location=p.location,
        context=p.context,
        format=p.format,
        unit=p.unit,
        sent_unit=p.sent_unit,
    ).on_conflict(
        action="nothing",
        conflict_target=[
            MeterSeries.measurand,
            MeterSeries.phase,
            MeterSeries.location,
            MeterSeries.context,
            MeterSeries.format,
            MeterSeries.sent_unit,
        ],
    )
)


class Owner(NamedTuple):
    """What samples belong to: a transaction of this charge point, or only a connector (id 0)."""

    transaction_id: int
    connector_id: int
    first_sample_at: datetime | None = None  # earlier ones lie outside (F4)
    claimed_transaction_id: int | None = None


def transaction_owner(transaction_id: int, connector_id: int, started_at: Any) -> Owner:
    """A transaction as the owner; `started_at` as the driver gave it."""
    start = read_time(started_at)
    return Owner(transaction_id, connector_id, None if start is None else start - _ROUNDING)


class _Series(NamedTuple):
    id: int
    measurement: Measurement


def meter_values(tx: Tx, context: CallContext, request: MeterValuesRequest) -> MeterValuesResponse:
    """Stores the samples under the transaction they name if it is this charge point's (A10)."""
    owner = _owner(tx, context, request)
    store_meter_values(tx, context, owner, request.meter_value)
    return MeterValuesResponse()


def store_meter_values(
    tx: Tx, context: CallContext, owner: Owner, values: Sequence[MeterValue]
) -> None:
    """Stores samples and what they say of their transaction, at the end of the group."""
    transaction_id = owner.transaction_id
    samples: list[Sample] = []
    times = [context.event_time(tx, value.timestamp) for value in values]
    # Samples without a readable time get that of receipt, so their key can't tell a
    # retransmission: the frame does.
    unreadable = [time for time in times if not time.readable]
    repeated = bool(unreadable) and not _keep_unreadable(tx, context)
    for index, (time, value) in enumerate(zip(times, values, strict=True)):
        at = time.at
        if not time.readable:
            if repeated:
                continue
            at += timedelta(milliseconds=index)  # two of a message are two instants
        sampled_at = tx.time(at)
        totals = _add_instant(tx, context, owner, sampled_at, value.sampled_value, samples)
        if transaction_id:
            outside = owner.first_sample_at is not None and at < owner.first_sample_at
            progress = TransactionProgress(
                transaction_id,
                sampled_at,
                totals.register_wh,
                totals.power_w,
                _OUTSIDE if outside else 0,
            )
            tx.later(update_progress, progress)
    if samples:
        tx.later(insert_samples, samples)


def _add_instant(
    tx: Tx,
    context: CallContext,
    owner: Owner,
    at: StoredTime,
    values: Sequence[SampledValue],
    samples: list[Sample],
) -> Totals:
    """Adds the samples of one instant; the import register and power among them."""
    totals = Totals()
    charge_point_id = context.charge_point.id
    transaction_id, connector_id, _, claimed_transaction_id = owner
    known: dict[Words, _Series | None] = tx.memory.setdefault("meter_series", {})
    others: list[SampledValue] = []
    for sampled in values:
        words = (
            sampled.measurand,
            sampled.phase,
            sampled.unit,
            sampled.context,
            sampled.location,
            sampled.format,
        )
        series = known.get(words) or _series(tx, known, words)
        text = sampled.value
        if series is None:
            others.append(sampled)
            kind = measurement(*words)
            number = sample_number(text, kind)
        else:
            series_id, kind = series
            number = sample_number(text, kind)
            samples.append(
                (
                    charge_point_id,
                    transaction_id,
                    at,
                    series_id,
                    connector_id,
                    number,
                    text,
                    claimed_transaction_id,
                )
            )
        if number is not None:
            totals.add(kind, number)  # whatever it is stored as (R26)
        elif kind.numeric:
            note_deviation(
                tx, context.charge_point, "value_not_a_number", kind.measurand[:80], context.now
            )
    if others:
        raw = msgspec.json.encode(others).decode()
        series_id = _find_or_insert_series(tx, OTHERS).id
        samples.append(
            (
                charge_point_id,
                transaction_id,
                at,
                series_id,
                connector_id,
                None,
                raw,
                claimed_transaction_id,
            )
        )
        note_deviation(tx, context.charge_point, "too_many_kinds", "MeterValues", context.now)
    return totals


def _series(tx: Tx, known: dict[Words, _Series | None], words: Words) -> _Series | None:
    """The kind of a sample; None if it is one too many that charge points have made up (A9)."""
    if words in known:
        return known[words]
    if len(known) >= _KNOWN_SERIES:
        known.clear()
    kind = measurement(*words)
    full = not is_billed(kind) and _is_full(tx, kind)
    found = known[words] = None if full else _find_or_insert_series(tx, kind)
    return found


def _is_full(tx: Tx, kind: Measurement) -> bool:
    """Whether there are too many kinds for one more; those that are there already stay in use."""
    if tx.one(_FIND_SERIES, **_identity(kind)) is not None:
        return False
    row = tx.one(_COUNT_SERIES)
    return row is not None and row[0] >= MOST_SERIES


def _find_or_insert_series(tx: Tx, kind: Measurement) -> _Series:
    identity = _identity(kind)
    row = tx.one(_FIND_SERIES, **identity)
    if row is None:
        tx.execute(_INSERT_SERIES, **identity, unit=kind.unit)
        row = tx.one(_FIND_SERIES, **identity)
    if row is None:
        raise LookupError(f"a meter series that conflicts can't be found: {identity}")
    return _Series(row[0], kind)


def _identity(kind: Measurement) -> dict[str, str]:
    return {
        "measurand": kind.measurand,
        "phase": kind.phase,
        "location": kind.location,
        "context": kind.context,
        "format": kind.format,
        "sent_unit": kind.sent_unit,
    }


def _owner(tx: Tx, context: CallContext, request: MeterValuesRequest) -> Owner:
    """The transaction that the samples belong to; none when it is not this charge point's."""
    transaction_id = request.transaction_id
    if transaction_id is None:
        return Owner(0, request.connector_id)
    memory_key = ("owner", transaction_id)
    found: tuple[int, Owner] | None = tx.memory.get(memory_key)
    if found is None and transaction_id > 0:
        row = tx.one(_FIND_OWNER, transaction_id=transaction_id)
        if row is not None:
            charge_point_id, connector_id, started_at = row
            owner = transaction_owner(transaction_id, connector_id, started_at)
            found = tx.memory[memory_key] = (charge_point_id, owner)
    if found is None:
        note_deviation(
            tx, context.charge_point, "unknown_transaction", context.call.action, context.now
        )
    elif found[0] == context.charge_point.id:
        owner = found[1]
        # The sample stays with the connector that it was sent for, odd as that may be.
        return (
            owner
            if owner.connector_id == request.connector_id
            else owner._replace(connector_id=request.connector_id)
        )
    else:
        note_security_event(
            tx, context, "ForeignTransaction", f"MeterValues for transaction {transaction_id}"
        )
    return Owner(0, request.connector_id, claimed_transaction_id=transaction_id)


def _keep_unreadable(tx: Tx, context: CallContext) -> bool:
    """Keeps a frame with a time that can't be read; False when it was kept before."""
    return keep_frame(
        tx,
        context.charge_point,
        action=context.call.action,
        message_id=context.call.message_id,
        frame=context.call.frame,
        error="a timestamp can't be read: the time of receipt is used",
        now=context.now,
    )
