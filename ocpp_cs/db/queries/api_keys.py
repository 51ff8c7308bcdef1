"""Keys of the REST API: one to be judged, and all as people read them, without their secrets.

Whether a shown key is right is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db import models
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ApiKey
from ocpp_cs.db.queries.conditions import where
from ocpp_cs.db.statement import Statement


class ApiKeySecret(NamedTuple):
    """What a shown key is judged by."""

    id: str
    name: str
    role: str
    secret_hash: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApiKeyRow(NamedTuple):
    """A key as it is listed; `key` is only its place in the list."""

    id: str
    name: str
    role: str
    status: str  # "valid", "expired" or "revoked"
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyFilter:
    role: str | None = None
    status: str | None = None


# Every request with a key asks this.
_SECRET = Statement(
    lambda p: ApiKey.select(
        ApiKey.public_id,
        ApiKey.name,
        ApiKey.role,
        ApiKey.secret_hash,
        ApiKey.expires_at,
        ApiKey.last_used_at,
        ApiKey.revoked_at,
    ).where(ApiKey.public_id == p.key_id)
)


def api_key_secret(key_id: str) -> ApiKeySecret | None:
    """The key of that id, with the hash of its secret."""
    found = models.database.execute_sql(*_SECRET.bind({"key_id": key_id})).fetchone()
    return None if found is None else ApiKeySecret(*found[:4], *map(read_time, found[4:]))


def api_keys(
    wanted: ApiKeyFilter, after: tuple[int] | None, limit: int, *, now: datetime
) -> list[ApiKeyRow]:
    """Keys in the order in which they were made; the key is the number of the row."""
    conditions: list[Any] = []
    if wanted.role is not None:
        conditions.append(ApiKey.role == wanted.role)
    if wanted.status is not None:
        conditions.append(ApiKey.revoked_at.is_null(wanted.status != "revoked"))
    if wanted.status == "expired":
        conditions.append(ApiKey.expires_at <= now)
    elif wanted.status == "valid":
        conditions.append(ApiKey.expires_at.is_null() | (ApiKey.expires_at > now))
    if after is not None:
        conditions.append(ApiKey.id > after[0])
    query = where(_select_api_keys(), conditions).order_by(ApiKey.id).limit(limit)
    return [_api_key_row(values, now) for values in query.tuples()]


def all_api_keys(*, now: datetime) -> list[ApiKeyRow]:
    """Every key in the order in which they were made: for the command line."""
    return [_api_key_row(row, now) for row in _select_api_keys().order_by(ApiKey.id).tuples()]


def api_key(key_id: str, *, now: datetime) -> ApiKeyRow | None:
    query = _select_api_keys().where(ApiKey.public_id == key_id).tuples()
    return next((_api_key_row(values, now) for values in query), None)


def _select_api_keys() -> Any:
    return ApiKey.select(
        ApiKey.public_id,
        ApiKey.name,
        ApiKey.role,
        ApiKey.created_by,
        ApiKey.created_at,
        ApiKey.expires_at,
        ApiKey.last_used_at,
        ApiKey.revoked_at,
        ApiKey.id,
    )


def _api_key_row(values: Any, now: datetime) -> ApiKeyRow:
    expires_at, _, revoked_at, _ = values[5:]
    status = "valid"
    if revoked_at is not None:
        status = "revoked"
    elif expires_at is not None and expires_at <= now:
        status = "expired"
    return ApiKeyRow._make((*values[:3], status, *values[3:]))
