"""The official JSON schemas, valid payloads made from them, and every single fault in those.

Knows nothing of our own types: what is generated here is judged by both sides in the tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

Schema = dict[str, Any]


@cache
def schema_names() -> tuple[str, ...]:
    """`Authorize`, `AuthorizeResponse` …: all 78."""
    folder = files("ocpp") / "v16" / "schemas"
    return tuple(sorted(f.name.removesuffix(".json") for f in folder.iterdir()))


@cache
def schema_text(name: str) -> str:
    """A schema as it was published."""
    return (files("ocpp") / "v16" / "schemas" / f"{name}.json").read_text("utf-8-sig")


@cache
def schema(name: str) -> Schema:
    """A schema with its `$ref`s replaced by what they refer to."""
    whole = json.loads(schema_text(name))

    def resolve(part: Any) -> Any:
        if isinstance(part, list):
            return [resolve(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolve(whole["definitions"][part["$ref"].removeprefix("#/definitions/")])
        return {key: resolve(inner) for key, inner in part.items() if key != "definitions"}

    resolved: Schema = resolve(whole)
    return resolved


def places(part: Schema, place: str = "") -> Iterator[str]:
    """Every place of the tree, the payload itself being ""; an array's items share its place."""
    yield place
    for name, inner in part.get("properties", {}).items():
        yield from places(inner, f"{place}.{name}".lstrip("."))
    if "items" in part:
        yield from places(part["items"], place)


# --- Valid payloads -------------------------------------------------------------------------------

DATE_TIMES = (
    "2021-11-10T14:00:00.000Z",
    "2021-11-10T14:00:00Z",
    "2021-11-10T14:00:00+02:00",
    "2024-02-29T23:59:59.123456-11:30",
)
INTEGERS = (1, 0, -1, 2**31 - 1, -(2**31))
# 21.4 is the one that a division by 0.1 in binary refuses.
NUMBERS = (21.4, 16, 0.1, 0, 1234567.8, -0.3)
LETTERS = "xé\U0001f50c"


def payload(part: Schema, turn: int, *, optional: bool = True) -> Any:
    """A valid value; over enough turns each enumeration value and each limit comes by."""
    if "enum" in part:
        return part["enum"][turn % len(part["enum"])]
    match part["type"]:
        case "object":
            names = list(part.get("properties", {}))
            if not optional:
                names = [name for name in names if name in part.get("required", ())]
            return {
                name: payload(part["properties"][name], turn + at, optional=optional)
                for at, name in enumerate(names)
            }
        case "array":
            count = max(part.get("minItems", 0), (turn + 1) % 3)
            return [payload(part["items"], turn + at, optional=optional) for at in range(count)]
        case "string" if part.get("format") == "date-time":
            return DATE_TIMES[turn % len(DATE_TIMES)]
        case "string":
            length = (part.get("maxLength", 1000), 1, 0)[turn % 3]
            return LETTERS[turn % len(LETTERS)] * length
        case "integer":
            return INTEGERS[turn % len(INTEGERS)]
        case "number":
            return NUMBERS[turn % len(NUMBERS)]
        case "boolean":
            return turn % 2 == 0
    raise AssertionError(part)


# --- Single faults --------------------------------------------------------------------------------


class Mutation(NamedTuple):
    """A payload with one fault: of what kind, and at which place (without indices)."""

    kind: str
    place: str
    payload: Any


WRONG_TYPES: dict[str, tuple[Any, ...]] = {
    "string": (5, 1.5, True, [], {}),
    "integer": ("5", 1.5, 1.0, True, [], {}),
    "number": ("5", True, [], {}),
    "boolean": ("true", 0, 1, [], {}),
    "object": ("x", 5, True, []),
    "array": ("x", 5, True, {}),
}


Rebuild = Callable[[Any], Any]
"""Puts a changed value into its place, and gives back the whole payload."""


def _in_object(rebuild: Rebuild, value: dict[str, Any], name: str) -> Rebuild:
    return lambda changed: rebuild({**value, name: changed})


def _in_array(rebuild: Rebuild, value: list[Any], at: int) -> Rebuild:
    return lambda changed: rebuild([*value[:at], changed, *value[at + 1 :]])


def mutations(
    part: Schema,
    value: Any,
    place: str = "",
    rebuild: Rebuild = lambda changed: changed,
) -> Iterator[Mutation]:
    """`value` with one fault, for each fault at each place of the tree."""
    for kind, wrong in _wrong_values(part, place):
        yield Mutation(kind, place, rebuild(wrong))
    if isinstance(value, dict):
        yield Mutation("extra property", place, rebuild({**value, "extraProperty": 1}))
        for name in value:
            inner = f"{place}.{name}".lstrip(".")
            if name in part.get("required", ()):
                without = {key: value[key] for key in value if key != name}
                yield Mutation("missing", inner, rebuild(without))
            yield from mutations(
                part["properties"][name],
                value[name],
                inner,
                _in_object(rebuild, value, name),
            )
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from mutations(
                part["items"],
                item,
                place,
                _in_array(rebuild, value, at),
            )


def _wrong_values(part: Schema, place: str) -> Iterator[tuple[str, Any]]:
    yield "null", None
    for wrong in WRONG_TYPES[part["type"]]:
        yield "wrong type", wrong
    if "maxLength" in part:
        for letter in LETTERS:
            yield "too long", letter * (part["maxLength"] + 1)
    if "enum" in part:
        for wrong in ("", "NoSuchValue", part["enum"][0] + " ", part["enum"][0].swapcase()):
            if wrong not in part["enum"]:
                yield "wrong enumeration", wrong
        if place.endswith("unit") and "Hertz" not in part["enum"]:
            yield "Hertz", "Hertz"
    if "multipleOf" in part:
        for wrong in (21.45, 0.01, -0.05, 1234567.89):
            yield "too many decimals", wrong
    if part.get("minItems"):
        yield "too few items", []
    if part["type"] == "integer":
        for wrong in (2**31, -(2**31) - 1):
            yield "beyond 32 bits", wrong
        for wrong in (2**63, -(2**63) - 1, 2**70, 10**400):
            yield "beyond 64 bits", wrong
    if part.get("format") == "date-time":
        for wrong in ("", "yesterday", "2021-11-10T14:00:00", "2021-02-30T14:00:00Z"):
            yield "not RFC 3339", wrong
