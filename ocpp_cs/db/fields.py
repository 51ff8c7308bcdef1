"""The column types that both engines must agree on: UTC time and keys that are never reused.

It is not a place for ordinary columns; those are Peewee's own.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import peewee

# A time in a column: milliseconds since 1970 on SQLite, an aware datetime on PostgreSQL.
StoredTime = datetime | int

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# One name in the models, one native type per engine. SQLite keeps whole milliseconds since 1970:
# six bytes instead of the 24 of ISO text, sortable, and a meter value carries its time in its key.
peewee.SqliteDatabase.field_types = {**peewee.SqliteDatabase.field_types, "UTC": "INTEGER"}
peewee.PostgresqlDatabase.field_types = {
    **peewee.PostgresqlDatabase.field_types,
    "UTC": "TIMESTAMPTZ",
}


def to_milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970-01-01T00:00:00Z of an aware datetime."""
    return (at - EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * _MILLISECOND


def _adapt(at: datetime) -> int | str:
    # Naive times are never ours: Peewee's migration history writes the local one.
    return to_milliseconds(at) if at.tzinfo is not None else at.isoformat(" ")


# Parameters reach sqlite3 as datetimes on every road (models and prepared statements alike).
sqlite3.register_adapter(datetime, _adapt)


def whole_milliseconds(at: datetime) -> datetime:
    """The same instant in UTC, cut to the precision that both engines and the API keep."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def read_time(value: Any) -> datetime | None:
    """A time column's value as either engine's driver returns it, as aware UTC."""
    if value is None:
        return None
    if isinstance(value, int):
        return from_milliseconds(value)
    return whole_milliseconds(value)


class UtcField(peewee.Field):
    """An aware datetime in UTC with millisecond precision; naive values are a programming error."""

    field_type = "UTC"

    def db_value(self, value: Any) -> Any:
        if not isinstance(value, datetime):
            return value
        if value.tzinfo is None:
            raise ValueError(f"{self.name}: naive datetime {value!r}")
        return whole_milliseconds(value)

    def python_value(self, value: Any) -> datetime | None:
        return read_time(value)


class _NeverReused(peewee.Field):
    def ddl(self, ctx: Any) -> Any:
        column = super().ddl(ctx)
        database: Any = self.model._meta.database
        if isinstance(getattr(database, "obj", database), peewee.SqliteDatabase):
            return peewee.NodeList((column, peewee.SQL("AUTOINCREMENT")))
        return column


class NeverReusedField(_NeverReused, peewee.AutoField):
    """An ascending key; SQLite would hand out the highest one again once its row is deleted."""


class NeverReusedBigField(_NeverReused, peewee.BigAutoField):
    """The same, for tables that may have more than 2,147,483,647 rows in the course of time."""
