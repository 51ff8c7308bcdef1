"""What of a command nobody may read: keys in ChangeConfiguration, passwords in URLs (A15, W13).

A secret stands in the table until its command has ended, since any process may have to send it.
"""

from __future__ import annotations

import json
import re
from typing import Any

BLOT = "********"
_SECRET_KEYS = frozenset(("authorizationkey",))
# The password of `ftp://user:password@host/path`.
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*(?=@)")


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


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _without_passwords(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1:{BLOT}", value)
    if isinstance(value, dict):
        return {name: _without_passwords(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_passwords(part) for part in value]
    return value
