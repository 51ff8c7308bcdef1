"""The command table's arrows: claimed, answered, cancelled, expired, lost (journey b).

Each arrow is one UPDATE that compares the state it leaves, so that whoever comes second finds
nothing: no command is sent twice, and none ends twice. Nothing is sent from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.commands.checks import NOT_WHILE_PENDING
from ocpp_cs.commands.ends import End, decode_request, encode
from ocpp_cs.commands.outcomes import ended
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.secrets import shown_exchange, shown_request, shown_response
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint, Command
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.frames import call_frame

ANSWER_GRACE = timedelta(seconds=15)
"""Beyond its deadline a command whose process has not told its end is lost: `unknown`."""

_COLUMNS = (
    Command.id,
    Command.charge_point_id,
    Command.action,
    Command.request,
    Command.status,
    Command.error_code,
    Command.error_description,
    Command.session_epoch,
    Command.created_by,
    Command.local_list_update_id,
)
_NEXT = Statement(
    lambda p: (
        Command.select(
            Command.id,
            Command.action,
            Command.request,
            Command.message_id,
            ChargePoint.call_timeout_s,
        )
        .join(ChargePoint, on=(ChargePoint.id == Command.charge_point_id))
        .where(
            (Command.charge_point_id == p.charge_point_id)
            & Command.finished_at.is_null()
            & (Command.status == "queued")
            & (Command.not_before <= p.now)
            & (Command.expires_at > p.now)
            & (Command.session_epoch.is_null() | (Command.session_epoch == p.session_epoch))
            & (~Command.automatic | (p.settled == 1))
            # Who was replaced sends nothing any more (F8), and who is not accepted gets little.
            & (ChargePoint.session_epoch == p.session_epoch)
            & (
                (ChargePoint.registration == "accepted")
                | (
                    (ChargePoint.registration == "pending")
                    & Command.action.not_in(NOT_WHILE_PENDING)
                )
            )
        )
        .order_by(Command.id)
        .limit(1)
    )
)
_CLAIM = Statement(
    lambda p: Command.update(
        status="sent", session_epoch=p.session_epoch, sent_at=p.now, deadline_at=p.deadline_at
    ).where((Command.id == p.command_id) & (Command.status == "queued"))
)
_FINISH = Statement(
    lambda p: (
        Command.update(
            status=p.status,
            request=p.request,
            response=p.response,
            error_code=p.error_code,
            error_description=p.error_description,
            finished_at=p.now,
        )
        .where(
            (Command.id == p.command_id)
            & (Command.status == "sent")
            & (Command.session_epoch == p.session_epoch)
        )
        .returning(*_COLUMNS)
    )
)
_EXPIRE = Statement(
    lambda p: (
        Command.update(
            status="expired",
            error_code="not_delivered",
            error_description="The charge point was not there, or was busy, for all that time.",
            finished_at=p.now,
        )
        .where(
            Command.finished_at.is_null()
            & (Command.status == "queued")
            & (Command.expires_at <= p.now)
        )
        .returning(*_COLUMNS)
    )
)
_LOSE = Statement(
    lambda p: (
        Command.update(
            status="unknown",
            error_code="process_lost",
            error_description="The process that sent it has ended: it may have been carried out.",
            finished_at=p.now,
        )
        .where(
            Command.finished_at.is_null()
            & (Command.status == "sent")
            & (Command.deadline_at <= p.before)
        )
        .returning(*_COLUMNS)
    )
)
_LOSE_OF_OLDER_SESSIONS = Statement(
    lambda p: (
        Command.update(
            status="unknown",
            error_code="connection_lost",
            error_description="The connection ended before the answer: it may have been carried "
            "out.",
            finished_at=p.now,
        )
        .where(
            (Command.charge_point_id == p.charge_point_id)
            & Command.finished_at.is_null()
            & (Command.status == "sent")
            & (Command.session_epoch < p.session_epoch)
        )
        .returning(*_COLUMNS)
    )
)
_EXPIRE_OF_OLDER_SESSIONS = Statement(
    lambda p: (
        Command.update(
            status="expired",
            error_code="connection_lost",
            error_description="The connection that it was for ended before it could be sent.",
            finished_at=p.now,
        )
        .where(
            (Command.charge_point_id == p.charge_point_id)
            & Command.finished_at.is_null()
            & (Command.status == "queued")
            & (Command.session_epoch < p.session_epoch)
        )
        .returning(*_COLUMNS)
    )
)
_ANY_OPEN = Statement(
    lambda p: (
        Command.select(Command.id)
        .where((Command.charge_point_id == p.charge_point_id) & Command.finished_at.is_null())
        .limit(1)
    )
)
_LOSE_ALL = Statement(
    lambda p: (
        Command.update(
            status="unknown",
            error_code="process_lost",
            error_description="The central system was started anew before the answer: it may have "
            "been carried out.",
            finished_at=p.now,
        )
        .where(Command.finished_at.is_null() & (Command.status == "sent"))
        .returning(*_COLUMNS)
    )
)
_CANCEL = Statement(
    lambda p: (
        Command.update(
            status="cancelled",
            error_code="cancelled",
            error_description=p.reason,
            finished_at=p.now,
        )
        .where((Command.id == p.command_id) & (Command.status == "queued"))
        .returning(*_COLUMNS)
    )
)
_BLOT = Statement(lambda p: Command.update(request=p.request).where(Command.id == p.command_id))
_STATUS = Statement(lambda p: Command.select(Command.status).where(Command.id == p.command_id))
_DUE = Statement(
    lambda p: (
        Command.select(Command.charge_point_id)
        .join(ChargePoint, on=(ChargePoint.id == Command.charge_point_id))
        .where(
            Command.finished_at.is_null()
            & (Command.status == "queued")
            & (Command.not_before <= p.now)
            & (ChargePoint.present_until > p.now)
        )
        .distinct()
    )
)
_IDENTITY = Statement(
    lambda p: ChargePoint.select(ChargePoint.identity).where(ChargePoint.id == p.charge_point_id)
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A command that is this connection's to send, once. `timeout_s` bounds the wait for it."""

    id: int
    action: str
    request: Struct
    request_text: str
    message_id: str
    timeout_s: float

    def shown_frames(self, answer: bytes | None) -> tuple[bytes, bytes | None]:
        """Its frame and the one that answered it, with their secrets blotted out."""
        frame = call_frame(self.message_id, self.action, self.request)
        return shown_exchange(self.action, self.request_text, frame, answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How the sending of a command ended: `status`, and what came back."""

    status: str  # "answered", "rejected", "timeout", "unknown"
    response: Struct | None = None
    raw_response: str | None = None  # of an answer that broke its schema
    error_code: str | None = None
    error_description: str | None = None


def claim(
    tx: Tx,
    charge_point_id: int,
    session_epoch: int,
    *,
    settled: bool,
    timeout_s: float,
    now: datetime,
) -> Claimed | None:
    """The next command for a connection, which from now on counts as sent; None if there is none.

    `timeout_s` is for charge points without one of their own (R5).
    """
    row = tx.one(
        _NEXT,
        charge_point_id=charge_point_id,
        session_epoch=session_epoch,
        settled=int(settled),
        now=now,
    )
    if row is None:
        return None
    id, action, request, message_id, own_timeout_s = row
    wait = float(timeout_s if own_timeout_s is None else own_timeout_s)
    claimed = tx.execute(
        _CLAIM,
        command_id=id,
        session_epoch=session_epoch,
        now=now,
        deadline_at=now + timedelta(seconds=wait),
    ).rowcount
    if not claimed:  # cancelled or expired by another process in this very moment
        return None
    return Claimed(id, action, decode_request(action, request), request, message_id, wait)


def finish(tx: Tx, claimed: Claimed, result: Result, *, session_epoch: int, now: datetime) -> bool:
    """Stores how a sent command ended; False if it has been given up meanwhile."""
    response = result.raw_response if result.response is None else encode(result.response)
    row = tx.execute(
        _FINISH,
        command_id=claimed.id,
        session_epoch=session_epoch,
        status=result.status,
        request=shown_request(claimed.action, claimed.request_text),
        response=shown_response(claimed.action, response),
        error_code=result.error_code,
        error_description=result.error_description,
        now=now,
    ).fetchone()
    if row is None:
        return False
    ended(tx, _end(tx, row, claimed.request, result.response, now))
    return True


def cancel(tx: Tx, command_id: int, *, actor: Actor, now: datetime, reason: str = "") -> None:
    """Takes back a command that was not sent yet. Raises Refused: 404, or 409 if it was."""
    row = tx.execute(
        _CANCEL, command_id=command_id, reason=reason or f"By {actor.name}.", now=now
    ).fetchone()
    if row is None:
        found = tx.one(_STATUS, command_id=command_id)
        if found is None:
            raise Refused(404, "unknown_command", f"There is no command {command_id}.")
        raise Refused(
            409,
            "not_queued",
            f"Command {command_id} is {found[0]}: only a queued one can be cancelled.",
        )
    _give_up(tx, [row], now)
    audit.record(tx, actor, "command.cancel", f"commands/{command_id}", now)


# --- Commands that nobody sends or answers any more ----------------------------------------------


def begin_session(tx: Tx, charge_point_id: int, session_epoch: int, now: datetime) -> None:
    """A new connection: what was sent over older ones is not answered any more, what was meant
    for them alone is not sent any more."""
    if tx.one(_ANY_OPEN, charge_point_id=charge_point_id) is None:  # as a rule
        return
    values = {"charge_point_id": charge_point_id, "session_epoch": session_epoch, "now": now}
    _give_up(tx, tx.execute(_LOSE_OF_OLDER_SESSIONS, **values).fetchall(), now)
    _give_up(tx, tx.execute(_EXPIRE_OF_OLDER_SESSIONS, **values).fetchall(), now)


def end_session(tx: Tx, charge_point_id: int, session_epoch: int, now: datetime) -> None:
    """A connection has ended. What it had sent is its own sender's to tell."""
    values = {"charge_point_id": charge_point_id, "session_epoch": session_epoch + 1, "now": now}
    _give_up(tx, tx.execute(_EXPIRE_OF_OLDER_SESSIONS, **values).fetchall(), now)


def begin_process(tx: Tx, now: datetime) -> None:
    """The only process of an installation starts: what was sent before gets no answer any more."""
    _give_up(tx, tx.execute(_LOSE_ALL, now=now).fetchall(), now)


def expire(tx: Tx, now: datetime) -> None:
    """Ends what waited too long for its charge point, and what its process cannot end any more."""
    _give_up(tx, tx.execute(_EXPIRE, now=now).fetchall(), now)
    _give_up(tx, tx.execute(_LOSE, now=now, before=now - ANSWER_GRACE).fetchall(), now)


def due(tx: Tx, now: datetime) -> list[int]:
    """Keys of the charge points that are there and have a command waiting."""
    return [row[0] for row in tx.all(_DUE, now=now)]


def _give_up(tx: Tx, rows: list[Any], now: datetime) -> None:
    for row in rows:
        id, _, action, text = row[:4]
        shown = shown_request(action, text)
        if shown != text:
            tx.execute(_BLOT, command_id=id, request=shown)
        ended(tx, _end(tx, row, decode_request(action, text), None, now))


def _end(tx: Tx, row: Any, request: Struct, response: Struct | None, now: datetime) -> End:
    (
        id,
        charge_point_id,
        action,
        _,
        status,
        error_code,
        error_description,
        session_epoch,
        created_by,
        local_list_update_id,
    ) = row
    [identity] = tx.one(_IDENTITY, charge_point_id=charge_point_id) or ("",)
    return End(
        command_id=id,
        charge_point_id=charge_point_id,
        identity=identity,
        action=action,
        request=request,
        status=status,
        response=response,
        error_code=error_code,
        error_description=error_description,
        session_epoch=session_epoch,
        created_by=created_by,
        local_list_update_id=local_list_update_id,
        now=now,
    )
