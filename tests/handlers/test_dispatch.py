"""Every action at the one door of the handlers: found, answered by its schema, its faults counted.

What each of them stores is tested in the module of its name.
"""

from __future__ import annotations

import json
from datetime import timedelta

import jsonschema
import pytest

from ocpp_cs.db.models import ChargePoint, Deviation, MeterValue, Transaction
from ocpp_cs.handlers import HANDLERS
from ocpp_cs.ocpp16.messages import FROM_CHARGE_POINT
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Refused, Store
from tests.ocpp16.schemas import payload, schema, schema_text

store = kept.store

ACTIONS = sorted(FROM_CHARGE_POINT)


def test_every_action_of_a_charge_point_has_its_handler() -> None:
    assert sorted(HANDLERS) == ACTIONS
    assert len(ACTIONS) == 14
    for action, handler in HANDLERS.items():
        assert handler.__name__ == "".join(
            f"_{letter.lower()}" if letter.isupper() else letter for letter in action
        ).lstrip("_")


def test_whatever_the_schemas_allow_is_answered_as_they_demand(store: Store) -> None:
    """The smallest payloads and the fullest, each enumeration value and limit among them."""
    desk = store.desk()
    for action in ACTIONS:
        validator = jsonschema.Draft4Validator(json.loads(schema_text(f"{action}Response")))
        for optional in (False, True):
            for turn in range(12):
                request = payload(schema(action), turn, optional=optional)
                validator.validate(desk.send(action, request))
                desk.now += timedelta(seconds=1)


# --- Never lose money data for a formality (promise 3, R24, R26) ----------------------------------

TIMES = [
    "",
    "yesterday",
    "2026-03-01T11:00:60Z",
    "2026-03-01T24:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "222222017-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "2026-03-01T11:00:00",
    "\x00\ud800",
    "x" * 5000,
]


def test_no_time_however_odd_stops_an_answer(store: Store) -> None:
    for number, time in enumerate(TIMES):
        desk = store.desk(f"CP-{number}")
        transaction_id = desk.start(timestamp=time)["transactionId"]
        value = {"timestamp": time, "sampledValue": [{"value": "1500"}]}
        samples = {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]}
        assert desk.send("MeterValues", samples) == {}
        assert desk.stop(transaction_id, timestamp=time, transactionData=[value]) == {}
        event = {"type": "ResetOrReboot", "timestamp": time}
        assert desk.send("SecurityEventNotification", event) == {}
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        assert desk.send("StatusNotification", {**status, "timestamp": time}) == {}
        # And it can be read by those who look at it.
        (stored,) = store.rows(Transaction.select().where(Transaction.id == transaction_id))
        assert stored["stopped_at"] is not None
        found = MeterValue.select().where(MeterValue.transaction_id == transaction_id)
        assert "1500" in {row["raw_value"] for row in store.rows(found)}


SAMPLES: list[dict[str, str]] = [
    {"value": "1e30"},
    {"value": "-1e300"},
    {"value": "9223372036854775808"},
    {"value": "9e999999", "unit": "kWh"},
    {"value": "sNaN", "unit": "kW", "measurand": "Power.Active.Import"},
    {"value": "1e308", "unit": "kW", "measurand": "Power.Active.Import"},
    {"value": ""},
    {"value": "\x00\ud800"},
    {"value": "x" * 100_000, "format": "SignedData"},
    {"value": "1", "measurand": "m" * 1000, "unit": "u" * 1000, "context": "c" * 1000},
]


def test_no_sample_however_odd_stops_an_answer(store: Store) -> None:
    for number, sampled in enumerate(SAMPLES):
        desk = store.desk(f"CP-{number}")
        transaction_id = desk.start()["transactionId"]
        values = [
            {"timestamp": "2026-03-01T11:10:00Z", "sampledValue": [sampled]},
            {"timestamp": "2026-03-01T11:11:00Z", "sampledValue": [{"value": "1500"}]},
        ]
        request = {"connectorId": 1, "transactionId": transaction_id, "meterValue": values}
        assert desk.send("MeterValues", request) == {}
        found = MeterValue.select().where(MeterValue.transaction_id == transaction_id)
        assert len(store.rows(found)) == 2
        stored = store.row(Transaction.select().where(Transaction.id == transaction_id))
        assert stored["last_register_wh"] == 1500


def test_numbers_at_their_limits(store: Store) -> None:
    desk = store.desk()
    least, most = -(2**31), 2**31 - 1
    for connector_id, meter in ((least, -(2**63)), (most, 2**63 - 1), (0, 0)):
        transaction_id = desk.start(
            connectorId=connector_id, meterStart=meter, reservationId=connector_id
        )["transactionId"]
        desk.stop(transaction_id, meterStop=-1 - meter)
        for id in (transaction_id, least, most, 0, -1):
            value = {"timestamp": "2026-03-01T11:10:00Z", "sampledValue": [{"value": "1"}]}
            request = {"connectorId": connector_id, "transactionId": id, "meterValue": [value]}
            assert desk.send("MeterValues", request) == {}
            assert desk.stop(id, meterStop=meter) == {}
    assert len(store.rows(Transaction.select())) == 3


# --- The conformance card -------------------------------------------------------------------------


def card(store: Store) -> list[tuple[str, str, str, int]]:
    rows = store.rows(Deviation.select().order_by(Deviation.id))
    return [(row["firmware_version"], row["code"], row["detail"], row["seen"]) for row in rows]


def test_faults_are_counted_by_charge_point_and_firmware(store: Store) -> None:
    desk = store.desk()
    for _ in range(2):
        desk.send("Heartbeat", {"vendorSpecific": 1})
    desk.send("Authorize", {"idTag": "TAG", "extra": 1, "other": 2})
    desk.now += timedelta(hours=1)
    desk.start(timestamp="2026-03-01T11:00:00", meterStart="1000")
    assert card(store) == [
        ("", "unknown_property", "vendorSpecific", 2),
        ("", "unknown_property", "extra", 1),
        ("", "unknown_property", "other", 1),
        ("", "wrong_type", "meterStart", 1),
        ("", "naive_time", "StartTransaction", 1),
    ]
    # After an update the card begins anew, and each charge point has its own.
    store.write(ChargePoint.update(firmware_version="2.0"))
    store.desk().send("Heartbeat", {"vendorSpecific": 1})
    store.desk("CP-2").send("Heartbeat", {"vendorSpecific": 1})
    assert card(store)[5:] == [
        ("2.0", "unknown_property", "vendorSpecific", 1),
        ("", "unknown_property", "vendorSpecific", 1),
    ]
    first = store.rows(Deviation.select().order_by(Deviation.id))[0]
    assert (first["first_seen_at"], first["last_seen_at"]) == (NOW, NOW)


def test_a_card_has_an_end_however_inventive_the_charge_point(store: Store) -> None:
    def invent(desk: Desk, first: int, count: int) -> None:
        for number in range(first, first + count, 10):
            names = {f"property{each}": 1 for each in range(number, number + 10)}
            desk.send("Heartbeat", names)

    desk = store.desk()
    invent(desk, 0, 300)
    rows = card(store)
    assert len(rows) == 201
    assert rows[-1] == ("", "unknown_property", "(others)", 100)
    # What is known is still counted, the rest still as one.
    desk.send("Heartbeat", {"property0": 1, "property299": 1})
    assert (card(store)[0][3], card(store)[-1][3]) == (2, 101)
    # A rollback empties the memory of the committer, not the table: no new details after it.
    with pytest.raises(ZeroDivisionError):
        store.committer.run(0, lambda tx: 1 // 0)
    invent(desk, 1000, 100)
    assert len(card(store)) == 201
    # Another charge point has room.
    invent(store.desk("CP-2"), 0, 10)
    assert len(card(store)) == 211


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_an_action_that_is_no_charge_points_is_refused(store: Store) -> None:
    desk = store.desk()
    for action, code in (("Reset", "NotSupported"), ("heartbeat", "NotImplemented")):
        with pytest.raises(Refused) as refused:
            desk.send(action, {})
        assert refused.value.code == code
