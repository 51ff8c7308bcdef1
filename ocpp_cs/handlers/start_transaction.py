"""StartTransaction (§4.8): one row per physical start, the same answer to every retransmission.

Nothing here refuses: a tag that may not charge still gets a transaction id, and what looks odd
becomes a flag (R26, R27).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ocpp_cs import events, rules
from ocpp_cs.commands import remote_starts, reservations
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.events import note_event
from ocpp_cs.db.evidence import Evidence, insert_evidence
from ocpp_cs.db.fields import StoredTime, read_time
from ocpp_cs.db.models import Transaction
from ocpp_cs.db.statement import Statement, side_by_side
from ocpp_cs.handlers.authorization import (
    id_tag_info,
    read_id_tag,
    select_id_tag,
    verdict_on_start,
)
from ocpp_cs.handlers.context import CallContext
from ocpp_cs.handlers.quotas import demand_refused_start
from ocpp_cs.handlers.status import tell_suspect
from ocpp_cs.ocpp16.messages.core import StartTransactionRequest, StartTransactionResponse

_NATURAL_KEY = (
    Transaction.charge_point_id,
    Transaction.connector_id,
    Transaction.start_time_key,
    Transaction.id_tag_key,
    Transaction.meter_start_wh,
    Transaction.occurrence,
)


def _stored_start(p: Any) -> Any:
    return (
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


def _older_open(p: Any) -> Any:
    """What is open on the connector, and not thought to be stuck yet."""
    return (
        (Transaction.charge_point_id == p.charge_point_id)
        & (Transaction.connector_id == p.connector_id)
        & Transaction.stopped_at.is_null()
        & Transaction.suspect_since.is_null()
        # Not the same start, stored by another process in this very moment.
        & (Transaction.started_at < p.started_at)
    )


_FIND = Statement(_stored_start)
# All that decides about a start, in the order of `_Facts`.
_FACTS = Statement(
    lambda p: side_by_side(
        _stored_start(p),
        select_id_tag(p.id_tag_key),
        Transaction.select(Transaction.started_at, Transaction.meter_stop_wh)
        .where(
            (Transaction.charge_point_id == p.charge_point_id)
            & (Transaction.connector_id == p.connector_id)
            & (Transaction.started_at <= p.started_at)
        )
        .order_by(Transaction.started_at.desc())
        .limit(1),
        Transaction.select(Transaction.id).where(_older_open(p)).limit(1),
        remote_starts.select_pending(p.charge_point_id, p.id_tag_key),
    )
)
_SUSPECT_OLDER = Statement(
    lambda p: (
        Transaction.update(
            flags=Transaction.flags.bin_or(int(rules.TransactionFlag.SUSPECT_OPEN)),
            suspect_since=p.started_at,
        )
        .where(_older_open(p))
        .returning(Transaction.id)
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


class _Facts(NamedTuple):
    """What is known when a start comes."""

    stored: _Stored | None
    id_tag: rules.IdTagRecord | None
    previous: rules.PreviousTransaction | None
    older_open: bool
    remote_start: bool  # one waits for a start of this id tag


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
    started_at = tx.time(time.at)
    key: dict[str, Any] = {
        "charge_point_id": context.charge_point.id,
        "connector_id": request.connector_id,
        "start_time_key": time.key,
        "id_tag_key": rules.id_tag_key(request.id_tag),
        "meter_start_wh": request.meter_start,
    }
    facts = _facts(tx, key, started_at)
    stored, occurrence = facts.stored, 0
    if stored is not None:
        # Without a clock every start bears the same time: once the old one has stopped, a start
        # like it is a new one (MicroOcpp #311).
        if time.clock_set or stored.stopped_at is None:
            return stored.answer()
        occurrence = stored.occurrence + 1
    # What is still open on this connector has ended, since two cannot charge at once (F3); marked
    # first, so that it doesn't make its own driver's next start a ConcurrentTx.
    if facts.older_open:
        suspects = tx.all(
            _SUSPECT_OLDER,
            charge_point_id=context.charge_point.id,
            connector_id=request.connector_id,
            started_at=started_at,
        )
        for (transaction_id,) in suspects:
            tell_suspect(tx, context, transaction_id, request.connector_id, time.at)
    verdict = verdict_on_start(tx, context, facts.id_tag, key["id_tag_key"])
    if verdict.status != "Accepted":
        demand_refused_start(tx, context)
    flags = rules.start_flags(
        time=time,
        connector_id=request.connector_id,
        meter_start_wh=request.meter_start,
        verdict=verdict,
        previous=facts.previous,
        policy=context.policy,
        repaired=context.repaired,
    )
    if occurrence:
        flags |= rules.TransactionFlag.REPEATED_WITHOUT_CLOCK
    inserted = tx.execute(
        _INSERT,
        **key,
        occurrence=occurrence,
        id_tag=request.id_tag,
        started_at=started_at,
        reservation_id=request.reservation_id,
        received_at=tx.time(context.now),
        id_tag_status=verdict.status,
        id_tag_expires_at=verdict.expires_at,
        parent_id_tag=verdict.parent_id_tag,
        parent_id_tag_key=verdict.parent_id_tag and rules.id_tag_key(verdict.parent_id_tag),
        flags=int(flags),
    ).fetchone()
    if inserted is None:  # the same start was stored by another process in this very moment
        return _stored(tx, key).answer()
    keep_evidence(tx, context, inserted[0], "start")
    started = events.SessionStarted(
        transaction_id=inserted[0],
        connector_id=request.connector_id,
        id_tag=request.id_tag,
        parent_id_tag=verdict.parent_id_tag,
        id_tag_status=verdict.status,
        started_at=events.instant(time.at),
        meter_start_wh=request.meter_start,
        reservation_id=request.reservation_id,
    )
    note_event(tx, context.charge_point.id, started, context.now)
    if request.reservation_id is not None:
        charge_point_id = context.charge_point.id
        reservations.use(tx, charge_point_id, request.reservation_id, inserted[0], context.now)
    if facts.remote_start:
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
    evidence = Evidence(
        transaction_id,
        context.charge_point.id,
        kind,
        event_key,
        context.call.message_id,
        context.frame,
        tx.time(context.now),
    )
    tx.later(insert_evidence, evidence)


def _facts(tx: Tx, key: dict[str, Any], started_at: StoredTime) -> _Facts:
    row = tx.one(_FACTS, **key, started_at=started_at)
    assert row is not None
    previous = read_time(row[11])
    return _Facts(
        stored=None if row[0] is None else _Stored(*row[:6]),
        id_tag=read_id_tag(row[6:11]),
        previous=None if previous is None else rules.PreviousTransaction(previous, row[12]),
        older_open=row[13] is not None,
        remote_start=row[14] is not None,
    )


def _stored(tx: Tx, key: dict[str, Any]) -> _Stored:
    row = tx.one(_FIND, **key)
    if row is None:
        raise LookupError(f"a start that conflicts can't be found: {key}")
    return _Stored(*row)
