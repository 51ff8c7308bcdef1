"""What people decide where a charge point left things unclear: closed, linked, dismissed.

No energy is invented here: a transaction that is closed ends with what was known of it (F3), and
an orphan stop that is linked goes the road that it had gone with the right transaction id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NoReturn

from ocpp_cs import audit, events, rules
from ocpp_cs.audit import Actor
from ocpp_cs.commands import charging_profiles
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.events import note_event
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, OrphanStop, QuarantinedFrame, Transaction
from ocpp_cs.handlers.context import CallContext, ConnectedChargePoint
from ocpp_cs.handlers.stop_transaction import apply_stop, find_stoppable
from ocpp_cs.ocpp16.messages.core import StopTransactionRequest
from ocpp_cs.ocpp16.session import CallReceived, Session
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.rules import TransactionFlag

Resolution = Literal["linked", "dismissed"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is made of an orphan stop or a frame; linked ones name the transaction."""

    resolution: Resolution
    transaction_id: int | None = None
    note: str | None = None


def close(tx: Tx, transaction_id: int, reason: str, *, actor: Actor, now: datetime) -> None:
    """Ends a transaction whose stop does not come. Raises Refused (404, 409).

    Of two that do it at one time the first one wins: the row is taken before it is read.
    """
    active = (Transaction.id == transaction_id) & Transaction.stopped_at.is_null()
    row = tx.run(
        Transaction.update(closed_at=now, closed_by=actor.name, close_reason=reason)
        .where(active)
        .returning(
            Transaction.charge_point_id,
            Transaction.connector_id,
            Transaction.started_at,
            Transaction.meter_start_wh,
            Transaction.last_sample_at,
            Transaction.last_register_at,
            Transaction.last_register_wh,
        )
    ).fetchone()
    if row is None:
        _refuse_to_close(tx, transaction_id)
    charge_point_id, connector_id, started_at, meter_start_wh, *last, last_register_wh = row
    stopped_at, meter_stop_wh = rules.supposed_end(
        started_at=read_time(started_at) or now,
        meter_start_wh=meter_start_wh,
        last_sample_at=read_time(last[0]),
        last_register_at=read_time(last[1]),
        last_register_wh=last_register_wh,
    )
    flags = TransactionFlag.CLOSED_BY_OPERATOR
    if meter_stop_wh < meter_start_wh:
        flags |= TransactionFlag.NEGATIVE_ENERGY
    tx.run(
        Transaction.update(
            stopped_at=stopped_at,
            meter_stop_wh=meter_stop_wh,
            suspect_since=None,
            flags=Transaction.flags.bin_and(~int(TransactionFlag.SUSPECT_OPEN)).bin_or(int(flags)),
        ).where(Transaction.id == transaction_id)
    )
    charging_profiles.transaction_stopped(tx, charge_point_id, connector_id, transaction_id)
    begin = read_time(started_at) or now
    closed = events.SessionStopped(
        transaction_id=transaction_id,
        connector_id=connector_id,
        started_at=events.instant(begin),
        stopped_at=events.instant(stopped_at),
        duration_s=events.seconds_between(begin, stopped_at),
        meter_start_wh=meter_start_wh,
        meter_stop_wh=meter_stop_wh,
        energy_wh=meter_stop_wh - meter_start_wh,
        stop_reason=None,
        closed_by=actor.name,
    )
    note_event(tx, charge_point_id, closed, now)
    told = {
        "reason": reason,
        "stopped_at": format_time(stopped_at),
        "meter_stop_wh": meter_stop_wh,
    }
    audit.record(tx, actor, "transaction.close", f"transactions/{transaction_id}", now, told)


def resolve_orphan_stop(
    tx: Tx, id: int, decision: Decision, *, actor: Actor, now: datetime
) -> None:
    """Links the stop to a transaction, which it ends, or dismisses it. Raises Refused."""
    _note_decision(tx, OrphanStop, id, decision, actor=actor, now=now)
    if decision.transaction_id is not None:
        row = tx.run(
            OrphanStop.select(
                OrphanStop.id_tag,
                OrphanStop.meter_stop_wh,
                OrphanStop.stopped_at,
                OrphanStop.stop_time_key,
                OrphanStop.stop_reason,
                OrphanStop.flags,
                OrphanStop.frame,
                OrphanStop.received_at,
                ChargePoint.id,
                ChargePoint.identity,
                ChargePoint.session_epoch,
                ChargePoint.firmware_version,
            )
            .join(ChargePoint, on=(ChargePoint.id == OrphanStop.charge_point_id))
            .where(OrphanStop.id == id)
        ).fetchone()
        _apply(tx, decision.transaction_id, *row)


def resolve_quarantined_frame(
    tx: Tx, id: int, decision: Decision, *, actor: Actor, now: datetime
) -> None:
    """Notes what was made of the frame; the transaction is left as it is. Raises Refused."""
    _note_decision(tx, QuarantinedFrame, id, decision, actor=actor, now=now)


def _apply(tx: Tx, transaction_id: int, *row: Any) -> None:
    """Ends the transaction as if the stop had come with its id, at the time when it came."""
    id_tag, meter_stop_wh, stopped_at, stop_time_key, reason, flags, frame, received_at = row[:8]
    received, found = read_time(received_at), find_stoppable(tx, transaction_id)
    assert received is not None
    assert found is not None  # its charge point was compared
    # What PostgreSQL could not hold is marked in the frame, so the row's figures go before it.
    event = Session().receive(frame.encode(), 0.0)
    sent = event.request if isinstance(event, CallReceived) else None
    request = StopTransactionRequest(
        transaction_id=transaction_id,
        id_tag=id_tag,
        meter_stop=meter_stop_wh,
        timestamp=stop_time_key,
        reason=reason,
        transaction_data=sent.transaction_data
        if isinstance(sent, StopTransactionRequest)
        else None,
    )
    charge_point_id, identity, epoch, firmware_version = row[8:]
    context = CallContext(
        ConnectedChargePoint(
            charge_point_id, identity, epoch, firmware_version=firmware_version or ""
        ),
        CallReceived(
            event.message_id if isinstance(event, CallReceived) else "",
            "StopTransaction",
            request,
            (),
            frame.encode(),
        ),
        received,
        rules.Policy(),
    )
    time = rules.EventTime(
        at=read_time(stopped_at) or received,
        sent=stop_time_key.removeprefix("?"),
        readable=not flags & TransactionFlag.STOP_TIME_UNREADABLE,
        naive=bool(flags & TransactionFlag.NAIVE_TIME),
        clock_set=not flags & TransactionFlag.CLOCK_NOT_SET,
        future=bool(flags & TransactionFlag.STOP_IN_FUTURE),
    )
    repaired = bool(flags & TransactionFlag.UNUSUAL_CONTENT)
    if not apply_stop(tx, context, request, time, found, repaired=repaired):
        raise Refused(
            409,
            "transaction_stopped",
            f"Transaction {transaction_id} has a stop of its own, which stands.",
        )


def _note_decision(
    tx: Tx,
    table: type[OrphanStop] | type[QuarantinedFrame],
    id: int,
    decision: Decision,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Writes the decision into its row, once. Raises Refused."""
    noun, path = _NAMES[table]
    row = tx.run(
        table.update(
            resolution=decision.resolution,
            resolved_transaction_id=decision.transaction_id,
            resolution_note=decision.note,
            resolved_by=actor.name,
            resolved_at=now,
        )
        .where((table.id == id) & table.resolution.is_null())
        .returning(table.charge_point_id)
    ).fetchone()
    if row is None:
        if tx.run(table.select(table.id).where(table.id == id)).fetchone() is None:
            code = f"unknown_{noun.replace(' ', '_')}"
            raise Refused(404, code, f"There is no {noun} {id}.")
        raise Refused(409, "already_resolved", f"The {noun} {id} is resolved already.")
    if decision.transaction_id is not None:
        _demand_own(tx, decision.transaction_id, row[0])
    told: dict[str, Any] = {"resolution": decision.resolution}
    if decision.transaction_id is not None:
        told["transaction_id"] = decision.transaction_id
    if decision.note is not None:
        told["note"] = decision.note
    action = f"{noun.replace(' ', '_')}.resolve"
    audit.record(tx, actor, action, f"{path}/{id}", now, told)


_NAMES: dict[Any, tuple[str, str]] = {
    OrphanStop: ("orphan stop", "orphan-stops"),
    QuarantinedFrame: ("quarantined frame", "quarantine"),
}


def _demand_own(tx: Tx, transaction_id: int, charge_point_id: int) -> None:
    """Raises Refused unless it is a transaction of that charge point (A10)."""
    row = tx.run(
        Transaction.select(Transaction.charge_point_id).where(Transaction.id == transaction_id)
    ).fetchone()
    if row is None:
        text = f"There is no transaction {transaction_id}."
        errors = {"transaction_id": [text]}
        raise Refused(422, "unknown_transaction", f"transaction_id: {text}", errors)
    if row[0] != charge_point_id:
        raise Refused(
            409,
            "other_charge_point",
            f"Transaction {transaction_id} belongs to another charge point.",
        )


def _refuse_to_close(tx: Tx, transaction_id: int) -> NoReturn:
    query = Transaction.select(Transaction.id).where(Transaction.id == transaction_id)
    if tx.run(query).fetchone() is None:
        text = f"There is no transaction {transaction_id}."
        raise Refused(404, "unknown_transaction", text)
    raise Refused(409, "not_active", f"Transaction {transaction_id} is not active.")
