"""Orders: what is taken into the command table, and the name of each refusal."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ocpp_cs import credentials
from ocpp_cs.commands.orders import key_hash_of, read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.models import AuditEvent, ChargePoint
from tests.commands.conftest import ACTOR, Office
from tests.handlers.conftest import NOW

TX_PROFILE: dict[str, Any] = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
    },
}


def refusal(action: str, payload: Any) -> Refused:
    body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    with pytest.raises(Refused) as refused:
        read_request(action, body)
    return refused.value


# --- Payloads -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "payload", "property"),
    [
        ("Reset", {}, "type"),
        ("Reset", {"type": "Warm"}, "type"),
        ("Reset", {"type": "Soft", "when": 1}, "when"),
        ("RemoteStartTransaction", {"idTag": "x" * 21}, "idTag"),
        ("RemoteStartTransaction", {"idTag": "T", "connectorId": "1"}, "connectorId"),
        ("RemoteStartTransaction", {"idTag": "T", "connectorId": 0}, "connectorId"),
        ("RemoteStartTransaction", {"idTag": "T", "connectorId": -1}, "connectorId"),
        (
            "RemoteStartTransaction",
            {"idTag": "T", "chargingProfile": {**TX_PROFILE, "transactionId": 1}},
            "chargingProfile.transactionId",
        ),
        (
            "RemoteStartTransaction",
            {"idTag": "T", "chargingProfile": {"chargingProfileId": 1}},
            "chargingProfile.stackLevel",
        ),
        ("SendLocalList", {"listVersion": 0, "updateType": "Full"}, "listVersion"),
        ("SendLocalList", {"listVersion": -1, "updateType": "Full"}, "listVersion"),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "short"}, "value"),
        (
            "SetChargingProfile",
            {"connectorId": 0, "csChargingProfiles": TX_PROFILE},
            "connectorId",
        ),
        (
            "ReserveNow",
            {"connectorId": 1, "expiryDate": "soon", "idTag": "T", "reservationId": 1},
            "payload",
        ),
        ("ClearCache", b"{", "payload"),
        ("ClearCache", b"[]", "payload"),
        ("ClearCache", b"\xff", "payload"),
        ("ClearCache", b"[" * 100_000, "payload"),
        ("DataTransfer", {"vendorId": "a\x00b"}, "payload"),
    ],
)
def test_a_bad_payload_is_refused_and_its_property_named(
    action: str, payload: Any, property: str
) -> None:
    refused = refusal(action, payload)
    assert (refused.status, refused.code) == (422, "bad_payload")
    assert list(refused.errors) == [property]
    assert refused.detail


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("ClearCache", b""),
        ("ClearCache", b"{}"),
        ("RemoteStartTransaction", {"idTag": "T", "chargingProfile": TX_PROFILE}),
        ("DataTransfer", {"vendorId": "back\\u0000slash"}),
        ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "sixteen letters!"}),
    ],
)
def test_a_good_payload_is_read(action: str, payload: Any) -> None:
    body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    request = read_request(action, body)
    assert json.loads(msgspec.json.encode(request)) == json.loads(body or b"{}")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"connectorId": 1.5, "idTag": +1}',
        b'{"connectorId": 1.5, "idTag": "T"',
        b'{"connectorId": 1.5}{"connectorId": 1.5}',
        b'{"connectorId": 1.5, "idTag": ' + b"9" * 5000 + b"}",
        b'{"connectorId": 1.5, "idTag": "\xff"}',
        b'{"connectorId": 1.5, "idTag": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_behind_a_fraction_is_refused(payload: bytes) -> None:
    refused = refusal("RemoteStartTransaction", payload)
    assert (refused.status, refused.code) == (422, "bad_payload")


def test_the_hash_of_a_new_key() -> None:
    def hashed(key: str, value: str) -> str | None:
        payload = json.dumps({"key": key, "value": value}).encode()
        return key_hash_of(read_request("ChangeConfiguration", payload))

    assert hashed("HeartbeatInterval", "x" * 40) is None
    random = hashed("AuthorizationKey", "ab" * 20)
    chosen = hashed("AuthorizationKey", "sixteen letters!")
    assert random is not None
    assert chosen is not None
    assert credentials.verify(random, b"ab" * 20)
    assert not credentials.is_slow(random)
    assert credentials.is_slow(chosen)


# --- Charge points ------------------------------------------------------------------------------


def placing(office: Office, *arguments: Any, **options: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        office.place(*arguments, **options)
    return refused.value


def test_a_charge_point_that_nobody_knows(office: Office) -> None:
    office.identity = "CP-2"
    refused = placing(office)
    assert (refused.status, refused.code) == (404, "unknown_charge_point")


def test_an_offline_charge_point_gets_only_what_may_wait(office: Office) -> None:
    office.disconnect()
    refused = placing(office)
    assert (refused.status, refused.code) == (409, "offline")
    id = office.place(deliver_within_s=3600)
    row = office.command(id)
    assert (row["status"], row["session_epoch"], row["automatic"]) == ("queued", None, True)
    assert row["expires_at"] == NOW + timedelta(hours=1)


def test_a_charge_point_whose_presence_has_run_out_is_offline(office: Office) -> None:
    office.later(61)
    assert placing(office).code == "offline"


@pytest.mark.parametrize(
    ("registration", "action", "payload", "code"),
    [
        ("rejected", "ClearCache", {}, "rejected_charge_point"),
        ("pending", "RemoteStartTransaction", {"idTag": "T"}, "pending_charge_point"),
        ("pending", "RemoteStopTransaction", {"transactionId": 1}, "pending_charge_point"),
        (
            "accepted",
            "TriggerMessage",
            {"requestedMessage": "BootNotification"},
            "boot_notification_after_acceptance",
        ),
        (
            "accepted",
            "ExtendedTriggerMessage",
            {"requestedMessage": "BootNotification"},
            "boot_notification_after_acceptance",
        ),
    ],
)
def test_what_a_registration_forbids(
    office: Office, registration: str, action: str, payload: Any, code: str
) -> None:
    office.store.write(ChargePoint.update(registration=registration))
    refused = placing(office, action, payload)
    assert (refused.status, refused.code) == (409, code)


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("GetConfiguration", {}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "900"}),
        ("TriggerMessage", {"requestedMessage": "BootNotification"}),
    ],
)
def test_what_a_pending_charge_point_may_be_sent(office: Office, action: str, payload: Any) -> None:
    office.store.write(ChargePoint.update(registration="pending"))
    assert office.status(office.place(action, payload)) == "queued"


def test_a_refused_order_leaves_nothing(office: Office) -> None:
    placing(office, "TriggerMessage", {"requestedMessage": "BootNotification"})
    assert office.store.rows(AuditEvent.select()) == []


def test_who_ordered_what_when_and_from_where(office: Office) -> None:
    id = office.place("Reset", {"type": "Hard"})
    line = office.store.row(AuditEvent.select())
    assert (line["at"], line["actor"], line["remote_address"]) == (
        NOW,
        ACTOR.name,
        ACTOR.remote_address,
    )
    assert (line["action"], line["target"]) == ("command.Reset", "charge-points/CP-1")
    assert json.loads(line["detail"]) == {"command_id": id, "request": '{"type":"Hard"}'}


def test_an_order_wakes_who_holds_the_connection(office: Office) -> None:
    notices = office.store.committer.notices
    with notices.watch("queued", office.key) as woken, notices.watch("queued", 0) as other:
        office.place()
        assert woken.is_set()
        assert not other.is_set()
