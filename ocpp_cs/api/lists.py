"""Lists: pages as JSON, and everything at once as streamed CSV or JSON Lines.

One schema gives the columns of all three and of the OpenAPI document. What is read, and in which
order, the resources say. A stream reads a part at a time and holds no database connection while
its client takes it; what is turned into text is turned beside the event loop, so that an
analyst's million rows delay no charge point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from flask import Response, request
from marshmallow import Schema
from werkzeug.urls import iri_to_uri

from ocpp_cs.api.blueprint import Blueprint, Parameters, View
from ocpp_cs.api.columns import Columns, Rows, Table, columns_of
from ocpp_cs.api.cursors import (
    EXAMPLE,
    LONGEST,
    CursorError,
    Key,
    KeyTypes,
    decode_cursor,
    encode_cursor,
)
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import Each, Row, Text, Values, Whole, number_range, text_range
from ocpp_cs.api.formats import CSV, FORMATS, JSON, JSONL, accepted_format, to_json
from ocpp_cs.api.problems import refuse_fields
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.queries import Scan

# Rows of a stream that are read at a time. A thread holds the interpreter while it fetches
# them: 500 take some milliseconds.
CHUNK = 500
# Rows of a scan, which makes no objects of them: as many as are worth a query ...
SCANNED = 2000
# ... and those that are turned into text together: more of them leave the processor's cache, and
# twice as many take a third more time each.
BLOCK = 250

Filter = TypeVar("Filter")
# The rows after a key, None for the first ones, and at most so many of them.
Read = Callable[[Key | None, int], Rows]
MakeScan = Callable[[Key | None, int], Scan]
Encode = Callable[[Table, bool], bytes]


class ListParameters(Parameters):
    """What every list takes."""

    limit = Whole(
        "Rows of a page. The streamed formats have all rows, whatever is said here.",
        50,
        unit="rows",
        required=False,
        load_default=50,
        validate=number_range(1, 1000),
    )
    cursor = Text(
        "The next_cursor of the page before, with the same filters and order. A streamed format "
        "begins there, too.",
        EXAMPLE,
        required=False,
        validate=text_range(LONGEST),
    )
    format = Text(
        "Instead of the Accept header: json (pages), or csv or jsonl (streamed, all rows).",
        "json",
        required=False,
        choices=[format.name for format in FORMATS],
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: its columns, and what a row's place in it is made of."""

    name: str
    row: type[Schema]
    key: tuple[str, ...]  # attributes of a row, in the order that the list is sorted by
    key_types: KeyTypes
    also: Mapping[str, Any] = field(default_factory=dict)  # fields of a page besides its rows

    def key_of(self, row: Any) -> Key:
        """The row's place: what the rows after it are asked for with."""
        return tuple(getattr(row, name) for name in self.key)

    def last_key_of(self, columns: Mapping[str, Values]) -> Key:
        """The place of the last row of a scan's columns, whose times are texts."""
        last = (columns[name][-1] for name in self.key)
        return tuple(
            datetime.fromisoformat(value) if kind is datetime else value
            for value, kind in zip(last, self.key_types, strict=True)
        )

    def view(
        self, blueprint: Blueprint, parameters: type[ListParameters], operation: str
    ) -> Callable[[View], View]:
        """Decorates the view of this list: it gets the parameters and ends with `answer`."""
        page = _page_schema(self.row, self.also)

        def decorate(view: View) -> View:
            documented = blueprint.response(200, page, headers={"Link": _LINK_HEADER})(view)
            documented = blueprint.doc(operationId=operation, responses=_STREAMED)(documented)
            parsed: View = blueprint.arguments(parameters(), location="query")(documented)
            return parsed

        return decorate


def filter_of(kind: type[Filter], parameters: dict[str, Any]) -> Filter:
    """The parameters that a query filters by; both name them alike."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: parameters[name] for name in names if name in parameters})


def answer(
    listing: Listing,
    parameters: dict[str, Any],
    read: Read,
    *,
    scan: MakeScan | None = None,
    order: str = "",
    file: str = "",
    in_steps: bool = False,
    also: Callable[[Rows, bool], Mapping[str, Any]] = lambda rows, more: {},
) -> Response:
    """The list in the format that was asked for.

    `scan` gives streams the same rows at a fraction of the time. `order` is the sort order where
    there are several, `file` the name of a download. `in_steps`: `read` asks the engine by itself,
    more than once. `also` has the values of the listing's fields of that name, for the rows of a
    page and whether there are more.
    """
    order = f"{listing.name} {order}".strip()
    format = accepted_format(FORMATS, parameters.get("format"))
    after = _place(parameters.get("cursor"), order, listing)
    engine = current_engine()
    columns = columns_of(listing.row)

    def chunk(after: Key | None, limit: int) -> Rows:
        return read(after, limit) if in_steps else engine.read(lambda: read(after, limit))

    if format is JSON:
        limit = parameters["limit"]
        rows = chunk(after, limit + 1)
        more = encode_cursor(order, listing.key_of(rows[limit - 1])) if len(rows) > limit else None
        shown = rows[:limit]
        response = _page(columns, shown, more, also(shown, more is not None))
    else:
        encode = columns.separated if format is CSV else columns.lines
        if scan is None:
            part = partial(_read_part, listing, columns, engine, chunk, encode)
        else:
            part = partial(_scanned_part, listing, columns, engine, scan, encode)
        # The first part is read before the answer begins, so that a failure is still a problem.
        stream = _stream(part, part(after, True))
        response = Response(stream, mimetype=format.media_type)
        name = f"{file or listing.name}.{format.name}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Vary"] = "Accept"
    return response


def _place(cursor: str | None, order: str, listing: Listing) -> Key | None:
    if cursor is None:
        return None
    try:
        return decode_cursor(cursor, order, listing.key_types)
    except CursorError:
        refuse_fields({"cursor": ["Not a cursor of this list in this order."]})


def _page(
    columns: Columns, rows: Rows, next_cursor: str | None, also: Mapping[str, Any]
) -> Response:
    def body() -> bytes:
        items = list(columns.dicts(columns.table(rows)))
        return to_json({"items": items, "next_cursor": next_cursor, **also}) + b"\n"

    response = Response(current_engine().beside(body), mimetype=JSON.media_type)
    if next_cursor is not None:
        others = [(name, value) for name, value in request.args.items() if name != "cursor"]
        query = urlencode([*others, ("cursor", next_cursor)])
        response.headers["Link"] = f'<{iri_to_uri(request.base_url)}?{query}>; rel="next"'
    return response


class _Part(NamedTuple):
    """A part of a stream, and the place after it; None at the end."""

    text: bytes
    after: Key | None


def _stream(part: Callable[[Key | None, bool], _Part], current: _Part) -> Iterator[bytes]:
    yield current.text
    while current.after is not None:
        current = part(current.after, False)
        yield current.text


def _read_part(
    listing: Listing,
    columns: Columns,
    engine: Engine,
    chunk: Read,
    encode: Encode,
    after: Key | None,
    first: bool,
) -> _Part:
    rows = chunk(after, CHUNK)
    text = engine.beside(lambda: encode(columns.table(rows), first))
    return _Part(text, listing.key_of(rows[-1]) if len(rows) == CHUNK else None)


def _scanned_part(
    listing: Listing,
    columns: Columns,
    engine: Engine,
    scan: MakeScan,
    encode: Encode,
    after: Key | None,
    first: bool,
) -> _Part:
    def part() -> _Part:
        chosen = scan(after, SCANNED)
        cursor = engine.execute(chosen.query)
        texts = [encode([], first)]
        count, last = 0, None
        while rows := cursor.fetchmany(BLOCK):
            found = chosen.columns(rows)
            texts.append(encode(columns.scanned(found), False))
            count, last = count + len(rows), found
        return _Part(
            b"".join(texts), listing.last_key_of(last) if last and count == SCANNED else None
        )

    return engine.read(part)


def _page_schema(row: type[Schema], also: Mapping[str, Any]) -> type[Schema]:
    page = Row.from_dict(
        {
            "items": Each(row, "The rows of this page."),
            "next_cursor": Text(
                "What to give as cursor to get the next page; null on the last one.",
                EXAMPLE,
                nullable=True,
            ),
            **also,
        },
        name=f"{row.__name__}Page",
    )
    page.__doc__ = "A page of a list."
    return page


_LINK_HEADER = {
    "description": 'The next page, as rel="next"; not on the last one.',
    "schema": {"type": "string"},
}
_ROWS = "All rows from the first or from the cursor on; columns as the fields of items"
_STREAMED = {
    200: {
        "content": {
            CSV.media_type: {
                "schema": {
                    "type": "string",
                    "description": f"{_ROWS}, their names in the first line, lists joined by "
                    "blanks. A text that begins like a formula (= + - @) has a quote (') before.",
                }
            },
            JSONL.media_type: {
                "schema": {"type": "string", "description": f"{_ROWS}, an object per line."}
            },
        }
    }
}
