"""An engine on an empty database, and a way to give it tables of a test's own.

The project's own tables come with `migrate.upgrade`, in the tests that are about them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine


def create_tables(engine: Engine, *tables: type[models.Table]) -> None:
    """Creates the tables, which must not belong to the project's schema."""
    database = engine.writable()
    with database.connection_context(), database.bind_ctx(tables):
        database.create_tables(tables)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a new, empty database."""
    engine = Engine(database_url)
    try:
        yield engine
    finally:
        engine.close()
