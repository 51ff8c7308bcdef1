"""Statements: a Peewee query once in, SQL with parameters in their places out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee
import pytest

from ocpp_cs.db import models
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.statement import EXCLUDED, Statement, fn
from tests.db.conftest import create_tables


class Item(models.Table):
    name = peewee.TextField(primary_key=True)
    amount = peewee.IntegerField(default=1)
    ready = peewee.BooleanField(default=False)


INSERT = Statement(lambda p: Item.insert(name=p.name, amount=p.amount, ready=p.ready))


@pytest.fixture
def committer(engine: Engine) -> Iterator[Committer]:
    create_tables(engine, Item)
    committer = Committer(engine)
    try:
        yield committer
    finally:
        committer.close()


def add(committer: Committer, name: str, amount: int, ready: bool = False) -> None:
    committer.run(0, lambda tx: tx.execute(INSERT, ready=ready, amount=amount, name=name).rowcount)


def rows(engine: Engine) -> list[Any]:
    query: Any = Item.select().order_by(Item.name).tuples()
    return engine.read(lambda: list(query))


def test_parameters_stand_where_they_were_named(engine: Engine, committer: Committer) -> None:
    add(committer, "a", 7, ready=True)
    assert rows(engine) == [("a", 7, True)]


def test_constants_stay_and_a_parameter_may_stand_twice(
    engine: Engine, committer: Committer
) -> None:
    found = Statement(
        lambda p: (
            Item.select(Item.name)
            .where((Item.amount >= p.limit) & (Item.amount < p.limit + 10) & (Item.name != "b"))
            .order_by(Item.name)
        )
    )
    _, values = found.bind({"limit": 5})
    assert values == [5, 5, 10, "b"]
    for name, amount in (("a", 5), ("b", 6), ("c", 14), ("d", 15), ("e", 4)):
        add(committer, name, amount)
    assert committer.run(0, lambda tx: tx.all(found, limit=5)) == [("a",), ("c",)]


def test_values_are_never_a_part_of_the_text(engine: Engine, committer: Committer) -> None:
    hostile = "'; DROP TABLE item; -- %s ? {} \ufffd"
    sql, _ = INSERT.bind({"name": hostile, "amount": 1, "ready": False})
    assert "DROP" not in sql
    add(committer, hostile, 1)
    assert rows(engine) == [(hostile, 1, False)]


def test_a_missing_value_is_an_error_and_an_unknown_one_is_ignored(engine: Engine) -> None:
    with pytest.raises(KeyError):
        INSERT.bind({"name": "a", "amount": 1})
    assert INSERT.bind({"name": "a", "amount": 1, "ready": True, "other": 0})[1] == ("a", 1, True)


def test_what_a_query_says_besides(engine: Engine, committer: Committer) -> None:
    """Upserts, RETURNING, functions, deletes: all that the handlers make of it."""
    upsert = Statement(
        lambda p: (
            Item.insert(name=p.name, amount=p.amount)
            .on_conflict(
                conflict_target=[Item.name],
                preserve=[Item.amount],
                where=(EXCLUDED.amount >= Item.amount),
            )
            .returning(Item.amount)
        )
    )
    total = Statement(lambda p: Item.select(fn.SUM(Item.amount)))
    delete = Statement(lambda p: Item.delete().where(Item.name == p.name))

    def work(tx: Any) -> list[Any]:
        answers = [tx.one(upsert, name="a", amount=amount) for amount in (5, 9, 7)]
        answers.append(tx.one(total))
        answers += [tx.execute(delete, name=name).rowcount for name in ("b", "a")]
        return answers

    assert committer.run(0, work) == [(5,), (9,), None, (9,), 0, 1]
    assert rows(engine) == []


def test_many_rows_at_once(engine: Engine, committer: Committer) -> None:
    many = [{"name": f"{number:03}", "amount": number, "ready": False} for number in range(100)]

    def work(tx: Any) -> None:
        tx.execute_many(INSERT, many[:50])
        INSERT.flush(tx, many[50:])

    committer.run(0, work)
    assert rows(engine) == [tuple(row.values()) for row in many]


def test_a_query_is_built_once_for_each_engine(sqlite_url: str, postgresql_url: str) -> None:
    built: list[None] = []

    def build(p: Any) -> peewee.Query:
        built.append(None)
        return Item.select(Item.name).where(Item.name == p.name)

    statement = Statement(build)
    texts = []
    for url in (sqlite_url, postgresql_url):
        engine = Engine(url)
        texts += [statement.bind({"name": "a"})[0], statement.bind({"name": "b"})[0]]
        engine.close()
    assert len(built) == 2
    assert (texts[0], texts[2]) == (texts[1], texts[3])
    assert "?" in texts[0]
    assert "%s" in texts[2]
