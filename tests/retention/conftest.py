"""A database with a store to prune, and rows to prune in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from tests.api.rows import Rows
from tests.retention import store_of


class Base:
    """An engine, its committer, what retention makes of both, and a way to look."""

    def __init__(self, url: str) -> None:
        self.engine = Engine(url)
        migrate.upgrade(self.engine)
        self.committer = Committer(self.engine)
        self.store = store_of(self.committer)
        self.rows = Rows(self.engine)

    def ids(self, table: Any) -> list[int]:
        key = table._meta.primary_key
        return self.engine.read(
            lambda: [row[0] for row in table.select(key).order_by(key).tuples()]
        )

    def count(self, table: Any) -> int:
        return self.engine.read(lambda: int(table.select().count()))

    def close(self) -> None:
        self.rows.close()
        self.committer.close()
        self.engine.close()


@pytest.fixture
def base(database_url: str, tables: None) -> Iterator[Base]:
    base = Base(database_url)
    try:
        yield base
    finally:
        base.close()
