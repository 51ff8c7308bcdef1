"""Every command, ordered over REST, to the `ocpp` package's charge point and back.

The package judges each request and each of its own answers by the official schemas. On PostgreSQL
the order goes to another server than the one that holds the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from ocpp.charge_point import camel_to_snake_case
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM
from tests.conftest import StartServer
from tests.e2e.commands import Answer, Pair, Rest, start_pair

IDENTITY = "INDEPENDENT"
AT = "2099-03-01T11:00:00.000Z"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
HASHES = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "4e5f",
    "issuerKeyHash": "0a1b",
    "serialNumber": "17",
}
SCHEDULE = {
    "duration": 3600,
    "startSchedule": AT,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 16.0, "numberPhases": 3},
        {"startPeriod": 1800, "limit": 10.5},
    ],
    "minChargingRate": 6.1,
}
PROFILE = {
    "chargingProfileId": 7,
    "stackLevel": 1,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": SCHEDULE,
}


class Exchange(NamedTuple):
    """A request and what the charge point answers."""

    request: dict[str, Any]
    response: dict[str, Any]


ACCEPTED = {"status": "Accepted"}
EXCHANGES = {
    "CancelReservation": Exchange({"reservationId": 40}, ACCEPTED),
    "CertificateSigned": Exchange({"certificateChain": PEM}, ACCEPTED),
    "ChangeAvailability": Exchange(
        {"connectorId": 1, "type": "Inoperative"}, {"status": "Scheduled"}
    ),
    "ChangeConfiguration": Exchange(
        {"key": "HeartbeatInterval", "value": "900"}, {"status": "RebootRequired"}
    ),
    "ClearCache": Exchange({}, ACCEPTED),
    "ClearChargingProfile": Exchange(
        {"id": 7, "connectorId": 1, "chargingProfilePurpose": "TxProfile", "stackLevel": 1},
        {"status": "Unknown"},
    ),
    "DataTransfer": Exchange(
        {"vendorId": "com.example", "messageId": "price", "data": "0.42 €/kWh 🔌"},
        {"status": "Accepted", "data": "shown ✓"},
    ),
    "DeleteCertificate": Exchange({"certificateHashData": HASHES}, {"status": "NotFound"}),
    "ExtendedTriggerMessage": Exchange(
        {"requestedMessage": "SignChargePointCertificate", "connectorId": 1},
        {"status": "NotImplemented"},
    ),
    "GetCompositeSchedule": Exchange(
        {"connectorId": 1, "duration": 3600, "chargingRateUnit": "A"},
        {
            "status": "Accepted",
            "connectorId": 1,
            "scheduleStart": AT,
            "chargingSchedule": SCHEDULE,
        },
    ),
    "GetConfiguration": Exchange(
        {"key": ["HeartbeatInterval", "Colour"]},
        {
            "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "900"}],
            "unknownKey": ["Colour"],
        },
    ),
    "GetDiagnostics": Exchange(
        {
            "location": "ftp://files.example.com/in/",
            "retries": 3,
            "retryInterval": 60,
            "startTime": "2026-03-01T11:00:00.000Z",
            "stopTime": "2026-03-01T12:00:00.000Z",
        },
        {"fileName": "diagnostics.zip"},
    ),
    "GetInstalledCertificateIds": Exchange(
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "Accepted", "certificateHashData": [HASHES]},
    ),
    "GetLocalListVersion": Exchange({}, {"listVersion": 4}),
    "GetLog": Exchange(
        {
            "logType": "SecurityLog",
            "requestId": 3,
            "retries": 2,
            "retryInterval": 30,
            "log": {"remoteLocation": "https://files.example.com/", "latestTimestamp": AT},
        },
        {"status": "AcceptedCanceled", "filename": "security.log"},
    ),
    "InstallCertificate": Exchange(
        {"certificateType": "ManufacturerRootCertificate", "certificate": PEM}, ACCEPTED
    ),
    "RemoteStartTransaction": Exchange(
        {"connectorId": 1, "idTag": "0fc673", "chargingProfile": PROFILE}, {"status": "Rejected"}
    ),
    "RemoteStopTransaction": Exchange({"transactionId": 4711}, {"status": "Rejected"}),
    "ReserveNow": Exchange(
        {
            "connectorId": 1,
            "expiryDate": AT,
            "idTag": "0fc673",
            "parentIdTag": "FLEET",
            "reservationId": 40,
        },
        {"status": "Occupied"},
    ),
    "Reset": Exchange({"type": "Soft"}, ACCEPTED),
    "SendLocalList": Exchange(
        {
            "listVersion": 5,
            "updateType": "Differential",
            "localAuthorizationList": [
                {
                    "idTag": "0fc673",
                    "idTagInfo": {"status": "Accepted", "expiryDate": AT, "parentIdTag": "FLEET"},
                },
                {"idTag": "left"},
            ],
        },
        {"status": "VersionMismatch"},
    ),
    "SetChargingProfile": Exchange({"connectorId": 1, "csChargingProfiles": PROFILE}, ACCEPTED),
    "SignedUpdateFirmware": Exchange(
        {
            "requestId": 9,
            "retries": 1,
            "firmware": {
                "location": "https://files.example.com/fw.bin",
                "retrieveDateTime": AT,
                "installDateTime": AT,
                "signingCertificate": PEM,
                "signature": "c2lnbmF0dXJl",
            },
        },
        {"status": "InvalidCertificate"},
    ),
    "TriggerMessage": Exchange(
        {"requestedMessage": "StatusNotification", "connectorId": 1}, ACCEPTED
    ),
    "UnlockConnector": Exchange({"connectorId": 1}, {"status": "UnlockFailed"}),
    "UpdateFirmware": Exchange(
        {
            "location": "ftp://files.example.com/fw.bin",
            "retrieveDate": AT,
            "retries": 1,
            "retryInterval": 60,
        },
        {},
    ),
}


def answering(action: str) -> Callable[..., Any]:
    """A handler as the package's users write them."""

    def handler(_: Any, **payload: Any) -> Any:
        assert payload.keys() == camel_to_snake_case(EXCHANGES[action].request).keys()
        return getattr(call_result, action)(**camel_to_snake_case(EXCHANGES[action].response))

    handler.__name__ = f"on_{action}"
    return on(action)(handler)


class Independent(ChargePoint):
    """The package's charge point; it keeps the frames as they came and went."""

    def __init__(self, connection: Any) -> None:
        super().__init__(IDENTITY, connection)
        self.frames: list[Any] = []

    async def route_message(self, raw_msg: str) -> None:
        self.frames.append(json.loads(raw_msg))
        await super().route_message(raw_msg)

    async def _send(self, message: str) -> None:
        self.frames.append(json.loads(message))
        await super()._send(message)


for _action in EXCHANGES:
    setattr(Independent, f"on_{_action}", answering(_action))


async def walk(pair: Pair, rest: Rest) -> tuple[dict[str, Answer], list[Any]]:
    """REST's answers by action, and all frames of the commands."""
    url = pair.holding.ws_url(IDENTITY)
    async with connect(url, subprotocols=[Subprotocol("ocpp1.6")]) as websocket:
        charge_point = Independent(websocket)
        listening = asyncio.create_task(charge_point.start())
        boot = call.BootNotification(charge_point_vendor="ACME", charge_point_model="WALLBOX")
        await charge_point.call(boot, suppress=False)
        charge_point.frames.clear()
        answers = {
            action: await asyncio.to_thread(rest.order, IDENTITY, action, exchange.request)
            for action, exchange in EXCHANGES.items()
        }
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        return answers, charge_point.frames


@pytest.fixture
def pair(server: StartServer, database_url: str) -> Pair:
    return start_pair(server, database_url)


def test_every_command(pair: Pair) -> None:
    assert EXCHANGES.keys() == FROM_CENTRAL_SYSTEM.keys()
    assert len(EXCHANGES) == 26
    rest = Rest(pair.ordering, pair.ordering.api_key("operator"))
    answers, frames = asyncio.run(walk(pair, rest))
    assert len(frames) == 2 * len(EXCHANGES)
    for (action, exchange), sent, answered in zip(
        EXCHANGES.items(), frames[::2], frames[1::2], strict=True
    ):
        assert sent == [2, sent[1], action, exchange.request]
        # The charge point's schema check found no fault, in the request or in its answer.
        assert answered == [3, sent[1], exchange.response]
        status, command = answers[action]
        assert status == 200, command
        assert (command["action"], command["status"]) == (action, "answered")
        assert command["charge_point_id"] == IDENTITY
        assert command["request"] == exchange.request
        assert command["response"] == exchange.response
        assert command["error_code"] is None
        assert command["created_at"] <= command["sent_at"] <= command["finished_at"]
        assert rest.command(command["id"]) == command
    assert len({command["id"] for _, command in answers.values()}) == len(EXCHANGES)
    for each in pair:
        assert "Traceback" not in each.log_text()
