"""Inserts the rows of a whole group at once: `executemany` on SQLite, arrays on PostgreSQL.

Which rows those are, others decide. A row that is there already is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ocpp_cs.db.commit import Tx


class BatchInsert:
    """An INSERT into `table` of tuples in the order of `columns`: names, and types of PostgreSQL.

    There one statement with an array for each column: 400 rows take 1/13 of the time of a
    statement for each row, and 0.6 of that of `executemany` (measured on loopback).
    """

    def __init__(self, table: str, columns: Mapping[str, str]) -> None:
        names, places = ", ".join(columns), ", ".join("?" * len(columns))
        arrays = ", ".join(f"%b::{kind}[]" for kind in columns.values())
        into = f"INSERT INTO {table} ({names}) "
        self._sqlite = f"{into}VALUES ({places}) ON CONFLICT DO NOTHING"
        self._postgresql = f"{into}SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"

    def __call__(self, tx: Tx, rows: Iterable[tuple[Any, ...]]) -> None:
        if tx.dialect == "sqlite":
            tx.connection.executemany(self._sqlite, rows)
        else:
            columns = [list(column) for column in zip(*rows, strict=True)]
            tx.connection.execute(self._postgresql, columns)
