"""Brings the database to the newest schema, one process at a time.

The migrations are in `migrations/`, each with frozen copies of the tables it makes. Peewee's
runner has no lock: of three concurrent boots two crashed. Here the others wait and find it done.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from ocpp_cs.db.engine import Engine

DIRECTORY = Path(__file__).parent / "migrations"
_HISTORY = "schema_migrations"
_ADVISORY_LOCK = 0x6F637070  # "ocpp"


def upgrade(engine: Engine) -> list[str]:
    """Applies what is missing; the names of what was applied, none when all was there."""
    database = engine.writable()
    with database.connection_context(), _only_one(engine, database):
        applied: list[str] = _runner(database).up()
        return applied


def pending(engine: Engine) -> list[str]:
    """The migrations that are still to be applied."""
    database = engine.writable()
    with database.connection_context():
        return [row.name for row in _runner(database).status() if not row.applied]


def missing(engine: Engine) -> list[str]:
    """As `pending`, on a new connection that only reads: it makes no file, and loads no migration.

    For a process that asks again and again whether its database is there.
    """
    with closing(engine.connect_reader()) as connection:
        try:
            rows = connection.execute(f"SELECT name FROM {_HISTORY}").fetchall()  # nosec B608
        except Exception as error:
            if not _is_no_such_table(error):
                raise
            rows = []
    applied = {row[0] for row in rows}
    return sorted(name for name in _names() if name not in applied)


def newest() -> str:
    """The name of the schema that this version of the code works with."""
    return max(_names())


def _names() -> list[str]:
    return [path.stem for path in DIRECTORY.glob("[0-9]*.py")]


def _is_no_such_table(error: Exception) -> bool:
    return getattr(error, "sqlstate", "") == "42P01" or str(error).startswith("no such table")


def _runner(database: peewee.Database) -> Runner:
    return Runner(database, str(DIRECTORY), table_name=_HISTORY)


@contextmanager
def _only_one(engine: Engine, database: peewee.Database) -> Iterator[None]:
    if engine.dialect == "postgresql":
        database.execute_sql("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        try:
            yield
        finally:
            database.execute_sql("SELECT pg_advisory_unlock(%s)", (_ADVISORY_LOCK,))
        return
    with open(engine.path + ".migrate.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
        yield
