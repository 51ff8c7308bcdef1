"""Opens the database behind a URL: one read side for queries, raw connections for the writer.

It knows no table and decides nothing about retries: see `commit.py`. No connection is ever tied
to a socket: a connection is held for one unit of work and given back.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

import peewee
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase

from ocpp_cs.db import models
from ocpp_cs.db.analysts import AnalystThreads
from ocpp_cs.db.offload import native_lock, native_rlock

T = TypeVar("T")
# Numbers of this moment by their name, and by the value of the label that they have, if one.
Gauges = dict[str, dict[str, float]]
Dialect = Literal["sqlite", "postgresql"]

# A commit that was acknowledged must survive a power cut: WAL needs FULL for that (promise 1).
_SQLITE_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",
    # Pages; 32 MiB. The same pages are written again and again: the rarer they move from the log to
    # the file, the fewer writes (a third less per message than with the default of 1000).
    "wal_autocheckpoint": 8000,
    "foreign_keys": 0,
    # KiB. 64 MiB were no faster, with 20 million samples either: the system caches the file.
    "cache_size": -16384,
    "temp_store": "memory",
    # A mapping would count as memory of the process, and a disk's fault would end it.
    "mmap_size": 0,
}
# Each thread that reads has a connection of its own, and what is read once for an export is of no
# use again.
_SQLITE_READER_PRAGMAS = {"query_only": 1, "cache_size": -8192}
_SQLITE_BUSY_TIMEOUT_S = 10.0
# A dead server must not hold the writer for the kernel's default of many minutes (F23).
_POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "application_name": "ocpp_cs",
}
_POOL_WAIT_S = 10
DATABASE_FAULTS = (OSError, sqlite3.Error, peewee.PeeweeException)
"""What opening and migrating a file raises where that cannot be done."""

_POOL_STALE_S = 300


class _Postgresql(peewee.PostgresqlDatabase):
    """PostgreSQL whose sessions are in UTC, whatever the server or the role prefers.

    Elsewhere the last hours of the year 9999 ("never expires") can be written, but psycopg can't
    read them. `SET` and no start-up option, since poolers such as PgBouncer refuse those.
    """

    def _connect(self) -> Any:
        connection: Any = super()._connect()  # type: ignore[misc]
        connection.execute("SET TIME ZONE 'UTC'")
        return connection


class _ReadPool(PooledPostgresqlDatabase, _Postgresql):
    """Peewee's pool, whose connections are probed before they are handed out (F23), also to native
    threads beside green ones."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        database: Any = self
        database._lock = native_lock()
        database._pool_lock = native_rlock()
        database._pool_available = threading.Condition(database._pool_lock)

    def _connect(self) -> Any:
        connection: Any = super()._connect()
        # Each query is planned for its values. A prepared one would be planned once for all, and
        # how many rows a filter finds depends on what it looks for.
        connection.prepare_threshold = None
        return connection

    def _is_closed(self, conn: Any) -> bool:
        return bool(self._adapter.is_connection_closed(conn))

    def states(self) -> dict[str, float]:
        """How many connections are in use, and how many are kept for the next one."""
        database: Any = self
        return {"in_use": len(database._in_use), "idle": len(database._connections)}


class Engine:
    """A database by its URL: `sqlite:///path` or `postgresql://...`.

    `database` is the Peewee database that the models are bound to. On SQLite it is read-only:
    every write goes through the committer, which holds the one writing connection.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = url
        self.dialect: Dialect
        if url.startswith("sqlite:"):
            self.dialect = "sqlite"
            self.path = os.path.abspath(url.removeprefix("sqlite:///"))
            self.database: peewee.Database = self._sqlite(**_SQLITE_READER_PRAGMAS)
        elif urlsplit(url).scheme in ("postgres", "postgresql"):
            self.dialect = "postgresql"
            self.url = "postgresql://" + url.split("://", 1)[1]
            self.path = ""
            self.database = _ReadPool(
                self.url,
                prefer_psycopg3=True,
                max_connections=pool_size,
                timeout=_POOL_WAIT_S,
                stale_timeout=_POOL_STALE_S,
                **_POSTGRESQL_OPTIONS,
            )
        else:
            raise ValueError("the database URL must begin with sqlite:/// or postgresql://")
        # Threads of their own, so that analysts' queries never hold up what else runs beside the
        # event loop, such as the check of a charge point's password (promise 4). With as many of
        # them as the pool has connections, no read ever waits inside of the pool.
        self._analysts = AnalystThreads(pool_size)
        # Else Peewee would let every INSERT return its key, asked for or not.
        self.database.returning_clause = False
        models.bind(self.database)

    def _sqlite(self, **pragmas: Any) -> peewee.SqliteDatabase:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        database: Any = peewee.SqliteDatabase(
            self.path,
            pragmas={**_SQLITE_PRAGMAS, **pragmas},
            timeout=_SQLITE_BUSY_TIMEOUT_S,
            # COMMIT runs on another native thread than the statements before it.
            check_same_thread=False,
        )
        database._lock = native_lock()
        return database

    def writable(self) -> Any:
        """A Peewee database that may write: for migrations and tools, not for a running server."""
        if self.dialect == "sqlite":
            return self._sqlite()
        return _Postgresql(self.url, prefer_psycopg3=True, **_POSTGRESQL_OPTIONS)

    def connect_writer(self) -> Any:
        """A raw DB-API connection in autocommit mode; its owner begins, commits and closes."""
        return self.writable()._connect()

    def connect_reader(self) -> Any:
        """A raw connection in autocommit mode beside the pool, that makes no file; to be closed."""
        if self.dialect == "sqlite":
            location = f"file:{quote(self.path)}?mode=ro"
            return sqlite3.connect(location, uri=True, timeout=_SQLITE_BUSY_TIMEOUT_S)
        return self.connect_writer()

    def gauges(self) -> Gauges:
        """What analysts ask at this moment, and what becomes of the connections for it."""
        gauges = {"reads": self._analysts.states()}
        if isinstance(self.database, _ReadPool):
            gauges["pool"] = self.database.states()
        return gauges

    def read(self, query: Callable[[], T]) -> T:
        """Runs `query` with the models' database connected, beside the event loop.

        `query` must return plain values or finished lists: no lazy cursor outlives the call.
        """
        if self.dialect == "sqlite" and self._analysts.green:
            return self._analysts.run(lambda: self._read_on_kept_connection(query))
        return self._analysts.run(lambda: self._read_on_connection(query))

    def beside(self, call: Callable[[], T]) -> T:
        """The result of `call()`, which turns into text what was read: on the same threads."""
        return self._analysts.run(call)

    def _read_on_connection(self, query: Callable[[], T]) -> T:
        with self.database.connection_context():
            return query()

    def execute(self, query: Any) -> Any:
        """The cursor of a query, inside `read`: rows as the driver has them. All must be taken."""
        return self.database.execute(query)

    def _read_on_kept_connection(self, query: Callable[[], T]) -> T:
        """On a native thread, which are few and live long: each keeps its connection, since opening
        one with its pragmas takes several times as long as a read."""
        self.database.connect(reuse_if_open=True)
        try:
            return query()
        except Exception:
            self.database.close()
            raise

    def close(self) -> None:
        if isinstance(self.database, _ReadPool):
            self.database.close_all()
        elif not self.database.is_closed():
            self.database.close()


def is_transient(error: BaseException) -> bool:
    """Whether the database, not the statement, is at fault, so that the same work may be retried.

    Busy or full files and broken disks on SQLite; on PostgreSQL lost connections, deadlocks,
    serialization failures and shortages (SQLSTATE classes 08, 40, 53, 57, 58), and some states of
    the server that an operator has to end. A read pool that stays empty counts, too.
    """
    if isinstance(error, MaxConnectionsExceeded):
        return True
    cause: BaseException | None = error
    if isinstance(error, peewee.PeeweeException):  # it carries the driver's error
        cause = getattr(error, "orig", None) or error.__cause__
    if isinstance(cause, sqlite3.OperationalError):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_TRANSIENT
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate[:2] in ("08", "40", "53", "57", "58") or sqlstate in _POSTGRESQL_TRANSIENT
    # Without a state the server did not speak: psycopg's own faults and its time-outs.
    return any(
        ancestor.__module__.startswith("psycopg")
        and ancestor.__name__ in ("OperationalError", "InterfaceError")
        for ancestor in type(cause).__mro__
    )


# A standby after a failover, a database that is being restored, a right that was taken away (as
# when a plan's space is used up), a schema that is not there yet.
_POSTGRESQL_TRANSIENT = frozenset(("25006", "3D000", "42501", "42P01"))
_SQLITE_TRANSIENT = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    )
)
