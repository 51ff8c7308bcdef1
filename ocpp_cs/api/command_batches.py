"""`POST /commands` and `/command-batches`: one action for many charge points, and what came of it.

Nobody waits here for charge points: the answer comes as soon as all commands are queued.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, NoReturn

from flask import Response
from flask.views import MethodView
from marshmallow import ValidationError, fields, validate, validates_schema

from ocpp_cs.api import payloads
from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.commands import DELIVER_WITHIN_MAX
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import (
    JsonObject,
    Row,
    Text,
    Time,
    Truth,
    Whole,
    example_of,
    number_range,
    text_range,
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.options import file_policy
from ocpp_cs.api.ordering import IDEMPOTENCY_KEY, LOCATION, ordered, refuse_order, repeatable
from ocpp_cs.api.problems import refuse
from ocpp_cs.commands import idempotency
from ocpp_cs.commands.batches import LARGEST, BatchOrder, place_batch
from ocpp_cs.commands.orders import read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM

ACTIONS = tuple(FROM_CENTRAL_SYSTEM)
REGISTRATIONS = ("accepted", "pending", "rejected")
# Ids that are read at a time: see `lists`.
_CHUNK = 1000

blueprint = Blueprint("command-batches", "Command batches: one action for many charge points.")


def _count(what: str, example: int) -> Whole:
    return Whole(f"How many of them {what}.", example, unit="commands")


class CommandBatch(Row):
    """One action for many charge points. Its commands are `GET /commands?batch_id=`."""

    id = Whole("The batch's id.", 5)
    action = Text("What they are to do.", "GetConfiguration", choices=ACTIONS)
    request = JsonObject("The payload, without secrets.", payloads.EXAMPLES["GetConfiguration"])
    created_by = Text("Who ordered it.", "dispatch (k3f7x2ab)")
    created_at = Time("When it was ordered.", "2026-11-22T10:15:00.000Z")
    commands_total = Whole("How many commands it has, one per charge point.", 500, unit="commands")
    commands_queued = _count("wait to be sent", 0)
    commands_sent = _count("wait for their answer", 2)
    commands_answered = _count("were answered", 480)
    commands_rejected = _count("were refused with a CALLERROR", 1)
    commands_timeout = _count("had no answer in time", 3)
    commands_expired = _count("could not be sent, at once or in time", 14)
    commands_cancelled = _count("were cancelled before they were sent", 0)
    commands_unknown = _count("were sent and lost", 0)
    finished = Truth("Whether all of them are final.", False)


class CommandBatchParameters(ListParameters):
    action = Text("Only those of this action.", "Reset", required=False, choices=ACTIONS)
    created_by = wanted_text("Only those that exactly this one ordered.", "dispatch (k3f7x2ab)")
    since = Time(
        "Only those ordered at or after this time.",
        "2026-11-01T00:00:00Z",
        required=False,
        data_key="from",
    )
    until = Time(
        "Only those ordered before this time.",
        "2026-12-01T00:00:00Z",
        required=False,
        data_key="to",
    )


class ChargePointSelection(Body):
    """Charge points as `GET /charge-points` filters them; an empty one means all."""

    online = Truth("Only those that are online, or that are not.", True, required=False)
    registration = Text(
        "Only those of this registration.", "accepted", required=False, choices=REGISTRATIONS
    )
    q = wanted_text("Only those with this text in one of their texts.", "CB-")
    vendor = wanted_text("Only those of exactly this vendor.", "ACME")
    model = wanted_text("Only those of exactly this model.", "WALLBOX")


class NewCommandBatch(Body):
    """What is to be sent, and to whom: either `charge_point_ids` or `filter`."""

    action = Text("What they are to do.", "GetConfiguration", choices=ACTIONS)
    payload = JsonObject(
        "The payload, as the route of the action describes it.",
        payloads.EXAMPLES["GetConfiguration"],
        required=False,
        load_default=dict,
    )
    charge_point_ids = fields.List(
        Text("An OCPP identity.", "CB-4711", validate=text_range()),
        validate=validate.Length(min=1, max=LARGEST),
        metadata={
            "description": "The charge points by their ids, each once.",
            "example": ["CB-4711"],
            "uniqueItems": True,
        },
    )
    filter = fields.Nested(
        ChargePointSelection,
        metadata={
            "description": "The charge points by what they are, as GET /charge-points filters "
            "them. An empty one means all of them.",
            "example": example_of(ChargePointSelection),
        },
    )
    deliver_within = Whole(
        "How long a command may wait for a charge point that is offline, in seconds.",
        3600,
        unit="s",
        required=False,
        load_default=0,
        validate=number_range(0, DELIVER_WITHIN_MAX),
    )
    rate = Whole(
        "How many commands may leave in a second.",
        10,
        unit="1/s",
        required=False,
        load_default=10,
        validate=number_range(1, 1000),
    )

    @validates_schema
    def _one_selection(self, data: dict[str, Any], **_: Any) -> None:
        if ("charge_point_ids" in data) == ("filter" in data):
            told = "Either charge_point_ids or filter has to be given, and not both."
            raise ValidationError({"charge_point_ids": [told]})
        ids = data.get("charge_point_ids", ())
        if len(set(ids)) < len(ids):
            raise ValidationError({"charge_point_ids": ["Each may be given once only."]})


BATCHES = Listing("command-batches", CommandBatch, ("id",), (int,))
_EXAMPLE = {
    "action": "GetConfiguration",
    "payload": payloads.EXAMPLES["GetConfiguration"],
    "filter": {"online": True},
    "rate": 10,
}
_BODY = {
    "content": {
        "application/json": {
            "schema": {
                "allOf": [NewCommandBatch],
                "oneOf": [{"required": ["charge_point_ids"]}, {"required": ["filter"]}],
            },
            "example": _EXAMPLE,
        }
    }
}


@blueprint.route("/commands")
class NewCommands(MethodView):
    @blueprint.item(CommandBatch, "create_command_batch", status=202, refusals=())
    @blueprint.body(NewCommandBatch)
    @blueprint.doc(
        requestBody=_BODY,
        parameters=[IDEMPOTENCY_KEY],
        responses={202: {"headers": {"Location": LOCATION}}},
    )
    def post(self, wanted: dict[str, Any]) -> Any:
        """Command many charge points.

        Makes a command for each, or for none if one is unknown. They leave at `rate`, and to each
        charge point only when it has settled after connecting. A charge point that cannot be
        commanded now, since it is offline for example, has a command that is expired at once, with
        the reason as its error_code.
        """
        order = BatchOrder(
            action=wanted["action"],
            request=_read(wanted["action"], wanted["payload"]),
            deliver_within_s=wanted["deliver_within"],
            rate=wanted["rate"],
            files=file_policy(),
        )
        ids = wanted.get("charge_point_ids")
        batch_id = _place(order, _selected(wanted["filter"]) if ids is None else ids)
        return _found(batch_id), 202, {"Location": f"{BASE_PATH}/command-batches/{batch_id}"}


@blueprint.route("/command-batches")
class CommandBatches(MethodView):
    @BATCHES.view(blueprint, CommandBatchParameters, "list_command_batches")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the batches of commands.

        The newest first.
        """
        wanted = filter_of(queries.CommandBatchFilter, parameters)
        return answer(BATCHES, parameters, partial(queries.command_batches, wanted))


@blueprint.route("/command-batches/<batch_id>")
class OneCommandBatch(MethodView):
    @blueprint.item(CommandBatch, "get_command_batch")
    def get(self, batch_id: int) -> queries.CommandBatchRow:
        """Get a batch of commands."""
        return _found(batch_id)


def _read(action: str, payload: dict[str, Any]) -> Any:
    """The payload as its type; errors are named by their place in the body."""
    try:
        return read_request(action, json.dumps(payload).encode())
    except Refused as refused:
        errors = {
            name if name == "payload" else f"payload.{name}": messages
            for name, messages in refused.errors.items()
        }
        refuse_order(Refused(refused.status, refused.code, refused.detail, errors))


def _selected(wanted: dict[str, Any]) -> list[str]:
    """The ids of the charge points that a filter means, one more than are allowed at most."""
    engine, now = current_engine(), request_time()
    filter = queries.ChargePointFilter(**wanted)
    found: list[str] = []
    while len(found) <= LARGEST:
        after = (found[-1],) if found else None
        read = partial(queries.charge_point_ids, filter, after, _CHUNK, now=now)
        ids = engine.read(read)
        found += ids
        if len(ids) < _CHUNK:
            break
    return found


def _place(order: BatchOrder, identities: list[str]) -> int:
    actor, now = current_actor(), request_time()
    asked = repeatable(actor)

    def work(tx: Tx) -> str:
        made = idempotency.begin(tx, asked, now)
        if made is None:
            batch_id = place_batch(tx, order, identities, actor=actor, now=now)
            made = f"command-batches/{batch_id}"
            idempotency.finish(tx, asked, made)
        return made

    return int(ordered(work, charge_point="").rpartition("/")[2])


def _found(batch_id: int) -> queries.CommandBatchRow:
    found = current_engine().read(lambda: queries.command_batch(batch_id))
    return found or _refuse_unknown(batch_id)


def _refuse_unknown(batch_id: int) -> NoReturn:
    refuse(404, f"There is no batch {batch_id}.")
