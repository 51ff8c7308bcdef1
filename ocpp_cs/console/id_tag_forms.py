"""The form of an id tag: what is typed, as the API's schema reads it, and a tag as it is typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request

from ocpp_cs.api.id_tags import IdTagProperties
from ocpp_cs.console.forms import check, time_to_type, typed_time, whole
from ocpp_cs.db import queries
from ocpp_cs.rules import is_id_tag

_TEXTS = ("id_tag", "parent_id_tag", "status", "note")
# An empty field says that there is none.
_MAY_BE_NONE = ("parent_id_tag", "expires_at", "max_active_transactions", "note")
_USUAL = {"status": "accepted", "max_active_transactions": "1"}


@dataclass(frozen=True, slots=True)
class Form:
    """`typed` by the names of the API's fields; `values` are what they mean, if none is `wrong`."""

    typed: Mapping[str, str] = field(default_factory=lambda: dict(_USUAL))
    values: Mapping[str, Any] = field(default_factory=dict)
    wrong: frozenset[str] = frozenset()


def read_form(schema: IdTagProperties) -> Form:
    """What is posted; fields that the form does not have are as the schema has them."""
    names = [name for name in schema.fields if name in request.form]
    typed = {name: request.form[name].strip() for name in names}
    given: dict[str, Any] = {name: typed[name] for name in _TEXTS if name in typed}
    if "expires_at" in typed:
        given["expires_at"] = typed_time(typed["expires_at"])
    if "max_active_transactions" in typed:
        given["max_active_transactions"] = whole(typed["max_active_transactions"])
    given.update({name: None for name in _MAY_BE_NONE if typed.get(name) == ""})
    checked = check(schema, given)
    tags = (name for name in ("id_tag", "parent_id_tag") if given.get(name) is not None)
    bad = checked.wrong | {name for name in tags if not is_id_tag(given[name])}
    return Form(typed, {} if bad else checked.values, bad)


def form_of(row: queries.IdTagRow) -> Form:
    """A tag as it would be typed."""
    most = row.max_active_transactions
    typed = {
        "id_tag": row.id_tag,
        "parent_id_tag": row.parent_id_tag or "",
        "status": row.status,
        "expires_at": time_to_type(row.expires_at),
        "max_active_transactions": "" if most is None else str(most),
        "note": row.note or "",
    }
    return Form(typed)
