"""What requests that order commands have in common: their parameters, and the wait for the end.

Nothing is sent from here, and no end is made up: what a command came to, its row says.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

from flask import abort, request

from ocpp_cs.api.blueprint import Parameters
from ocpp_cs.api.database import current_committer, current_engine, write
from ocpp_cs.api.fields import Whole, number_range
from ocpp_cs.api.options import file_policy
from ocpp_cs.api.problems import problem, refuse_fields
from ocpp_cs.audit import Actor
from ocpp_cs.commands.idempotency import Repeatable
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import key_hash_of, read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.offload import offload

KEY_MAX = 255  # characters of an Idempotency-Key

WAIT_S = 25
"""How long a request waits for its command, unless it says otherwise."""

_VISIBLE = re.compile(f"[!-~]{{1,{KEY_MAX}}}")
# A notice may be lost: how long until the row is looked at again (F26).
_LOOK_AGAIN_S = 1.0

T = TypeVar("T")

IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Makes it safe to send the request again: a second one with the same key gets "
    "what the first one made. Kept for seven days.",
    # No `example`: Swagger UI would send it, and every second try would get the first one's answer.
    "schema": {
        "type": "string",
        "pattern": f"^[!-~]{{1,{KEY_MAX}}}$",
        "examples": ["5f0c2b9e-booking-17"],
    },
}
LOCATION = {"description": "Where it is found.", "schema": {"type": "string"}}


class WaitParameters(Parameters):
    wait = Whole(
        "How long the answer may wait for the charge point.",
        WAIT_S,
        unit="s",
        required=False,
        load_default=WAIT_S,
        validate=number_range(0, 60),
    )


def repeatable(actor: Actor) -> Repeatable | None:
    """The request as one that may be sent again, if it has an `Idempotency-Key`.

    How long it waits for an answer does not make it another one.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _VISIBLE.fullmatch(key):
        refuse_fields({"Idempotency-Key": [f"Must have 1 to {KEY_MAX} visible characters."]})
    parameters = sorted((name, value) for name, value in request.args.items() if name != "wait")
    asked = f"{request.method} {request.path} {parameters}\n".encode() + request.get_data()
    return Repeatable(actor.name, key, hashlib.sha256(asked).hexdigest())


def read_order(action: str, payload: bytes, deliver_within_s: int) -> Order:
    """An order as the body of this request, or a form, has it; raises Refused (422)."""
    content = read_request(action, payload)
    # Beside the event loop, as it may take 50 ms; other actions set no key.
    sets_key = action == "ChangeConfiguration"
    return Order(
        action=action,
        request=content,
        deliver_within_s=deliver_within_s,
        key_hash=offload(lambda: key_hash_of(content)) if sets_key else None,
        files=file_policy(),
    )


def ordered(work: Callable[[Tx], T], *, charge_point: str) -> T:
    """The result of `work(tx)` after its commit; a refusal ends the request as a problem."""
    try:
        return write(work, charge_point=charge_point)
    except Refused as refused:
        refuse_order(refused)


def refuse_order(refused: Refused) -> NoReturn:
    """Ends the request with a problem whose `code` names the refusal."""
    errors = refused.errors or None
    abort(problem(refused.status, refused.detail, errors=errors, code=refused.code))


def wait_for_end(command_id: int, wait_s: float) -> queries.CommandEnd | None:
    """How a command ended; None if it has not within that time."""
    return wait_for(
        command_id, wait_s, lambda: queries.command_end(command_id), lambda end: end is not None
    )


def wait_for(
    id: int,
    wait_s: float,
    look: Callable[[], T],
    is_end: Callable[[T], bool],
    topic: str = "command",
) -> T:
    """What the query `look` finds once a command has ended, or else at the end of that time.

    `id` may also be that of something else, whose notices have another `topic`. No
    database connection is held meanwhile.
    """
    engine, notices = current_engine(), current_committer().notices
    give_up_at = time.monotonic() + wait_s
    with notices.watch(topic, id) as told:
        while True:
            told.clear()
            seen = engine.read(look)
            remaining = give_up_at - time.monotonic()
            if is_end(seen) or remaining <= 0 or notices.closed:
                return seen
            told.wait(min(remaining, _LOOK_AGAIN_S))
