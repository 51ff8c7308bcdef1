"""Frames on the wire to values and back: the envelope of J §4.2, and what hostile JSON may cost.

The payload of a call is not read here (`tolerance` does that), nor is it known here which call
an answer belongs to (`session` knows that).

How odd frames are read, each rule once:

- not JSON, not an array, no message type, no id that could be echoed: Unreadable (R8)
- a message type other than 2, 3 and 4: Ignored (R8, J §4.1.3)
- a message id that is a number is refused with its text echoed; one of more than 36 characters
  is refused with all of it echoed (R7)
- a CALL without a payload element, whose action is no text, or whose payload is not UTF-8 is
  refused: FormationViolation
- elements beyond those of J §4.2 are dropped and reported
- NUL and lone surrogates, which no database and no UTF-8 text takes, become U+FFFD and are
  reported; in a message id they refuse the call, since its echo would not match (A8)
- nesting deeper than 32, and the words NaN and Infinity, refuse the call if the frame begins with
  a type and an id that can be read; else the frame is Unreadable (A8)
- of a property that stands twice in one object the last one counts, and this is not reported:
  the fast decoder cannot see it
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from .errors import OTHER_SPELLINGS, CallError, CallErrorCode
from .types import Deviation

CALL: Final = 2
CALL_RESULT: Final = 3
CALL_ERROR: Final = 4

MAX_MESSAGE_ID: Final = 36
"""Characters of a message id (J §4.1.4)."""

MAX_DEPTH: Final = 32
"""Arrays and objects inside each other, the frame's own array included (A8)."""

MAX_DESCRIPTION: Final = 255
"""Characters of an errorDescription, ours and theirs."""

MAX_CODE: Final = 50
"""Characters kept of an errorCode that nobody knows."""

_ABSENT: Final = Raw(b"")


class CallFrame(Struct, frozen=True, array_like=True, tag=CALL, gc=False):
    """A CALL (J §4.2.1); `more` is set if elements followed the payload."""

    message_id: str
    action: str
    payload: Raw
    more: Raw = _ABSENT


class ResultFrame(Struct, frozen=True, array_like=True, tag=CALL_RESULT, gc=False):
    """A CALLRESULT (J §4.2.2); an empty `payload` means that the element is missing."""

    message_id: str
    payload: Raw = _ABSENT
    more: Raw = _ABSENT


class ErrorFrame(Struct, frozen=True, array_like=True, tag=CALL_ERROR, gc=False):
    """A CALLERROR (J §4.2.3) of three, four or five elements."""

    message_id: str
    code: str
    description: str = ""
    details: Raw = _ABSENT
    more: Raw = _ABSENT


class BadCall(Struct, frozen=True):
    """A CALL that must be refused, and whose id can be echoed."""

    message_id: str
    action: str | None
    error: CallError


class BadAnswer(Struct, frozen=True):
    """A CALLRESULT or CALLERROR whose id can be read and whose rest cannot."""

    message_id: str
    error: CallError


class Ignored(Struct, frozen=True):
    """A frame of a message type that OCPP 1.6 does not know (J §4.1.3)."""

    reason: str


class Unreadable(Struct, frozen=True):
    """No OCPP frame at all, or one that cannot be answered because its id cannot be read."""

    reason: str


Frame: TypeAlias = CallFrame | ResultFrame | ErrorFrame | BadCall | BadAnswer | Ignored | Unreadable

_CODES = frozenset(CallErrorCode)
_decode = msgspec.json.Decoder(CallFrame | ResultFrame | ErrorFrame).decode
_encode = msgspec.json.Encoder().encode


def read_frame(frame: bytes) -> tuple[Frame, tuple[Deviation, ...]]:
    """Read one text frame; never raises, whatever the bytes."""
    # A NUL can only come escaped: raw control characters are no JSON. The search costs less
    # than a look at the strings afterwards, and a false alarm (`\\u0000`) only time.
    if b"\\u0000" not in frame:
        try:
            read = _decode(frame)
        except (ValueError, RecursionError):
            return _read_odd_frame(frame)
        if read.more is _ABSENT and len(read.message_id) <= MAX_MESSAGE_ID:
            return read, ()
    return _read_odd_frame(frame)


# --- Reading what the fast decoder refused ------------------------------------------------------


class Number(str):
    """A number as its text: exact, of any length, and told apart from a string by its type."""

    __slots__ = ()


class HostileError(ValueError):
    """JSON that is refused for its shape: nested too deeply, or not JSON by the letter."""


def load(data: bytes, *, levels: int = MAX_DEPTH) -> object:
    """Read JSON into plain objects, numbers as `Number`.

    Raises HostileError for NaN, Infinity and nesting deeper than `levels`, another ValueError for
    what is no JSON; never RecursionError.
    """
    try:
        value: object = json.loads(
            data.decode(), parse_int=Number, parse_float=Number, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise HostileError(f"nested deeper than {MAX_DEPTH} levels") from None
    _check_depth(value, levels)
    return value


def _refuse_constant(word: str) -> object:
    raise HostileError(f"{word} is no JSON number")


def _check_depth(value: object, levels: int) -> None:
    layer = [value]
    for _ in range(levels):
        layer = [
            child
            for node in layer
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not layer:
            return
    if any(isinstance(node, dict | list) for node in layer):
        raise HostileError(f"nested deeper than {MAX_DEPTH} levels")


# An escape that needs no repair (a surrogate pair, any other escape) or, as group 1, one that does.
_ESCAPE = re.compile(
    rb"\\(?:u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}"
    rb"|u(0000|[Dd][89A-Fa-f][0-9A-Fa-f]{2})|.)",
    re.DOTALL,
)


def _repair(frame: bytes) -> tuple[bytes, tuple[Deviation, ...]]:
    """Replace escaped NULs and lone surrogates by U+FFFD (A8)."""
    if b"\\u" not in frame:
        return frame, ()
    repaired = _ESCAPE.sub(lambda m: rb"\ufffd" if m[1] else m[0], frame)
    if repaired == frame:
        return frame, ()
    return repaired, (Deviation("replaced_character", "frame"),)


def _read_odd_frame(frame: bytes) -> tuple[Frame, tuple[Deviation, ...]]:
    frame, deviations = _repair(frame)
    try:
        read = _decode(frame)
    except RecursionError:
        return _read_beginning(frame, f"nested deeper than {MAX_DEPTH} levels"), deviations
    except ValueError:
        refused = _read_refused(frame)
        if isinstance(refused, ErrorFrame):
            deviations += (Deviation("wrong_type", "CALLERROR"),)
        return refused, deviations
    if read.more is not _ABSENT:
        deviations += (Deviation("extra_elements", "frame"),)
    if isinstance(read, CallFrame):
        if len(read.message_id) > MAX_MESSAGE_ID:
            return _bad_call(read.message_id, read.action, _TOO_LONG), deviations
        if deviations and "\ufffd" in read.message_id:
            return _bad_call(read.message_id, read.action, _NO_TEXT), deviations
    return read, deviations


_TOO_LONG = f"message id longer than {MAX_MESSAGE_ID} characters"
_NO_TEXT = "message id with a NUL or a lone surrogate"


def _bad_call(message_id: str, action: str | None, reason: str) -> BadCall:
    return BadCall(message_id, action, CallError(CallErrorCode.FORMATION_VIOLATION, reason))


def _read_refused(frame: bytes) -> Frame:
    """Say what is wrong with a frame that is not of the form that J §4.2 asks for."""
    try:
        elements = load(frame)
    except HostileError as fault:
        return _read_beginning(frame, str(fault))
    except ValueError:
        return Unreadable("not JSON in UTF-8")
    if not isinstance(elements, list):
        return Unreadable("not a JSON array")
    kind = elements[0] if elements else None
    if not (isinstance(kind, Number) and re.fullmatch(r"-?\d+", kind, re.ASCII)):
        return Unreadable("no message type")
    if kind not in ("2", "3", "4"):
        return Ignored(f"message type {kind[:20]}")
    message_id = elements[1] if len(elements) > 1 else None
    if not isinstance(message_id, str):
        return Unreadable("no message id")
    if kind == "2":
        return _read_refused_call(message_id, elements)
    return _read_refused_answer(kind, message_id, elements)


def _read_refused_call(message_id: str, elements: list[object]) -> BadCall:
    action = elements[2] if len(elements) > 2 else None
    if not isinstance(action, str) or isinstance(action, Number):
        action = None
    if isinstance(message_id, Number):
        reason = "message id is a number, not a string"
    elif len(message_id) > MAX_MESSAGE_ID:
        reason = _TOO_LONG
    elif action is None:
        reason = "action is not a string"
    else:
        reason = "a CALL has four elements"
    return _bad_call(str(message_id), action, reason)


def _read_refused_answer(kind: str, message_id: str, elements: list[object]) -> Frame:
    code = elements[2] if len(elements) > 2 else None
    if kind == "4" and isinstance(code, str):
        # The description or the details are of the wrong type; the code is what matters.
        return ErrorFrame(str(message_id), str(code))
    reason = "not the elements of an answer"
    return BadAnswer(str(message_id), CallError(CallErrorCode.FORMATION_VIOLATION, reason))


_BEGINNING = re.compile(
    rb"""\s*\[\s*([234])\s*,\s*("(?:[^"\\\x00-\x1f]|\\.){0,216}")\s*
         (?:,\s*"([A-Za-z]{1,50})")?""",
    re.VERBOSE,
)


def _read_beginning(frame: bytes, reason: str) -> Frame:
    """Save type, id and action of a frame whose rest is refused as a whole."""
    match = _BEGINNING.match(frame)
    try:
        message_id = json.loads(match[2].decode()) if match else None
    except ValueError:
        message_id = None
    if match is None or message_id is None or len(message_id) > MAX_MESSAGE_ID:
        return Unreadable(reason)
    if match[1] == b"2":
        return _bad_call(message_id, match[3].decode() if match[3] else None, reason)
    return BadAnswer(message_id, CallError(CallErrorCode.FORMATION_VIOLATION, reason))


def read_error(read: ErrorFrame) -> tuple[CallError, tuple[Deviation, ...]]:
    """The error that a CALLERROR carries; any text passes as a code (R11)."""
    deviations: tuple[Deviation, ...] = ()
    code: CallErrorCode | str = read.code
    if read.code in _CODES:
        code = CallErrorCode(read.code)
    else:
        code = OTHER_SPELLINGS.get(read.code, read.code[:MAX_CODE])
        deviations = (Deviation("unknown_error_code", read.code[:80]),)
    try:
        load(bytes(read.details), levels=MAX_DEPTH - 1)  # for its refusals only
        details = msgspec.json.decode(read.details, type=dict[str, Any])
    except ValueError:
        details = {}
    return CallError(code, read.description[:MAX_DESCRIPTION], details), deviations


# --- Writing ------------------------------------------------------------------------------------


def call_frame(message_id: str, action: str, request: Struct) -> bytes:
    """A CALL (J §4.2.1)."""
    return _encode((CALL, message_id, action, request))


def result_frame(message_id: str, response: Struct) -> bytes:
    """A CALLRESULT (J §4.2.2)."""
    return _encode((CALL_RESULT, message_id, response))


def error_frame(
    message_id: object, code: object, description: object = "", details: object = None
) -> bytes:
    """A CALLERROR of five elements (J §4.2.3) from any input at all: never raises (R10).

    What is no text becomes one, lone surrogates become U+FFFD, details that are no object or
    cannot be written become `{}`.
    """
    beginning = (CALL_ERROR, _text(message_id), _text(code), _text(description)[:MAX_DESCRIPTION])
    if isinstance(details, Mapping):
        try:
            return _encode((*beginning, dict(details)))
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass
    return _encode((*beginning, {}))


_SURROGATE = re.compile("[\ud800-\udfff]")


def _text(value: object) -> str:
    if value is None:
        return ""
    try:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except ValueError:  # an integer of more digits than Python writes
        text = ""
    return _SURROGATE.sub("\ufffd", text)
