"""What one charge point of the showcase is told, what it answers, and what it tells by itself: so
that each of its tabs has something to show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from tests.charge_point import Answerer, Day
from tests.servers import Server

_KEYS = (
    ("AuthorizeRemoteTxRequests", True, "false"),
    ("ConnectionTimeOut", False, "60"),
    ("HeartbeatInterval", False, "14400"),
    ("LocalAuthorizeOffline", False, "true"),
    ("MeterValueSampleInterval", False, "540"),
    ("MeterValuesSampledData", False, "Energy.Active.Import.Register,Power.Active.Import"),
    ("NumberOfConnectors", True, "2"),
    ("StopTransactionOnEVSideDisconnect", False, "true"),
    ("WebSocketPingInterval", False, "30"),
)
_NIGHT_16_A = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "chargingSchedule": {
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 16},
            {"startPeriod": 6 * 3600, "limit": 10},
            {"startPeriod": 17 * 3600, "limit": 6},
            {"startPeriod": 22 * 3600, "limit": 16},
        ],
    },
}


def _accepted(_: object) -> dict[str, Any]:
    return {"status": "Accepted"}


def _configuration(_: object) -> dict[str, Any]:
    names = ("key", "readonly", "value")
    return {"configurationKey": [dict(zip(names, each, strict=True)) for each in _KEYS]}


def _composite(asked: Mapping[str, Any]) -> dict[str, Any]:
    periods = [{"startPeriod": hours * 3600, "limit": w} for hours, w in ((0, 6900), (3, 11_040))]
    return {
        "status": "Accepted",
        "connectorId": asked["connectorId"],
        "scheduleStart": datetime.now(UTC).isoformat(),
        "chargingSchedule": {
            "duration": asked["duration"],
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": periods,
        },
    }


ANSWERS: Mapping[str, Answerer] = {
    "ChangeConfiguration": _accepted,
    "GetCompositeSchedule": _composite,
    "GetConfiguration": _configuration,
    "ReserveNow": _accepted,
    "SetChargingProfile": _accepted,
    "UnlockConnector": lambda _: {"status": "UnlockFailed"},
}
"""What it does not know, it answers with NotImplemented."""


def talk(day: Day) -> None:
    """Of security and firmware, and not quite as OCPP says."""
    say = day.charge_point.call
    at = datetime.now(UTC) - timedelta(hours=2)
    for minutes, type in (
        (0, "StartupOfTheDevice"),
        (1, "SettingSystemTime"),
        (40, "TamperDetectionActivated"),
    ):
        told = {"type": type, "timestamp": (at + timedelta(minutes=minutes)).isoformat()}
        say("SecurityEventNotification", told)
    for status in ("Downloading", "Downloaded", "Installing", "Installed"):
        say("FirmwareStatusNotification", {"status": status})
    day.status("Available", connectorId=2, temperature=31)
    day.status("Available", connectorId=2, timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}")


def command(server: Server, key: str, charge_point_id: str) -> None:
    """Over REST, each waiting for its answer."""

    def post(path: str, body: object) -> Any:
        answer = requests.post(
            server.http(f"/api/v1/{path}"),
            json=body,
            params={"wait": 10} if path != "charging-profiles" else {},
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    mine = {"charge_point_id": charge_point_id, "connector_id": 1}
    library = post("charging-profiles", {"name": "At night 16 A", "profile": _NIGHT_16_A})
    post(f"charging-profiles/{library['id']}/apply", mine)
    until = datetime.now(UTC) + timedelta(hours=3)
    post(
        "reservations",
        {**mine, "connector_id": 2, "id_tag": "DRIVER-4", "expires_at": until.isoformat()},
    )
    for action, payload in (
        ("GetConfiguration", {}),
        ("GetCompositeSchedule", {"connectorId": 1, "duration": 86_400}),
        ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "14400"}),
        ("UnlockConnector", {"connectorId": 2}),
        ("ClearCache", {}),
    ):
        post(f"charge-points/{charge_point_id}/commands/{action}", payload)
