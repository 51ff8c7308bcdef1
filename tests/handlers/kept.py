"""A store of each engine that is made once for the whole run and emptied for each test.

Not for tests that need ids to begin at 1: a fresh one, from conftest.py, takes 0.4 s on PostgreSQL.
"""

from __future__ import annotations

import pytest

from ocpp_cs.db import models
from ocpp_cs.db.commit import Tx
from tests.handlers.conftest import Store

_KEPT: dict[str, Store] = {}


def _make(request: pytest.FixtureRequest, dialect: str) -> Store:
    if dialect == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("kept")
        store = Store(f"sqlite:///{folder / 'test.db'}")
    else:
        store = Store(request.getfixturevalue("postgresql").create_database())
    request.config.add_cleanup(store.close)
    return store


def _empty(tx: Tx) -> None:
    for table in models.TABLES:
        tx.run(table.delete())
    tx.memory.clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store; `store = kept.store` gives a module this one instead of conftest.py's."""
    dialect: str = request.param
    if dialect not in _KEPT:
        _KEPT[dialect] = _make(request, dialect)
    kept = _KEPT[dialect]
    models.bind(kept.engine.database)  # other tests have engines of their own
    kept.committer.run(0, _empty)
    return kept
