"""The forms that an answer can have, and the choice between them (RFC 9110, §12.5.1).

How a list is written in each stands in `lists`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import request

from ocpp_cs.api.problems import refuse


@dataclass(frozen=True, slots=True)
class Format:
    name: str  # as the parameter `format` and as a file's extension
    media_type: str
    also: tuple[str, ...] = ()  # media types that ask for it, too


JSON = Format("json", "application/json")
CSV = Format("csv", "text/csv")
JSONL = Format("jsonl", "application/jsonl", ("application/x-ndjson", "application/x-jsonlines"))
FORMATS = (JSON, CSV, JSONL)


def to_json(value: Any) -> bytes:
    """JSON without blanks; asks no application, so it works beside a request, too."""
    return msgspec.json.encode(value)


def accepted_format(offered: Sequence[Format], name: str | None = None) -> Format:
    """The format called `name`, else the best of `offered` that the Accept header takes.

    Among equals the first one wins. Ends the request with 406 when none is taken.
    """
    if name is not None:
        return next(format for format in offered if format.name == name)
    accepted = list(request.accept_mimetypes)
    if not accepted:
        return offered[0]
    best = max(offered, key=lambda format: _quality(format, accepted))
    if _quality(best, accepted) <= 0:
        media_types = ", ".join(format.media_type for format in offered)
        refuse(406, f"This resource comes as {media_types}.")
    return best


def _quality(format: Format, accepted: Iterable[tuple[str, float]]) -> float:
    """How much it is wanted: the quality of the most specific range that it falls into."""
    found = (-1, 0.0)
    for text, quality in accepted:
        wanted = text.partition(";")[0].strip().lower()
        for media_type in (format.media_type, *format.also):
            ranges = ("*/*", media_type.partition("/")[0] + "/*", media_type)
            if wanted in ranges:
                found = max(found, (ranges.index(wanted), quality))
    return found[1]
