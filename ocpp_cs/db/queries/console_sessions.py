"""The session of a browser at the console, with the API key that it was begun with."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ocpp_cs.db import models
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ApiKey, ConsoleSession
from ocpp_cs.db.statement import Statement


class ConsoleSessionRow(NamedTuple):
    """A session whose time is not over; whether its key still is good, its reader decides."""

    key_id: str
    name: str
    role: str
    key_expires_at: datetime | None
    revoked_at: datetime | None


# Every request of the console asks this.
_SESSION = Statement(
    lambda p: (
        ConsoleSession.select(
            ApiKey.public_id, ApiKey.name, ApiKey.role, ApiKey.expires_at, ApiKey.revoked_at
        )
        .join(ApiKey, on=(ApiKey.public_id == ConsoleSession.public_id))
        .where((ConsoleSession.token_hash == p.token_hash) & (ConsoleSession.expires_at > p.now))
    )
)


def console_session(token_hash: str, *, now: datetime) -> ConsoleSessionRow | None:
    values = {"token_hash": token_hash, "now": now}
    found = models.database.execute_sql(*_SESSION.bind(values)).fetchone()
    return None if found is None else ConsoleSessionRow(*found[:3], *map(read_time, found[3:]))
