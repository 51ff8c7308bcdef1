"""Commands from the central system: the answers, and what really follows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.simulator.vendors import VENDORS
from tests.servers import wait_until
from tests.simulator.central_system import FakeCentralSystem, Heard, Refuse
from tests.simulator.conftest import START, Living, StartLiving
from tests.simulator.schemas import faults

NORDLICHT, VOLTAIRE, AMPERTAL, BLITZWERK, KASPARI = VENDORS
TOMORROW = format_time(START + timedelta(days=20))


class Commanded:
    """A living charge point and its central system, in few words."""

    def __init__(self, fake: FakeCentralSystem, charge_point: Living) -> None:
        self.fake = fake
        self.identity = charge_point.identity

    def call(self, action: str, **payload: Any) -> Any:
        answer = self.fake.call(self.identity, action, payload)
        assert faults(f"{action}Response", answer) == []
        return answer

    def status(self, action: str, **payload: Any) -> str:
        return str(self.call(action, **payload)["status"])

    def error(self, action: str, **payload: Any) -> str:
        return str(self.fake.refused_call(self.identity, action, payload)[2])

    def wait_for(self, *actions: str, count: int = 1) -> list[Heard]:
        wait_until(lambda: len(self.fake.of(*actions)) >= count, what=f"{count} {actions}")
        return self.fake.of(*actions)

    def wait_for_status(self, status: str, connector_id: int = 1) -> None:
        wait_until(
            lambda: self.statuses(connector_id)[-1:] == [status],
            what=f"{status}, but: {self.statuses(connector_id)}",
        )

    def statuses(self, connector_id: int = 1) -> list[str]:
        return [
            heard.payload["status"]
            for heard in self.fake.of("StatusNotification")
            if heard.payload["connectorId"] == connector_id
        ]

    def start(self, **payload: Any) -> int:
        """A running transaction."""
        assert self.status("RemoteStartTransaction", idTag="REMOTE", **payload) == "Accepted"
        self.wait_for("MeterValues")
        return int(self.fake.of("MeterValues")[-1].payload["transactionId"])


@pytest.fixture
def wallbox(central_system: FakeCentralSystem, living: StartLiving) -> Commanded:
    return Commanded(central_system, living(NORDLICHT))


@pytest.fixture
def duo(central_system: FakeCentralSystem, living: StartLiving) -> Commanded:
    return Commanded(central_system, living(VOLTAIRE))


@pytest.fixture
def kiosk(central_system: FakeCentralSystem, living: StartLiving) -> Commanded:
    return Commanded(central_system, living(AMPERTAL))


def test_remote_start_and_stop(wallbox: Commanded) -> None:
    transaction_id = wallbox.start()
    start = wallbox.fake.of("StartTransaction")[0].payload
    assert (start["idTag"], start["connectorId"]) == ("REMOTE", 1)
    # AuthorizeRemoteTxRequests is false: no Authorize first (§5.11).
    assert wallbox.fake.of("Authorize") == []
    assert wallbox.status("RemoteStopTransaction", transactionId=transaction_id) == "Accepted"
    stop = wallbox.wait_for("StopTransaction")[0].payload
    assert (stop["transactionId"], stop["reason"]) == (transaction_id, "Remote")
    wallbox.wait_for_status("Available")
    assert wallbox.statuses() == ["Available", "Preparing", "Charging", "Finishing", "Available"]


def test_remote_start_authorises_first_when_told_to(wallbox: Commanded) -> None:
    wallbox.call("ChangeConfiguration", key="AuthorizeRemoteTxRequests", value="true")
    wallbox.start()
    order = [heard.action for heard in wallbox.fake.of("Authorize", "StartTransaction")]
    assert order == ["Authorize", "StartTransaction"]


def test_remote_start_finds_a_free_connector_or_none(duo: Commanded) -> None:
    duo.start(connectorId=2)
    assert duo.status("RemoteStartTransaction", idTag="B", connectorId=2) == "Rejected"
    assert duo.status("RemoteStartTransaction", idTag="B") == "Accepted"
    starts = duo.wait_for("StartTransaction", count=2)
    assert [start.payload["connectorId"] for start in starts] == [2, 1]
    assert duo.status("RemoteStartTransaction", idTag="C") == "Rejected"


def test_remote_stop_of_what_does_not_run(wallbox: Commanded) -> None:
    assert wallbox.status("RemoteStopTransaction", transactionId=99) == "Rejected"


def test_configuration(wallbox: Commanded) -> None:
    key = {"key": "MeterValueSampleInterval", "value": "30"}
    assert wallbox.status("ChangeConfiguration", **key) == "Accepted"
    answer = wallbox.call("GetConfiguration", key=["MeterValueSampleInterval", "Nonsense"])
    assert answer["configurationKey"][0]["value"] == "30"
    assert answer["unknownKey"] == ["Nonsense"]


def test_availability_of_one_connector_and_of_all(duo: Commanded) -> None:
    assert duo.status("ChangeAvailability", connectorId=2, type="Inoperative") == "Accepted"
    duo.wait_for_status("Unavailable", 2)
    assert duo.statuses(1) == ["Available"]
    assert duo.status("RemoteStartTransaction", idTag="A", connectorId=2) == "Rejected"
    assert duo.status("ChangeAvailability", connectorId=0, type="Operative") == "Accepted"
    duo.wait_for_status("Available", 2)
    assert duo.status("ChangeAvailability", connectorId=7, type="Operative") == "Rejected"


def test_availability_waits_for_the_transaction(wallbox: Commanded) -> None:
    transaction_id = wallbox.start()
    assert wallbox.status("ChangeAvailability", connectorId=1, type="Inoperative") == "Scheduled"
    wallbox.call("RemoteStopTransaction", transactionId=transaction_id)
    wallbox.wait_for_status("Unavailable")
    assert wallbox.statuses()[-2:] == ["Finishing", "Unavailable"]


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
def test_reset_stops_transactions_and_boots(wallbox: Commanded, kind: str) -> None:
    wallbox.start()
    assert wallbox.status("Reset", type=kind) == "Accepted"
    stop = wallbox.wait_for("StopTransaction")[0].payload
    assert stop["reason"] == f"{kind}Reset"
    assert "idTag" not in stop
    wallbox.wait_for("BootNotification", count=2)
    order = [heard.action for heard in wallbox.fake.of("StopTransaction", "BootNotification")]
    assert order == ["BootNotification", "StopTransaction", "BootNotification"]


def test_unlock(duo: Commanded) -> None:
    assert duo.status("UnlockConnector", connectorId=1) == "Unlocked"
    assert duo.status("UnlockConnector", connectorId=9) == "NotSupported"
    duo.start(connectorId=1)
    assert duo.status("UnlockConnector", connectorId=1) == "Unlocked"
    assert duo.wait_for("StopTransaction")[0].payload["reason"] == "UnlockCommand"


def test_fixed_cable_cannot_be_unlocked(wallbox: Commanded) -> None:
    assert wallbox.status("UnlockConnector", connectorId=1) == "NotSupported"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Heartbeat", 1),
        ("MeterValues", 2),
        ("DiagnosticsStatusNotification", 1),
        ("FirmwareStatusNotification", 1),
        ("BootNotification", 2),
        ("StatusNotification", 6),
    ],
)
def test_trigger_message(duo: Commanded, message: str, expected: int) -> None:
    assert duo.status("TriggerMessage", requestedMessage=message) == "Accepted"
    heard = duo.wait_for(message, count=expected)
    assert len(heard) == expected
    assert all(faults(message, each.payload) == [] for each in heard)


def test_trigger_for_one_connector(duo: Commanded) -> None:
    assert duo.status("TriggerMessage", requestedMessage="MeterValues", connectorId=2)
    meter_values = duo.wait_for("MeterValues")[0].payload
    assert meter_values["connectorId"] == 2
    assert "transactionId" not in meter_values
    assert meter_values["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"
    status = duo.status("TriggerMessage", requestedMessage="MeterValues", connectorId=3)
    assert status == "Rejected"


def test_data_transfer(wallbox: Commanded) -> None:
    assert wallbox.call("DataTransfer", vendorId="Nordlicht", messageId="echo", data="x") == {
        "status": "Accepted",
        "data": "x",
    }
    assert wallbox.status("DataTransfer", vendorId="Nordlicht", messageId="?") == "UnknownMessageId"
    assert wallbox.status("DataTransfer", vendorId="Somebody") == "UnknownVendorId"


def reservation(number: int = 1, **changes: Any) -> dict[str, Any]:
    usual = {
        "connectorId": 1,
        "expiryDate": TOMORROW,
        "idTag": "RESERVED",
        "reservationId": number,
    }
    return {**usual, **changes}


def test_reservation_keeps_the_connector(wallbox: Commanded) -> None:
    assert wallbox.status("ReserveNow", **reservation()) == "Accepted"
    wallbox.wait_for_status("Reserved")
    assert wallbox.status("RemoteStartTransaction", idTag="STRANGER") == "Rejected"
    assert wallbox.status("ReserveNow", **reservation(2)) == "Occupied"
    assert wallbox.status("RemoteStartTransaction", idTag="reserved") == "Accepted"
    assert wallbox.wait_for("StartTransaction")[0].payload["reservationId"] == 1


def test_reservation_ends_by_command_or_by_time(wallbox: Commanded) -> None:
    wallbox.call("ReserveNow", **reservation())
    assert wallbox.status("CancelReservation", reservationId=9) == "Rejected"
    assert wallbox.status("CancelReservation", reservationId=1) == "Accepted"
    wallbox.wait_for_status("Available")
    past = format_time(START)
    assert wallbox.status("ReserveNow", **reservation(3, expiryDate=past)) == "Accepted"
    wallbox.wait_for_status("Available")
    assert wallbox.status("CancelReservation", reservationId=3) == "Rejected"


def test_reservation_where_it_cannot_be(wallbox: Commanded) -> None:
    assert wallbox.status("ReserveNow", **reservation(connectorId=0)) == "Rejected"
    wallbox.call("ChangeAvailability", connectorId=1, type="Inoperative")
    assert wallbox.status("ReserveNow", **reservation()) == "Unavailable"


def send_list(wallbox: Commanded, version: int, kind: str, *tags: tuple[str, str | None]) -> str:
    entries = [
        {"idTag": tag, **({"idTagInfo": {"status": status}} if status else {})}
        for tag, status in tags
    ]
    return wallbox.status(
        "SendLocalList", listVersion=version, updateType=kind, localAuthorizationList=entries
    )


def test_local_list(wallbox: Commanded) -> None:
    assert wallbox.call("GetLocalListVersion") == {"listVersion": 0}
    assert send_list(wallbox, 4, "Full", ("A", "Accepted"), ("B", "Blocked")) == "Accepted"
    assert send_list(wallbox, 4, "Differential", ("C", "Accepted")) == "VersionMismatch"
    assert send_list(wallbox, 5, "Differential", ("B", None)) == "Accepted"
    assert send_list(wallbox, 0, "Full") == "Failed"
    assert wallbox.call("GetLocalListVersion") == {"listVersion": 5}


def charging_profile(limit: float, **changes: Any) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    usual = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    return {**usual, **changes}


def powers(wallbox: Commanded) -> list[float]:
    return [
        float(value["value"])
        for heard in wallbox.fake.of("MeterValues")
        for value in heard.payload["meterValue"][0]["sampledValue"]
        if value.get("measurand") == "Power.Active.Import"
    ]


def test_charging_profile_limits_the_power(wallbox: Commanded) -> None:
    profile = charging_profile(1400.0)
    assert wallbox.status("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == (
        "Rejected"  # no transaction runs (§5.16.4)
    )
    wallbox.start()
    assert powers(wallbox)[0] > 3000
    assert wallbox.status("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == (
        "Accepted"
    )
    wait_until(lambda: powers(wallbox)[-1] == 1400.0, what="the limit holds")
    answer = wallbox.call("GetCompositeSchedule", connectorId=1, duration=600)
    periods = answer["chargingSchedule"]["chargingSchedulePeriod"]
    assert periods == [{"startPeriod": 0, "limit": 1400.0}]
    assert wallbox.status("ClearChargingProfile", id=1) == "Accepted"
    assert wallbox.status("ClearChargingProfile", id=1) == "Unknown"
    assert wallbox.status("GetCompositeSchedule", connectorId=5, duration=600) == "Rejected"


def test_limit_of_nothing_suspends(wallbox: Commanded) -> None:
    wallbox.start(chargingProfile=charging_profile(0.0))
    wallbox.wait_for_status("SuspendedEVSE")


def test_diagnostics_and_firmware_report_their_progress(wallbox: Commanded) -> None:
    location = "ftp://example.invalid/"
    assert wallbox.call("GetDiagnostics", location=location)["fileName"].endswith(".log")
    assert wallbox.call("UpdateFirmware", location=location, retrieveDate=TOMORROW) == {}
    diagnostics = wallbox.wait_for("DiagnosticsStatusNotification", count=2)
    assert [each.payload["status"] for each in diagnostics] == ["Uploading", "Uploaded"]
    firmware = wallbox.wait_for("FirmwareStatusNotification", count=4)
    statuses = [each.payload["status"] for each in firmware]
    assert statuses == ["Downloading", "Downloaded", "Installing", "Installed"]


def test_clear_cache(wallbox: Commanded) -> None:
    assert wallbox.status("ClearCache") == "Accepted"


def test_what_a_vendor_does_not_support(kiosk: Commanded) -> None:
    assert kiosk.error("ReserveNow", **reservation()) == "NotSupported"
    assert kiosk.error("GetLocalListVersion") == "NotSupported"
    assert kiosk.error("GetLog") == "NotSupported"
    assert kiosk.error("Nonsense") == "NotImplemented"
    assert kiosk.error("Reset") == "ProtocolError"
    assert kiosk.error("Reset", type="Warm") == "PropertyConstraintViolation"
    assert kiosk.status("RemoteStartTransaction", idTag="A") == "Accepted"


def test_every_command_of_the_feature_profiles_is_answered(wallbox: Commanded) -> None:
    """An empty payload is refused for what is missing, or answered, but never NotSupported."""
    for name, action in FROM_CENTRAL_SYSTEM.items():
        if action.profile not in NORDLICHT.profiles:
            continue
        if any(field.required for field in msgspec.structs.fields(action.request)):
            assert wallbox.error(name) == "ProtocolError", name
        else:
            wallbox.call(name)


def test_refused_tag_ends_the_transaction(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    blocked = {"transactionId": 5, "idTagInfo": {"status": "Blocked"}}
    central_system.script = lambda heard: blocked if heard.action == "StartTransaction" else None
    wallbox = Commanded(central_system, living(NORDLICHT))
    wallbox.call("RemoteStartTransaction", idTag="BAD")
    stop = wallbox.wait_for("StopTransaction")[0].payload
    assert (stop["reason"], stop["transactionId"]) == ("DeAuthorized", 5)


def test_refused_tag_gets_no_energy_when_the_transaction_goes_on(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    blocked = {"transactionId": 5, "idTagInfo": {"status": "Blocked"}}
    central_system.script = lambda heard: blocked if heard.action == "StartTransaction" else None
    wallbox = Commanded(central_system, living(NORDLICHT))
    wallbox.call("ChangeConfiguration", key="StopTransactionOnInvalidId", value="false")
    wallbox.call("RemoteStartTransaction", idTag="BAD")
    wallbox.wait_for_status("SuspendedEVSE")
    assert wallbox.fake.of("StopTransaction") == []


def test_call_errors_do_not_stop_the_charge_point(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    """§3.7.1: three attempts, then the message is dropped, and the next ones carry -1 (R29)."""
    central_system.script = lambda heard: (
        Refuse("InternalError") if heard.action == "StartTransaction" else None
    )
    charge_point = living(NORDLICHT)
    wallbox = Commanded(central_system, charge_point)
    wallbox.call("RemoteStartTransaction", idTag="A")
    meter_values = wallbox.wait_for("MeterValues")[0].payload
    assert meter_values["transactionId"] == -1
    starts = wallbox.fake.of("StartTransaction")
    assert len(starts) == 3
    assert len({start.message_id for start in starts}) == 1
    assert charge_point.statistics.discarded == 1
