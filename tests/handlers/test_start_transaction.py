"""StartTransaction: one row per physical start, the same answer every time (R26 to R34, F1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db.models import IdTag, Transaction, TransactionEvidence
from ocpp_cs.rules import Policy, flag_names
from tests.handlers import kept
from tests.handlers.conftest import NOW, Store

store = kept.store

CLOSED = Policy(unknown_charge_points="open", unknown_id_tags="closed")


def add_id_tag(store: Store, id_tag: str, **columns: Any) -> None:
    values = {"created_at": NOW, "updated_at": NOW, **columns}
    store.write(IdTag.insert(id_tag=id_tag, id_tag_key=id_tag.casefold(), **values))


def flags_of(store: Store, transaction_id: int) -> list[str]:
    row = store.row(Transaction.select().where(Transaction.id == transaction_id))
    return flag_names(row["flags"])


def test_a_start_is_stored_and_answered_with_its_id(store: Store) -> None:
    answer = store.desk().start()
    transaction_id = answer.pop("transactionId")
    assert 0 < transaction_id < 2**31  # R28
    assert answer == {
        "idTagInfo": {"status": "Accepted", "expiryDate": "2026-03-02T00:00:00.000Z"},
    }
    row = store.row(Transaction.select())
    assert row["id"] == transaction_id
    assert row["started_at"] == datetime.fromisoformat("2026-03-01T11:00:00+00:00")
    assert (row["meter_start_wh"], row["id_tag"], row["connector_id"]) == (1000, "TAG", 1)
    assert row["received_at"] == NOW
    assert row["stopped_at"] is None
    assert flag_names(row["flags"]) == []


START = {
    "connectorId": 1,
    "idTag": "TAG",
    "meterStart": 1000,
    "timestamp": "2026-03-01T11:00:00Z",
}


def test_every_retransmission_finds_the_first_row_and_gets_its_answer(store: Store) -> None:
    desk = store.desk()
    first = desk.send("StartTransaction", START, "one")
    desk.now += timedelta(days=2)  # a verdict made now would have another expiry date
    again = [desk.send("StartTransaction", START, message_id) for message_id in ("one", "two")]
    other_socket = store.desk().send("StartTransaction", START, "three")
    assert [*again, other_socket] == [first] * 3
    assert len(store.rows(Transaction.select())) == 1
    assert len(store.rows(TransactionEvidence.select())) == 1


def test_a_retransmission_after_the_stop_gets_the_same_id(store: Store) -> None:
    desk = store.desk()
    first = desk.start()
    desk.stop(first["transactionId"])
    assert desk.start() == first
    assert len(store.rows(Transaction.select())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"connectorId": 2},
        {"idTag": "OTHER"},
        {"meterStart": 1001},
        {"timestamp": "2026-03-01T11:00:00.001Z"},
    ],
)
def test_a_start_that_differs_is_another_transaction(store: Store, change: dict[str, Any]) -> None:
    desk = store.desk()
    assert desk.start()["transactionId"] != desk.start(**change)["transactionId"]


def test_the_same_start_of_another_charge_point_is_another_transaction(store: Store) -> None:
    first, second = store.desk("A").start(), store.desk("B").start()
    assert first["transactionId"] != second["transactionId"]


def test_the_same_instant_in_another_form_is_the_same_start(store: Store) -> None:
    desk = store.desk()
    first = desk.start(timestamp="2026-03-01T12:00:00+01:00", idTag="tag")
    assert desk.start(timestamp="2026-03-01T11:00:00.000Z", idTag="TAG") == first


def test_without_a_clock_a_start_after_the_stop_is_a_new_one(store: Store) -> None:
    desk = store.desk()
    boot_time = {"timestamp": "1970-01-01T00:00:10Z"}
    first = desk.start(**boot_time)["transactionId"]
    assert desk.start(**boot_time)["transactionId"] == first
    desk.stop(first, timestamp="1970-01-01T01:00:00Z")
    second = desk.start(**boot_time)["transactionId"]
    assert second != first
    assert desk.start(**boot_time)["transactionId"] == second
    assert flags_of(store, first) == ["clock_not_set"]
    assert set(flags_of(store, second)) >= {"clock_not_set", "repeated_without_clock"}


def test_an_unreadable_time_becomes_the_time_of_receipt_once(store: Store) -> None:
    desk = store.desk()
    first = desk.start(timestamp="222222017-01-01T00:00:00Z")
    desk.now += timedelta(minutes=1)
    assert desk.start(timestamp="222222017-01-01T00:00:00Z") == first
    row = store.row(Transaction.select())
    assert row["started_at"] == NOW
    assert flag_names(row["flags"]) == ["start_time_unreadable"]
    evidence = store.row(TransactionEvidence.select())
    assert "222222017" in evidence["frame"]


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"timestamp": "2026-03-01T11:00:00"}, "naive_time"),
        ({"timestamp": "2026-03-01T12:06:00Z"}, "start_in_future"),
        ({"timestamp": "1999-12-31T23:00:00Z"}, "clock_not_set"),
        ({"connectorId": 0}, "unusual_connector"),
        ({"connectorId": 65}, "unusual_connector"),
        ({"meterStart": -5}, "negative_register"),
        ({"meterStart": "1000"}, "unusual_content"),
    ],
)
def test_oddities_become_flags(store: Store, change: dict[str, Any], flag: str) -> None:
    transaction_id = store.desk().start(**change)["transactionId"]
    assert flag in flags_of(store, transaction_id)


def test_an_old_time_is_nothing_odd(store: Store) -> None:
    transaction_id = store.desk().start(timestamp="2021-11-10T14:00:00.000Z")["transactionId"]
    assert flags_of(store, transaction_id) == []


def test_a_register_below_the_last_stop_is_flagged(store: Store) -> None:
    desk = store.desk()
    desk.stop(desk.start()["transactionId"], meterStop=5000)
    lower = desk.start(timestamp="2026-03-01T11:45:00Z", meterStart=4999)["transactionId"]
    assert flags_of(store, lower) == ["register_fell"]


def test_a_refused_tag_still_gets_a_transaction(store: Store) -> None:
    desk = store.desk(policy=CLOSED)
    answer = desk.start()
    assert answer["idTagInfo"] == {"status": "Invalid"}
    assert flags_of(store, answer["transactionId"]) == ["id_tag_refused"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, {"status": "Accepted"}),
        ({"status": "blocked"}, {"status": "Blocked"}),
        (
            {"expires_at": NOW - timedelta(seconds=1)},
            {"status": "Expired", "expiryDate": "2026-03-01T11:59:59.000Z"},
        ),
        (
            {"parent_id_tag": "FLEET", "parent_id_tag_key": "fleet"},
            {"status": "Accepted", "parentIdTag": "FLEET"},
        ),
    ],
)
def test_a_known_tag_is_judged_in_any_case(
    store: Store, columns: dict[str, Any], expected: dict[str, str]
) -> None:
    add_id_tag(store, "AbCd", **columns)
    assert store.desk(policy=CLOSED).start(idTag="aBcD")["idTagInfo"] == expected


def test_a_second_transaction_of_a_tag_is_concurrent(store: Store) -> None:
    add_id_tag(store, "TAG")
    desk, other = store.desk("A", CLOSED), store.desk("B", CLOSED)
    first = desk.start()
    second = other.start()
    assert first["idTagInfo"]["status"] == "Accepted"
    assert second["idTagInfo"]["status"] == "ConcurrentTx"
    # The retransmission of either must not be counted against itself (R32).
    assert desk.start() == first
    assert other.start() == second
    assert other.send("Authorize", {"idTag": "TAG"})["idTagInfo"]["status"] == "Accepted"


@pytest.mark.parametrize(("limit", "status"), [(2, "Accepted"), (None, "Accepted")])
def test_a_tag_may_be_allowed_more(store: Store, limit: int | None, status: str) -> None:
    add_id_tag(store, "TAG", max_active_transactions=limit)
    store.desk("A", CLOSED).start()
    assert store.desk("B", CLOSED).start()["idTagInfo"]["status"] == status


def test_a_start_on_a_busy_connector_makes_the_open_one_suspect(store: Store) -> None:
    add_id_tag(store, "TAG")
    desk = store.desk(policy=CLOSED)
    old = desk.start()["transactionId"]
    new = desk.start(timestamp="2026-03-01T11:10:00Z")
    assert flags_of(store, old) == ["suspect_open"]
    # The stuck one does not lock its driver out, the new one counts.
    assert new["idTagInfo"]["status"] == "Accepted"
    third = desk.start(timestamp="2026-03-01T11:20:00Z", connectorId=2)
    assert third["idTagInfo"]["status"] == "ConcurrentTx"
