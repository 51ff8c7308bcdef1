"""Keys of the REST API: made, revoked, their use noted; and the roles that they have.

Used by the command line and the API, inside a transaction of the committer. Who has shown a key is
the API's affair; what is stored of one cannot be used as one.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args

from ocpp_cs import audit, credentials
from ocpp_cs.audit import Actor
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ApiKey
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.times import format_time

Role = Literal["analyst", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the greatest: each may do what those before it may."""

LONGEST_NAME = 100  # characters
# A name gets onto terminals.
NAME_PATTERN = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
BAD_NAME = (
    f"Must be 1 to {LONGEST_NAME} characters, no control characters, and no blank at either end."
)
_NAME = re.compile(NAME_PATTERN)
_SURROGATE = re.compile("[\ud800-\udfff]")  # of arguments that are not UTF-8
USE_NOTED_EVERY = timedelta(minutes=1)

_TOUCH = Statement(
    lambda p: ApiKey.update(last_used_at=p.now).where(
        (ApiKey.public_id == p.key_id)
        & (ApiKey.last_used_at.is_null() | (ApiKey.last_used_at <= p.before))
    )
)


class ApiKeyError(ValueError):
    """A key cannot be made as it is wished; `field` says what is wrong with which wish."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnknownApiKey(LookupError):
    """There is no key of that id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"there is no API key {key_id!r}")


class LastAdminKey(Exception):
    """Nobody could make keys over REST any more."""


class NewKey(NamedTuple):
    """A key as it is shown, once."""

    id: str
    text: str


def covers(role: Role, needed: Role) -> bool:
    """Whether the holder of a role may do what needs another one."""
    return ROLES.index(role) >= ROLES.index(needed)


def actor_name(key_id: str, name: str) -> str:
    """How a key is named wherever it stands who did something; it never changes."""
    return f"{name} ({key_id})"


def is_valid(revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> bool:
    """Whether a key may be used at that time."""
    return revoked_at is None and (expires_at is None or now < expires_at)


def create(
    tx: Tx,
    name: str,
    role: Role,
    *,
    expires_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> NewKey:
    """Makes a key. Raises ApiKeyError."""
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or _SURROGATE.search(name):
        raise ApiKeyError("name", BAD_NAME)
    if expires_at is not None and expires_at <= now:
        raise ApiKeyError("expires_at", "Must be in the future.")
    key_id, secret = _insert(
        tx,
        name=name,
        role=role,
        created_by=actor.name,
        created_at=now,
        expires_at=expires_at,
    )
    told = {"name": name, "role": role}
    if expires_at is not None:
        told["expires_at"] = format_time(expires_at)
    audit.record(tx, actor, "api_key.create", _target(key_id), now, told)
    return NewKey(key_id, credentials.api_key_text(key_id, secret))


def create_first(
    tx: Tx,
    name: str,
    role: Role,
    *,
    expires_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> NewKey | None:
    """As `create`, unless there is, or ever was, any key."""
    if tx.run(ApiKey.select(ApiKey.id).limit(1)).fetchone() is not None:
        return None
    return create(tx, name, role, expires_at=expires_at, actor=actor, now=now)


def revoke(
    tx: Tx, key_id: str, *, actor: Actor, now: datetime, keep_an_admin: bool = False
) -> None:
    """Ends a key for good; a second time it does nothing. Raises UnknownApiKey.

    With `keep_an_admin` the last valid key of that role is refused: LastAdminKey.
    """
    if keep_an_admin and _valid_admins(tx, now) == [key_id]:
        raise LastAdminKey
    changed = tx.run(
        ApiKey.update(revoked_at=now)
        .where((ApiKey.public_id == key_id) & ApiKey.revoked_at.is_null())
        .returning(ApiKey.name)
    ).fetchone()
    if changed is not None:
        audit.record(tx, actor, "api_key.revoke", _target(key_id), now, {"name": changed[0]})
    elif tx.run(ApiKey.select(ApiKey.id).where(ApiKey.public_id == key_id)).fetchone() is None:
        raise UnknownApiKey(key_id)


def touch(tx: Tx, key_id: str, now: datetime) -> None:
    """Notes that a key is used, to the minute."""
    tx.execute(_TOUCH, key_id=key_id, now=now, before=now - USE_NOTED_EVERY)


def _insert(tx: Tx, **columns: Any) -> tuple[str, str]:
    """A new key under an id that none had before: of 40 bits two may be the same one day."""
    while True:
        key_id, secret = credentials.generate_api_key()
        inserted = tx.run(
            ApiKey.insert(
                public_id=key_id, secret_hash=credentials.hash_api_key(secret), **columns
            ).on_conflict(action="nothing", conflict_target=[ApiKey.public_id])
        )
        if inserted.rowcount:
            return key_id, secret


def _valid_admins(tx: Tx, now: datetime) -> list[str]:
    """Ids of the valid keys of admins. Two that revoke each other's wait for each other here."""
    query = (
        ApiKey.select(ApiKey.public_id)
        .where((ApiKey.role == "admin") & ApiKey.revoked_at.is_null())
        .where(ApiKey.expires_at.is_null() | (ApiKey.expires_at > now))
        .order_by(ApiKey.id)
    )
    if tx.dialect == "postgresql":
        query = query.for_update()
    return [key_id for (key_id,) in tx.run(query).fetchall()]


def _target(key_id: str) -> str:
    return f"api-keys/{key_id}"
