"""A migrated database of either engine, a way to fill it, and a client of the API above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from flask import Flask

from ocpp_cs import api_keys
from ocpp_cs.api import init_api
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.throttle import FailureLimits
from tests.api.rows import Rows

# Flask's test client. Its answers may lack JSON by type, which every test would have to deny.
Client: TypeAlias = Any


# For tests of what the engine cannot change, and which have many cases.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def engine(database_url: str, tables: None) -> Iterator[Engine]:
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
def client(engine: Engine) -> Iterator[Client]:
    """An admin's client of the API, so that a test is only about what it asks for."""
    with closing_client(engine, "admin") as client:
        yield client


@pytest.fixture
def client_as(engine: Engine) -> Iterator[Callable[[Role | None], Client]]:
    """Clients of one app, each with a key of a role; None: without a key."""
    with closing_client(engine, api_without_key=False) as client:
        yield lambda role: client if role is None else with_key(client, key_of(client, role))


@pytest.fixture
def sqlite_client(sqlite_url: str, tables: None) -> Iterator[Client]:
    """An admin's client on an empty SQLite file: for what no database can change."""
    engine = Engine(sqlite_url)
    try:
        migrate.upgrade(engine)
        with closing_client(engine, "admin") as client:
            yield client
    finally:
        engine.close()


@contextmanager
def closing_client(
    engine: Engine, role: Role | None = None, *, api_without_key: bool = True
) -> Iterator[Client]:
    """As `client_of`, with the end of what it writes with."""
    client = client_of(engine, api_without_key=api_without_key)
    try:
        yield client if role is None else with_key(client, key_of(client, role))
    finally:
        committer_of(client).close()


def client_of(engine: Engine, *, api_without_key: bool = True) -> Client:
    """A client of a new app; it has no key."""
    app = Flask(__name__, static_folder=None)
    limits = FailureLimits(per_id=5, per_address=100)
    init_api(app, Committer(engine), api_without_key=api_without_key, limits=limits)
    return app.test_client()


def committer_of(client: Client) -> Committer:
    committer: Committer = client.application.extensions["ocpp_cs.committer"]
    return committer


def key_of(client: Client, role: Role, **wishes: Any) -> str:
    """The text of a new key, made as on the command line."""
    given = {"name": f"the {role}", "actor": COMMAND_LINE, "now": datetime.now(UTC), **wishes}
    return committer_of(client).run(0, lambda tx: api_keys.create(tx, role=role, **given)).text


def with_key(client: Client, text: str) -> Client:
    """A client of the same app that shows the key with each request."""
    other = client.application.test_client()
    other.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    return other
