"""`/meter-values`: what was measured, of whatever transaction, against a naive model in Python.

That pages and streams are the same for every list is tested in `test_lists`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.rules import TransactionFlag
from tests.api.conftest import Client, client_of, on_sqlite
from tests.api.rows import START, Rows
from tests.api.test_lists import pages

URL = "/api/v1/meter-values"
HOUR = timedelta(hours=1)
OUTSIDE = TransactionFlag.SAMPLE_OUTSIDE.value
IDENTITIES = ("CB-1", "CB-2", "CB-3")
MEASURANDS = ("Energy.Active.Import.Register", "Power.Active.Import")
PHASES = ("", "L1")
CONTEXTS = ("Sample.Periodic", "Transaction.Begin")


@dataclass(frozen=True)
class Sample:
    """What the model knows of a sample; `owner` counts the transactions, 0 is none."""

    charge_point: int
    owner: int
    hour: int
    connector_id: int
    measurand: int
    phase: int
    context: int


samples = st.builds(
    Sample,
    charge_point=st.integers(0, 2),
    owner=st.integers(0, 3),
    # From long before the start to long after it: some sessions last for days, some clocks jump.
    hour=st.integers(-3, 3) | st.sampled_from([-100, 9, 58, 59, 400]),
    connector_id=st.integers(0, 2),
    measurand=st.integers(0, 1),
    phase=st.integers(0, 1),
    context=st.integers(0, 1),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "charge_point_id": st.sampled_from([*IDENTITIES, "CB-9"]),
        "connector_id": st.integers(0, 3),
        "owner": st.integers(0, 4),
        "measurand": st.sampled_from(MEASURANDS),
        "phase": st.sampled_from(PHASES),
        "context": st.sampled_from(CONTEXTS),
        "from": st.integers(-3, 4) | st.sampled_from([-100, 58, 59, 400]),
        "to": st.integers(-3, 4) | st.sampled_from([-99, 59, 60, 401]),
    },
)


def at(hour: int) -> datetime:
    return START + hour * HOUR


class World:
    """Samples in the database, with transactions as the handlers leave them."""

    def __init__(self, rows: Rows) -> None:
        rows.clear(models.ChargePoint, models.Transaction, models.MeterValue)
        self.rows = rows
        self.charge_points = [rows.charge_point(name) for name in IDENTITIES]
        self.transactions: dict[tuple[int, int], int] = {}
        self.samples: set[Sample] = set()

    def add(self, found: list[Sample]) -> None:
        with self.rows.together():
            for sample in found:
                if sample not in self.samples:
                    self.samples.add(sample)
                    self._insert(sample)

    def _insert(self, sample: Sample) -> None:
        owner = self.transaction(sample.charge_point, sample.owner)
        self.rows.sample(
            owner,
            at(sample.hour),
            str(sample.hour),
            charge_point_id=self.charge_points[sample.charge_point],
            connector_id=sample.connector_id,
            measurand=MEASURANDS[sample.measurand],
            phase=PHASES[sample.phase],
            context=CONTEXTS[sample.context],
        )
        if owner:
            table = models.Transaction
            with self.rows.bound(table):
                news = table.update(last_sample_at=at(sample.hour)).where(
                    (table.id == owner)
                    & (table.last_sample_at.is_null() | (table.last_sample_at < at(sample.hour)))
                )
                news.execute()
                start = at(10 * sample.owner)
                if at(sample.hour) < start:
                    flagged = table.update(flags=OUTSIDE).where(table.id == owner)
                    flagged.execute()
                if not start <= at(sample.hour) <= start + models.STRAY_AFTER:
                    table.update(stray=True).where(table.id == owner).execute()

    def transaction(self, charge_point: int, owner: int) -> int:
        """The id of a charge point's n-th transaction, made when it is needed first."""
        if owner == 0:
            return 0
        key = (charge_point, owner)
        if key not in self.transactions:
            self.transactions[key] = self.rows.transaction(
                self.charge_points[charge_point], started_at=at(10 * owner)
            )
        return self.transactions[key]

    def query(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The filters as parameters of the API."""
        query = {name: value for name, value in wanted.items() if name != "owner"}
        for name in query.keys() & {"from", "to"}:
            query[name] = format_time(at(query[name]))
        if "owner" in wanted:
            query["transaction_id"] = self.wanted_transaction(wanted["owner"])
        return query

    def wanted_transaction(self, owner: int) -> int:
        """Of the first charge point; 4 is one that is not there."""
        return self.transactions.get((0, owner), 0 if owner == 0 else 10**6)

    def expected(self, wanted: dict[str, Any]) -> list[tuple[Any, ...]]:
        """The model: everything, filtered and sorted."""
        found = [self.shown(sample) for sample in self.samples if self.fits(sample, wanted)]
        return sorted(found, key=lambda row: (row[0], row[1] or 0, row[2]))

    def fits(self, sample: Sample, wanted: dict[str, Any]) -> bool:
        tests: dict[str, Callable[[Any], bool]] = {
            "charge_point_id": lambda value: IDENTITIES[sample.charge_point] == value,
            "connector_id": lambda value: sample.connector_id == value,
            "owner": lambda value: self.of_transaction(sample, self.wanted_transaction(value)),
            "measurand": lambda value: MEASURANDS[sample.measurand] == value,
            "phase": lambda value: PHASES[sample.phase] == value,
            "context": lambda value: CONTEXTS[sample.context] == value,
            "from": lambda value: sample.hour >= value,
            "to": lambda value: sample.hour < value,
        }
        return all(tests[name](value) for name, value in wanted.items())

    def of_transaction(self, sample: Sample, id: int) -> bool:
        return self.transaction(sample.charge_point, sample.owner) == id

    def shown(self, sample: Sample) -> tuple[Any, ...]:
        return (
            IDENTITIES[sample.charge_point],
            self.transaction(sample.charge_point, sample.owner) or None,
            format_time(at(sample.hour)),
            sample.connector_id,
            MEASURANDS[sample.measurand],
            PHASES[sample.phase] or None,
            CONTEXTS[sample.context],
        )


def shown(item: dict[str, Any]) -> tuple[Any, ...]:
    names = "charge_point_id transaction_id sampled_at connector_id measurand phase context"
    return tuple(item[name] for name in names.split())


def place(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (row[0], row[1] or 0, row[2])


few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(found=st.lists(samples, max_size=40), wanted=filters, limit=st.integers(1, 9))
def test_every_filter_finds_what_the_model_finds(
    engine: Engine, rows: Rows, found: list[Sample], wanted: dict[str, Any], limit: int
) -> None:
    world = World(rows)
    world.add(found)
    items = pages(client_of(engine), URL, limit=limit, **world.query(wanted))
    got = [shown(item) for item in items]
    expected = world.expected(wanted)
    assert sorted(got, key=repr) == sorted(expected, key=repr)
    assert [place(row) for row in got] == [place(row) for row in expected]


@few
@given(
    found=st.lists(samples, min_size=3, max_size=30),
    arrivals=st.lists(samples, max_size=10),
    wanted=filters,
    limit=st.integers(1, 5),
)
def test_no_sample_twice_and_none_missing_while_samples_arrive(
    engine: Engine,
    rows: Rows,
    found: list[Sample],
    arrivals: list[Sample],
    wanted: dict[str, Any],
    limit: int,
) -> None:
    world = World(rows)
    world.add(found)
    query, before = world.query(wanted), world.expected(wanted)
    waiting = list(arrivals)

    def arrive() -> None:
        if waiting:
            world.add([waiting.pop()])

    got = [shown(item) for item in pages(client_of(engine), URL, arrive, limit=limit, **query)]
    assert len(got) == len(set(got))
    assert set(before) <= set(got) <= set(before) | {world.shown(s) for s in world.samples}


@pytest.mark.parametrize("hour", [-100, 9, 10, 57, 58, 59, 400])
def test_a_range_finds_what_lies_far_from_the_start(client: Client, rows: Rows, hour: int) -> None:
    """Sessions of days, and clocks that jump: the start says nothing of when they measured."""
    world = World(rows)
    world.add([Sample(0, 1, at_hour, 1, 0, 0, 0) for at_hour in (10, hour)])
    wanted = {"from": hour, "to": hour + 1}
    items = client.get(URL, query_string=world.query(wanted)).json["items"]
    assert [shown(item) for item in items] == world.expected(wanted)
    assert len(items) == 1


# --- What no model says ---------------------------------------------------------------------------


def test_a_row_is_that_of_the_transaction_with_what_it_belongs_to(
    client: Client, rows: Rows
) -> None:
    id = rows.transaction(rows.charge_point(), last_sample_at=START)
    rows.sample(id, START, "11", value=11000, sent_unit="kWh", phase="L1")
    [of_transaction] = client.get(f"/api/v1/transactions/{id}/meter-values").json["items"]
    [item] = client.get(URL).json["items"]
    assert item == {"charge_point_id": "CB-4711", "transaction_id": id, **of_transaction}
    assert list(item)[:2] == ["charge_point_id", "transaction_id"]


@on_sqlite
def test_the_ends_of_time_are_no_trouble(client: Client) -> None:
    for query in (
        {"from": "0001-01-01T00:00:00Z"},
        {"to": "9999-12-31T23:59:59.999Z"},
        {"from": "9999-12-31T23:59:59Z", "to": "0001-01-01T00:00:00Z"},
    ):
        assert client.get(URL, query_string=query).json["items"] == []


@on_sqlite
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("transaction_id=-1", "transaction_id"),
        ("connector_id=x", "connector_id"),
        ("from=2021-11-10", "from"),
        ("sort=sampled_at", "sort"),
    ],
)
def test_a_filter_that_is_not_understood_is_named(client: Client, query: str, name: str) -> None:
    refused = client.get(f"{URL}?{query}")
    assert refused.status_code == 422
    assert list(refused.json["errors"]) == [name]
