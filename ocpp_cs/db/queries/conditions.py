"""Parts of conditions that several queries share.

No query of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from peewee import PostgresqlDatabase

from ocpp_cs.db.models import ChargePoint, database


def on_postgresql() -> bool:
    """Where the two engines need different ways to the same rows."""
    return isinstance(database.obj, PostgresqlDatabase)


def where(query: Any, conditions: Iterable[Any]) -> Any:
    conditions = tuple(conditions)
    return query.where(*conditions) if conditions else query


def key_of(identity: str) -> Any:
    """The integer key of a charge point, as a subquery that runs once; no row, no match."""
    return ChargePoint.select(ChargePoint.id).where(ChargePoint.identity == identity)


def any_contains(text: str, fields: Iterable[Any]) -> Any:
    """That one of the fields contains the text; ASCII letters match whatever their case."""
    condition = None
    for field in fields:
        found = field.contains(text)
        condition = found if condition is None else condition | found
    return condition
