"""StartTransaction (§4.8): one row per physical start, the same answer to every retransmission.

Nothing here refuses: a tag that may not charge still gets a transaction id, and what looks odd
becomes a flag (R26, R27).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ocpp_cs import rules
from ocpp_cs.commands import remote_starts, reservations
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import Transaction, TransactionEvidence
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.authorization import id_tag_info, verdict_on_start
from ocpp_cs.handlers.context import CallContext
from ocpp_cs.handlers.quotas import demand_refused_start
from ocpp_cs.ocpp16.messages.core import StartTransactionRequest, StartTransactionResponse

_NATURAL_KEY = (
    Transaction.charge_point_id,
    Transaction.connector_id,
    Transaction.start_time_key,
    Transaction.id_tag_key,
    Transaction.meter_start_wh,
    Transaction.occurrence,
)
_FIND = Statement(
    lambda p: (
        Transaction.select(
            Transaction.id,
            Transaction.occurrence,
            Transaction.stopped_at,
            Transaction.id_tag_status,
            Transaction.id_tag_expires_at,
            Transaction.parent_id_tag,
        )
        .where(
            (Transaction.charge_point_id == p.charge_point_id)
            & (Transaction.connector_id == p.connector_id)
            & (Transaction.start_time_key == p.start_time_key)
            & (Transaction.id_tag_key == p.id_tag_key)
            & (Transaction.meter_start_wh == p.meter_start_wh)
        )
        .order_by(Transaction.occurrence.desc())
        .limit(1)
    )
)
_PREVIOUS = Statement(
    lambda p: (
        Transaction.select(Transaction.started_at, Transaction.meter_stop_wh)
        .where(
            (Transaction.charge_point_id == p.charge_point_id)
            & (Transaction.connector_id == p.connector_id)
            & (Transaction.started_at <= p.started_at)
        )
        .order_by(Transaction.started_at.desc())
        .limit(1)
    )
)
_SUSPECT_OLDER = Statement(
    lambda p: Transaction.update(
        flags=Transaction.flags.bin_or(int(rules.TransactionFlag.SUSPECT_OPEN)),
        suspect_since=p.started_at,
    ).where(
        (Transaction.charge_point_id == p.charge_point_id)
        & (Transaction.connector_id == p.connector_id)
        & Transaction.stopped_at.is_null()
        & Transaction.suspect_since.is_null()
        # Not the same start, stored by another process in this very moment.
        & (Transaction.started_at < p.started_at)
    )
)
_INSERT = Statement(
    lambda p: (
        Transaction.insert(
            charge_point_id=p.charge_point_id,
            connector_id=p.connector_id,
            id_tag=p.id_tag,
            id_tag_key=p.id_tag_key,
            started_at=p.started_at,
            start_time_key=p.start_time_key,
            meter_start_wh=p.meter_start_wh,
            occurrence=p.occurrence,
            reservation_id=p.reservation_id,
            received_at=p.received_at,
            id_tag_status=p.id_tag_status,
            id_tag_expires_at=p.id_tag_expires_at,
            parent_id_tag=p.parent_id_tag,
            parent_id_tag_key=p.parent_id_tag_key,
            flags=p.flags,
        )
        .on_conflict(action="nothing", conflict_target=_NATURAL_KEY)
        .returning(Transaction.id)
    )
)
_INSERT_EVIDENCE = Statement(
    lambda p: TransactionEvidence.insert(
        transaction_id=p.transaction_id,
        charge_point_id=p.charge_point_id,
        kind=p.kind,
        event_key=p.event_key,
        message_id=p.message_id,
        frame=p.frame,
        received_at=p.received_at,
    ).on_conflict(
        action="nothing",
        conflict_target=[
            TransactionEvidence.transaction_id,
            TransactionEvidence.kind,
            TransactionEvidence.event_key,
        ],
    )
)


class _Stored(NamedTuple):
    """A start that is in the database already, with the answer it got."""

    id: int
    occurrence: int
    stopped_at: Any
    id_tag_status: Any
    id_tag_expires_at: Any
    parent_id_tag: str | None

    def answer(self) -> StartTransactionResponse:
        verdict = rules.Verdict(
            self.id_tag_status, read_time(self.id_tag_expires_at), self.parent_id_tag
        )
        return StartTransactionResponse(transaction_id=self.id, id_tag_info=id_tag_info(verdict))


def start_transaction(
    tx: Tx, context: CallContext, request: StartTransactionRequest
) -> StartTransactionResponse:
    """Stores a start, or finds the first one like it and answers that again (F1)."""
    time = context.event_time(tx, request.timestamp)
    key = {
        "charge_point_id": context.charge_point.id,
        "connector_id": request.connector_id,
        "start_time_key": time.key,
        "id_tag_key": rules.id_tag_key(request.id_tag),
        "meter_start_wh": request.meter_start,
    }
    stored = _find(tx, key)
    occurrence = 0
    if stored is not None:
        # Without a clock every start bears the same time: once the old one has stopped, a start
        # like it is a new one (MicroOcpp #311).
        if time.clock_set or stored.stopped_at is None:
            return stored.answer()
        occurrence = stored.occurrence + 1
    # What is still open on this connector has ended, since two cannot charge at once (F3); marked
    # first, so that it doesn't make its own driver's next start a ConcurrentTx.
    tx.execute(
        _SUSPECT_OLDER,
        charge_point_id=context.charge_point.id,
        connector_id=request.connector_id,
        started_at=time.at,
    )
    verdict = verdict_on_start(tx, context, request.id_tag)
    if verdict.status != "Accepted":
        demand_refused_start(tx, context)
    flags = _flags(tx, context, request, time, verdict)
    if occurrence:
        flags |= rules.TransactionFlag.REPEATED_WITHOUT_CLOCK
    inserted = tx.execute(
        _INSERT,
        **key,
        occurrence=occurrence,
        id_tag=request.id_tag,
        started_at=time.at,
        reservation_id=request.reservation_id,
        received_at=context.now,
        id_tag_status=verdict.status,
        id_tag_expires_at=verdict.expires_at,
        parent_id_tag=verdict.parent_id_tag,
        parent_id_tag_key=verdict.parent_id_tag and rules.id_tag_key(verdict.parent_id_tag),
        flags=int(flags),
    ).fetchone()
    if inserted is None:  # the same start was stored by another process in this very moment
        return _stored(tx, key).answer()
    keep_evidence(tx, context, inserted[0], "start")
    if request.reservation_id is not None:
        charge_point_id = context.charge_point.id
        reservations.use(tx, charge_point_id, request.reservation_id, inserted[0], context.now)
    remote_starts.transaction_started(
        tx,
        charge_point_id=context.charge_point.id,
        connector_id=request.connector_id,
        id_tag=request.id_tag,
        time=time,
        transaction_id=inserted[0],
        now=context.now,
    )
    return StartTransactionResponse(transaction_id=inserted[0], id_tag_info=id_tag_info(verdict))


def keep_evidence(
    tx: Tx, context: CallContext, transaction_id: int, kind: str, event_key: str = ""
) -> None:
    """Keeps the frame behind a transaction: once per kind and `event_key`."""
    tx.insert_later(
        _INSERT_EVIDENCE,
        transaction_id=transaction_id,
        charge_point_id=context.charge_point.id,
        kind=kind,
        event_key=event_key,
        message_id=context.call.message_id,
        frame=context.frame,
        received_at=context.now,
    )


def _find(tx: Tx, key: dict[str, Any]) -> _Stored | None:
    row = tx.one(_FIND, **key)
    return None if row is None else _Stored(*row)


def _stored(tx: Tx, key: dict[str, Any]) -> _Stored:
    stored = _find(tx, key)
    if stored is None:
        raise LookupError(f"a start that conflicts can't be found: {key}")
    return stored


def _flags(
    tx: Tx,
    context: CallContext,
    request: StartTransactionRequest,
    time: rules.EventTime,
    verdict: rules.Verdict,
) -> rules.TransactionFlag:
    row = tx.one(
        _PREVIOUS,
        charge_point_id=context.charge_point.id,
        connector_id=request.connector_id,
        started_at=time.at,
    )
    previous = None
    if row is not None:
        previous = rules.PreviousTransaction(read_time(row[0]) or time.at, row[1])
    return rules.start_flags(
        time=time,
        connector_id=request.connector_id,
        meter_start_wh=request.meter_start,
        verdict=verdict,
        previous=previous,
        policy=context.policy,
        repaired=context.repaired,
    )
