"""`/messages`: the OCPP frames of charge points, each call with what answered it.

A log to look at, nothing more: what the frames carried stands in the other resources.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.fields import AnyJson, Number, Row, Text, Time, Truth, Whole, wanted_text
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.db import queries

DIRECTIONS = ("from_charge_point", "from_central_system")
_NEWEST_FIRST = "-sent_at"
_REQUEST = [2, "17", "Heartbeat", {}]
_RESPONSE = [3, "17", {"currentTime": "2026-11-22T10:15:00.012Z"}]

blueprint = Blueprint(
    "messages", "Messages: the OCPP frames of charge points, kept for MESSAGE_LOG_DAYS."
)


class Message(Row):
    """A call and what answered it."""

    id = Whole("Number of the row.", 1)
    charge_point_id = Text("The charge point.", "CB-4711", nullable=True)
    direction = Text("Who made the call.", "from_charge_point", choices=DIRECTIONS)
    message_id = Text("Its message id, at most 80 characters of it.", "17")
    action = Text("Its action; null if the frame names none.", "Heartbeat", nullable=True)
    request = AnyJson(
        "The frame of the call; as a text if it is not readable as JSON, or cut since it has more "
        "than 64 KiB. Passwords are blotted out.",
        _REQUEST,
    )
    response = AnyJson(
        "The frame that answered it, in the same way; null if none came.", _RESPONSE, nullable=True
    )
    error_code = Text(
        "The code of the CALLERROR; of calls to a charge point also no_answer, connection_lost, or "
        "what is wrong with the answer. Null if all was well.",
        "InternalError",
        nullable=True,
    )
    sent_at = Time(
        "When a call of the charge point was received, or when ours was sent.",
        "2026-11-22T10:15:00.012Z",
    )
    answered_at = Time(
        "When the answer was made, just before it was stored and sent, or received.",
        "2026-11-22T10:15:00.014Z",
        nullable=True,
    )
    duration_s = Number("answered_at less sent_at.", 0.002, unit="s", nullable=True)
    connection_id = Text("The connection, as it is named in the log.", "1-3")


class MessageParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    direction = Text(
        "Only the calls of one side.", "from_charge_point", required=False, choices=DIRECTIONS
    )
    action = wanted_text("Only this action.", "Heartbeat")
    error = Truth(
        "true: only calls that were answered with an error, wrongly or not at all. false: only the "
        "others.",
        True,
        required=False,
    )
    since = Time(
        "Only calls made at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only calls made before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )
    sort = Text(
        "By time: -sent_at has the newest first, sent_at the oldest.",
        _NEWEST_FIRST,
        required=False,
        load_default=_NEWEST_FIRST,
        choices=(_NEWEST_FIRST, "sent_at"),
    )


MESSAGES = Listing("messages", Message, ("sent_at", "id"), (datetime, int))


@blueprint.route("/messages")
class Messages(MethodView):
    @MESSAGES.view(blueprint, MessageParameters, "list_messages")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the frames of charge points.

        In both directions, by the time of the call, the newest first.
        """
        wanted = filter_of(queries.MessageFilter, parameters)
        order = parameters["sort"]
        read = partial(queries.messages, wanted, newest_first=order == _NEWEST_FIRST)
        return answer(MESSAGES, parameters, read, order=order)
