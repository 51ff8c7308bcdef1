"""Cursors: the place in a list after which its next page begins, as one opaque word.

Not a secret and not signed: whatever comes in is checked like any other parameter. A cursor holds
the key of the last row of its page, so it stays good while rows arrive.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import Any

from ocpp_cs.api.fields import INT64_MAX

Key = tuple[Any, ...]
KeyTypes = tuple[type, ...]

LONGEST = 2000  # characters
EXAMPLE = "WzEsImNoYXJnZS1wb2ludHMiLCJDQi00NzExIl0"
_VERSION = 1
_WORD = re.compile(r"[A-Za-z0-9_-]{1,2000}", re.ASCII)
# NUL and lone surrogates: no database takes them.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class CursorError(ValueError):
    """The word is no cursor of this list in this order."""


def encode_cursor(order: str, key: Key) -> str:
    """`order` names the list and its order; a cursor is good for that one only."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    text = json.dumps([_VERSION, order, *parts], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(word: str, order: str, types: KeyTypes) -> Key:
    """The key in `word`; raises CursorError unless it is of this order and of these types."""
    if not _WORD.fullmatch(word):
        raise CursorError
    try:
        parts = json.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        raise CursorError from None
    if not isinstance(parts, list) or len(parts) != 2 + len(types):
        raise CursorError
    if parts[:2] != [_VERSION, order]:
        raise CursorError
    return tuple(_part(value, kind) for value, kind in zip(parts[2:], types, strict=True))


def _part(value: Any, kind: type) -> Any:
    if kind is datetime and isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise CursorError
    if kind is int and type(value) is int and -INT64_MAX <= value <= INT64_MAX:
        return value
    if kind is str and isinstance(value, str) and not _UNSTORABLE.search(value):
        return value
    raise CursorError
