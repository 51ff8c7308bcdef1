"""Columns: the fields of a schema, made ready to write many rows as JSON, JSON Lines or CSV.

Which rows, and where they go, is said elsewhere: a list's answer, or a file of a data set.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

from marshmallow import Schema

from ocpp_cs.api.formats import to_json

Rows = Sequence[Any]


class Columns:
    """The fields of a schema, made ready to write many rows.

    Each field's own `plain` does what marshmallow's dump would, at a tenth of its time.
    """

    def __init__(self, row: type[Schema]) -> None:
        self.fields = columns = dict[str, Any](row().fields)
        self.names = tuple(columns)
        self._values = attrgetter(*columns)
        places = list(enumerate(columns.values()))
        self._plain = [(place, column.plain) for place, column in places if column.plain]
        self._cell = [(place, column.cell) for place, column in places if column.cell]

    def values(self, row: Any) -> list[Any]:
        """A row's values as the database's queries give them."""
        return list(self._values(row))

    def dicts(self, rows: Rows) -> Iterator[dict[str, Any]]:
        """The rows as JSON has them."""
        for row in rows:
            values = _changed(self.values(row), self._plain)
            yield dict(zip(self.names, values, strict=True))

    def lines(self, rows: Rows, first: bool) -> bytes:
        """The rows in JSON Lines."""
        return b"".join(to_json(row) + b"\n" for row in self.dicts(rows))

    def separated(self, rows: Rows, first: bool) -> bytes:
        """The rows in CSV (RFC 4180), after the names if they are the first ones."""
        text = io.StringIO()
        writer = csv.writer(text)
        if first:
            writer.writerow(self.names)
        for row in rows:
            values = _changed(self.values(row), self._plain)
            writer.writerow(_changed(values, self._cell))
        return text.getvalue().encode()


@cache
def columns_of(row: type[Schema]) -> Columns:
    return Columns(row)


def _changed(values: list[Any], changes: list[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    for place, change in changes:
        value = values[place]
        if value is not None:
            values[place] = change(value)
    return values
