"""The payloads of OCPP in the OpenAPI document: made from the types that go on the wire.

Nothing is validated here: that is `commands.orders`, with the same types. What is checked beyond
them (R39) stands beside them in the schemas, so that the document promises what is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from ocpp_cs.api.payload_texts import EXAMPLES, NOTES, PROPERTIES, Json
from ocpp_cs.commands.checks import LOWEST
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM, Action

__all__ = [
    "EXAMPLES",
    "add_schemas",
    "description",
    "example_answer",
    "reference",
    "request_body",
    "schemas",
]

_PREFIX = "ocpp16."
_PLACE = "#/components/schemas/"
_DATE_TIMES = frozenset(
    (
        "expiryDate",
        "installDateTime",
        "latestTimestamp",
        "oldestTimestamp",
        "retrieveDate",
        "retrieveDateTime",
        "scheduleStart",
        "startSchedule",
        "startTime",
        "stopTime",
        "validFrom",
        "validTo",
    )
)
_WORD = re.compile(r"`(\w+)`")


def _when(name: str, value: str, then: Json) -> Json:
    """`then` holds for requests whose charging profile has that value."""
    profile = {"properties": {name: {"const": value}}}
    return {"if": {"properties": {"csChargingProfiles": profile}}, "then": then}


# What `commands.checks` demands beyond `LOWEST`, by part or by part and property.
_DEMANDS: Mapping[str, Json] = {
    "ChargingProfile": {
        "if": {"properties": {"chargingProfileKind": {"const": "Recurring"}}},
        "then": {"required": ["recurrencyKind"]},
    },
    "ChargingProfile.chargingSchedule": {"properties": {"chargingSchedulePeriod": {"minItems": 1}}},
    "ChargingProfile.stackLevel": {"minimum": 0},
    "RemoteStartTransactionRequest.connectorId": {"minimum": 1},
    "RemoteStartTransactionRequest.chargingProfile": {
        "properties": {"chargingProfilePurpose": {"const": "TxProfile"}},
        "not": {"required": ["transactionId"]},
    },
    "SetChargingProfileRequest": {
        "allOf": [
            _when(
                "chargingProfilePurpose",
                "TxProfile",
                {"properties": {"connectorId": {"minimum": 1}}},
            ),
            _when(
                "chargingProfilePurpose",
                "ChargePointMaxProfile",
                {"properties": {"connectorId": {"const": 0}}},
            ),
        ]
    },
}


def reference(part: type[Struct]) -> Json:
    """Where the document has the schema of a message or of a part of one."""
    return {"$ref": f"{_PLACE}{_PREFIX}{part.__name__}"}


def add_schemas(spec: Any) -> None:
    """Puts the schemas of all commands and of their answers into the document, an APISpec."""
    for name, schema in schemas().items():
        spec.components.schema(_PREFIX + name, schema)


@cache
def schemas() -> Mapping[str, Json]:
    """The schema of each message and part, by the name of its type."""
    types = [
        part
        for action in FROM_CENTRAL_SYSTEM.values()
        for part in (action.request, action.response)
    ]
    _, made = msgspec.json.schema_components(types, ref_template=f"{_PLACE}{_PREFIX}{{name}}")
    for name, schema in made.items():
        _describe(name, schema)
    for schema in made.values():
        for content in schema["properties"].values():
            content["example"] = _example(content, made)
    return made


def request_body(action: Action) -> Json:
    """The body of a command as OpenAPI has it; an empty one counts as {}."""
    content = {"schema": reference(action.request), "example": EXAMPLES[action.name]}
    return {
        "required": bool(schemas()[action.request.__name__]["required"]),
        "description": f"The payload of {action.name}.req.",
        "content": {"application/json": content},
    }


def description(action: Action) -> str:
    """What the action is, and what its sender should know before."""
    told = [_in_camel_case(action.request.__doc__ or "")]
    if action.name in NOTES:
        told.append(NOTES[action.name])
    return "\n\n".join(told)


def example_answer(action: Action) -> Json:
    """An answer of a charge point, with no more than it has to say."""
    schema = schemas()[action.response.__name__]
    names = schema["required"] or schema["properties"]
    return {name: schema["properties"][name]["example"] for name in names}


def _describe(name: str, schema: Json) -> None:
    schema["description"] = _in_camel_case(schema["description"])
    schema.update(_DEMANDS.get(name, {}))
    for property, content in schema["properties"].items():
        content.pop("default", None)  # of an absent one, and null is not accepted for it
        place = f"{name}.{property}"
        text, example = PROPERTIES.get(place) or PROPERTIES[property]
        content["description"] = text
        if example is not None:
            content["example"] = example
        if "enum" in content:
            content["type"] = "string"
        if property in _DATE_TIMES:
            content["format"] = "date-time"
        if name.endswith("Request") and property in LOWEST:
            content["minimum"] = LOWEST[property]
        content.update(_DEMANDS.get(place, {}))


def _example(content: Json, made: Mapping[str, Json]) -> Any:
    """Its own example, or one made of those of its parts."""
    if "example" in content:
        return content["example"]
    if content.get("type") == "array":
        return [_example(content["items"], made)]
    part = made[content["$ref"].removeprefix(_PLACE + _PREFIX)]
    names = part["required"]
    return {name: _example(part["properties"][name], made) for name in names}


def _in_camel_case(text: str) -> str:
    """Docstrings name properties as Python has them."""
    return _WORD.sub(lambda match: f"`{_camel(match[1])}`", text)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
