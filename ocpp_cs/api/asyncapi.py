"""The catalogue of the messages on a charge point's socket, and of events, as an AsyncAPI document.

It is made from the types that go on the wire, in both directions; nothing is listed here. What may
be asked over HTTP is the OpenAPI document's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from ocpp_cs import events
from ocpp_cs.api.documentation import TITLE, VERSION
from ocpp_cs.api.formats import to_json
from ocpp_cs.ocpp16.errors import CallErrorCode
from ocpp_cs.ocpp16.messages import ACTIONS, Action, Sender

Json = dict[str, Any]

ASYNCAPI_VERSION = "3.0.0"
SUBPROTOCOL = "ocpp1.6"
_CHANNEL = "#/channels/chargePoint"
_EVENTS = "#/channels/events"
_DESCRIPTION = """\
What charge points and this central system tell each other: OCPP 1.6 and its security extension,
as JSON over a WebSocket with the subprotocol `ocpp1.6`. Every message is an array: a CALL
`[2, id, action, payload]` is answered by a CALLRESULT `[3, id, payload]` or a CALLERROR
`[4, id, code, description, details]`. "receive" and "send" are the central system's.
What it tells others of that, the channel `events` says.
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
    for kind in events.TYPES.values():
        messages[kind.__name__] = _event(kind)
    told = [kind.__name__ for kind in events.TYPES.values()]
    operations["sendEvents"] = {
        "action": "send",
        "channel": {"$ref": _EVENTS},
        "summary": "Events are told, or sent to webhooks",
        "messages": [{"$ref": f"{_EVENTS}/messages/{name}"} for name in told],
    }
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
        "messages": _listed(name for name in messages if name not in told),
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
        "channels": {
            "chargePoint": channel,
            "events": {
                "address": "/api/v1/events",
                "title": "What has happened",
                "description": "To be asked for over HTTP, or sent to webhooks: docs/events.md.",
                "messages": _listed(told),
            },
        },
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas()},
    }


@cache
def schemas() -> Json:
    """The JSON Schema of every payload and of its parts, by name."""
    types: list[Any] = [part for each in ACTIONS.values() for part in (each.request, each.response)]
    types += events.TYPES.values()
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


def _listed(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _event(kind: type[events.Event]) -> Json:
    """An event, as in `GET /events` and in a delivery."""
    return {
        "name": kind.type,
        "title": " ".join((kind.__doc__ or "").split()),
        "payload": {
            "type": "object",
            "properties": {
                "id": {"type": "integer", "description": "Its place in the feed."},
                "type": {"const": kind.type},
                "at": {"type": "string", "format": "date-time"},
                "charge_point_id": {"type": ["string", "null"]},
                "data": {"$ref": f"#/components/schemas/{kind.__name__}"},
            },
            "required": ["id", "type", "at", "charge_point_id", "data"],
        },
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
