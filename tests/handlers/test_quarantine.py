"""What could not be read of a transaction is kept for a person; nothing else is (promise 3)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.db.models import Deviation, MeterValue, QuarantinedFrame, Transaction
from ocpp_cs.handlers import is_kept
from ocpp_cs.ocpp16.messages import ACTIONS
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Refused, Store

store = kept.store

UNREADABLE: dict[str, Any] = {
    "StartTransaction": {"connectorId": 1, "idTag": "TAG", "timestamp": "2026-03-01T11:00:00Z"},
    "StopTransaction": {"transactionId": [1], "meterStop": 5, "timestamp": "2026-03-01T11:00:00Z"},
    "MeterValues": {"connectorId": 1},
}


def refuse(desk: Desk, action: str, payload: Any, message_id: str) -> str:
    """The code that the call is refused with."""
    with pytest.raises(Refused) as refused:
        desk.send(action, payload, message_id)
    return refused.value.code


def quarantined(store: Store) -> list[dict[str, Any]]:
    return store.rows(QuarantinedFrame.select().order_by(QuarantinedFrame.id))


def test_only_transactions_are_kept() -> None:
    assert {action for action in ACTIONS if is_kept(action)} == UNREADABLE.keys()
    assert not is_kept(None)


def test_a_frame_is_kept_once_with_what_is_wrong_and_how_often_it_came(store: Store) -> None:
    desk = store.desk()
    for action, payload in UNREADABLE.items():
        desk.now = NOW
        for message_id in ("first", "first", "second"):
            refuse(desk, action, payload, message_id)
            desk.now += timedelta(minutes=1)
    rows = quarantined(store)
    assert [row["action"] for row in rows] == list(UNREADABLE)
    for row in rows:
        assert (row["received"], row["message_id"]) == (3, "first")
        assert (row["received_at"], row["last_received_at"]) == (NOW, NOW + timedelta(minutes=2))
        assert json.loads(row["frame"]) == [2, "first", row["action"], UNREADABLE[row["action"]]]
    assert rows[0]["error"].startswith("ProtocolError: ")
    assert "meterStart" in rows[0]["error"]
    assert store.rows(Transaction.select()) == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_ids_that_count_up_make_no_new_frames(store: Store) -> None:
    """Many firmwares count: "2" stands in the frame twice, as message type and as id."""
    desk = store.desk()
    for number in range(1, 25):
        refuse(desk, "MeterValues", UNREADABLE["MeterValues"], str(number))
    (row,) = quarantined(store)
    assert row["received"] == 24
    # Another content, or another charge point, is a frame of its own.
    refuse(desk, "MeterValues", {"connectorId": 2}, "25")
    refuse(store.desk("CP-2"), "MeterValues", UNREADABLE["MeterValues"], "1")
    assert len(quarantined(store)) == 3


def test_every_refusal_is_on_the_conformance_card(store: Store) -> None:
    desk = store.desk()
    refuse(desk, "MeterValues", UNREADABLE["MeterValues"], "1")
    refuse(desk, "Authorize", {}, "2")
    refuse(desk, "Authorize", {}, "3")
    refuse(desk, "Heartbeet" * 100, {}, "4")
    card = store.rows(Deviation.select().order_by(Deviation.id))
    assert [(row["code"], row["detail"], row["seen"]) for row in card] == [
        ("ProtocolError", "MeterValues", 1),
        ("ProtocolError", "Authorize", 2),
        ("NotImplemented", ("Heartbeet" * 100)[:80], 1),
    ]
    assert [row["action"] for row in quarantined(store)] == ["MeterValues"]


def test_bytes_that_no_column_holds_are_marked(store: Store) -> None:
    desk = store.desk()
    frame = b'[2,"1","MeterValues",{"connectorId":1,"x":"\\u0000\\ud800 \xff\xc3\x28 \x00"}]'
    for raw in (frame, frame.replace(b"\xff\xc3\x28", b"").replace(b" \x00", b"")):
        event = desk.session.receive(raw, 0.0)
        if type(event).__name__ == "CallRefused":
            with pytest.raises(Refused):
                desk.send_frame(raw)
    long_id = "i" * 5000
    refuse(desk, "MeterValues", {}, long_id)
    rows = quarantined(store)
    assert rows
    for row in rows:
        assert "\x00" not in row["frame"]
        assert len(row["message_id"]) <= 80
    assert long_id in rows[-1]["frame"]


# --- Parts of a message ---------------------------------------------------------------------------


def meter_values(*times: str) -> Any:
    values = [
        {"timestamp": time, "sampledValue": [{"value": str(number)}]}
        for number, time in enumerate(times)
    ]
    return {"connectorId": 1, "meterValue": values}


def test_all_samples_of_a_message_are_stored_though_times_of_it_cannot_be_read(
    store: Store,
) -> None:
    desk = store.desk()
    payload = meter_values("2026-03-01T11:00:00Z", "yesterday", "2026-03-01T11:02:00Z", "today")
    for message_id in ("1", "2", "3"):
        assert desk.send("MeterValues", payload, message_id) == {}
        desk.now += timedelta(minutes=1)
    samples = store.rows(MeterValue.select().order_by(MeterValue.sampled_at))
    assert [row["raw_value"] for row in samples] == ["0", "2", "1", "3"]
    (row,) = quarantined(store)
    assert (row["received"], row["action"]) == (3, "MeterValues")


def test_the_frame_of_a_stop_with_unreadable_samples_is_kept(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    data = [
        {"timestamp": "2026-03-01T11:10:00Z", "sampledValue": [{"value": "1500"}]},
        {"timestamp": "2026-03-01T11:20:00Z", "sampledValue": "nothing"},
    ]
    desk.stop(transaction_id, transactionData=data)
    assert store.row(Transaction.select())["meter_stop_wh"] == 5000
    assert [row["raw_value"] for row in store.rows(MeterValue.select())] == ["1500"]
    (row,) = quarantined(store)
    assert row["action"] == "StopTransaction"
    assert "nothing" in row["frame"]
