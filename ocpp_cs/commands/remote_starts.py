"""Sessions asked for over REST: a RemoteStartTransaction, and the start that it led to (§5.11).

It starts nothing itself and judges no id tag. A charge point that accepts says only that it will
try; whether somebody has plugged in, its StartTransaction tells, or the time that runs out.

A start that comes while the command has no answer yet counts, and no end of the command overwrites
it. Without an answer the charge point may have taken the command: the wait for its start goes on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from ocpp_cs import rules
from ocpp_cs.audit import Actor
from ocpp_cs.commands import charging_profiles
from ocpp_cs.commands.ends import End, decode_request
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint, Command, RemoteStart
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.ocpp16.messages.core import (
    RemoteStartTransactionRequest,
    RemoteStartTransactionResponse,
)

Outcome = Literal["pending", "started", "rejected", "not_started"]
Reason = Literal[
    "rejected_by_charge_point",
    "error_from_charge_point",
    "no_answer",
    "connection_lost",
    "not_delivered",
    "cancelled",
    "nobody_plugged_in",
]

_INSERT = Statement(
    lambda p: RemoteStart.insert(
        charge_point_id=ChargePoint.select(ChargePoint.id).where(
            ChargePoint.identity == p.identity
        ),
        command_id=p.command_id,
        connector_id=p.connector_id,
        id_tag=p.id_tag,
        id_tag_key=p.id_tag_key,
        outcome="pending",
        start_within_s=p.start_within_s,
        created_by=p.created_by,
        created_at=p.now,
    ).returning(RemoteStart.id)
)
# Those that a start can be the answer to: sent already, and not after the start had happened.
# Most starts find none: an UPDATE with the same condition takes twice as long to find that out.
_ANSWERED_BY_START = Statement(
    lambda p: (
        RemoteStart.select(RemoteStart.id, RemoteStart.command_id, Command.request)
        .join(Command, on=(Command.id == RemoteStart.command_id))
        .where(
            (RemoteStart.charge_point_id == p.charge_point_id)
            & (RemoteStart.id_tag_key == p.id_tag_key)
            & RemoteStart.finished_at.is_null()
            & (RemoteStart.connector_id.is_null() | (RemoteStart.connector_id == p.connector_id))
            & (RemoteStart.created_at <= p.asked_before)
            & Command.sent_at.is_null(False)
        )
        .order_by(RemoteStart.id)
        .limit(1)
    )
)
_STARTED = Statement(
    lambda p: RemoteStart.update(
        outcome="started", reason=None, transaction_id=p.transaction_id, finished_at=p.now
    ).where((RemoteStart.id == p.id) & RemoteStart.finished_at.is_null())
)
_PENDING = Statement(
    lambda p: RemoteStart.select(RemoteStart.id, RemoteStart.start_within_s).where(
        (RemoteStart.command_id == p.command_id) & RemoteStart.finished_at.is_null()
    )
)
_WAIT = Statement(
    lambda p: RemoteStart.update(reason=p.reason, waits_until=p.waits_until).where(
        (RemoteStart.id == p.id) & RemoteStart.finished_at.is_null()
    )
)
_END = Statement(
    lambda p: RemoteStart.update(outcome=p.outcome, reason=p.reason, finished_at=p.now).where(
        (RemoteStart.id == p.id) & RemoteStart.finished_at.is_null()
    )
)
_EXPIRE = Statement(
    lambda p: (
        RemoteStart.update(
            outcome="not_started",
            reason=fn.COALESCE(RemoteStart.reason, "nobody_plugged_in"),
            finished_at=p.now,
        )
        .where(RemoteStart.finished_at.is_null() & (RemoteStart.waits_until <= p.now))
        .returning(RemoteStart.id)
    )
)


def select_pending(charge_point_id: Any, id_tag_key: Any) -> Any:
    """One that waits for a start of the tag, if any does; whether it fits, `transaction_started`
    finds out."""
    return (
        RemoteStart.select(RemoteStart.id)
        .where(
            (RemoteStart.charge_point_id == charge_point_id)
            & (RemoteStart.id_tag_key == id_tag_key)
            & RemoteStart.finished_at.is_null()
        )
        .limit(1)
    )


class Verdict(NamedTuple):
    """What the end of a command makes of its session.

    A pending one waits for a start until its time is over, and ends then with this reason, or
    with `nobody_plugged_in` if it has none.
    """

    outcome: Outcome
    reason: Reason | None


def start(
    tx: Tx,
    identity: str,
    request: RemoteStartTransactionRequest,
    *,
    start_within_s: int,
    actor: Actor,
    now: datetime,
) -> int:
    """Asks a charge point for a session; its id. Raises Refused."""
    order = Order(action="RemoteStartTransaction", request=request)
    command_id = place(tx, identity, order, actor=actor, now=now)
    [id] = tx.execute(
        _INSERT,
        identity=identity,
        command_id=command_id,
        connector_id=request.connector_id,
        id_tag=request.id_tag,
        id_tag_key=rules.id_tag_key(request.id_tag),
        start_within_s=start_within_s,
        created_by=actor.name,
        now=now,
    ).fetchone()
    return int(id)


def transaction_started(
    tx: Tx,
    *,
    charge_point_id: int,
    connector_id: int,
    id_tag: str,
    time: rules.EventTime,
    transaction_id: int,
    now: datetime,
) -> None:
    """A new transaction is the answer to the oldest session asked for that it fits.

    A start that an offline charge point had queued for long is not (§3.7): its time tells, if the
    charge point has one. With it the charging profile of the request is in force (§5.16.2).
    """
    found = tx.one(
        _ANSWERED_BY_START,
        charge_point_id=charge_point_id,
        connector_id=connector_id,
        id_tag_key=rules.id_tag_key(id_tag),
        asked_before=time.at + rules.CLOCK_TOLERANCE if time.clock_set else now,
    )
    if found is None:
        return
    id, command_id, text = found
    if not tx.execute(_STARTED, id=id, transaction_id=transaction_id, now=now).rowcount:
        return  # its time ran out, in another process in this very moment
    tx.notify("remote_start", id)
    request = decode_request("RemoteStartTransaction", text)
    profile = getattr(request, "charging_profile", None)
    if profile is not None:
        charging_profiles.install(
            tx,
            charge_point_id,
            connector_id,
            profile,
            transaction_id=transaction_id,
            command_id=command_id,
            now=now,
        )


def answered(tx: Tx, end: End) -> None:
    """The end of a RemoteStartTransaction. One ordered as a mere command has no session."""
    pending = tx.one(_PENDING, command_id=end.command_id)
    if pending is None:  # also: its transaction has started already
        return
    id, start_within_s = pending
    outcome, reason = _verdict(end)
    if outcome == "pending":
        waits_until = end.now + timedelta(seconds=start_within_s)
        tx.execute(_WAIT, id=id, reason=reason, waits_until=waits_until)
    else:
        tx.execute(_END, id=id, outcome=outcome, reason=reason, now=end.now)
    tx.notify("remote_start", id)


def expire(tx: Tx, now: datetime) -> None:
    """Ends the sessions whose time to start is over."""
    for [id] in tx.execute(_EXPIRE, now=now).fetchall():
        tx.notify("remote_start", id)


def _verdict(end: End) -> Verdict:
    if end.status == "answered" and isinstance(end.response, RemoteStartTransactionResponse):
        if end.response.status == "Rejected":
            return Verdict("rejected", "rejected_by_charge_point")
        return Verdict("pending", None)
    return _VERDICTS[end.status]


_VERDICTS = {
    "answered": Verdict("pending", "no_answer"),  # none that can be read
    "rejected": Verdict("rejected", "error_from_charge_point"),
    "timeout": Verdict("pending", "no_answer"),
    "unknown": Verdict("pending", "connection_lost"),
    "expired": Verdict("not_started", "not_delivered"),
    "cancelled": Verdict("not_started", "cancelled"),
}
