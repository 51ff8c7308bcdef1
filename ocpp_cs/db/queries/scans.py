"""Scans: a list's rows in bulk, for streams of millions, without a Python object for each.

A scan is a query whose times are texts already (as `format_time` writes them), and what makes
columns of its raw rows. Pages have rows with names and times as such: those are the other queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import peewee
from peewee import fn

from ocpp_cs.db import models


class Scan(NamedTuple):
    """`columns` makes of some raw rows of `query`, at least one, their columns by name."""

    query: Any
    columns: Callable[[Sequence[Any]], Mapping[str, Sequence[Any]]]


def time_text(time: Any) -> Any:
    """A time as the text that `format_time` writes, made by the database."""
    if _on_sqlite():
        return fn.strftime("%Y-%m-%dT%H:%M:%fZ", time / 1000.0, "unixepoch")
    return fn.to_char(time, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')


def milliseconds_between(begin: Any, end: Any) -> Any:
    """Whole milliseconds from one time to another."""
    if _on_sqlite():
        return end - begin
    return (fn.date_part("epoch", end - begin) * 1000).cast("BIGINT")


def _on_sqlite() -> bool:
    return isinstance(models.database.obj, peewee.SqliteDatabase)
