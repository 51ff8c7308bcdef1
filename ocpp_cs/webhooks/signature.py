"""The signature of a delivery, as Standard Webhooks has it, so that ready libraries verify it.

Receivers verify with the same secret: HMAC-SHA256 over id, time and body, joined by dots.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_PREFIX = "whsec_"


def new_secret() -> str:
    """32 random bytes, as text."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signed_headers(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a delivery; `timestamp` in seconds since 1970."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    content = f"{id}.{timestamp}.".encode() + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
