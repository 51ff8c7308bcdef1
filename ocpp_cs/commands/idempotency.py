"""Requests that their client may send again: the second one gets what the first one made.

Nothing here knows what a request is: its sender says who owns it and what it is told apart by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import IdempotencyKey
from ocpp_cs.db.statement import Statement

KEPT_FOR = timedelta(days=7)

_BEGIN = Statement(
    lambda p: (
        IdempotencyKey.insert(
            owner=p.owner, key=p.key, fingerprint=p.fingerprint, resource="", created_at=p.now
        )
        .on_conflict(action="nothing", conflict_target=[IdempotencyKey.owner, IdempotencyKey.key])
        .returning(IdempotencyKey.id)
    )
)
_FIND = Statement(
    lambda p: IdempotencyKey.select(IdempotencyKey.fingerprint, IdempotencyKey.resource).where(
        (IdempotencyKey.owner == p.owner) & (IdempotencyKey.key == p.key)
    )
)
_FINISH = Statement(
    lambda p: IdempotencyKey.update(resource=p.resource).where(
        (IdempotencyKey.owner == p.owner) & (IdempotencyKey.key == p.key)
    )
)
_FORGET = Statement(lambda p: IdempotencyKey.delete().where(IdempotencyKey.created_at < p.before))


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request with an `Idempotency-Key`; `fingerprint` is a digest of all that it asks for."""

    owner: str
    key: str
    fingerprint: str


def begin(tx: Tx, repeatable: Repeatable | None, now: datetime) -> str | None:
    """The resource that this request made when it came first, or None: then go on, and `finish`.

    Two processes that get it at the same moment wait for each other here. Raises Refused (422)
    when the key was used for another request.
    """
    if repeatable is None:
        return None
    inserted = tx.execute(
        _BEGIN,
        owner=repeatable.owner,
        key=repeatable.key,
        fingerprint=repeatable.fingerprint,
        now=now,
    ).fetchone()
    if inserted is not None:
        return None
    fingerprint, resource = tx.one(_FIND, owner=repeatable.owner, key=repeatable.key) or ("", "")
    if fingerprint != repeatable.fingerprint:
        raise Refused(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request; a new request needs a new key.",
        )
    return str(resource)


def finish(tx: Tx, repeatable: Repeatable | None, resource: str) -> None:
    """Remembers what the request has made, such as "commands/17"."""
    if repeatable is not None:
        tx.execute(_FINISH, owner=repeatable.owner, key=repeatable.key, resource=resource)


def forget(tx: Tx, now: datetime) -> None:
    """Forgets what nobody sends again any more."""
    tx.execute(_FORGET, before=now - KEPT_FOR)
