"""A database with a store to prune, and rows to prune in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.retention import Store
from tests.api.rows import Rows

T = TypeVar("T")


class Base:
    """An engine, its committer, what retention makes of both, and a way to look."""

    def __init__(self, url: str) -> None:
        self.engine = Engine(url)
        migrate.upgrade(self.engine)
        self.committer = Committer(self.engine)
        self.store = Store(self.engine, self._write)
        self.rows = Rows(self.engine)

    def _write(self, work: Callable[[Tx], T]) -> T:
        return self.committer.run(0, work)

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
def base(database_url: str) -> Iterator[Base]:
    base = Base(database_url)
    try:
        yield base
    finally:
        base.close()
