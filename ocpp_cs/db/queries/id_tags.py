"""Id tags as people read them, in the order of their text.

The verdict on one is `rules.id_tag_verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import (
    IdTag,
)
from ocpp_cs.db.queries.conditions import any_contains, where
from ocpp_cs.rules import id_tag_key


class IdTagRow(NamedTuple):
    """An id tag; `key`, what tags are compared by, is only its place in the list."""

    id_tag: str
    parent_id_tag: str | None
    status: str
    expires_at: datetime | None
    max_active_transactions: int | None
    note: str | None
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTagFilter:
    status: str | None = None
    q: str | None = None


def id_tags(wanted: IdTagFilter, after: tuple[str] | None, limit: int) -> list[IdTagRow]:
    """Id tags in the order of their casefolded text; the key is (`id_tag_key(id_tag)`)."""
    conditions: list[Any] = []
    if wanted.status is not None:
        conditions.append(IdTag.status == wanted.status)
    if wanted.q is not None:
        key = id_tag_key(wanted.q)
        conditions.append(
            any_contains(key, (IdTag.id_tag_key, IdTag.parent_id_tag_key))
            | IdTag.note.contains(wanted.q)
        )
    if after is not None:
        conditions.append(IdTag.id_tag_key > after[0])
    query = where(_select_id_tags(), conditions).order_by(IdTag.id_tag_key).limit(limit)
    return [IdTagRow(*values) for values in query.tuples()]


def all_id_tags() -> list[IdTag]:
    """Every id tag as it is stored, in the order of their text: for the command line."""
    return list(IdTag.select().order_by(IdTag.id_tag_key))


def id_tag(text: str) -> IdTagRow | None:
    """The id tag of that text, whatever its case (R34)."""
    query = _select_id_tags().where(IdTag.id_tag_key == id_tag_key(text)).tuples()
    return next((IdTagRow(*values) for values in query), None)


def id_tags_of(keys: list[str]) -> list[IdTagRow]:
    """The id tags of these keys, as many as there are."""
    query = _select_id_tags().where(IdTag.id_tag_key.in_(keys)).tuples()
    return [IdTagRow(*values) for values in query]


def _select_id_tags() -> Any:
    return IdTag.select(
        IdTag.id_tag,
        IdTag.parent_id_tag,
        IdTag.status,
        IdTag.expires_at,
        IdTag.max_active_transactions,
        IdTag.note,
        IdTag.id_tag_key,
    )
