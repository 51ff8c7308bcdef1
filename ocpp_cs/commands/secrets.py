"""What of a command nobody may read: keys in ChangeConfiguration, secrets in URLs (A15, W13).

A secret stands in the table until its command has ended, since any process may have to send it.
"""

from __future__ import annotations

import json
import re
from typing import Any

BLOT = "********"
_SECRET_KEYS = frozenset(("authorizationkey",))
_SECRET_WORDS = tuple(key.encode() for key in _SECRET_KEYS)
# The password of `ftp://user:password@host/path`.
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/\s]*(?=@)")
# What makes a URL of our own unguessable: `https://host/drop/<43 characters>/`.
_DROP_TOKEN = re.compile(r"(?<=/drop/)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")


def is_secret_key(key: str) -> bool:
    """Whether the value of a configuration key is a secret; keys are case-insensitive."""
    return key.strip().casefold() in _SECRET_KEYS


def shown_request(action: str, request: str) -> str:
    """The request of a command, as JSON text, with its secrets blotted out."""
    if action == "ChangeConfiguration":
        content = json.loads(request)
        if is_secret_key(str(content.get("key", ""))):
            content["value"] = BLOT
            return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    if "://" in request:
        content = _without_passwords(json.loads(request))
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return request


def shown_response(action: str, response: str | None) -> str | None:
    """The answer to a command, as JSON text: a charge point may tell its key when asked."""
    if response is None or action != "GetConfiguration":
        return response
    content = json.loads(response)
    told = content.get("configurationKey") if isinstance(content, dict) else None
    secret = [each for each in _dicts(told) if is_secret_key(str(each.get("key", "")))]
    if not any("value" in each for each in secret):
        return response
    for each in secret:
        each["value"] = BLOT
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def names_secret(frame: bytes) -> bool:
    """Whether a secret configuration key is named anywhere, unless it is written with escapes."""
    folded = frame.lower()
    return any(word in folded for word in _SECRET_WORDS)


def shown_frame(frame: bytes) -> bytes:
    """A frame with the values of secret configuration keys blotted out, wherever they stand."""
    if b"\\u" not in frame and not names_secret(frame):
        return frame
    try:
        content = json.loads(frame)
        found = _blot(content)
    except (ValueError, RecursionError):  # nobody knows where its value stands
        return f'["{BLOT}"]'.encode()
    return _json(content) if found else frame


def shown_exchange(
    action: str, request: str, frame: bytes, answer: bytes | None
) -> tuple[bytes, bytes | None]:
    """The frame of a command and the one that answered it: `request` is the payload as JSON."""
    shown = shown_request(action, request)
    if shown != request:
        content = json.loads(frame)
        content[3] = json.loads(shown)
        frame = _json(content)
    if answer is None or action not in ("ChangeConfiguration", "GetConfiguration"):
        return frame, answer
    if action == "ChangeConfiguration" and shown != request:
        # Whoever refuses a value may quote it.
        answer = answer.replace(str(json.loads(request)["value"]).encode(), BLOT.encode())
    return frame, shown_frame(answer)


def _blot(value: Any) -> bool:
    """Blots out the values beside secret keys, in place, at any depth; whether there were any."""
    found = False
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict) and "value" in value and is_secret_key(str(value.get("key", ""))):
        value["value"], found = BLOT, True
    for part in parts:
        if isinstance(part, dict | list):
            found |= _blot(part)
    return found


def without_secrets(text: str) -> str:
    """A text with what is secret in its URLs blotted out."""
    return _DROP_TOKEN.sub(BLOT, _PASSWORD.sub(rf"\1:{BLOT}", text))


def _json(content: Any) -> bytes:
    # Lone surrogates that the charge point sent stay escaped.
    return json.dumps(content, separators=(",", ":")).encode()


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _without_passwords(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {name: _without_passwords(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_passwords(part) for part in value]
    return value
