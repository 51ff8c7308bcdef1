"""Commands: one route for each action, and the table of all that were ordered (journey b).

The routes are made from the list of actions, their documents from the types that go on the wire.
What is sent when, and by whom, is not decided here: a command is put into its table and waited for.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, request
from flask.views import MethodView

from ocpp_cs.api import payloads
from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import LARGEST_BODY, Blueprint, request_time
from ocpp_cs.api.cursors import Key
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import (
    INT64_MAX,
    AnyJson,
    JsonObject,
    Row,
    Text,
    Time,
    Whole,
    number_range,
    wanted_text,
)
from ocpp_cs.api.formats import JSON
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.ordering import (
    IDEMPOTENCY_KEY,
    LOCATION,
    WaitParameters,
    ordered,
    read_order,
    refuse_order,
    repeatable,
    wait_for,
)
from ocpp_cs.api.problems import refuse
from ocpp_cs.commands import idempotency, table
from ocpp_cs.commands.orders import place
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.secrets import shown_request
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM, Action

STATUSES = (
    "queued",
    "sent",
    "answered",
    "rejected",
    "timeout",
    "expired",
    "cancelled",
    "unknown",
)
DELIVER_WITHIN_MAX = 7 * 24 * 3600  # seconds

blueprint = Blueprint(
    "commands", "Commands: calls to charge points, each sent at most once, and what came of them."
)


class Command(Row):
    """A command."""

    id = Whole("Number of the command.", 17)
    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711", nullable=True)
    action = Text("The action, as the specification spells it.", "Reset")
    request = JsonObject(
        "The payload as it was or will be sent. Keys and passwords are blotted out.",
        {"type": "Soft"},
    )
    status = Text(
        "queued until it is sent, sent until it ends. Ends: answered, whatever the answer says; "
        "rejected with a CALLERROR; timeout without an answer; unknown if the connection ended "
        "first, so that it may have been carried out; expired and cancelled were never sent.",
        "answered",
        choices=STATUSES,
    )
    response = AnyJson(
        "The payload of the answer; null without one.", {"status": "Accepted"}, nullable=True
    )
    error_code = Text(
        "Why there is no good answer: a code of OCPP from the charge point, or a name of ours. "
        "With answered: the answer breaks its schema, and is shown as it came.",
        "NotSupported",
        nullable=True,
    )
    error_description = Text("The same in words.", "Not in this model.", nullable=True)
    batch_id = Whole("The batch that it belongs to.", 3, nullable=True)
    created_by = Text("Who ordered it.", "booking (k3f7x2ab)")
    created_at = Time("When it was ordered.", "2026-11-22T10:00:00.000Z")
    expires_at = Time("Until when it waits to be sent.", "2026-11-22T10:01:00.000Z")
    sent_at = Time("When it was sent.", "2026-11-22T10:00:00.004Z", nullable=True)
    finished_at = Time(
        "When it ended; null while it is queued or sent.",
        "2026-11-22T10:00:00.250Z",
        nullable=True,
    )


class DeliveryParameters(WaitParameters):
    deliver_within = Whole(
        "How long the command may wait for a charge point that is offline. 0: refuse it then, "
        "with 409; and send it over the connection that is there now, or not at all.",
        0,
        unit="s",
        required=False,
        load_default=0,
        validate=number_range(0, DELIVER_WITHIN_MAX),
    )


class CommandParameters(ListParameters):
    charge_point_id = wanted_text("Only those to this charge point.", "CB-4711")
    action = Text(
        "Only those of this action.", "Reset", required=False, choices=tuple(FROM_CENTRAL_SYSTEM)
    )
    status = Text("Only those of this status.", "answered", required=False, choices=STATUSES)
    batch_id = Whole(
        "Only those of this batch.", 3, required=False, validate=number_range(0, INT64_MAX)
    )
    created_by = wanted_text("Only those that exactly this one ordered.", "booking (k3f7x2ab)")
    since = Time(
        "Only those ordered at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only those ordered before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )


COMMANDS = Listing("commands", Command, ("id",), (int,))


# --- The table ------------------------------------------------------------------------------------


@blueprint.route("/commands")
class Commands(MethodView):
    @COMMANDS.view(blueprint, CommandParameters, "list_commands")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the commands.

        The newest first.
        """
        wanted = filter_of(queries.CommandFilter, parameters)
        return answer(COMMANDS, parameters, partial(shown_commands, wanted))


def shown_commands(
    wanted: queries.CommandFilter, after: Key | None, limit: int
) -> list[queries.CommandRow]:
    """A page of commands as people may see them."""
    return [_shown(row) for row in queries.commands(wanted, after, limit)]


@blueprint.route("/commands/<command_id>")
class OneCommand(MethodView):
    @blueprint.item(Command, "get_command")
    def get(self, command_id: int) -> queries.CommandRow:
        """Get a command."""
        return _found(command_id)

    @blueprint.item(Command, "cancel_command", refusals=(404, 409))
    def delete(self, command_id: int) -> queries.CommandRow:
        """Cancel a command.

        Only one that is still queued. It stays in the list, as `cancelled`.
        """
        actor, now = current_actor(), request_time()
        identity = _found(command_id).charge_point_id or ""
        ordered(
            lambda tx: table.cancel(tx, command_id, actor=actor, now=now), charge_point=identity
        )
        return _found(command_id)


def _found(id: int) -> queries.CommandRow:
    found = current_engine().read(lambda: queries.command(id))
    return _shown(found) if found else refuse(404, f"There is no command {id}.")


def _shown(row: queries.CommandRow) -> queries.CommandRow:
    return row._replace(request=shown_request(row.action, row.request))


# --- One route for each action --------------------------------------------------------------------


def answer_with_command(id: int, wait_s: float) -> tuple[queries.CommandRow, int, dict[str, str]]:
    """What a view returns for a command that it has ordered: 200 once it has ended, else 202."""
    found = wait_for(
        id,
        wait_s,
        lambda: queries.command(id),
        lambda row: row is None or row.finished_at is not None,
    )
    if found is None:
        refuse(404, f"There is no command {id}.")
    status = 200 if found.finished_at is not None else 202
    return _shown(found), status, {"Location": f"{BASE_PATH}/commands/{id}"}


def _order(action: Action, identity: str, deliver_within_s: int) -> int:
    """Puts the request's body into the command table; the command's id."""
    try:
        order = read_order(action.name, _read_payload(), deliver_within_s)
    except Refused as refused:
        refuse_order(refused)
    actor, now = current_actor(), request_time()
    asked = repeatable(actor)

    def work(tx: Tx) -> int:
        made = idempotency.begin(tx, asked, now)
        if made is not None:
            return int(made.rpartition("/")[2])
        id = place(tx, identity, order, actor=actor, now=now)
        idempotency.finish(tx, asked, f"commands/{id}")
        return id

    return ordered(work, charge_point=identity)


def _read_payload() -> bytes:
    """The body; without any, the payload is {}."""
    request.max_content_length = LARGEST_BODY
    body = request.get_data()
    if body and request.mimetype != JSON.media_type:
        refuse(415, f"The body must be {JSON.media_type}, and the header Content-Type say so.")
    return body


def _add_route(action: Action) -> None:
    """`POST /charge-points/{id}/commands/{Action}` with its own part of the OpenAPI document."""

    @blueprint.item(
        Command,
        f"send_{action.name}",
        refusals=(400, 404, 409, 413, 415),
        parameters=DeliveryParameters,
    )
    @blueprint.alt_response(
        202,
        schema=Command,
        description="It has not ended yet.",
        headers={"Location": LOCATION},
    )
    @blueprint.doc(
        parameters=[IDEMPOTENCY_KEY],
        requestBody=payloads.request_body(action),
        responses={200: _documented_answer(action)},
    )
    def post(self: MethodView, wait: int, deliver_within: int, charge_point_id: str) -> Any:
        return answer_with_command(_order(action, charge_point_id, deliver_within), wait)

    post.__doc__ = f"Send {action.name}.\n\n{payloads.description(action)}"
    view = type(f"Send{action.name}", (MethodView,), {"post": post})
    path = f"/charge-points/<charge_point_id>/commands/{action.name}"
    blueprint.route(path, endpoint=f"send_{action.name}")(view)


def _documented_answer(action: Action) -> dict[str, Any]:
    """The answer's part of the document: what `response` holds when the answer was a good one."""
    return {
        "headers": {"Location": LOCATION},
        "content": {
            JSON.media_type: {
                "example": {
                    "id": 17,
                    "charge_point_id": "CB-4711",
                    "action": action.name,
                    "request": payloads.EXAMPLES[action.name],
                    "status": "answered",
                    "response": payloads.example_answer(action),
                    "error_code": None,
                    "error_description": None,
                    "batch_id": None,
                    "created_by": "booking (k3f7x2ab)",
                    "created_at": "2026-11-22T10:00:00.000Z",
                    "expires_at": "2026-11-22T10:01:00.000Z",
                    "sent_at": "2026-11-22T10:00:00.004Z",
                    "finished_at": "2026-11-22T10:00:00.250Z",
                }
            }
        },
    }


for _action in FROM_CENTRAL_SYSTEM.values():
    _add_route(_action)
