"""Columns: the fields of a schema, made ready to write many rows as JSON, JSON Lines or CSV.

Which rows, and where they go, is said elsewhere: a list's answer, or a file of a data set.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
from marshmallow import Schema

from ocpp_cs.api.fields import Text, Values

Rows = Sequence[Any]
# The values of some rows, a column after the other in the order of the fields, as the database's
# queries give them; nothing at all where there are no rows.
Table = Sequence[Values]

_JSON = msgspec.json.Encoder()
# What a cell in CSV begins with, if a spreadsheet might run it (see `spreadsheets`), and what
# JSON writes before all the others that need quotes, but for commas. The last one: a row that
# begins with null.
_ODD_BEGINNINGS = tuple((mark, b'"' + mark) for mark in (b"=", b"+", b"@", b"'", b"-"))
_ODD = (b"\\", b"[null")


class Columns:
    """The fields of a schema, made ready to write many rows.

    Each field's own `plains` does what marshmallow's dump would, at a small part of its time.
    """

    def __init__(self, row: type[Schema]) -> None:
        self.fields = columns = dict[str, Any](row().fields)
        self.names = tuple(columns)
        self._row = attrgetter(*columns)
        # Texts are protected against spreadsheets only where one of them needs it.
        self._texts = [isinstance(column, Text) for column in columns.values()]

    def values(self, row: Any) -> list[Any]:
        """A row's values as the database's queries give them."""
        return list(self._row(row))

    def table(self, rows: Rows) -> Table:
        return list(zip(*map(self._row, rows), strict=True))

    def scanned(self, columns: Mapping[str, Values]) -> Table:
        """The table of columns by name, which may be more than these."""
        return [columns[name] for name in self.names]

    def dicts(self, table: Table) -> Iterator[dict[str, Any]]:
        """The rows as JSON has them."""
        for row in zip(*self._plains(table), strict=True):
            yield dict(zip(self.names, row, strict=True))

    def lines(self, table: Table, first: bool) -> bytes:
        """The rows in JSON Lines."""
        return _JSON.encode_lines(self.dicts(table))

    def separated(self, table: Table, first: bool) -> bytes:
        """The rows in CSV (RFC 4180), after the names if they are the first ones."""
        head = _written([self.names]) if first else b""
        return head + self._separated(table) if table else head

    def _separated(self, table: Table) -> bytes:
        plains = self._plains(table)
        columns = list(zip(self.fields.values(), plains, self._texts, strict=True))
        cells = [values if text else field.cells(values) for field, values, text in columns]
        rows = list(zip(*cells, strict=True))
        simple = _simple(rows, len(self.names))
        if simple is not None:
            return simple
        protected = [
            field.cells(values) if text else values
            for (field, _, text), values in zip(columns, cells, strict=True)
        ]
        return _written(zip(*protected, strict=True))

    def _plains(self, table: Table) -> Table:
        return [
            field.plains(values) for field, values in zip(self.fields.values(), table, strict=False)
        ]


@cache
def columns_of(row: type[Schema]) -> Columns:
    return Columns(row)


def _written(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _simple(rows: Sequence[tuple[Any, ...]], width: int) -> bytes | None:
    """The rows in CSV if no cell needs quotes or protection, else None.

    Then CSV is JSON without brackets, quotes and null, and that is made in a third of the time.
    """
    json = _JSON.encode(rows)
    if (
        json.count(b",") != len(rows) * width - 1  # one within a cell
        or any(odd in json for odd in _ODD)
        or any(mark in json and begins in json for mark, begins in _ODD_BEGINNINGS)
    ):
        return None
    bare = json[2:-2].replace(b"],[", b"\r\n").replace(b",null", b",").translate(None, b'"')
    return bare + b"\r\n"
