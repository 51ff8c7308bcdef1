"""StopTransaction (§4.10): always answered; the first stop stands, what fits nothing is kept.

A central system cannot prevent a stop, so there is no refusal here either (R30). What an operator
closed was no stop: the real one overrides it (F3).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ocpp_cs import events, rules
from ocpp_cs.commands import charging_profiles
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.events import note_event
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import MeterValue, OrphanStop, Transaction
from ocpp_cs.db.statement import Statement, side_by_side
from ocpp_cs.handlers.authorization import id_tag_info, read_id_tag, select_id_tag, verdict_on
from ocpp_cs.handlers.context import CallContext
from ocpp_cs.handlers.meter_values import store_meter_values, transaction_owner
from ocpp_cs.handlers.security import note_security_event
from ocpp_cs.handlers.start_transaction import keep_evidence
from ocpp_cs.ocpp16.messages.core import StopTransactionRequest, StopTransactionResponse


def _stoppable(p: Any) -> Any:
    """In the order of `Stoppable`."""
    return Transaction.select(
        Transaction.charge_point_id,
        Transaction.connector_id,
        Transaction.started_at,
        Transaction.meter_start_wh,
        Transaction.stopped_at,
        Transaction.stop_time_key,
        Transaction.meter_stop_wh,
        Transaction.suspect_since,
        Transaction.last_sample_at,
        Transaction.closed_at,
        charging_profiles.holds_tx_profile(Transaction.charge_point_id).alias("tx_profile"),
    ).where(Transaction.id == p.transaction_id)


_FIND = Statement(_stoppable)
_FIND_WITH_ID_TAG = Statement(lambda p: side_by_side(_stoppable(p), select_id_tag(p.id_tag_key)))
_STOP = Statement(
    lambda p: Transaction.update(
        stopped_at=p.stopped_at,
        stop_time_key=p.stop_time_key,
        meter_stop_wh=p.meter_stop_wh,
        stop_reason=p.stop_reason,
        stop_id_tag=p.stop_id_tag,
        stop_received_at=p.now,
        suspect_since=None,
        closed_at=None,
        closed_by=None,
        close_reason=None,
        flags=Transaction.flags.bin_and(p.kept_flags).bin_or(p.flags),
    ).where(
        (Transaction.id == p.transaction_id)
        & (Transaction.stopped_at.is_null() | Transaction.closed_at.is_null(False))
    )
)
_SAMPLE_BEFORE = Statement(
    lambda p: (
        MeterValue.select(MeterValue.series_id)
        .where(
            (MeterValue.charge_point_id == p.charge_point_id)
            & (MeterValue.transaction_id == p.transaction_id)
            & (MeterValue.sampled_at < p.before)
        )
        .limit(1)
    )
)
_FLAG = Statement(
    lambda p: Transaction.update(flags=Transaction.flags.bin_or(p.flags)).where(
        Transaction.id == p.transaction_id
    )
)
_OPEN_TRANSACTIONS = Statement(
    lambda p: Transaction.select(
        Transaction.id,
        Transaction.id_tag_key,
        Transaction.started_at,
        Transaction.meter_start_wh,
    ).where((Transaction.charge_point_id == p.charge_point_id) & Transaction.stopped_at.is_null())
)
_INSERT_ORPHAN = Statement(
    lambda p: OrphanStop.insert(
        charge_point_id=p.charge_point_id,
        transaction_id=p.transaction_id,
        likely_transaction_id=p.likely_transaction_id,
        id_tag=p.id_tag,
        meter_stop_wh=p.meter_stop_wh,
        stopped_at=p.stopped_at,
        stop_time_key=p.stop_time_key,
        stop_reason=p.stop_reason,
        flags=p.flags,
        frame=p.frame,
        received_at=p.now,
    ).on_conflict(
        action="nothing",
        conflict_target=[
            OrphanStop.charge_point_id,
            OrphanStop.transaction_id,
            OrphanStop.stop_time_key,
            OrphanStop.meter_stop_wh,
        ],
    )
)
_DEFAULT_REASON = "Local"  # R31, §4.10
# A real stop is the end of suspicion, and of what an operator supposed (F3).
_ENDED_BY_STOP = rules.TransactionFlag.SUSPECT_OPEN | rules.TransactionFlag.CLOSED_BY_OPERATOR


class Stoppable(NamedTuple):
    """A transaction as a stop finds it; times as the driver gave them."""

    charge_point_id: int
    connector_id: int
    started_at: Any
    meter_start_wh: int
    stopped_at: Any
    stop_time_key: str | None
    meter_stop_wh: int | None
    suspect_since: Any
    last_sample_at: Any
    closed_at: Any
    tx_profile: bool  # whether its charge point holds any

    @property
    def has_stop(self) -> bool:
        """Whether a real stop has come: an operator's closing is none."""
        return self.stopped_at is not None and self.closed_at is None


def stop_transaction(
    tx: Tx, context: CallContext, request: StopTransactionRequest
) -> StopTransactionResponse:
    """Ends the transaction, or keeps the stop as evidence or as an orphan; always answers."""
    time = context.event_time(tx, request.timestamp)
    found, id_tag = _find(tx, request)
    if found is None or found.charge_point_id != context.charge_point.id:
        _keep_orphan(tx, context, request, time, foreign=found is not None)
    elif not apply_stop(tx, context, request, time, found, repaired=context.repaired):
        # Stopped before, or by another process just now: look at what stands.
        _compare_with_standing(tx, context, request, time)
    if request.id_tag is None:
        return StopTransactionResponse()
    return StopTransactionResponse(id_tag_info=id_tag_info(verdict_on(context, id_tag)))


def apply_stop(
    tx: Tx,
    context: CallContext,
    request: StopTransactionRequest,
    time: rules.EventTime,
    found: Stoppable,
    *,
    repaired: bool,
) -> bool:
    """Writes the stop into the transaction that was found for it, with its samples.

    False when that has a real one already. It overrides what an operator closed.
    """
    if found.has_stop:
        return False
    started_at, closed_at = read_time(found.started_at), read_time(found.closed_at)
    flags = rules.stop_flags(
        time=time,
        meter_stop_wh=request.meter_stop,
        started_at=started_at or time.at,
        meter_start_wh=found.meter_start_wh,
        suspect_since=read_time(found.suspect_since) or closed_at,
        repaired=repaired,
    )
    over = _ENDED_BY_STOP
    if closed_at is not None and _samples_fit(tx, request.transaction_id, found, time.at):
        over |= rules.TransactionFlag.SAMPLE_OUTSIDE
    changed = tx.execute(
        _STOP,
        transaction_id=request.transaction_id,
        stopped_at=tx.time(time.at),
        stop_time_key=time.key,
        meter_stop_wh=request.meter_stop,
        stop_reason=request.reason or _DEFAULT_REASON,
        stop_id_tag=request.id_tag,
        now=tx.time(context.now),
        kept_flags=~int(over),
        flags=int(flags),
    ).rowcount
    if not changed:
        return False
    _store_samples(tx, context, request, found)
    keep_evidence(tx, context, request.transaction_id, "stop")
    begin = started_at or time.at
    stopped = events.SessionStopped(
        transaction_id=request.transaction_id,
        connector_id=found.connector_id,
        started_at=events.instant(begin),
        stopped_at=events.instant(time.at),
        duration_s=events.seconds_between(begin, time.at),
        meter_start_wh=found.meter_start_wh,
        meter_stop_wh=request.meter_stop,
        energy_wh=request.meter_stop - found.meter_start_wh,
        stop_reason=request.reason or _DEFAULT_REASON,
        closed_by=None,
    )
    note_event(tx, context.charge_point.id, stopped, context.now)
    # Else it has ended with the closing, and another one may run there now.
    if found.tx_profile and closed_at is None:
        charging_profiles.transaction_stopped(
            tx, found.charge_point_id, found.connector_id, request.transaction_id
        )
    return True


def find_stoppable(tx: Tx, transaction_id: int) -> Stoppable | None:
    row = tx.one(_FIND, transaction_id=transaction_id) if transaction_id > 0 else None
    return None if row is None else Stoppable(*row)


def _find(
    tx: Tx, request: StopTransactionRequest
) -> tuple[Stoppable | None, rules.IdTagRecord | None]:
    """The transaction, and the id tag that stopped it."""
    id_tag_key = "" if request.id_tag is None else rules.id_tag_key(request.id_tag)
    row = tx.one(_FIND_WITH_ID_TAG, transaction_id=request.transaction_id, id_tag_key=id_tag_key)
    assert row is not None
    size = len(Stoppable._fields)
    return None if row[0] is None else Stoppable(*row[:size]), read_id_tag(row[size:])


def _samples_fit(tx: Tx, transaction_id: int, found: Stoppable, stopped_at: datetime) -> bool:
    """Whether no sample lies outside: the end that an operator supposed was too early for some."""
    last_sample_at, started_at = read_time(found.last_sample_at), read_time(found.started_at)
    if last_sample_at is None or started_at is None:
        return True
    if last_sample_at > stopped_at:
        return False
    before = tx.one(
        _SAMPLE_BEFORE,
        charge_point_id=found.charge_point_id,
        transaction_id=transaction_id,
        before=started_at - timedelta(seconds=1),
    )
    return before is None


def _compare_with_standing(
    tx: Tx,
    context: CallContext,
    request: StopTransactionRequest,
    time: rules.EventTime,
) -> None:
    """The first stop stands. The same one again is a retransmission; another is evidence (F2)."""
    standing = find_stoppable(tx, request.transaction_id)
    if standing is None:
        raise LookupError(f"transaction {request.transaction_id} can't be found any more")
    if (standing.stop_time_key, standing.meter_stop_wh) == (time.key, request.meter_stop):
        return
    tx.execute(
        _FLAG,
        transaction_id=request.transaction_id,
        flags=int(rules.TransactionFlag.CONFLICTING_STOP),
    )
    _store_samples(tx, context, request, standing)
    keep_evidence(
        tx,
        context,
        request.transaction_id,
        "conflicting_stop",
        event_key=f"{time.key}|{request.meter_stop}",
    )


def _store_samples(
    tx: Tx, context: CallContext, request: StopTransactionRequest, found: Stoppable
) -> None:
    if request.transaction_data:
        owner = transaction_owner(request.transaction_id, found.connector_id, found.started_at)
        store_meter_values(tx, context, owner, request.transaction_data)


def _keep_orphan(
    tx: Tx,
    context: CallContext,
    request: StopTransactionRequest,
    time: rules.EventTime,
    *,
    foreign: bool,
) -> None:
    """Keeps a stop for a transaction that is unknown, or not this charge point's (A10)."""
    charge_point_id = context.charge_point.id
    open_transactions = [
        rules.OpenTransaction(id, key, read_time(started_at) or time.at, meter_start_wh)
        for id, key, started_at, meter_start_wh in tx.all(
            _OPEN_TRANSACTIONS, charge_point_id=charge_point_id
        )
    ]
    tx.execute(
        _INSERT_ORPHAN,
        charge_point_id=charge_point_id,
        transaction_id=request.transaction_id,
        likely_transaction_id=rules.likely_transaction(
            open_transactions,
            id_tag=request.id_tag,
            stopped_at=time.at,
            meter_stop_wh=request.meter_stop,
        ),
        id_tag=request.id_tag,
        meter_stop_wh=request.meter_stop,
        stopped_at=time.at,
        stop_time_key=time.key,
        stop_reason=request.reason or _DEFAULT_REASON,
        flags=int(
            rules.stop_flags(
                time=time,
                meter_stop_wh=request.meter_stop,
                started_at=time.at,
                meter_start_wh=request.meter_stop,
                suspect_since=None,
                repaired=context.repaired,
            )
        ),
        frame=context.frame,
        now=context.now,
    )
    if foreign:
        note_security_event(
            tx,
            context,
            "ForeignTransaction",
            f"StopTransaction for transaction {request.transaction_id}",
        )
