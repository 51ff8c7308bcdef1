"""Pruning meter values: what goes, what is kept of it, in which chunks.

That no report changes by it is proved in tests/api/test_reports_model.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.db import migrate, models
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.retention import meter_values
from ocpp_cs.retention.meter_values import Pruned, prune_meter_values
from tests.api.rows import START, STOP, Rows
from tests.retention import store_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def committer(database_url: str, tables: None) -> Iterator[Committer]:
    engine = Engine(database_url)
    migrate.upgrade(engine)
    committer = Committer(engine)
    try:
        yield committer
    finally:
        committer.close()
        engine.close()


@pytest.fixture
def rows(committer: Committer) -> Iterator[Rows]:
    rows = Rows(committer.engine)
    try:
        yield rows
    finally:
        rows.close()


def prune(committer: Committer, days: int = 1) -> list[Pruned]:
    """All chunks of a run that keeps what is not older than `days` days after STOP."""
    store, before = store_of(committer), STOP + days * DAY
    due = sum(meter_values.steps(store, before, True))
    chunks = [prune_meter_values(store, before)]
    while chunks[-1].more:
        chunks.append(prune_meter_values(store, before, chunks[-1].place))
    assert due == sum(chunk.removed for chunk in chunks)
    return chunks


def kept(engine: Engine, table: Any) -> list[tuple[Any, ...]]:
    return engine.read(lambda: sorted(table.select().tuples()))


def session(rows: Rows, charge_point_id: int, minutes: int = 75, **values: Any) -> int:
    """One with a sample of register and power each minute, at 4000 W."""
    id = rows.stopped(charge_point_id, **values)
    with rows.together():
        for minute in range(minutes):
            at, register = START + minute * MINUTE, 10000 + minute * 200 // 3
            given: dict[str, Any] = {"charge_point_id": charge_point_id}
            rows.sample(id, at, "", value=register, **given)
            rows.sample(id, at, "", value=4000, measurand="Power.Active.Import", unit="W", **given)
    return id


def test_a_session_is_left_with_its_quarter_hours(committer: Committer, rows: Rows) -> None:
    id = session(rows, rows.charge_point())
    assert sum(chunk.removed for chunk in prune(committer)) == 150
    assert kept(committer.engine, models.MeterValue) == []
    assert kept(committer.engine, models.RegisterReading) == [
        (1, id, START + quarter * 15 * MINUTE, 10000 + quarter * 1000) for quarter in range(1, 5)
    ]


def test_what_is_young_or_active_stays(committer: Committer, rows: Rows) -> None:
    key = rows.charge_point()
    session(rows, key, stopped_at=STOP + DAY)
    active = rows.transaction(key)
    rows.sample(active, START, "11000", value=11000)
    rows.sample(0, STOP + DAY, "11000", value=11000)
    before = kept(committer.engine, models.MeterValue)
    assert sum(chunk.removed for chunk in prune(committer)) == 0
    assert kept(committer.engine, models.MeterValue) == before
    assert kept(committer.engine, models.RegisterReading) == []


def test_samples_of_no_transaction_go_by_their_own_time(committer: Committer, rows: Rows) -> None:
    for key in (rows.charge_point("A"), rows.charge_point("B")):
        for hours in (0, 1, 40):
            rows.sample(0, START + hours * 60 * MINUTE, "1", value=1, charge_point_id=key)
    assert sum(chunk.removed for chunk in prune(committer)) == 4
    assert [row[0] for row in kept(committer.engine, models.MeterValue)] == [1, 2]


def test_chunks_are_bounded(
    committer: Committer, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_values, "_CHUNK", 10)
    monkeypatch.setattr(meter_values, "_LOOKED_AT", 3)
    key = rows.charge_point()
    for _ in range(4):
        rows.stopped(key)  # without samples
    for _ in range(5):
        session(rows, key, minutes=4)
    for minute in range(25):
        rows.sample(0, START + minute * MINUTE, "1", value=1)
    removed = [chunk.removed for chunk in prune(committer)]
    assert sum(removed) == 5 * 8 + 25
    assert max(removed) == 16  # a session's samples go together
    assert kept(committer.engine, models.MeterValue) == []
    # A second run finds nothing, and what came late.
    assert sum(chunk.removed for chunk in prune(committer)) == 0
    rows.sample(7, START + MINUTE, "10500", value=10500)
    assert sum(chunk.removed for chunk in prune(committer)) == 1


def test_a_long_session_goes_in_chunks_and_its_registers_at_last(
    committer: Committer, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_values, "_CHUNK", 20)
    key = rows.charge_point()
    session(rows, key, minutes=3)
    long = session(rows, key)
    assert [chunk.removed for chunk in prune(committer)][:6] == [6, 20, 20, 20, 90, 0]
    assert kept(committer.engine, models.MeterValue) == []
    assert kept(committer.engine, models.RegisterReading)[1:] == [
        (1, long, START + quarter * 15 * MINUTE, 10000 + quarter * 1000) for quarter in range(1, 5)
    ]


def test_a_long_silence_is_two_readings(committer: Committer, rows: Rows) -> None:
    """No row for each quarter hour of a session that stood still for weeks."""
    id = rows.stopped(rows.charge_point(), stopped_at=STOP, started_at=STOP - 30 * DAY)
    middle = STOP - 10 * DAY
    rows.sample(id, middle, "14000", value=14000)
    prune(committer)
    assert kept(committer.engine, models.RegisterReading) == [(1, id, middle, 14000)]
