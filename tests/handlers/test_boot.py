"""BootNotification, Heartbeat, and what a charge point may say before it is accepted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.db.models import TABLES, ChargePoint, Transaction
from ocpp_cs.handlers import CallContext, handle, needs_store
from ocpp_cs.ocpp16.session import CallReceived
from ocpp_cs.rules import Policy, flag_names
from tests.handlers import kept
from tests.handlers.conftest import NOW, OPEN, Desk, Refused, Store

store = kept.store

PENDING = Policy(unknown_charge_points="pending", unknown_id_tags="open", boot_retry_interval_s=90)
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"}
WHOLE_BOOT = {
    **BOOT,
    "chargePointSerialNumber": "SN-1",
    "chargeBoxSerialNumber": "BOX-1",
    "firmwareVersion": "1.2.3",
    "iccid": "8949",
    "imsi": "2620",
    "meterType": "MID",
    "meterSerialNumber": "M-1",
}


def charge_point(store: Store, identity: str = "CP-1") -> dict[str, Any]:
    return store.row(ChargePoint.select().where(ChargePoint.identity == identity))


def set_columns(store: Store, identity: str = "CP-1", **columns: Any) -> None:
    store.write(ChargePoint.update(**columns).where(ChargePoint.identity == identity))


def test_what_it_says_of_itself_is_stored_as_of_the_latest_boot(store: Store) -> None:
    desk = store.desk()
    answer = desk.send("BootNotification", WHOLE_BOOT)
    assert answer == {
        "status": "Accepted",
        "currentTime": "2026-03-01T12:00:00.000Z",
        "interval": 14400,
    }
    row = charge_point(store)
    columns = (
        "vendor",
        "model",
        "serial_number",
        "charge_box_serial_number",
        "firmware_version",
        "iccid",
        "imsi",
        "meter_type",
        "meter_serial_number",
    )
    assert tuple(row[name] for name in columns) == (
        "ACME",
        "WALLBOX",
        "SN-1",
        "BOX-1",
        "1.2.3",
        "8949",
        "2620",
        "MID",
        "M-1",
    )
    assert row["booted_at"] == NOW
    desk.now += timedelta(hours=1)
    desk.send("BootNotification", BOOT)
    row = charge_point(store)
    assert (row["vendor"], row["firmware_version"]) == ("ACME", None)
    assert row["booted_at"] == NOW + timedelta(hours=1)


def test_the_interval_is_the_charge_points_own_or_the_policys(store: Store) -> None:
    desk = store.desk(policy=Policy(unknown_charge_points="open", heartbeat_interval_s=600))
    assert desk.send("BootNotification", BOOT)["interval"] == 600
    for interval in (30, 0):  # 0: the charge point chooses (R19)
        set_columns(store, heartbeat_interval_s=interval)
        assert desk.send("BootNotification", BOOT)["interval"] == interval


def test_what_is_open_at_a_boot_is_suspect_and_nothing_else(store: Store) -> None:
    desk, other = store.desk("CP-1"), store.desk("CP-2")
    opened = desk.start()["transactionId"]
    stopped = desk.start(connectorId=2)["transactionId"]
    desk.stop(stopped)
    foreign = other.start()["transactionId"]
    for _ in range(2):  # a second boot does not move the suspicion
        desk.send("BootNotification", BOOT)
        desk.now += timedelta(minutes=10)
    rows = {row["id"]: row for row in store.rows(Transaction.select())}
    assert flag_names(rows[opened]["flags"]) == ["suspect_open"]
    assert rows[opened]["suspect_since"] == NOW
    for id in (stopped, foreign):
        assert "suspect_open" not in flag_names(rows[id]["flags"])
        assert rows[id]["suspect_since"] is None
    # It is settled by its stop, however late.
    desk.stop(opened)
    (row,) = store.rows(Transaction.select().where(Transaction.id == opened))
    assert flag_names(row["flags"]) == []
    assert row["suspect_since"] is None


def test_a_heartbeat_is_answered_without_the_store(store: Store) -> None:
    desk = store.desk()
    event = desk.session.receive(b'[2,"1","Heartbeat",{}]', 0.0)
    assert isinstance(event, CallReceived)
    context = CallContext(desk.charge_point, event, NOW + timedelta(milliseconds=5), OPEN)
    assert not needs_store(context)
    answer: Any = handle(None, context)
    assert answer.current_time == "2026-03-01T12:00:00.005Z"
    # With something for its conformance card it has to go there.
    event = desk.session.receive(b'[2,"1","Heartbeat",{"extra":1}]', 0.0)
    assert isinstance(event, CallReceived)
    assert needs_store(CallContext(desk.charge_point, event, NOW, OPEN))
    assert desk.send("Heartbeat", {"extra": 1}) == {"currentTime": "2026-03-01T12:00:00.000Z"}


# --- Registration (R15, R19, R21) -----------------------------------------------------------------

MESSAGES: dict[str, Any] = {
    "Authorize": {"idTag": "TAG"},
    "DataTransfer": {"vendorId": "v"},
    "DiagnosticsStatusNotification": {"status": "Idle"},
    "FirmwareStatusNotification": {"status": "Idle"},
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Idle"},
    "MeterValues": {
        "connectorId": 1,
        "meterValue": [{"timestamp": "2026-03-01T11:00:00Z", "sampledValue": [{"value": "1"}]}],
    },
    "SecurityEventNotification": {"type": "MemoryExhaustion", "timestamp": "2026-03-01T11:00:00Z"},
    "SignCertificate": {"csr": "CSR"},
    "SignedFirmwareStatusNotification": {"status": "Idle"},
    "StartTransaction": {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 0,
        "timestamp": "2026-03-01T11:00:00Z",
    },
    "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
    "StopTransaction": {
        "transactionId": 1,
        "meterStop": 0,
        "timestamp": "2026-03-01T11:00:00Z",
    },
}


def refusals(desk: Desk) -> list[str]:
    """The codes that the messages are refused with."""
    codes = []
    for action, payload in MESSAGES.items():
        with pytest.raises(Refused) as refused:
            desk.send(action, payload)
        codes.append(refused.value.code)
    return codes


@pytest.mark.parametrize(
    ("registration", "status"), [("pending", "Pending"), ("rejected", "Rejected")]
)
def test_who_was_never_accepted_may_only_boot(store: Store, registration: str, status: str) -> None:
    store.desk(policy=PENDING)
    set_columns(store, registration=registration)
    desk = store.desk(policy=PENDING)
    for _ in range(2):
        answer = desk.send("BootNotification", WHOLE_BOOT)
        assert (answer["status"], answer["interval"]) == (status, 90)
    assert set(refusals(desk)) == {"SecurityError"}
    row = charge_point(store)
    assert (row["registration"], row["accepted_at"]) == (registration, None)
    assert row["firmware_version"] == "1.2.3"
    stored = {table.__name__ for table in TABLES if store.rows(table.select())}
    assert stored == {"ChargePoint", "ConnectionAttempt", "Event"}  # that it connected


def test_the_approval_counts_from_the_next_message_of_a_new_session(store: Store) -> None:
    store.desk(policy=PENDING)
    set_columns(store, registration="accepted", accepted_at=NOW)
    desk = store.desk(policy=PENDING)
    assert desk.send("BootNotification", BOOT)["status"] == "Accepted"
    assert desk.start()["transactionId"] > 0


@pytest.mark.parametrize("registration", ["pending", "rejected"])
def test_transactions_of_one_that_was_accepted_once_are_never_refused(
    store: Store, registration: str
) -> None:
    """It may have charged offline while it was accepted; what it has to tell is money."""
    store.desk()
    set_columns(store, registration=registration)
    desk = store.desk()
    assert desk.send("BootNotification", BOOT)["status"] == registration.capitalize()
    transaction_id = desk.start()["transactionId"]
    desk.stop(transaction_id)
    assert store.row(Transaction.select())["meter_stop_wh"] == 5000
