"""What a database says of itself to who looks after a deployment: `flask doctor`.

One connection, a few statements, nothing that is kept. What of it is a fault, others decide.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import to_milliseconds

_PATIENCE_MS = 5000


class DatabaseState(NamedTuple):
    """`fault`: why nothing can be written, empty if it can. `newest`: the latest sign of life of a
    charge point. PostgreSQL only: `ahead_s`, how far its clock is ahead of ours, in seconds;
    `most_connections` of this role there."""

    fault: str
    newest: datetime | None
    ahead_s: float | None = None
    most_connections: int | None = None


def inspect(engine: Engine, clock: Callable[[], datetime]) -> DatabaseState:
    """Of a migrated database; `clock` is this machine's.

    Raises what the driver does where it cannot be reached.
    """
    with closing(engine.connect_writer()) as connection:
        if engine.dialect == "sqlite":
            return _sqlite(connection)
        return _postgresql(connection, clock)


_NEWEST = "SELECT max(last_seen_at) FROM charge_points"
# Undone at once: a right, a disk or a lock that is missing shows here.
_TRIAL = (
    "INSERT INTO idempotency_keys (owner, key, fingerprint, resource, created_at)"
    " VALUES ('doctor', 'doctor', '', '', {})"
)


def _sqlite(connection: Any) -> DatabaseState:
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
    (newest,) = connection.execute(_NEWEST).fetchone()
    at = None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)
    now = str(to_milliseconds(datetime.now(UTC)))
    return DatabaseState(_try_to_write(connection, now), at)


def _postgresql(connection: Any, clock: Callable[[], datetime]) -> DatabaseState:
    connection.execute(f"SET statement_timeout = {_PATIENCE_MS}")
    before = clock()
    (theirs,) = connection.execute("SELECT clock_timestamp()").fetchone()
    ours = before + (clock() - before) / 2
    (newest,) = connection.execute(_NEWEST).fetchone()
    (most,) = connection.execute(_MOST_CONNECTIONS).fetchone()
    fault = _try_to_write(connection, "now()")
    ahead_s = (theirs - ours).total_seconds()
    return DatabaseState(fault, newest, ahead_s, int(most))


# The server's, less what it keeps for its superusers; a role and a database may have less.
_MOST_CONNECTIONS = """
SELECT least(
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
)
"""


def _try_to_write(connection: Any, now: str) -> str:
    try:
        connection.execute("BEGIN")
        connection.execute(_TRIAL.format(now))
        return ""
    except Exception as error:
        return str(error).strip()
    finally:
        connection.execute("ROLLBACK")
