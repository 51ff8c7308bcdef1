"""What every test may ask for: a fresh database of either engine, and a running server.

It holds no fakes: the fake charge point and its like live beside the tests that use them.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from tests.servers import POSTGRESQL_MISSING, Postgresql, Server, postgresql_programs

IN_CI = os.environ.get("CI") == "true"
# Machines that test are slow and shared; in CI the same commit gives the same result.
hypothesis.settings.register_profile("project", deadline=None, derandomize=IN_CI)
hypothesis.settings.load_profile("project")

# A file system in memory, and the bytes that must be free there for the databases of tests.
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 1024**3

# A run that is cut short (`timeout`, a cancelled CI job) still stops the servers it started.
signal.signal(signal.SIGTERM, signal.default_int_handler)

StartServer = Callable[..., Server]


def pytest_collection_finish() -> None:
    """What has been loaded by now stays: to look for garbage in it again and again, at the stock
    thresholds, took a sixth of the run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that may take long come first, so that in the end no process works on one alone."""
    items.sort(key=_longest_s, reverse=True)


def _longest_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0


@pytest.fixture(autouse=True)
def unconfigured_log() -> None:
    """The log as no application has configured it yet, whichever test made one before."""
    logger = logging.getLogger("ocpp_cs")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@contextmanager
def running_postgresql(memory: Path | None = None) -> Iterator[Postgresql]:
    """A PostgreSQL server. In CI its absence is a failure, never a skip."""
    programs = postgresql_programs()
    if programs is None:
        (pytest.fail if IN_CI else pytest.skip)(POSTGRESQL_MISSING)
    server = Postgresql(programs, memory)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """One for the whole run. Most tests want a database of their own, some 300 files that are gone
    a moment later: on a disk those took a fifth of the run."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    with running_postgresql(_MEMORY if roomy else None) as server:
        yield server


@pytest.fixture
def tables() -> None:
    """For a fixture that would migrate its database: it has all tables then from the beginning, as
    a copy of one that was migrated once. To migrate it still does no harm."""


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "migrated.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: Postgresql) -> str:
    url = postgresql.create_database()
    _migrate(url)
    return url


def _migrate(url: str) -> None:
    engine = Engine(url)
    try:
        migrate.upgrade(engine)
    finally:
        engine.close()


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an SQLite file that does not exist yet, unless its `tables` are asked for."""
    path = tmp_path / "test.db"
    if "tables" in request.fixturenames:
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(request: pytest.FixtureRequest, postgresql: Postgresql) -> Iterator[str]:
    """The URL of a new PostgreSQL database, empty unless its `tables` are asked for."""
    if "tables" in request.fixturenames:
        url = postgresql.copy_database(request.getfixturevalue("migrated_postgresql"))
    else:
        url = postgresql.create_database()
    try:
        yield url
    finally:
        postgresql.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a new database: the test runs once on each engine."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def server(tmp_path: Path, sqlite_url: str) -> Iterator[StartServer]:
    """Starts servers: `server(database_url, OCPP_STRICT="1")` gives a running `Server`.

    Without a URL the server has an SQLite file of its own test. The policy is open as in
    `make run`, unless a setting says otherwise. All are stopped at the end of the test; pytest
    shows their logs when it fails.
    """
    started: list[Server] = []

    def start(
        database_url: str = sqlite_url, authority: Path | None = None, **settings: str
    ) -> Server:
        log = tmp_path / f"server-{len(started)}.log"
        new = Server(log, {"DATABASE_URL": database_url, **settings}, authority=authority)
        if not database_url.startswith("sqlite:"):  # a file is migrated when the app opens it
            new.migrate()
        started.append(new)
        new.start()
        return new

    try:
        yield start
    finally:
        for each in started:
            each.crash()  # tests that are about an orderly end ask for it
            print(f"--- log of the server on port {each.port}\n{each.log_text()}")
