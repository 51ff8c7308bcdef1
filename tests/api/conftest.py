"""A migrated database of either engine, a way to fill it, and a client of the API above it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from flask import Flask

from ocpp_cs.api import init_api
from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from tests.api.rows import Rows

# Flask's test client. Its answers may lack JSON by type, which every test would have to deny.
Client: TypeAlias = Any


# For tests of what the engine cannot change, and which have many cases.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a new database that has all tables and no rows."""
    engine = Engine(database_url)
    try:
        migrate.upgrade(engine)
        yield engine
    finally:
        engine.close()


@pytest.fixture
def rows(engine: Engine) -> Iterator[Rows]:
    rows = Rows(engine)
    try:
        yield rows
    finally:
        rows.close()


@pytest.fixture
def client(engine: Engine) -> Client:
    """A client of the open API."""
    return client_of(engine)


@pytest.fixture
def sqlite_client(sqlite_url: str) -> Iterator[Client]:
    """A client of the open API on an empty SQLite file: for what no database can change."""
    engine = Engine(sqlite_url)
    try:
        migrate.upgrade(engine)
        yield client_of(engine)
    finally:
        engine.close()


def client_of(engine: Engine, *, api_without_key: bool = True) -> Client:
    app = Flask(__name__, static_folder=None)
    init_api(app, engine, api_without_key=api_without_key)
    return app.test_client()
