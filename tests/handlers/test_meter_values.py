"""MeterValues: every sample once, in one unit per kind, with its text (R35 to R37, F4, A10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db.models import (
    Deviation,
    MeterSeries,
    MeterValue,
    QuarantinedFrame,
    SecurityEvent,
    Transaction,
)
from ocpp_cs.rules import flag_names
from tests.handlers import kept
from tests.handlers.conftest import Desk, Refused, Store

store = kept.store


def samples(store: Store) -> list[dict[str, Any]]:
    return store.rows(
        MeterValue.select(MeterValue, MeterSeries)
        .join(MeterSeries, on=(MeterSeries.id == MeterValue.series_id))
        .order_by(MeterValue.sampled_at, MeterValue.series_id)
    )


def transaction(store: Store) -> dict[str, Any]:
    return store.row(Transaction.select())


def meter(
    desk: Desk, *values: Any, time: str = "2026-03-01T11:10:00Z", **payload: Any
) -> dict[str, Any]:
    sampled = [value if isinstance(value, dict) else {"value": str(value)} for value in values]
    answer: dict[str, Any] = desk.send(
        "MeterValues",
        {
            "connectorId": 1,
            "meterValue": [{"timestamp": time, "sampledValue": sampled}],
            **payload,
        },
    )
    return answer


def test_defaults_are_filled_in_and_the_text_is_kept(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    assert meter(desk, "1500", transactionId=transaction_id) == {}
    (row,) = samples(store)
    assert row["sampled_at"] == datetime.fromisoformat("2026-03-01T11:10:00+00:00")
    assert (row["value"], row["raw_value"], row["unit"]) == (1500.0, "1500", "Wh")
    assert (row["measurand"], row["context"], row["location"], row["format"]) == (
        "Energy.Active.Import.Register",
        "Sample.Periodic",
        "Outlet",
        "Raw",
    )
    assert (row["transaction_id"], row["claimed_transaction_id"]) == (transaction_id, None)


def test_a_sample_sent_again_is_the_same_sample(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    for value in ("1500", "1500", "1600"):  # the first one stands
        meter(desk, value, transactionId=transaction_id)
    meter(
        desk,
        {"value": "1500", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        transactionId=transaction_id,
    )
    assert [row["raw_value"] for row in samples(store)] == ["1500"]


def test_kinds_of_one_instant_are_samples_of_their_own(store: Store) -> None:
    desk = store.desk()
    values = [
        {"value": "230.1", "measurand": "Voltage", "phase": "L1", "unit": "V"},
        {"value": "231.2", "measurand": "Voltage", "phase": "L2", "unit": "V"},
        {"value": "16", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
        {
            "value": "16",
            "measurand": "Current.Import",
            "phase": "L1",
            "unit": "A",
            "context": "Trigger",
        },
    ]
    meter(desk, *values)
    assert len(samples(store)) == 4


@pytest.mark.parametrize(
    ("sampled", "value", "unit"),
    [
        ({"value": "1.5", "unit": "kWh"}, 1500.0, "Wh"),
        ({"value": "1234.5678", "unit": "kWh"}, 1234568.0, "Wh"),
        ({"value": "0.1", "unit": "kWh"}, 100.0, "Wh"),
        ({"value": "1500.4"}, 1500.0, "Wh"),
        ({"value": "1,5", "unit": "kWh"}, 1500.0, "Wh"),
        ({"value": "7.36", "measurand": "Power.Active.Import", "unit": "kW"}, 7360.0, "W"),
        ({"value": "21.5", "measurand": "Temperature", "unit": "Celcius"}, 21.5, "Celsius"),
        ({"value": "21.5", "measurand": "Temperature", "unit": "Celsius"}, 21.5, "Celsius"),
        ({"value": "not a number"}, None, "Wh"),
        ({"value": "NaN"}, None, "Wh"),
        ({"value": "1e999"}, None, "Wh"),
        ({"value": "AbC==", "format": "SignedData"}, None, "Wh"),
        ({"value": "3", "measurand": "Energy.Reactive.Import.Register"}, 3.0, "varh"),
    ],
)
def test_numbers_are_kept_in_one_unit(
    store: Store, sampled: dict[str, str], value: float | None, unit: str
) -> None:
    meter(store.desk(), sampled)
    (row,) = samples(store)
    assert (row["value"], row["unit"], row["raw_value"]) == (value, unit, sampled["value"])


def test_unknown_words_are_kept_as_they_are(store: Store) -> None:
    desk = store.desk()
    meter(desk, {"value": "1", "measurand": "Vendor.Magic", "unit": "furlong", "extra": 1})
    (row,) = samples(store)
    assert (row["measurand"], row["unit"], row["value"]) == ("Vendor.Magic", "furlong", 1.0)
    card = {row["code"] for row in store.rows(Deviation.select())}
    assert {"unknown_value", "unknown_property"} <= card


def test_a_number_instead_of_text_is_read(store: Store) -> None:
    meter(store.desk(), {"value": 1500.5})
    assert samples(store)[0]["raw_value"] == "1500.5"


def test_samples_tell_the_progress_of_their_transaction(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    power = {"measurand": "Power.Active.Import", "unit": "W"}
    meter(desk, "1500", {"value": "7000", **power}, transactionId=transaction_id)
    meter(
        desk,
        "1900",
        *({"value": "3000", "phase": phase, **power} for phase in ("L1", "L2", "L3")),
        time="2026-03-01T11:20:00Z",
        transactionId=transaction_id,
    )
    # A late old one must not set it back.
    meter(desk, "1100", time="2026-03-01T11:05:00Z", transactionId=transaction_id)
    row = transaction(store)
    assert (row["last_register_wh"], row["max_power_w"]) == (1900, 9000.0)
    assert row["last_register_at"] == datetime.fromisoformat("2026-03-01T11:20:00+00:00")
    assert flag_names(row["flags"]) == []


def test_what_no_meter_can_show_is_kept_as_a_sample_only(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    power = {"measurand": "Power.Active.Import", "unit": "W", "value": "1e308"}
    meter(
        desk,
        {"value": "1e300"},
        *({**power, "phase": phase} for phase in ("L1", "L2", "L3")),
        transactionId=transaction_id,
    )
    row = transaction(store)
    assert (row["last_register_wh"], row["max_power_w"]) == (None, None)
    assert {row["raw_value"] for row in samples(store)} == {"1e300", "1e308"}


def test_several_messages_of_one_transaction_in_one_group(store: Store) -> None:
    """The group's progress is one statement on PostgreSQL, where a row is updated once only."""
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    payload = {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [
            {"timestamp": f"2026-03-01T11:{minute}:00Z", "sampledValue": [{"value": str(value)}]}
            for minute, value in ((10, 1500), (11, 1600), (12, 1700))
        ],
    }
    desk.send("MeterValues", payload)
    assert transaction(store)["last_register_wh"] == 1700
    assert len(samples(store)) == 3


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ([("11:10", 1500), ("11:20", 1400)], "register_fell"),
        ([("10:59", 1500)], "sample_outside"),
    ],
)
def test_odd_series_are_flagged(store: Store, values: list[tuple[str, int]], flag: str) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    for time, value in values:
        meter(desk, value, time=f"2026-03-01T{time}:00Z", transactionId=transaction_id)
    assert flag_names(transaction(store)["flags"]) == [flag]
    assert len(samples(store)) == len(values)


def test_a_sample_after_the_stop_is_flagged(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    desk.stop(transaction_id)
    meter(desk, "4000", time="2026-03-01T11:29:00Z", transactionId=transaction_id)
    assert flag_names(transaction(store)["flags"]) == []
    meter(desk, "5000", time="2026-03-01T11:31:00Z", transactionId=transaction_id)
    assert flag_names(transaction(store)["flags"]) == ["sample_outside"]


def test_a_new_sample_ends_suspicion_and_an_old_one_does_not(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    desk.send("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    meter(desk, "1500", time="2026-03-01T11:59:00Z", transactionId=transaction_id)
    assert flag_names(transaction(store)["flags"]) == ["suspect_open"]
    desk.now += timedelta(minutes=5)
    meter(desk, "1600", time="2026-03-01T12:02:00Z", transactionId=transaction_id)
    assert flag_names(transaction(store)["flags"]) == []


@pytest.mark.parametrize("claimed", [-1, 0, 2**30])
def test_samples_of_no_known_transaction_are_kept_without_one(store: Store, claimed: int) -> None:
    desk = store.desk()
    for _ in range(2):
        assert meter(desk, "1500", transactionId=claimed) == {}
    (row,) = samples(store)
    assert (row["transaction_id"], row["claimed_transaction_id"]) == (0, claimed)
    assert row["connector_id"] == 1


def test_foreign_samples_leave_the_transaction_alone(store: Store) -> None:
    victim, attacker = store.desk("VICTIM"), store.desk("ATTACKER")
    transaction_id = victim.start()["transactionId"]
    meter(victim, "1500", transactionId=transaction_id)
    assert meter(attacker, "99999", transactionId=transaction_id) == {}
    assert transaction(store)["last_register_wh"] == 1500
    by_owner = {row["charge_point_id"]: row["transaction_id"] for row in samples(store)}
    assert by_owner == {victim.charge_point.id: transaction_id, attacker.charge_point.id: 0}
    assert store.row(SecurityEvent.select())["charge_point_id"] == attacker.charge_point.id


def test_an_unreadable_time_is_the_time_of_receipt_once(store: Store) -> None:
    desk = store.desk()
    transaction_id = desk.start()["transactionId"]
    for _ in range(2):
        meter(desk, "1500", time="yesterday", transactionId=transaction_id)
        desk.now += timedelta(minutes=1)
    (row,) = samples(store)
    assert row["sampled_at"] == desk.now - timedelta(minutes=2)
    kept = store.row(QuarantinedFrame.select())
    assert (kept["action"], kept["received"]) == ("MeterValues", 2)
    assert "yesterday" in kept["frame"]


def test_what_cannot_be_read_is_refused_and_kept(store: Store) -> None:
    desk = store.desk()
    payload = {"connectorId": 1, "meterValue": [{"timestamp": "2026-03-01T11:10:00Z"}]}
    for message_id in ("first", "second"):
        with pytest.raises(Refused):
            desk.send("MeterValues", payload, message_id)
    kept = store.row(QuarantinedFrame.select())
    assert (kept["action"], kept["message_id"], kept["received"]) == ("MeterValues", "first", 2)
    assert "11:10:00" in kept["frame"]
    assert samples(store) == []


def test_several_unreadable_times_of_a_message_are_several_samples(store: Store) -> None:
    desk = store.desk()
    payload = {
        "connectorId": 1,
        "meterValue": [
            {"timestamp": time, "sampledValue": [{"value": value}]}
            for time, value in (
                ("?", "1"),
                ("??", "2"),
                ("2026-03-01T11:10:00Z", "3"),
                ("???", "4"),
            )
        ],
    }
    for message_id in ("first", "second"):
        desk.send("MeterValues", payload, message_id)
        desk.now += timedelta(minutes=1)
    assert sorted(row["raw_value"] for row in samples(store)) == ["1", "2", "3", "4"]


def test_the_frame_of_a_part_that_could_not_be_read_is_kept(store: Store) -> None:
    desk = store.desk()
    payload = {
        "connectorId": 1,
        "meterValue": [
            {"timestamp": "2026-03-01T11:10:00Z", "sampledValue": [{"value": "1"}, {"unit": "Wh"}]}
        ],
    }
    assert desk.send("MeterValues", payload) == {}
    assert [row["raw_value"] for row in samples(store)] == ["1"]
    assert "11:10:00" in store.row(QuarantinedFrame.select())["frame"]


def test_a_fault_that_samples_share_is_one_line_with_its_count(store: Store) -> None:
    desk = store.desk()
    values = [
        {"timestamp": f"2026-03-01T11:{minute}:00", "sampledValue": [{"value": "1"}]}
        for minute in (10, 11, 12)
    ]
    for _ in range(2):
        desk.send("MeterValues", {"connectorId": 1, "meterValue": values})
        desk.now += timedelta(minutes=1)
    line = store.row(Deviation.select())
    assert (line["code"], line["detail"], line["seen"]) == ("naive_time", "MeterValues", 6)
    assert line["last_seen_at"] - line["first_seen_at"] == timedelta(minutes=1)
