"""StopTransaction: always answered, the first one stands, nothing is lost (R29 to R31, F2, F3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from ocpp_cs.db.models import (
    MeterSeries,
    MeterValue,
    OrphanStop,
    SecurityEvent,
    Transaction,
    TransactionEvidence,
)
from ocpp_cs.rules import flag_names
from tests.handlers import kept
from tests.handlers.conftest import Store

store = kept.store


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def transaction(store: Store, transaction_id: int) -> dict[str, Any]:
    return store.row(Transaction.select().where(Transaction.id == transaction_id))


def test_a_stop_ends_its_transaction(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    answer = desk.stop(transaction_id, idTag="TAG", reason="EVDisconnected")
    assert answer == {"idTagInfo": {"status": "Accepted", "expiryDate": "2026-03-02T00:00:00.000Z"}}
    row = transaction(store, transaction_id)
    assert row["stopped_at"] == at("2026-03-01T11:30:00+00:00")
    assert (row["meter_stop_wh"], row["stop_reason"], row["stop_id_tag"]) == (
        5000,
        "EVDisconnected",
        "TAG",
    )
    assert flag_names(row["flags"]) == []


def test_reason_and_id_tag_are_optional(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    assert desk.stop(transaction_id) == {}
    row = transaction(store, transaction_id)
    assert (row["stop_reason"], row["stop_id_tag"]) == ("Local", None)


def test_a_retransmitted_stop_changes_nothing(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    first = desk.stop(transaction_id, idTag="TAG", reason="Local")
    before = transaction(store, transaction_id)
    again = [desk.stop(transaction_id, idTag="TAG", reason="Local") for _ in range(3)]
    assert again == [first] * 3
    assert transaction(store, transaction_id) == before
    assert store.rows(OrphanStop.select()) == []


def test_a_different_second_stop_is_evidence_and_the_first_stands(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    desk.stop(transaction_id)
    for _ in range(2):  # its retransmission is no further evidence
        assert desk.stop(transaction_id, meterStop=9999) == {}
    row = transaction(store, transaction_id)
    assert row["meter_stop_wh"] == 5000
    assert flag_names(row["flags"]) == ["conflicting_stop"]
    evidence = store.rows(TransactionEvidence.select().order_by(TransactionEvidence.id))
    assert [row["kind"] for row in evidence] == ["start", "stop", "conflicting_stop"]
    assert "9999" in evidence[2]["frame"]


@pytest.mark.parametrize("transaction_id", [-1, 0, 2**30, 2**31 - 1])
def test_a_stop_of_no_known_transaction_is_answered_and_kept_once(
    store: Store, transaction_id: int
) -> None:
    desk = store.desk()
    for _ in range(2):
        assert desk.stop(transaction_id, idTag="TAG")["idTagInfo"]["status"] == "Accepted"
    orphan = store.row(OrphanStop.select())
    assert (orphan["transaction_id"], orphan["meter_stop_wh"]) == (transaction_id, 5000)
    assert orphan["likely_transaction_id"] is None
    assert str(transaction_id) in orphan["frame"]


def test_a_stop_without_id_names_the_only_transaction_that_fits(store: Store) -> None:
    desk = store.desk()
    fitting = desk.start()["transactionId"]
    desk.start(connectorId=2, idTag="OTHER")
    desk.stop(-1, idTag="tag")
    assert store.row(OrphanStop.select())["likely_transaction_id"] == fitting
    assert transaction(store, fitting)["stopped_at"] is None


def test_a_stop_without_id_names_none_when_two_fit(store: Store) -> None:
    desk = store.desk()
    desk.start()
    desk.start(connectorId=2)
    desk.stop(-1, idTag="TAG")
    assert store.row(OrphanStop.select())["likely_transaction_id"] is None


def test_a_foreign_stop_leaves_the_transaction_alone(store: Store) -> None:
    victim, attacker = store.desk("VICTIM"), store.desk("ATTACKER")
    transaction_id = victim.start()["transactionId"]
    assert attacker.stop(transaction_id) == {}
    assert transaction(store, transaction_id)["stopped_at"] is None
    assert store.row(OrphanStop.select())["charge_point_id"] == attacker.charge_point.id
    event = store.row(SecurityEvent.select())
    assert (event["type"], event["source"]) == ("ForeignTransaction", "central_system")
    assert event["charge_point_id"] == attacker.charge_point.id


@pytest.mark.parametrize(
    ("stopped_at", "flags"),
    [("2026-03-01T11:59:00Z", []), ("2026-03-01T12:01:00Z", ["late_stop"])],
)
def test_a_stop_ends_suspicion(store: Store, stopped_at: str, flags: list[str]) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    desk.send("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    assert flag_names(transaction(store, transaction_id)["flags"]) == ["suspect_open"]
    desk.stop(transaction_id, timestamp=stopped_at)
    row = transaction(store, transaction_id)
    assert flag_names(row["flags"]) == flags
    assert row["suspect_since"] is None


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"meterStop": 999}, "negative_energy"),
        ({"timestamp": "2026-03-01T10:59:59Z"}, "stop_before_start"),
        ({"timestamp": "garbage"}, "stop_time_unreadable"),
        ({"timestamp": "2026-03-02T00:00:00Z"}, "stop_in_future"),
        ({"reason": "BlownFuse"}, "unusual_content"),
    ],
)
def test_oddities_become_flags(store: Store, change: dict[str, Any], flag: str) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    assert desk.stop(transaction_id, **change) == {}
    row = transaction(store, transaction_id)
    assert row["stopped_at"] is not None
    assert flag_names(row["flags"]) == [flag]


def test_transaction_data_become_samples_of_the_transaction(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start(connectorId=2)["transactionId"]
    data = [
        {"timestamp": f"2026-03-01T11:{minute}:00Z", "sampledValue": [{"value": str(value)}]}
        for minute, value in ((10, 2000), (20, 3500))
    ]
    for _ in range(2):
        desk.stop(transaction_id, transactionData=data)
    rows = store.rows(
        MeterValue.select(MeterValue, MeterSeries.measurand, MeterSeries.unit)
        .join(MeterSeries, on=(MeterSeries.id == MeterValue.series_id))
        .order_by(MeterValue.sampled_at)
    )
    assert [(row["sampled_at"], row["value"], row["connector_id"]) for row in rows] == [
        (at("2026-03-01T11:10:00+00:00"), 2000.0, 2),
        (at("2026-03-01T11:20:00+00:00"), 3500.0, 2),
    ]
    assert {(row["measurand"], row["unit"]) for row in rows} == {
        ("Energy.Active.Import.Register", "Wh")
    }
    row = transaction(store, transaction_id)
    assert (row["last_register_wh"], row["flags"]) == (3500, 0)
