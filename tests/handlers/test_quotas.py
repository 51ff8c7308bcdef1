"""What one charge point may fill the database with, and that no energy is lost for it (A9)."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.db.models import Deviation, MeterSeries, MeterValue, Transaction
from ocpp_cs.handlers.quotas import QuotaReached
from tests.handlers import kept
from tests.handlers.conftest import OPEN, Desk, Store

store = kept.store

# The package has a function of that name.
meter_values = importlib.import_module("ocpp_cs.handlers.meter_values")
CLOSED = replace(OPEN, unknown_id_tags="closed", refused_starts_per_hour=3)


def starts(desk: Desk, count: int, **changes: Any) -> None:
    for minute in range(count):
        at = f"2026-03-01T10:{minute:02}:00Z"
        answer = desk.start(timestamp=at, **changes)
        assert answer["transactionId"] > 0


def count(store: Store) -> int:
    return len(store.rows(Transaction.select(Transaction.id)))


def test_starts_with_refused_id_tags_have_a_quota(store: Store) -> None:
    desk = store.desk("CP-1", CLOSED)
    starts(desk, 3)
    with pytest.raises(QuotaReached):
        desk.start(idTag="ANOTHER")
    assert count(store) == 3
    starts(desk, 3)  # sent again, they get their first answers
    assert count(store) == 3
    starts(store.desk("CP-2", CLOSED), 3)  # everybody has an own one
    desk.now += timedelta(hours=1, seconds=1)
    desk.start(idTag="ANOTHER")
    assert count(store) == 7


def test_accepted_starts_have_none(store: Store) -> None:
    desk = store.desk("CP-1", replace(CLOSED, unknown_id_tags="open"))
    starts(desk, 8)
    assert count(store) == 8


def test_none_is_meant_by_0(store: Store) -> None:
    starts(store.desk("CP-1", replace(CLOSED, refused_starts_per_hour=0)), 8)
    assert count(store) == 8


# --- Kinds of samples -----------------------------------------------------------------------------


def send(desk: Desk, transaction_id: int, *values: dict[str, str], minute: int = 5) -> None:
    at = f"2026-03-01T11:{minute:02}:00Z"
    value = {"timestamp": at, "sampledValue": list(values)}
    payload = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]}
    assert desk.send("MeterValues", payload) == {}


def test_kinds_that_are_made_up_end_somewhere(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter_values, "MOST_SERIES", 3)
    desk = store.desk()
    id = desk.start()["transactionId"]
    for number in range(6):
        send(desk, id, {"value": str(number), "measurand": f"Made up {number}"}, minute=number)
    # The register of bills has its own kind all the same; the odd one beside it counts, too.
    send(
        desk,
        id,
        {"value": "2000"},
        {"value": "1", "measurand": "One more"},
        {"value": "2", "measurand": "Another", "phase": "L1"},
        minute=10,
    )
    send(desk, id, {"value": "2.5", "unit": "kWh", "context": "Made up"}, minute=11)
    kinds = {row["id"]: row["measurand"] for row in store.rows(MeterSeries.select())}
    assert sorted(kinds.values()) == [
        "Energy.Active.Import.Register",
        "Made up 0",
        "Made up 1",
        "Made up 2",
        "Other",
    ]
    rows = store.rows(MeterValue.select().order_by(MeterValue.sampled_at))
    others = [row for row in rows if kinds[row["series_id"]] == "Other"]
    assert [row["value"] for row in others] == [None] * len(others)
    told = [json.loads(row["raw_value"]) for row in others]
    assert [[each["value"] for each in part] for part in told] == [
        ["3"],
        ["4"],
        ["5"],
        ["1", "2"],
        ["2.5"],
    ]
    assert told[3][1] == {"value": "2", "measurand": "Another", "phase": "L1"}
    assert store.row(Transaction.select())["last_register_wh"] == 2500
    codes = {row["code"] for row in store.rows(Deviation.select())}
    assert "too_many_kinds" in codes
    before = len(rows)
    send(desk, id, {"value": "3", "measurand": "Made up 3"}, minute=3)  # sent again
    assert len(store.rows(MeterValue.select())) == before


def test_kinds_that_are_known_stay_in_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = store.desk()
    id = desk.start()["transactionId"]
    send(desk, id, {"value": "1", "measurand": "Made up"}, minute=1)
    monkeypatch.setattr(meter_values, "MOST_SERIES", 1)
    store.committer.run(0, lambda tx: tx.memory.clear())
    send(desk, id, {"value": "2", "measurand": "Made up"}, minute=2)
    assert len(store.rows(MeterSeries.select())) == 1
