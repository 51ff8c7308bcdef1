"""Ready or not, and why: real databases that are there, empty, gone, behind, or hang."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from ocpp_cs.monitoring.readiness import DEADLINE_S, Readiness
from tests.conftest import running_postgresql
from tests.e2e.conftest import plain_sql
from tests.servers import Postgresql, wait_until


def codes(engine: Engine, *, draining: bool = False, store_down: bool = False) -> list[str]:
    readiness = Readiness(engine, lambda: draining, lambda: store_down)
    return [obstacle.code for obstacle in readiness.obstacles()]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = Engine(database_url)
    migrate.upgrade(engine)
    try:
        yield engine
    finally:
        engine.close()


def test_a_migrated_database_is_enough(engine: Engine) -> None:
    assert codes(engine) == []


def test_migrations_that_are_missing_are_named(engine: Engine, database_url: str) -> None:
    newest = migrate.newest()
    with plain_sql(database_url) as connection:
        connection.execute(f"DELETE FROM schema_migrations WHERE name = '{newest}'")
        connection.commit()
    (obstacle,) = Readiness(engine, lambda: False, lambda: False).obstacles()
    assert obstacle.code == "migrations_pending"
    assert obstacle.detail == f"Migrations are to be applied: {newest}."


def test_those_of_a_newer_release_are_fine(engine: Engine, database_url: str) -> None:
    """During a deploy the old process works on after the release phase of the new one."""
    with plain_sql(database_url) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (name, applied) VALUES ('9999_x', '2026-01-01')"
        )
        connection.commit()
    assert codes(engine) == []


def test_an_empty_database_is_not_ready(postgresql_url: str) -> None:
    assert codes(Engine(postgresql_url)) == ["migrations_pending"]


def test_an_sqlite_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    assert codes(Engine(f"sqlite:///{tmp_path / 'gone.db'}")) == ["database_unavailable"]
    assert not (tmp_path / "gone.db").exists()


def test_a_server_that_is_not_there() -> None:
    assert codes(Engine("postgresql://ocpp_cs@127.0.0.1:9/x")) == ["database_unavailable"]


def test_a_database_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = Engine(f"postgresql://ocpp_cs@127.0.0.1:{silent.getsockname()[1]}/x")
        assert codes(engine) == ["database_slow"]


@pytest.fixture
def own_postgresql() -> Iterator[Postgresql]:
    with running_postgresql() as server:
        yield server


def test_a_database_that_hangs_and_comes_back(own_postgresql: Postgresql) -> None:
    engine = Engine(own_postgresql.create_database())
    migrate.upgrade(engine)
    readiness = Readiness(engine, lambda: False, lambda: False)
    own_postgresql.signal_all(signal.SIGSTOP)
    try:
        (obstacle,) = readiness.obstacles()
    finally:
        own_postgresql.signal_all(signal.SIGCONT)
    assert obstacle == ("database_slow", f"The database gave no answer within {DEADLINE_S:g} s.")
    wait_until(lambda: readiness.obstacles() == [], seconds=30)


def test_what_the_gateway_knows(engine: Engine) -> None:
    assert codes(engine, store_down=True) == ["database_takes_nothing"]
    assert codes(engine, draining=True, store_down=True) == ["draining"]
