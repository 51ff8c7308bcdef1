"""Orders: from a payload to a row in the command table, or a named refusal (journey b).

It sends nothing and waits for nothing: the row is the truth, and whoever holds the connection
finds it there.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from ocpp_cs import audit, credentials
from ocpp_cs.audit import Actor
from ocpp_cs.commands import configuration, transfers
from ocpp_cs.commands.addressee import Addressee, find_addressee
from ocpp_cs.commands.checks import check_content, check_registration
from ocpp_cs.commands.ends import encode
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.secrets import is_secret_key, shown_request
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import Command
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM
from ocpp_cs.ocpp16.messages.core import ChangeConfigurationRequest

QUEUED_FOR = timedelta(seconds=60)
"""How long a command without `deliver_within` waits for those before it."""


def _insert(p: Any) -> Any:
    return Command.insert(
        charge_point_id=p.charge_point_id,
        batch_id=p.batch_id,
        local_list_update_id=p.local_list_update_id,
        action=p.action,
        request=p.request,
        message_id=p.message_id,
        status="queued",
        automatic=p.automatic,
        session_epoch=p.session_epoch,
        not_before=p.not_before,
        expires_at=p.expires_at,
        created_by=p.created_by,
        created_at=p.created_at,
    )


INSERT_COMMAND = Statement(_insert)
"""Of a `command_row`, or of many at once."""

INSERT_COMMAND_WITH_ID = Statement(lambda p: _insert(p).returning(Command.id))
# What msgspec says of a payload: a fault, and the path of the property that has it.
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_FIELD = re.compile(r"(?:missing required|contains unknown) field `(?P<field>[^`]*)`")
_FLOAT = "got `float`"
# A NUL, written as JSON does: no column of PostgreSQL can hold it.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def read_request(action: str, payload: bytes) -> Struct:
    """A payload as the type that goes on the wire. Raises Refused (422) with errors by property."""
    try:
        request = _decode(action, payload or b"{}")
    except msgspec.ValidationError as error:
        raise _bad_payload(*_fault(str(error))) from None
    # ValueError: of the standard library, which reads on where msgspec has found a fault before.
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _bad_payload("", f"Not JSON: {error}") from None
    if _NUL.search(encode(request)):
        raise _bad_payload("", "Texts must not contain NUL characters.")
    check_content(action, request)
    return request


def _decode(action: str, payload: bytes) -> Struct:
    decoder = FROM_CENTRAL_SYSTEM[action].request_decoder
    try:
        request: Struct = decoder.decode(payload)
    except msgspec.ValidationError as error:
        if _FLOAT not in str(error):
            raise
        # To JSON Schema 5.0 is an integer, and some programs write all their numbers so.
        request = decoder.decode(json.dumps(json.loads(payload, parse_float=_number)).encode())
    return request


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def key_hash_of(request: Struct) -> str | None:
    """The hash of the key that the request sets, else None. May take 50 ms: not in a transaction.

    The hexadecimal text of 20 bytes counts as random, everything else as a person's choice.
    """
    if not isinstance(request, ChangeConfigurationRequest) or not is_secret_key(request.key):
        return None
    secret = request.value.encode()
    return credentials.hash_key(secret, generated=bool(_RANDOM.fullmatch(secret)))


_RANDOM = re.compile(rb"[0-9A-Fa-f]{40}")


def place(tx: Tx, identity: str, order: Order, *, actor: Actor, now: datetime) -> int:
    """Queues a command for a charge point; its id. Raises Refused."""
    return place_at(tx, find_addressee(tx, identity), order, actor=actor, now=now)


def place_at(tx: Tx, addressee: Addressee, order: Order, *, actor: Actor, now: datetime) -> int:
    """As `place`, for a charge point that was looked up in the same transaction."""
    check_order(addressee, order, now)
    prepare = PLACING.get(order.action)
    if prepare is not None:
        prepare(tx, addressee, order, now)
    payload, draft = transfers.prepare(
        tx, order.action, order.request, order.files, waits_s=order.deliver_within_s, now=now
    )
    request = encode(payload)
    row = command_row(addressee, order, request, actor, now)
    [id] = tx.execute(INSERT_COMMAND_WITH_ID, **row).fetchone()
    if draft is not None:
        name = actor.name
        transfers.begin(tx, addressee, order.action, draft, id, created_by=name, now=now)
    audit.record(
        tx,
        actor,
        f"command.{order.action}",
        f"charge-points/{addressee.identity}",
        now,
        {"command_id": id, "request": shown_request(order.action, request)},
    )
    tx.notify("queued", addressee.id)
    return int(id)


def check_order(addressee: Addressee, order: Order, now: datetime) -> None:
    """Raises Refused (409) if the charge point must or can not get the command."""
    check_registration(addressee.identity, addressee.registration, order.action, order.request)
    if order.deliver_within_s == 0 and not addressee.online(now):
        raise Refused(
            409,
            "offline",
            f"Charge point {addressee.identity!r} is offline; with deliver_within the command "
            "waits for it.",
        )


def command_row(
    addressee: Addressee, order: Order, request: str, actor: Actor, now: datetime
) -> dict[str, Any]:
    """The columns of a new command."""
    not_before = order.not_before or now
    waits = timedelta(seconds=order.deliver_within_s) or QUEUED_FOR
    return {
        "charge_point_id": addressee.id,
        "batch_id": order.batch_id,
        "local_list_update_id": order.local_list_update_id,
        "action": order.action,
        "request": request,
        "message_id": str(uuid.uuid4()),
        "automatic": order.automatic,
        "session_epoch": None if order.deliver_within_s else addressee.session_epoch,
        "not_before": not_before,
        "expires_at": not_before + waits,
        "created_by": actor.name,
        "created_at": now,
    }


def _fault(text: str) -> tuple[str, str]:
    """Property and fault, out of msgspec's words."""
    path = _PATH.search(text)
    name = path["path"] if path else ""
    message = text[: path.start()] if path else text
    field = _FIELD.search(message)
    if field:
        name = f"{name}.{field['field']}".lstrip(".")
    return name, message


def _bad_payload(name: str, message: str) -> Refused:
    detail = f"{name}: {message}" if name else message
    return Refused(422, "bad_payload", detail, {name or "payload": [message]})


Placing: TypeAlias = Callable[[Tx, Addressee, Order, datetime], None]

PLACING: Mapping[str, Placing] = {"ChangeConfiguration": configuration.placing}
"""What has to be checked or noted before a command of the action is queued."""
