"""Writes many id tags at once: new ones are added, of those that are there some columns change.

Which they are, and whether they may be, is decided by who imports them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.offload import offload


class StoredIdTag(NamedTuple):
    """A row of `id_tags`, in the order of the columns below; sorted by its key."""

    id_tag_key: str
    id_tag: str
    parent_id_tag: str | None
    parent_id_tag_key: str | None
    status: str
    expires_at: datetime | None
    max_active_transactions: int | None
    note: str | None


_COLUMNS = (*StoredIdTag._fields, "created_at", "updated_at")
_KINDS = ("text", "text", "text", "text", "text", "timestamptz", "int4", "text")
# Rows of one statement. On PostgreSQL they are put together on the event loop, for milliseconds at
# a time; on SQLite each has a parameter per column, of which a statement takes some 32,000.
_PART = 2000


def upsert_id_tags(
    tx: Tx, rows: Sequence[StoredIdTag], columns: Sequence[str], now: datetime
) -> None:
    """Adds the rows; of those that are there changes `columns` alone.

    In the order of their keys, so that two who do it at one time do not wait for each other for
    ever.
    """
    changing = {*columns, "updated_at"}
    if "parent_id_tag" in changing:
        changing.add("parent_id_tag_key")
    update = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name in changing)
    insert = f"INSERT INTO id_tags ({', '.join(_COLUMNS)})"
    conflict = f"ON CONFLICT (id_tag_key) DO UPDATE SET {update}"
    if tx.dialect == "sqlite":
        # Beside the event loop. Many rows in one statement, since at each end of one this thread
        # asks for the interpreter again, which a busy event loop gives it late.
        for part in _parts(rows):
            places = f"({', '.join('?' * len(_COLUMNS))})"
            statement = f"{insert} VALUES {', '.join([places] * len(part))} {conflict}"
            values = [value for row in part for value in (*row, now, now)]
            offload(partial(tx.connection.execute, statement, values))
        return
    # One statement with an array per column, as for samples.
    arrays = ", ".join(f"%s::{kind}[]" for kind in _KINDS)
    names = ", ".join(StoredIdTag._fields)
    statement = (
        f"{insert} SELECT {names}, %s::timestamptz, %s::timestamptz "
        f"FROM unnest({arrays}) AS news ({names}) {conflict}"
    )
    for part in _parts(rows):
        tx.connection.execute(
            statement, [now, now, *(list(column) for column in zip(*part, strict=True))]
        )


def _parts(rows: Sequence[StoredIdTag]) -> Iterator[Sequence[StoredIdTag]]:
    for start in range(0, len(rows), _PART):
        yield rows[start : start + _PART]
