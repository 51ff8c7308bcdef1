"""A URL in, an engine out: its reads, its raw connections, and which errors are the database's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import peewee
import psycopg
import pytest

from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine, is_transient
from tests.db.conftest import create_tables
from tests.servers import Postgresql, wait_until


class Mark(models.Table):
    name = peewee.TextField(primary_key=True)


only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


# --- URLs -----------------------------------------------------------------------------------------


def test_a_relative_path_and_folders_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = Engine("sqlite:///some/folder/test.db")
    assert (engine.dialect, engine.path) == ("sqlite", str(tmp_path / "some/folder/test.db"))
    create_tables(engine, Mark)
    assert (tmp_path / "some/folder/test.db").exists()


def test_an_absolute_path(tmp_path: Path) -> None:
    assert Engine(f"sqlite:///{tmp_path}/test.db").path == f"{tmp_path}/test.db"


def test_the_scheme_that_platforms_hand_out(postgresql_url: str) -> None:
    engine = Engine(postgresql_url.replace("postgresql://", "postgres://"))
    assert engine.dialect == "postgresql"
    assert engine.read(lambda: engine.database.execute_sql("SELECT 1").fetchone()) == (1,)
    engine.close()


@pytest.mark.parametrize("url", ["", "mysql://localhost/x", "postgresqlx://h/d", "/a/file.db"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database URL must begin with"):
        Engine(url)


# --- Connections ----------------------------------------------------------------------------------


def test_a_writer_commits_by_itself(engine: Engine) -> None:
    create_tables(engine, Mark)
    with closing(engine.connect_writer()) as writer:
        writer.execute("INSERT INTO mark VALUES ('a')")
        assert engine.read(lambda: Mark.select().count()) == 1
        writer.execute("BEGIN")
        writer.execute("INSERT INTO mark VALUES ('b')")
        assert engine.read(lambda: Mark.select().count()) == 1
        writer.execute("COMMIT")
        assert engine.read(lambda: Mark.select().count()) == 2


@only_sqlite
def test_a_commit_of_sqlite_is_on_the_disk(engine: Engine) -> None:
    """WAL with anything less than FULL loses the last commits with the power (promise 1)."""
    with closing(engine.connect_writer()) as writer:
        pragmas = {
            name: writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "query_only")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "query_only": 0}


@only_sqlite
def test_the_reading_side_of_sqlite_cannot_write(engine: Engine) -> None:
    create_tables(engine, Mark)
    with pytest.raises(peewee.OperationalError, match="readonly"):
        engine.read(lambda: Mark.insert(name="a").execute())


@only_postgresql
@pytest.mark.parametrize("side", ["read", "write", "tools"])
def test_sessions_are_in_utc_whatever_the_server_prefers(engine: Engine, side: str) -> None:
    """Else a time at the end of the year 9999 can be written, but not be read (psycopg)."""
    sql = "SELECT current_setting('TimeZone'), '9999-12-31T23:59:59Z'::timestamptz"
    if side == "read":
        row = engine.read(lambda: engine.database.execute_sql(sql).fetchone())
    elif side == "write":
        with closing(engine.connect_writer()) as writer:
            row = writer.execute(sql).fetchone()
    else:
        database = engine.writable()
        with database.connection_context():
            row = database.execute_sql(sql).fetchone()
    assert row[0] == "UTC"
    assert row[1].year == 9999


# --- Reads ----------------------------------------------------------------------------------------


def test_many_threads_read_at_once(engine: Engine) -> None:
    create_tables(engine, Mark)
    together = threading.Barrier(6, timeout=10)

    def query() -> int:
        together.wait()  # all of them hold their connection now
        return Mark.select().count()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(lambda _: engine.read(query), range(6))) == [0] * 6


@only_postgresql
def test_reads_beyond_the_pool_wait_for_their_turn(database_url: str) -> None:
    engine = Engine(database_url, pool_size=2)
    at_once: list[int] = []
    running = threading.Semaphore(0)

    def query() -> int:
        running.release()
        sql = "SELECT pg_sleep(0.05), count(*) FROM pg_stat_activity WHERE datname = %s"
        name = database_url.rpartition("/")[2]
        return int(engine.database.execute_sql(sql, (name,)).fetchone()[1])

    with ThreadPoolExecutor(12) as threads:
        at_once += threads.map(lambda _: engine.read(query), range(12))
    assert max(at_once) <= 2
    engine.close()


@only_postgresql
def test_no_connection_is_held_between_reads(database_url: str) -> None:
    engine = Engine(database_url, pool_size=1)
    for _ in range(3):
        with pytest.raises(peewee.ProgrammingError):
            engine.read(lambda: engine.database.execute_sql("SELECT * FROM nowhere"))
        with pytest.raises(ZeroDivisionError):
            engine.read(lambda: 1 // 0)
    with ThreadPoolExecutor(1) as another_thread:
        query = another_thread.submit(engine.read, lambda: "read")
        assert query.result(5) == "read"
    engine.close()


@only_postgresql
def test_reads_survive_a_restart_of_the_server(database_url: str, postgresql: Postgresql) -> None:
    """All connections of the pool are dead then, and each is handed out some time (F23)."""
    engine = Engine(database_url, pool_size=4)
    together = threading.Barrier(4, timeout=10)

    def query() -> Any:
        together.wait()
        return engine.database.execute_sql("SELECT pg_backend_pid()").fetchone()[0]

    with ThreadPoolExecutor(4) as threads:
        before = set(threads.map(lambda _: engine.read(query), range(4)))
        with psycopg.connect(postgresql.url("postgres"), autocommit=True) as administrator:
            for pid in before:
                administrator.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        after = set(threads.map(lambda _: engine.read(query), range(4)))
    assert len(before) == len(after) == 4
    assert not before & after
    engine.close()


@only_postgresql
def test_closing_leaves_no_connection(database_url: str, postgresql: Postgresql) -> None:
    engine = Engine(database_url)
    engine.read(lambda: None)
    engine.close()
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as administrator:

        def connections() -> Any:
            found = administrator.execute(count, (database_url.rpartition("/")[2],)).fetchone()
            return found and found[0]

        wait_until(lambda: connections() == 0, what="the connections are closed")


# --- Whose error it is ----------------------------------------------------------------------------


def psycopg_error(name: str) -> Exception:
    error: type[Exception] = getattr(psycopg.errors, name)
    return error()


@pytest.mark.parametrize(
    ("name", "transient"),
    [
        ("DeadlockDetected", True),
        ("SerializationFailure", True),
        ("AdminShutdown", True),
        ("CrashShutdown", True),
        ("CannotConnectNow", True),
        ("TooManyConnections", True),
        ("DiskFull", True),
        ("ConnectionFailure", True),
        ("IoError", True),
        ("ReadOnlySqlTransaction", True),
        ("ConnectionTimeout", True),  # psycopg's own: no server has spoken
        ("UniqueViolation", False),
        ("UndefinedTable", True),
        ("InsufficientPrivilege", True),
        ("NumericValueOutOfRange", False),
        ("SyntaxError", False),
        ("InFailedSqlTransaction", False),
    ],
)
def test_errors_of_postgresql(name: str, transient: bool) -> None:
    assert is_transient(psycopg_error(name)) == transient
    wrapped = peewee.OperationalError("as Peewee hands it out")
    wrapped.__cause__ = psycopg_error(name)
    assert is_transient(wrapped) == transient


def test_a_server_that_cannot_be_reached() -> None:
    for error in (psycopg.OperationalError("refused"), psycopg.InterfaceError("closed")):
        assert is_transient(error)
    assert not is_transient(psycopg.DataError("NUL"))
    assert not is_transient(ValueError())


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "test.db", isolation_level=None, timeout=0)
    connection.execute("CREATE TABLE t (x UNIQUE)")
    yield connection
    connection.close()


def busy(connection: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (1)")


def full(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA max_page_count = 1")
    connection.execute("INSERT INTO t VALUES (randomblob(100000))")


def read_only(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA query_only = 1")
    connection.execute("INSERT INTO t VALUES (1)")


def missing(connection: sqlite3.Connection, path: Path) -> None:
    sqlite3.connect(path / "nowhere" / "test.db")


def twice(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("INSERT INTO t VALUES (1), (1)")


def nonsense(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("SELECT * FROM nowhere")


@pytest.mark.parametrize(
    ("provoke", "transient"),
    [
        (busy, True),
        (full, True),
        (read_only, True),
        (missing, True),
        (twice, False),
        (nonsense, False),
    ],
)
def test_errors_of_sqlite(
    connection: sqlite3.Connection,
    tmp_path: Path,
    provoke: Callable[[sqlite3.Connection, Path], None],
    transient: bool,
) -> None:
    with pytest.raises(sqlite3.Error) as caught:
        provoke(connection, tmp_path)
    assert is_transient(caught.value) == transient
