"""Versions of a resource (RFC 9110, §8.8.3): who changes it may say which one was meant.

Nobody has to: without `If-Match` the last one who writes wins.
"""

from __future__ import annotations

import hashlib

from flask import request
from werkzeug.datastructures import ETags

from ocpp_cs.commands.refusals import Refused

HEADER = {
    "description": "Its version, for If-Match.",
    "schema": {"type": "string"},
}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "description": "The ETag of the version that is meant: if it was changed since, the request is "
    "refused with 412.",
    "schema": {"type": "string", "examples": ['"9f86d081884c7d65"']},
}


def etag_of(*content: str) -> str:
    """The ETag of a resource with this content."""
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()
    return f'"{digest[:16]}"'


def wanted_version() -> ETags | None:
    """Which version the request means; None: whichever there is."""
    return request.if_match if "If-Match" in request.headers else None


def demand_match(wanted: ETags, etag: str) -> None:
    """Raises Refused (412) if another version is meant."""
    if etag.strip('"') not in wanted:
        raise Refused(
            412,
            "changed_meanwhile",
            "It was changed since you read it: read it again, and decide anew.",
        )
