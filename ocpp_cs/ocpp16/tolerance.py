"""Payloads to messages: strictly where that works, and tolerantly, but never silently, elsewhere.

Nothing is guessed here about what a value means, and no sanity is checked (R26): only whether it
can be read.

The fast way is one typed decode. What it refuses goes the slow way:

- every message: unknown extra properties are dropped and reported; strict mode refuses them
- StartTransaction, StopTransaction, MeterValues: every value that can be read is read, and a
  CallError is raised only when a required one is missing or unreadable ("Tolerance")
- every other message must satisfy its schema

Codes of deviations (the `detail` is the property's path, without indices, so that the same fault
in many samples is one line):

| code             | what was found                                     | what is read           |
|------------------|----------------------------------------------------|------------------------|
| unknown_property | a property that the schema does not know           | nothing                |
| wrong_type       | a number for a text; a text or a fraction for an   | the text; the integer, |
|                  | integer; one object for an array of objects        | rounded half up; one   |
| too_long         | a text longer than the schema allows               | the whole text         |
| unknown_value    | a text that the enumeration does not know          | the text               |
| empty_value      | "" for an optional enumeration                     | absent                 |
| null_value       | null for an optional property                      | absent                 |
| too_few_items    | an empty array where one item is required          | the empty array        |
| out_of_range     | StopTransaction.transactionId beyond 32 bits       | -1                     |
| unreadable_part  | an optional property, or one of several items of   | nothing; the raw frame |
|                  | an array, that cannot be read                      | is worth keeping       |
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, inspect

from .errors import CallError, CallErrorCode, error_for_fault
from .frames import MAX_DEPTH, HostileError, Number, load
from .messages import Action
from .types import Deviation

__all__ = ["TOLERANT_ACTIONS", "Deviation", "read_request", "read_response"]

TOLERANT_ACTIONS: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})
"""The actions whose requests carry money data (§3.7, R25, R26)."""

MAX_DEVIATIONS: Final = 32
"""Different deviations reported of one message; a hostile frame holds thousands."""

MAX_DETAIL: Final = 80

MAX_UNREADABLE_ITEMS: Final = 1000
"""Array items of one message that are dropped before the array itself counts as unreadable: a
hostile frame holds half a million of them, and other charge points are waiting."""


def read_request(
    action: Action, payload: bytes | Raw, *, strict: bool
) -> tuple[Struct, tuple[Deviation, ...]]:
    """Read the payload of a CALL; raises CallError with the code that answers it (R12)."""
    try:
        return action.request_decoder.decode(payload), ()
    except (ValueError, RecursionError) as fault:
        tolerant = action.name in TOLERANT_ACTIONS
        return _read_slowly(action.request, payload, str(fault), strict, tolerant)


def read_response(
    action: Action, payload: bytes | Raw, *, strict: bool
) -> tuple[Struct, tuple[Deviation, ...]]:
    """Read the payload of a CALLRESULT; raises CallError if it is not that action's answer."""
    try:
        return action.response_decoder.decode(payload), ()
    except (ValueError, RecursionError) as fault:
        return _read_slowly(action.response, payload, str(fault), strict, False)


def _read_slowly(
    message: type[Struct], payload: bytes | Raw, fault: str, strict: bool, tolerant: bool
) -> tuple[Struct, tuple[Deviation, ...]]:
    try:
        value = load(bytes(payload), levels=MAX_DEPTH - 1)  # one level is the frame's own array
    except HostileError as hostile:
        raise CallError(CallErrorCode.FORMATION_VIOLATION, str(hostile)) from None
    except ValueError:
        raise CallError(CallErrorCode.FORMATION_VIOLATION, "payload is not JSON in UTF-8") from None
    if value is None:  # J §4.2.1: null means {} (R9)
        value = {}
    if not isinstance(value, dict):
        raise error_for_fault(fault)
    found = _Found()
    shape = _shape_of(message)
    value = _drop_unknown(shape, value, "", strict, found)
    try:
        return msgspec.convert(_plain(value), message), found.deviations()
    except ValueError as error:
        if not tolerant:
            raise error_for_fault(str(error)) from None
    return _read_object(shape, value, "", found), found.deviations()


class _Found:
    """The different deviations found so far in one message, in order."""

    def __init__(self) -> None:
        self._found: dict[Deviation, None] = {}
        self.unreadable_items = 0

    def add(self, code: str, detail: str) -> None:
        if len(self._found) < MAX_DEVIATIONS:
            self._found[Deviation(code, detail[:MAX_DETAIL])] = None

    def deviations(self) -> tuple[Deviation, ...]:
        return tuple(self._found)


@cache
def _shape_of(message: type[Struct]) -> inspect.StructType:
    shape = inspect.type_info(message)
    assert isinstance(shape, inspect.StructType)
    return shape


@cache
def _properties(message: type[Struct]) -> dict[str, inspect.Type]:
    return {field.encode_name: field.type for field in _shape_of(message).fields}


def _path(outer: str, name: str) -> str:
    return f"{outer}.{name}" if outer else name


def _drop_unknown(shape: inspect.Type, value: Any, path: str, strict: bool, found: _Found) -> Any:
    """A copy of `value` without the properties that `shape` does not know."""
    if isinstance(shape, inspect.VarTupleType):
        if isinstance(value, list):
            return [
                item
                if isinstance(item, str)
                else _drop_unknown(shape.item_type, item, path, strict, found)
                for item in value
            ]
        return _drop_unknown(shape.item_type, value, path, strict, found)
    if not (isinstance(shape, inspect.StructType) and isinstance(value, dict)):
        return value
    properties = _properties(shape.cls)
    known = {}
    for name, inner in value.items():
        if name not in properties:
            if strict:
                reason = f"Object contains unknown field `{_path(path, name)}`"
                raise CallError(CallErrorCode.FORMATION_VIOLATION, reason)
            found.add("unknown_property", _path(path, name))
        elif isinstance(inner, str):
            known[name] = inner
        else:
            known[name] = _drop_unknown(properties[name], inner, _path(path, name), strict, found)
    return known


def _plain(value: Any) -> Any:
    """`value` with its Numbers as Python numbers; endless integers as one that nothing accepts."""
    if isinstance(value, Number):
        if value.isdigit() or value[1:].isdigit():
            return int(value) if len(value) <= 300 else 10**400
        return float(value)
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


# --- Reading all that can be read: StartTransaction, StopTransaction, MeterValues ----------------


_OUT_OF_RANGE: Final = CallErrorCode.PROPERTY_CONSTRAINT_VIOLATION


def _unreadable(path: str, expected: str, value: object) -> CallError:
    names = {dict: "object", list: "array", bool: "bool", type(None): "null", Number: "number"}
    got = names.get(type(value), "str")
    reason = f"Expected `{expected}`, got `{got}` - at `{path}`"
    return CallError(CallErrorCode.TYPE_CONSTRAINT_VIOLATION, reason)


def _read(shape: inspect.Type, value: Any, path: str, found: _Found) -> Any:
    match shape:
        case inspect.StrType():
            return _read_text(shape, value, path, found)
        case inspect.IntType():
            return _read_integer(shape, value, path, found)
        case inspect.LiteralType():
            return _read_word(shape, value, path, found)
        case inspect.VarTupleType():
            return _read_array(shape, value, path, found)
    assert isinstance(shape, inspect.StructType)  # no other types occur in these three messages
    return _read_object(shape, value, path, found)


def _read_object(shape: inspect.StructType, value: Any, path: str, found: _Found) -> Any:
    if not isinstance(value, dict):
        raise _unreadable(path, "object", value)
    values = {}
    for field in shape.fields:
        where = _path(path, field.encode_name)
        if field.encode_name not in value:
            if field.required:
                reason = f"Object missing required field `{where}`"
                raise CallError(CallErrorCode.PROTOCOL_ERROR, reason)
            continue
        inner = value[field.encode_name]
        if not field.required and inner is None:
            found.add("null_value", where)
            continue
        if not field.required and inner == "" and isinstance(field.type, inspect.LiteralType):
            found.add("empty_value", where)
            continue
        try:
            values[field.name] = _read(field.type, inner, where, found)
        except CallError as error:
            if not field.required:
                found.add("unreadable_part", where)
            elif where == "transactionId" and error.code is _OUT_OF_RANGE:
                # Such an id is none of ours (R28), yet a StopTransaction must be answered (R30):
                # it is read as the id of a charge point that never got one (R29).
                found.add("out_of_range", where)
                values[field.name] = -1
            else:
                raise
    return shape.cls(**values)


def _read_array(shape: inspect.VarTupleType, value: Any, path: str, found: _Found) -> Any:
    if isinstance(value, dict):
        found.add("wrong_type", path)
        value = [value]
    if not isinstance(value, list):
        raise _unreadable(path, "array", value)
    if len(value) < (shape.min_length or 0):
        found.add("too_few_items", path)
    items = []
    fault: CallError | None = None
    for item in value:
        try:
            items.append(_read(shape.item_type, item, path, found))
        except CallError as error:
            fault = error
            found.unreadable_items += 1
            if found.unreadable_items > MAX_UNREADABLE_ITEMS:
                raise
    if fault is not None:
        if not items:
            raise fault
        found.add("unreadable_part", path)
    return tuple(items)


def _read_text(shape: inspect.StrType, value: Any, path: str, found: _Found) -> str:
    if not isinstance(value, str):
        raise _unreadable(path, "str", value)
    if isinstance(value, Number):
        found.add("wrong_type", path)
    if shape.max_length is not None and len(value) > shape.max_length:
        found.add("too_long", path)
    return str(value)


def _read_word(shape: inspect.LiteralType, value: Any, path: str, found: _Found) -> str:
    if not isinstance(value, str):
        raise _unreadable(path, "str", value)
    if isinstance(value, Number):
        found.add("wrong_type", path)
    if value not in shape.values:
        found.add("unknown_value", f"{path}: {value}")
    return str(value)


# Bounded, so that the conversion costs nothing worth speaking of; far beyond 64 bits.
_DECIMAL = re.compile(r"\s*([+-]?\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,3})?)\s*", re.ASCII)


def _read_integer(shape: inspect.IntType, value: Any, path: str, found: _Found) -> int:
    match = _DECIMAL.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        number = int(Decimal(match[1]).to_integral_value(ROUND_HALF_UP))
        if (shape.ge is None or shape.ge <= number) and (shape.le is None or number <= shape.le):
            if not (isinstance(value, Number) and value.lstrip("-").isdigit()):
                found.add("wrong_type", path)
            return number
    elif not isinstance(value, Number):
        raise _unreadable(path, "int", value)
    raise CallError(_OUT_OF_RANGE, f"Number out of range - at `{path}`")
