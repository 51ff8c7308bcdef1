"""One action for many charge points: a row each, all of them or none, and not all at one moment.

Nothing is retried: who cannot be commanded now has a command that is final at once, so that the
counts add up and everybody can see why.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.commands import transfers
from ocpp_cs.commands.addressee import Addressee
from ocpp_cs.commands.ends import encode
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import PLACING, check_order, command_row
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.secrets import is_secret_key, shown_request
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, Command, CommandBatch
from ocpp_cs.db.statement import Statement
from ocpp_cs.files import ANYWHERE, FilePolicy
from ocpp_cs.ocpp16.messages.core import ChangeConfigurationRequest

LARGEST = 20_000
"""Charge points of one batch."""

# Characters of all payloads of a batch: each command has its own copy.
_LARGEST_SUM = 64 * 1024 * 1024
# Rows written at a time. Between two chunks the event loop serves everybody else (promise 4): that
# takes a timer, since a pause of 0 lets it run what is ready but not look at its sockets.
_CHUNK = 250
_BREATH_S = 0.001
_TOLD = 10  # identities that a refusal names

_INSERT_BATCH = Statement(
    lambda p: CommandBatch.insert(
        action=p.action,
        request=p.request,
        created_by=p.created_by,
        created_at=p.now,
        commands_total=p.commands_total,
    ).returning(CommandBatch.id)
)


def _insert(p: Any) -> Any:
    return Command.insert(
        charge_point_id=p.charge_point_id,
        batch_id=p.batch_id,
        action=p.action,
        request=p.request,
        message_id=p.message_id,
        status=p.status,
        automatic=p.automatic,
        session_epoch=p.session_epoch,
        not_before=p.not_before,
        expires_at=p.expires_at,
        created_by=p.created_by,
        created_at=p.created_at,
        finished_at=p.finished_at,
        error_code=p.error_code,
        error_description=p.error_description,
    )


_INSERT = Statement(_insert)
_INSERT_WITH_ID = Statement(lambda p: _insert(p).returning(Command.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """What is to be sent to all of them; `rate` is how many commands may leave in a second."""

    action: str
    request: Struct
    deliver_within_s: int = 0
    rate: int = 10
    files: FilePolicy = ANYWHERE


def place_batch(
    tx: Tx, order: BatchOrder, identities: Sequence[str], *, actor: Actor, now: datetime
) -> int:
    """Queues a command for each charge point; the batch's id. Raises Refused.

    `identities` are all different. One that is unknown refuses the whole batch.
    """
    request = encode(order.request)
    _check(order, identities, request)
    addressees = _find(tx, identities)
    shown = shown_request(order.action, request)
    [batch_id] = tx.execute(
        _INSERT_BATCH,
        action=order.action,
        request=shown,
        created_by=actor.name,
        now=now,
        commands_total=len(addressees),
    ).fetchone()
    detail = {"action": order.action, "request": shown, "commands": len(addressees)}
    audit.record(tx, actor, "command_batch.create", f"command-batches/{batch_id}", now, detail)
    places = _Places(tx, order, batch_id, actor, now)
    for chunk in _chunks(addressees):
        if order.action in transfers.KINDS:
            for each in chunk:  # with a URL of its own, perhaps
                places.insert(each, shown)
        else:
            tx.execute_many(_INSERT, [places.row(each, request, shown) for each in chunk])
        targets = [f"charge-points/{each.identity}" for each in chunk]
        action = f"command.{order.action}"
        audit.record_each(tx, actor, action, targets, now, {"batch_id": batch_id})
        time.sleep(_BREATH_S)
    return int(batch_id)


class _Places:
    """Gives each command of a batch its moment: the turn of whoever is not refused."""

    def __init__(
        self, tx: Tx, order: BatchOrder, batch_id: int, actor: Actor, now: datetime
    ) -> None:
        self._tx, self._order, self._batch_id = tx, order, batch_id
        self._actor, self._now = actor, now
        self._next = 0

    def insert(self, addressee: Addressee, shown: str) -> None:
        """Inserts the command of an action that moves a file, and its transfer."""
        order, now = self._order, self._now
        payload, draft = transfers.prepare(
            self._tx,
            order.action,
            order.request,
            order.files,
            waits_s=order.deliver_within_s + self._next // order.rate,
            now=now,
        )
        row = self.row(addressee, encode(payload), shown)
        [id] = self._tx.execute(_INSERT_WITH_ID, **row).fetchone()
        if draft is not None and row["status"] == "queued":
            name = self._actor.name
            transfers.begin(self._tx, addressee, order.action, draft, id, created_by=name, now=now)

    def row(self, addressee: Addressee, request: str, shown: str) -> dict[str, Any]:
        """The columns of a command: queued, or ended already with the name of the refusal."""
        now = self._now
        order = Order(
            action=self._order.action,
            request=self._order.request,
            deliver_within_s=self._order.deliver_within_s,
            batch_id=self._batch_id,
            not_before=now + timedelta(seconds=self._next / self._order.rate),
        )
        refused = self._refusal(addressee, order)
        if refused is not None:
            return {
                **command_row(addressee, order, shown, self._actor, now),
                "status": "expired",
                "finished_at": now,
                "error_code": refused.code,
                "error_description": refused.detail,
            }
        if self._next == 0:  # all others have their time to come, and are found by the sweep
            self._tx.notify("queued", addressee.id)
        self._next += 1
        return {
            **command_row(addressee, order, request, self._actor, now),
            "status": "queued",
            "finished_at": None,
            "error_code": None,
            "error_description": None,
        }

    def _refusal(self, addressee: Addressee, order: Order) -> Refused | None:
        try:
            check_order(addressee, order, self._now)
            prepare = PLACING.get(order.action)
            if prepare is not None:
                prepare(self._tx, addressee, order, self._now)
        except Refused as refused:
            return refused
        return None


def _check(order: BatchOrder, identities: Sequence[str], payload: str) -> None:
    if not identities:
        raise Refused(422, "no_charge_points", "No charge point is meant by this.")
    if len(identities) > LARGEST:
        raise Refused(
            422,
            "too_many_charge_points",
            f"{len(identities)} charge points are meant by this; a batch takes {LARGEST}.",
        )
    if len(payload) * len(identities) > _LARGEST_SUM:
        raise Refused(
            422,
            "payload_too_large",
            "The payload is too large for so many charge points: all copies of it together may "
            f"have {_LARGEST_SUM} characters.",
        )
    request = order.request
    if isinstance(request, ChangeConfigurationRequest) and is_secret_key(request.key):
        raise Refused(
            422,
            "key_for_many",
            "A key belongs to one charge point: send this command to each by itself.",
        )


def _find(tx: Tx, identities: Sequence[str]) -> list[Addressee]:
    """All of them, in their order. Raises Refused where one is unknown."""
    found: dict[str, Addressee] = {}
    for chunk in _chunks(identities):
        query = ChargePoint.select(
            ChargePoint.id,
            ChargePoint.identity,
            ChargePoint.registration,
            ChargePoint.session_epoch,
            ChargePoint.present_until,
        ).where(ChargePoint.identity.in_(chunk), ChargePoint.removing_at.is_null())
        for id, identity, registration, session_epoch, present_until in tx.run(query).fetchall():
            until = read_time(present_until)
            found[identity] = Addressee(id, identity, registration, session_epoch, until)
        time.sleep(_BREATH_S)
    unknown = [identity for identity in identities if identity not in found]
    if unknown:
        raise _unknown(unknown)
    return [found[identity] for identity in identities]


def _unknown(identities: Sequence[str]) -> Refused:
    told = ", ".join(repr(identity) for identity in identities[:_TOLD])
    more = f" and {len(identities) - _TOLD} others" if len(identities) > _TOLD else ""
    return Refused(
        422,
        "unknown_charge_point",
        f"There is no charge point {told}{more}.",
        {"charge_point_ids": [f"Unknown: {identity}" for identity in identities]},
    )


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
