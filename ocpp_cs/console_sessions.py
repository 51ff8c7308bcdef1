"""Browsers that are signed in to the console: who begins and ends such a session.

It knows neither cookies nor forms. A session is good only while its key is: who looks one up asks
`db.queries.console_session`, which tells of the key, too.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ConsoleSession


def digest(token: str) -> str:
    """What is stored of a token, which is 32 random bytes: nobody guesses those."""
    return hashlib.sha256(token.encode()).hexdigest()


def begin(
    tx: Tx, token: str, key_id: str, *, lasts: timedelta, actor: Actor, now: datetime
) -> None:
    """Signs a browser in; those whose time is over are forgotten by the way."""
    tx.run(ConsoleSession.delete().where(ConsoleSession.expires_at <= now))
    tx.run(
        ConsoleSession.insert(
            token_hash=digest(token), public_id=key_id, created_at=now, expires_at=now + lasts
        )
    )
    audit.record(tx, actor, "console.sign_in", f"api-keys/{key_id}", now)


def end(tx: Tx, token: str, key_id: str, *, actor: Actor, now: datetime) -> None:
    """Signs it out; a second time it does nothing."""
    ended = tx.run(ConsoleSession.delete().where(ConsoleSession.token_hash == digest(token)))
    if ended.rowcount:
        audit.record(tx, actor, "console.sign_out", f"api-keys/{key_id}", now)


def refuse(tx: Tx, key_id: str, why: str, *, actor: Actor, now: datetime) -> None:
    """Notes that a wrong key was shown; how often that may be tried is limited."""
    audit.record(tx, actor, "console.sign_in_refused", f"api-keys/{key_id}", now, {"reason": why})
