"""Writes the archive's rows of a whole group at once.

What a row says is decided where frames are known: see `handlers.archive`.
"""

from __future__ import annotations

from typing import NamedTuple

from ocpp_cs.db.commit import Tx


class ArchivedCall(NamedTuple):
    """A row of `messages` without its key, in the order of its columns.

    Times are milliseconds since 1970: on this road a `datetime` costs more than the row.
    """

    charge_point_id: int
    direction: str
    message_id: str
    action: str
    request: str
    response: str | None
    error_code: str | None
    connection_epoch: int
    sent_at: int
    answered_at: int | None


_COLUMNS = ", ".join(ArchivedCall._fields)
_SQLITE_INSERT = f"INSERT INTO messages ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# In the binary format, since in a text array each quote of the JSON would have to be escaped.
_POSTGRESQL_INSERT = (
    f"INSERT INTO messages ({_COLUMNS}) SELECT charge_point_id, direction, message_id, action, "
    "request, response, error_code, connection_epoch, "
    "'epoch'::timestamptz + sent_at * interval '1 ms', "
    "'epoch'::timestamptz + answered_at * interval '1 ms' FROM unnest("
    "%b::int4[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], "
    f"%b::int4[], %b::int8[], %b::int8[]) AS news ({_COLUMNS})"
)


def insert_messages(tx: Tx, rows: list[ArchivedCall]) -> None:
    """Inserts the rows of a group; the form that `Tx.later` and `Committer.post` take."""
    if tx.dialect == "sqlite":
        tx.connection.executemany(_SQLITE_INSERT, rows)
    else:
        columns = [list(column) for column in zip(*rows, strict=True)]
        tx.connection.execute(_POSTGRESQL_INSERT, columns)
