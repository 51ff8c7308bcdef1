"""StopTransaction (§4.10): always answered; the first stop stands, what fits nothing is kept.

A central system cannot prevent a stop, so there is no refusal here either (R30).
"""

from __future__ import annotations

from typing import Any

from ocpp_cs import rules
from ocpp_cs.commands import charging_profiles
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import OrphanStop, Transaction
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.authorization import id_tag_info, verdict_on
from ocpp_cs.handlers.context import CallContext
from ocpp_cs.handlers.meter_values import Owner, store_meter_values
from ocpp_cs.handlers.security import note_security_event
from ocpp_cs.handlers.start_transaction import keep_evidence
from ocpp_cs.ocpp16.messages.core import StopTransactionRequest, StopTransactionResponse

_FIND = Statement(
    lambda p: Transaction.select(
        Transaction.charge_point_id,
        Transaction.connector_id,
        Transaction.started_at,
        Transaction.meter_start_wh,
        Transaction.stopped_at,
        Transaction.stop_time_key,
        Transaction.meter_stop_wh,
        Transaction.suspect_since,
    ).where(Transaction.id == p.transaction_id)
)
_STOP = Statement(
    lambda p: Transaction.update(
        stopped_at=p.stopped_at,
        stop_time_key=p.stop_time_key,
        meter_stop_wh=p.meter_stop_wh,
        stop_reason=p.stop_reason,
        stop_id_tag=p.stop_id_tag,
        stop_received_at=p.now,
        suspect_since=None,
        # A real stop is the end of suspicion (F3).
        flags=Transaction.flags.bin_and(~int(rules.TransactionFlag.SUSPECT_OPEN)).bin_or(p.flags),
    ).where((Transaction.id == p.transaction_id) & Transaction.stopped_at.is_null())
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


def stop_transaction(
    tx: Tx, context: CallContext, request: StopTransactionRequest
) -> StopTransactionResponse:
    """Ends the transaction, or keeps the stop as evidence or as an orphan; always answers."""
    time = context.event_time(tx, request.timestamp)
    row = (
        tx.one(_FIND, transaction_id=request.transaction_id) if request.transaction_id > 0 else None
    )
    if row is None or row[0] != context.charge_point.id:
        _keep_orphan(tx, context, request, time, foreign=row is not None)
    elif row[4] is not None or not _stop(tx, context, request, time, row):
        # Stopped before, or by another process just now: look at what stands.
        standing = tx.one(_FIND, transaction_id=request.transaction_id)
        _compare_with_standing(tx, context, request, time, standing)
    if request.id_tag is None:
        return StopTransactionResponse()
    return StopTransactionResponse(id_tag_info=id_tag_info(verdict_on(tx, context, request.id_tag)))


def _stop(
    tx: Tx,
    context: CallContext,
    request: StopTransactionRequest,
    time: rules.EventTime,
    row: Any,
) -> bool:
    """Writes the stop into its transaction; False when it has one already."""
    flags = rules.stop_flags(
        time=time,
        meter_stop_wh=request.meter_stop,
        started_at=read_time(row[2]) or time.at,
        meter_start_wh=row[3],
        suspect_since=read_time(row[7]),
        repaired=context.repaired,
    )
    changed = tx.execute(
        _STOP,
        transaction_id=request.transaction_id,
        stopped_at=time.at,
        stop_time_key=time.key,
        meter_stop_wh=request.meter_stop,
        stop_reason=request.reason or _DEFAULT_REASON,
        stop_id_tag=request.id_tag,
        now=context.now,
        flags=int(flags),
    ).rowcount
    if not changed:
        return False
    _store_samples(tx, context, request, row)
    keep_evidence(tx, context, request.transaction_id, "stop")
    charging_profiles.transaction_stopped(
        tx, context.charge_point.id, row[1], request.transaction_id
    )
    return True


def _compare_with_standing(
    tx: Tx,
    context: CallContext,
    request: StopTransactionRequest,
    time: rules.EventTime,
    row: Any,
) -> None:
    """The first stop stands. The same one again is a retransmission; another is evidence (F2)."""
    if row[5] == time.key and row[6] == request.meter_stop:
        return
    tx.execute(
        _FLAG,
        transaction_id=request.transaction_id,
        flags=int(rules.TransactionFlag.CONFLICTING_STOP),
    )
    _store_samples(tx, context, request, row)
    keep_evidence(
        tx,
        context,
        request.transaction_id,
        "conflicting_stop",
        event_key=f"{time.key}|{request.meter_stop}",
    )


def _store_samples(tx: Tx, context: CallContext, request: StopTransactionRequest, row: Any) -> None:
    if request.transaction_data:
        owner = Owner(
            transaction_id=request.transaction_id,
            connector_id=row[1],
            started_at=read_time(row[2]),
        )
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
