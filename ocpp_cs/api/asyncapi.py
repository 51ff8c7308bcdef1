"""The catalogue of the messages on a charge point's socket, as an AsyncAPI document.

It is made from the types that go on the wire, in both directions; nothing is listed here. What may
be asked over HTTP is the OpenAPI document's.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from ocpp_cs.api.documentation import TITLE, VERSION
from ocpp_cs.api.formats import to_json
from ocpp_cs.ocpp16.errors import CallErrorCode
from ocpp_cs.ocpp16.messages import ACTIONS, Action, Sender

Json = dict[str, Any]

ASYNCAPI_VERSION = "3.0.0"
SUBPROTOCOL = "ocpp1.6"
_CHANNEL = "#/channels/chargePoint"
_DESCRIPTION = """\
What charge points and this central system tell each other: OCPP 1.6 and its security extension,
as JSON over a WebSocket with the subprotocol `ocpp1.6`. Every message is an array: a CALL
`[2, id, action, payload]` is answered by a CALLRESULT `[3, id, payload]` or a CALLERROR
`[4, id, code, description, details]`. "receive" and "send" are the central system's.
"""
_MESSAGE_ID: Json = {
    "type": "string",
    "maxLength": 36,
    "description": "The id of the CALL, in its answer, too.",
    "examples": ["19223201"],
}

blueprint = Blueprint("asyncapi", __name__)


@blueprint.get("/asyncapi.json")
def asyncapi() -> Response:
    """The document, for the address at which it was asked for."""
    protocol = "wss" if request.scheme == "https" else "ws"
    server = {"host": request.host, "protocol": protocol, "description": "This server."}
    document = {**_document(), "servers": {"centralSystem": server}}
    return Response(to_json(document) + b"\n", mimetype="application/json")


@cache
def _document() -> Json:
    messages: Json = {"CallError": _call_error()}
    operations: Json = {}
    for action in ACTIONS.values():
        messages[f"{action.name}Request"] = _message(action, "Request")
        messages[f"{action.name}Response"] = _message(action, "Response")
        if action.sender is not Sender.CENTRAL_SYSTEM:
            operations[f"receive{action.name}"] = _operation(action, "receive")
        if action.sender is not Sender.CHARGE_POINT:
            operations[f"send{action.name}"] = _operation(action, "send")
    channel = {
        "address": "/ocpp/{charge_point_id}",
        "title": "A charge point's socket",
        "description": "Also at /ws/CentralSystemService/{charge_point_id}.",
        "parameters": {
            "charge_point_id": {
                "description": "The charge point's OCPP identity, percent-encoded.",
                "examples": ["CB-4711"],
            }
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {"type": "string", "const": SUBPROTOCOL}
                    },
                },
            }
        },
    }
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {"title": TITLE, "version": VERSION, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {"chargePoint": channel},
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas()},
    }


@cache
def schemas() -> Json:
    """The JSON Schema of every payload and of its parts, by name."""
    types = [part for each in ACTIONS.values() for part in (each.request, each.response)]
    _, made = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return made


def _operation(action: Action, does: str) -> Json:
    answers = [f"{_CHANNEL}/messages/{name}" for name in (f"{action.name}Response", "CallError")]
    return {
        "action": does,
        "channel": {"$ref": _CHANNEL},
        "summary": action.name,
        "tags": [{"name": action.profile.value}],
        "messages": [{"$ref": f"{_CHANNEL}/messages/{action.name}Request"}],
        "reply": {
            "channel": {"$ref": _CHANNEL},
            "messages": [{"$ref": answer} for answer in answers],
        },
    }


def _message(action: Action, part: str) -> Json:
    """A CALL or a CALLRESULT of the action; items one by one, as AsyncAPI's JSON Schema has it."""
    payload = {"$ref": f"#/components/schemas/{action.name}{part}"}
    if part == "Request":
        frame = [{"const": 2}, _MESSAGE_ID, {"const": action.name}, payload]
    else:
        frame = [{"const": 3}, _MESSAGE_ID, payload]
    return {
        "name": f"{action.name}.{'req' if part == 'Request' else 'conf'}",
        "title": f"{action.name} {part.lower()}",
        "payload": _array(frame),
    }


def _call_error() -> Json:
    codes = {"enum": [str(code) for code in CallErrorCode]}
    details = {"type": "object", "description": "Whatever helps to find the fault."}
    text = {"type": "string", "maxLength": 255}
    frame = [{"const": 4}, _MESSAGE_ID, codes, text, details]
    return {"name": "CALLERROR", "title": "Refusal of a call", "payload": _array(frame)}


def _array(items: list[Json]) -> Json:
    size = len(items)
    return {
        "type": "array",
        "items": items,
        "minItems": size,
        "maxItems": size,
        "additionalItems": False,
    }
