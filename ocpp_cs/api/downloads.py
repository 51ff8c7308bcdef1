"""Content of files in and out, a part at a time: bodies of any size, ranges, safe headers.

Nothing is shown by a browser and nothing is run: a file is an attachment of unknown type. Who may
have it, the views decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, request
from werkzeug.datastructures import ContentRange
from werkzeug.exceptions import BadRequest
from werkzeug.http import (
    parse_if_range_header,
    parse_options_header,
    parse_range_header,
    quote_etag,
)
from werkzeug.sansio.multipart import Data, Epilogue, File, MultipartDecoder, NeedData

from ocpp_cs.api.database import current_engine
from ocpp_cs.api.problems import problem
from ocpp_cs.db import queries
from ocpp_cs.db.engine import Engine
from ocpp_cs.files import CHUNK_BYTES

MEDIA_TYPE = "application/octet-stream"
READ_BYTES = 64 * 1024
_SILENT_S = 60.0
# Of the lines above the content in a multipart body.
_LARGEST_HEADER = 64 * 1024


def send(content: queries.Content) -> Response:
    """A file, or the range of it that was asked for (RFC 9110, §14)."""
    etag = quote_etag(content.sha256)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{content.name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    first, end, status = 0, content.size_bytes, 200
    wanted = _range(content, etag)
    if wanted == "unsatisfiable":
        headers["Content-Range"] = f"bytes */{content.size_bytes}"
        return problem(416, "The file has no such range.", headers=headers)
    if wanted is not None:
        first, end = wanted
        status = 206
        headers["Content-Range"] = ContentRange("bytes", first, end, content.size_bytes).to_header()
    headers["Content-Length"] = str(end - first)
    body = () if request.method == "HEAD" else _stream(current_engine(), content, first, end)
    return Response(body, status=status, headers=headers, mimetype=MEDIA_TYPE)


def _range(content: queries.Content, etag: str) -> Any:
    """First byte and the one behind the last; None for all of it, of several ranges too."""
    asked = parse_range_header(request.headers.get("Range"))
    condition = parse_if_range_header(request.headers.get("If-Range"))
    if condition.date is not None or (condition.etag and quote_etag(condition.etag) != etag):
        return None
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    return asked.range_for_length(content.size_bytes) or "unsatisfiable"


def _stream(engine: Engine, content: queries.Content, first: int, end: int) -> Iterator[bytes]:
    for number in range(first // CHUNK_BYTES, -(-end // CHUNK_BYTES)):
        start = number * CHUNK_BYTES
        part = engine.read(
            lambda: queries.file_chunk(content.owner, content.file_id, number)  # noqa: B023
        )
        if part is None:  # deleted meanwhile: the client sees that it is cut off
            raise OSError(f"file {content.file_id} is gone")
        yield part[max(first - start, 0) : end - start]


def body() -> Iterator[bytes]:
    """The request's body as it comes; of a multipart one, its first file.

    Raises BadRequest where it ends too soon. A client that falls silent is cut off.
    """
    sock = request.environ.get("gunicorn.socket")
    if sock is not None:
        sock.settimeout(_SILENT_S)
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    raw = _raw()
    if kind != "multipart/form-data":
        yield from raw
        return
    boundary = options.get("boundary", "")
    if not boundary:
        raise BadRequest("The multipart body has no boundary.")
    yield from _first_file(raw, boundary.encode("latin-1", "replace"))


def _raw() -> Iterator[bytes]:
    expected, got = request.content_length, 0
    while True:
        try:
            part = request.stream.read(READ_BYTES)
        except OSError as error:
            raise BadRequest("The body did not arrive.") from error
        if not part:
            break
        got += len(part)
        yield part
    if expected is not None and got < expected:
        raise BadRequest("The body is shorter than it says.")


def _first_file(raw: Iterator[bytes], boundary: bytes) -> Iterator[bytes]:
    decoder = MultipartDecoder(boundary, max_form_memory_size=_LARGEST_HEADER + 2 * READ_BYTES)
    within, done, found = False, False, False
    try:
        for part in raw:
            decoder.receive_data(part)
            event = decoder.next_event()
            while not isinstance(event, NeedData | Epilogue):
                if isinstance(event, File) and not found:
                    within = found = True
                elif isinstance(event, Data) and within:
                    yield bytes(event.data)
                    if not event.more_data:
                        within, done = False, True
                event = decoder.next_event()
    except ValueError as error:
        raise BadRequest("The multipart body cannot be read.") from error
    if not done:
        raise BadRequest("There is no whole file in the multipart body.")


def file_name() -> str:
    """What the client calls the file: in the URL, as the views see it, or nowhere."""
    _, options = parse_options_header(request.headers.get("Content-Disposition"))
    return options.get("filename", "")
