"""The samples of a group in, rows and the progress of their transactions out, on both engines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import STRAY_AFTER, MeterValue, Transaction
from ocpp_cs.db.samples import TransactionProgress, insert_samples, update_progress
from ocpp_cs.rules import TransactionFlag

START = datetime(2026, 3, 1, 11, 0, tzinfo=UTC)
SUSPECT = TransactionFlag.SUSPECT_OPEN.value
FELL = TransactionFlag.REGISTER_FELL.value
OUTSIDE = TransactionFlag.SAMPLE_OUTSIDE.value
COLUMNS = (
    "last_sample_at",
    "last_register_wh",
    "last_register_at",
    "max_power_w",
    "flags",
    "suspect_since",
    "stray",
)


class Sample(NamedTuple):
    """The columns of a sample by their names."""

    charge_point_id: int
    transaction_id: int
    sampled_at: datetime
    series_id: int
    connector_id: int
    value: float | None
    raw_value: str
    claimed_transaction_id: int | None


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


class Store:
    """A migrated database and its committer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        migrate.upgrade(engine)
        self.committer = Committer(engine)

    def start(self, **columns: Any) -> int:
        """A transaction's id."""
        values = {
            "charge_point_id": 1,
            "connector_id": 1,
            "id_tag": "TAG",
            "id_tag_key": "tag",
            "started_at": START,
            "start_time_key": str(random.random()),
            "meter_start_wh": 0,
            "received_at": START,
            "id_tag_status": "Accepted",
            **columns,
        }
        query = Transaction.insert(**values).returning(Transaction.id)
        return int(self.committer.run(0, lambda tx: tx.run(query).fetchone()[0]))

    def progress(self, *group: TransactionProgress) -> None:
        self.committer.run(0, lambda tx: update_progress(tx, list(group)))

    def insert(self, *messages: list[Sample]) -> None:
        self.committer.run(0, lambda tx: insert_samples(tx, [list(rows) for rows in messages]))

    def transaction(self, id: int) -> dict[str, Any]:
        query = Transaction.select().where(Transaction.id == id)
        row: Any = self.engine.read(lambda: query.dicts().get())
        return {name: row[name] for name in COLUMNS}

    def samples(self) -> list[Any]:
        query = MeterValue.select().order_by(MeterValue.sampled_at, MeterValue.series_id)
        rows: Any = self.engine.read(lambda: list(query.tuples()))
        return [Sample(*row) for row in rows]

    def clear(self) -> None:
        def work(tx: Tx) -> None:
            tx.run(MeterValue.delete())
            tx.run(Transaction.delete())

        self.committer.run(0, work)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store_of_all(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """One database for all tests of this module: they are many and touch two tables only."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('samples') / 'test.db'}"
    else:
        url = request.getfixturevalue("postgresql").create_database()
    engine = Engine(url)
    store = Store(engine)
    try:
        yield store
    finally:
        store.committer.close()
        engine.close()


@pytest.fixture
def store(store_of_all: Store) -> Store:
    """A database without samples and transactions."""
    store_of_all.clear()
    return store_of_all


def news(
    transaction_id: int,
    minute: float,
    register_wh: int | None = None,
    power_w: float | None = None,
    flags: int = 0,
) -> TransactionProgress:
    return TransactionProgress(
        transaction_id=transaction_id,
        sampled_at=at(minute),
        register_wh=register_wh,
        power_w=power_w,
        flags=flags,
    )


# --- Samples --------------------------------------------------------------------------------------


def test_samples_are_stored_as_they_are(store: Store) -> None:
    samples = [
        Sample(1, 7, at(1), 1, 2, 1500.0, "1.5", None),
        Sample(1, 7, at(1), 2, 2, None, "AbC== \u20ac\U0001f50c", None),
        Sample(1, 0, at(2), 1, 0, 0.1, "0.1", -1),
    ]
    store.insert(samples[:1], samples[1:])
    assert store.samples() == samples


@pytest.mark.parametrize("groups", [1, 2])
def test_a_sample_that_is_there_is_left_as_it_is(store: Store, groups: int) -> None:
    first = Sample(1, 7, at(1), 1, 2, 1500.0, "1500", None)
    again = first._replace(value=1600.0, raw_value="1600")
    if groups == 1:
        store.insert([first], [again, again])
    else:
        store.insert([first])
        store.insert([again])
    assert store.samples() == [first]


@pytest.mark.parametrize(
    "change",
    [
        {"charge_point_id": 2},
        {"transaction_id": 8},
        {"sampled_at": at(1) + timedelta(milliseconds=1)},
        {"series_id": 2},
        {"connector_id": 1},
    ],
)
def test_a_sample_whose_key_differs_is_another_one(store: Store, change: dict[str, Any]) -> None:
    first = Sample(1, 7, at(1), 1, 2, 1500.0, "1500", None)
    store.insert([first, first._replace(**change)])
    assert len(store.samples()) == 2


def test_many_samples_of_many_messages(store: Store) -> None:
    messages = [
        [Sample(1, 7, at(minute), series, 1, 1.0, "1", None) for series in range(10)]
        for minute in range(200)
    ]
    store.insert(*messages)
    assert len(store.samples()) == 2000


# --- Progress -------------------------------------------------------------------------------------


def test_each_transaction_gets_its_own_news(store: Store) -> None:
    first, second = store.start(), store.start()
    store.progress(news(first, 1, 100, 7000.0), news(second, 2, 200), news(4711, 3, 300))
    assert store.transaction(first) == {
        "last_sample_at": at(1),
        "last_register_wh": 100,
        "last_register_at": at(1),
        "max_power_w": 7000.0,
        "flags": 0,
        "suspect_since": None,
        "stray": None,
    }
    assert store.transaction(second)["last_register_wh"] == 200


def test_several_messages_of_a_transaction_in_one_group(store: Store) -> None:
    """PostgreSQL applies one row of a joined UPDATE per transaction: none may be swallowed."""
    id, other = store.start(), store.start()
    store.progress(
        news(id, 1, 100, 9000.0),
        news(other, 1, 5),
        news(id, 2, 200, 7000.0),
        news(id, 3, None, 1.0),
    )
    row = store.transaction(id)
    assert (row["last_sample_at"], row["last_register_wh"], row["max_power_w"]) == (
        at(3),
        200,
        9000.0,
    )
    assert row["last_register_at"] == at(2)


def test_registers_count_past_32_bits(store: Store) -> None:
    id = store.start()
    store.progress(news(id, 1, 2**53))
    assert store.transaction(id)["last_register_wh"] == 2**53


@pytest.mark.parametrize(
    ("group", "flags"),
    [
        ([(1, 100), (2, 99)], FELL),
        ([(1, 100), (2, 100)], 0),
        ([(2, 100), (1, 99)], 0),  # a late old one did not fall
        ([(2, 100), (2, 99)], 0),  # nor did another one of that instant
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_register_that_fell(
    store: Store, group: list[tuple[int, int]], flags: int, groups: int
) -> None:
    id = store.start()
    rows = [news(id, minute, register) for minute, register in group]
    if groups == 1:
        store.progress(*rows)
    else:
        for row in rows:
            store.progress(row)
    assert store.transaction(id)["flags"] == flags


def test_samples_after_the_stop_and_flags_that_are_kept(store: Store) -> None:
    id = store.start(stopped_at=at(10), flags=1 << 20)
    store.progress(news(id, 10, 100))
    assert store.transaction(id)["flags"] == 1 << 20
    store.progress(news(id, 11, 100))
    assert store.transaction(id)["flags"] == 1 << 20 | OUTSIDE
    store.progress(news(id, 5, flags=1 << 21))
    assert store.transaction(id)["flags"] == 1 << 20 | OUTSIDE | 1 << 21


def test_suspicion_ends_with_a_later_sample(store: Store) -> None:
    id = store.start(suspect_since=at(5), flags=SUSPECT)
    store.progress(news(id, 4), news(id, 5))
    row = store.transaction(id)
    assert (row["flags"], row["suspect_since"]) == (SUSPECT, at(5))
    store.progress(news(id, 6))
    row = store.transaction(id)
    assert (row["flags"], row["suspect_since"]) == (0, None)


def expected(row: dict[str, Any], new: TransactionProgress, stopped_at: datetime | None) -> Any:
    """What a sample makes of a transaction, in plain words."""
    row, sampled_at = dict(row), new.sampled_at
    assert isinstance(sampled_at, datetime)
    flags = row["flags"] | new.flags
    if stopped_at is not None and sampled_at > stopped_at:
        flags |= OUTSIDE
    if row["last_sample_at"] is None or sampled_at > row["last_sample_at"]:
        row["last_sample_at"] = sampled_at
    if new.register_wh is not None:
        last = row["last_register_at"]
        if last is not None and sampled_at > last and new.register_wh < row["last_register_wh"]:
            flags |= FELL
        if last is None or sampled_at >= last:
            row["last_register_at"], row["last_register_wh"] = sampled_at, new.register_wh
    if new.power_w is not None:
        row["max_power_w"] = max(new.power_w, row["max_power_w"] or new.power_w)
    if row["suspect_since"] is not None and sampled_at > row["suspect_since"]:
        row["suspect_since"] = None
        flags &= ~SUSPECT
    if flags & OUTSIDE or sampled_at - START > STRAY_AFTER:
        row["stray"] = True
    return {**row, "flags": flags}


def test_any_groups_of_any_samples_have_the_same_end_on_both_engines(store: Store) -> None:
    dice = random.Random(20260301)
    stops = {store.start(stopped_at=stop): stop for stop in (None, at(10), None, at(15))}
    suspect = store.start(suspect_since=at(8), flags=SUSPECT)
    stops[suspect] = None
    rows = {id: store.transaction(id) for id in stops}
    for _ in range(40):
        group = [
            news(
                dice.choice(list(rows)),
                dice.choice([dice.randrange(20), dice.randrange(6000)]),
                dice.choice([None, dice.randrange(1000)]),
                dice.choice([None, dice.randrange(1, 11000) / 10]),
                dice.choice([0, 0, 0, 1 << 10]),
            )
            for _ in range(dice.randrange(1, 12))
        ]
        store.progress(*group)
        for new in group:
            id = new.transaction_id
            rows[id] = expected(rows[id], new, stops[id])
        assert {id: store.transaction(id) for id in rows} == rows
