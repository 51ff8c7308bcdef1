"""Migrations: an empty or older database in, the schema of the models out, once."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peewee
import psycopg
import pytest
from playhouse.schema_diff import diff_models

from ocpp_cs.db import migrate, models
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import TABLES, ChargePoint, Transaction
from tests.servers import PROJECT

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = sorted(path.stem for path in migrate.DIRECTORY.glob("[0-9]*.py"))


# --- What the migrations make ---------------------------------------------------------------------


def test_models_and_migrations_name_the_same_tables_columns_and_indexes(engine: Engine) -> None:
    migrate.upgrade(engine)
    database = engine.writable()
    with database.connection_context(), database.bind_ctx(TABLES):
        difference = diff_models(database, TABLES)
        tables = set(database.get_tables())
    assert not difference, str(difference)
    assert tables - {"sqlite_sequence"} == {
        "schema_migrations",
        *(table._meta.table_name for table in TABLES),
    }


def schema_of_sqlite(database: Any) -> dict[str, Any]:
    """The statement behind each table and index, which says everything."""
    rows = database.execute_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: sql for name, sql in rows.fetchall() if name != "sqlite_sequence"}


def schema_of_postgresql(database: Any) -> dict[str, Any]:
    """Columns with type, nullability and default; keys; indexes with their conditions."""
    columns = database.execute_sql(
        "SELECT table_name || '.' || column_name, ordinal_position, data_type, is_nullable,"
        " column_default FROM information_schema.columns WHERE table_schema = 'public'"
    ).fetchall()
    indexes = database.execute_sql(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    ).fetchall()
    constraints = database.execute_sql(
        "SELECT conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    ).fetchall()
    return {name: rest for name, *rest in (*columns, *indexes, *constraints)}


def schema(engine: Engine) -> dict[str, Any]:
    """All that can be told of the schema, without the history of migrations."""
    database = engine.writable()
    read = schema_of_sqlite if engine.dialect == "sqlite" else schema_of_postgresql
    with database.connection_context():
        found = read(database)
    return {name: value for name, value in found.items() if "schema_migrations" not in name}


@pytest.fixture
def engine_by_models(
    engine: Engine, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Engine]:
    """An engine of the same kind whose tables are made by the models, not by migrations."""
    if engine.dialect == "sqlite":
        url = f"sqlite:///{tmp_path / 'by-models.db'}"
    else:
        url = request.getfixturevalue("postgresql").create_database()
    other = Engine(url)
    database = other.writable()
    with database.connection_context(), database.bind_ctx(TABLES):
        database.create_tables(TABLES)
    yield other
    other.close()


def test_models_and_migrations_make_the_same_schema(
    engine: Engine, engine_by_models: Engine
) -> None:
    migrate.upgrade(engine)
    by_migrations, by_models = schema(engine), schema(engine_by_models)
    assert len(by_models) > 30
    assert by_migrations == by_models


def test_samples_lie_in_their_key_on_sqlite(sqlite_url: str) -> None:
    engine = Engine(sqlite_url)
    migrate.upgrade(engine)
    assert schema(engine)["meter_values"].endswith("WITHOUT ROWID")
    engine.close()


def test_the_id_of_a_deleted_transaction_is_never_used_again(engine: Engine) -> None:
    migrate.upgrade(engine)
    database = engine.writable()

    def start(number: int) -> int:
        query = Transaction.insert(
            charge_point_id=1,
            connector_id=1,
            id_tag="TAG",
            id_tag_key="tag",
            started_at=NOW,
            start_time_key=str(number),
            meter_start_wh=0,
            received_at=NOW,
            id_tag_status="Accepted",
        )
        return int(query.execute())

    with database.connection_context(), database.bind_ctx([Transaction]):
        assert [start(number) for number in range(3)] == [1, 2, 3]
        Transaction.delete().where(Transaction.id == 3).execute()
        assert start(4) == 4
        Transaction.delete().execute()
        assert start(5) == 5


def test_charge_points_outlive_the_rebuilding_of_their_table(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite it is made anew for keys that are never reused."""
    folder = tmp_path / "older"
    folder.mkdir()
    for name in NAMES[: NAMES.index("0003_queries")]:
        shutil.copy(migrate.DIRECTORY / f"{name}.py", folder)
    with monkeypatch.context() as older:
        older.setattr(migrate, "DIRECTORY", folder)
        migrate.upgrade(engine)
    database = engine.writable()
    insert = (
        "INSERT INTO charge_points (id, identity, registration, security_profile, session_epoch,"
        " created_at, note, local_list_version) VALUES ({}, '{}', 'pending', 1, 4, {}, 'x', 7)"
    )
    now: Any = int(NOW.timestamp() * 1000) if engine.dialect == "sqlite" else f"'{NOW}'"
    with database.connection_context():
        for id, identity in ((3, "CP-3"), (9, "CP-9")):
            database.execute_sql(insert.format(id, identity, now))
    migrate.upgrade(engine)
    with database.connection_context(), database.bind_ctx([ChargePoint]):
        found = list(ChargePoint.select().order_by(ChargePoint.id))
        assert [(row.id, row.identity) for row in found] == [(3, "CP-3"), (9, "CP-9")]
        row = found[1]
        assert (row.session_epoch, row.note, row.local_list_version) == (4, "x", 7)
        assert (row.created_at, row.registration, row.removing_at) == (NOW, "pending", None)
        with pytest.raises(peewee.IntegrityError), database.atomic():
            ChargePoint.insert(identity="CP-9", created_at=NOW).execute()
        if engine.dialect == "sqlite":  # PostgreSQL never looks at the rows for the next number
            ChargePoint.delete().where(ChargePoint.id == 9).execute()
            assert ChargePoint.insert(identity="new", created_at=NOW).execute() == 10


# --- Applying them --------------------------------------------------------------------------------


def test_what_is_there_is_not_applied_again(engine: Engine) -> None:
    assert migrate.pending(engine) == NAMES
    assert migrate.upgrade(engine) == NAMES
    before = schema(engine)
    assert migrate.pending(engine) == []
    assert migrate.upgrade(engine) == []
    assert schema(engine) == before


GOOD = """
def up(migrator, db):
    db.execute_sql("CREATE TABLE good (x INTEGER)")
"""
BAD = """
def up(migrator, db):
    db.execute_sql("CREATE TABLE half (x INTEGER)")
    db.execute_sql("INSERT INTO good VALUES (1)")
    raise RuntimeError("half-way")
"""


def test_a_migration_that_fails_leaves_nothing_of_itself(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_good.py").write_text(GOOD)
    (folder / "0002_bad.py").write_text(BAD)
    monkeypatch.setattr(migrate, "DIRECTORY", folder)
    for _ in range(2):  # nor does it keep the lock
        with pytest.raises(RuntimeError, match="half-way"):
            migrate.upgrade(engine)
        assert migrate.pending(engine) == ["0002_bad"]
    assert "half" not in schema(engine)
    count = "SELECT count(*) FROM good"
    assert engine.read(lambda: engine.database.execute_sql(count).fetchone()) == (0,)
    (folder / "0002_bad.py").write_text(GOOD.replace("good", "better"))
    assert migrate.upgrade(engine) == ["0002_bad"]


# --- Several processes at once --------------------------------------------------------------------

UPGRADE = """
import sys
from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
engine = Engine(sys.argv[1])
print("ready", flush=True)
print(migrate.upgrade(engine), flush=True)
"""


@contextmanager
def lock_of_migrations(engine: Engine) -> Iterator[None]:
    """Holds the lock, as a process in the middle of its migrations does."""
    if engine.dialect == "sqlite":
        with open(engine.path + ".migrate.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    else:
        with psycopg.connect(engine.url, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (migrate._ADVISORY_LOCK,))
            yield


def test_of_three_processes_one_migrates_and_the_others_find_it_done(engine: Engine) -> None:
    command = [sys.executable, "-c", UPGRADE, engine.url]
    with lock_of_migrations(engine):
        processes = [
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=PROJECT,
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        assert "charge_points" not in schema(engine)
    outcomes = [process.communicate(timeout=30) for process in processes]
    assert [error for _, error in outcomes] == ["", "", ""]
    assert sorted(applied.strip() for applied, _ in outcomes) == [str(NAMES), "[]", "[]"]
    assert migrate.pending(engine) == []
    history = "SELECT count(*) FROM schema_migrations"
    assert engine.read(lambda: engine.database.execute_sql(history).fetchone()) == (len(NAMES),)


def test_a_lock_is_not_kept_by_a_process_that_was_killed(engine: Engine) -> None:
    script = UPGRADE + "\nwith migrate._only_one(engine, engine.writable()):\n"
    script += "    print('locked', flush=True)\n    sys.stdin.read()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", script, engine.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(3)][2] == "locked\n"
    process.kill()
    process.communicate(timeout=10)
    assert migrate.upgrade(engine) == []


def test_tables_are_bound_to_the_engine_that_was_made_last(
    sqlite_url: str, postgresql_url: str
) -> None:
    """The one clustered table is told so on SQLite alone."""
    meta: Any = models.MeterValue._meta
    for url, dialect in ((sqlite_url, peewee.SqliteDatabase), (postgresql_url, None)):
        engine = Engine(url)
        assert meta.without_rowid == (dialect is not None)
        engine.close()
