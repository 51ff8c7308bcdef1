"""Writes the archive's rows of a whole group at once.

What a row says is decided where frames are known: see `handlers.archive`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ocpp_cs.db.commit import Tx


class ArchivedCall(NamedTuple):
    """A row of `messages` without its key, in the order of its columns."""

    charge_point_id: int
    direction: str
    message_id: str
    action: str
    request: str
    response: str | None
    error_code: str | None
    connection_epoch: int
    sent_at: datetime
    answered_at: datetime | None


_COLUMNS = ", ".join(ArchivedCall._fields)
_SQLITE_INSERT = f"INSERT INTO messages ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# In the binary format, since in a text array each quote of the JSON would have to be escaped.
_POSTGRESQL_INSERT = (
    f"INSERT INTO messages ({_COLUMNS}) SELECT * FROM unnest("
    "%b::int4[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], "
    "%b::int4[], %b::timestamptz[], %b::timestamptz[])"
)


def insert_messages(tx: Tx, rows: list[ArchivedCall]) -> None:
    """Inserts the rows of a group; the form that `Tx.later` and `Committer.post` take."""
    if tx.dialect == "sqlite":
        tx.connection.executemany(_SQLITE_INSERT, rows)
    else:
        columns = [list(column) for column in zip(*rows, strict=True)]
        tx.connection.execute(_POSTGRESQL_INSERT, columns)
