"""A server with a fleet to look at: days that the simulator lived, and what happens right now.

All of it is the same each time but for the clock. Nothing is put into the database by hand: charge
points connect and tell it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta

import requests

from tests.charge_point import Day, HandshakeRefused, connect
from tests.console.showcase_commands import ANSWERS, command, talk
from tests.servers import Server

SETTINGS = {
    "UNKNOWN_CHARGE_POINTS": "closed",
    "API_WITHOUT_KEY": "1",
    "PUBLIC_URL": "https://ocpp.example.com",
}
"""Of the server, so that there are strangers, and pages for whoever has not signed in."""

FLEET = 12
CHARGING = "SIM-0001"
EXPECTED = "HARBOUR-3"
"""Registered, tries to connect, and has a wrong key."""

CARD = "DRIVER-1"
"""An id tag that charges at `CHARGING`."""

_SPOTS = ("Car park, level 1", "Car park, level 2", "Harbour", "Depot")
# What connector 1 does now: its status, error, and power in W of the session that runs there.
_NOW = (
    ("Charging", "NoError", 10_900),
    ("Charging", "NoError", 7_200),
    ("SuspendedEV", "NoError", 0),
    ("Charging", "NoError", 48_500),
    ("Available", "NoError", None),
    ("Preparing", "NoError", None),
    ("Faulted", "GroundFailure", None),
    ("Available", "NoError", None),
    ("Unavailable", "NoError", None),
)
# Note, status and group of those who charge, by their number.
_CARDS = (
    ("A. Petrova", "accepted", "FLEET-NORTH"),
    ("B. Okafor", "accepted", "FLEET-NORTH"),
    ("Visitors, front desk", "accepted", None),
    ("Van 3", "accepted", "FLEET-SOUTH"),
    ("Lost in May", "blocked", None),
)
_SAMPLES = 5
_EVERY_MIN = 9


def identity(number: int) -> str:
    return f"SIM-{number + 1:04}"


@contextmanager
def showcase(server: Server, *, days: int) -> Iterator[str]:
    """Fills the server, which has `SETTINGS`; as long as it is open, the live fleet is connected.
    Yields the key of an admin."""
    key = server.api_key("admin")
    _register(server, key)
    simulate = ["simulate", "--url", _url(server), "--charge-points", str(FLEET)]
    server.flask(*simulate, "--hours", str(24 * days), "--speed", "0")
    _knock(server)
    with ExitStack() as connected:
        for number, now in enumerate(_NOW):
            charge_point = connect(_url(server), identity(number), answers=ANSWERS)
            connected.enter_context(charge_point)
            began = datetime.now(UTC) - timedelta(minutes=_SAMPLES * _EVERY_MIN)
            day = Day(charge_point, at=began, id_tag=f"DRIVER-{number + 1}", register_wh=10**9)
            _live(day, *now)
            if identity(number) == CHARGING:
                talk(day)
        command(server, key, CHARGING)
        yield key


def _url(server: Server) -> str:
    return f"ws://127.0.0.1:{server.port}/ocpp"


def _register(server: Server, key: str) -> None:
    wishes = [
        {"id": identity(number), "security_profile": 0, "note": _SPOTS[number % len(_SPOTS)]}
        for number in range(FLEET)
    ]
    wishes.append({"id": EXPECTED, "security_profile": 1, "note": "Harbour"})
    tags = [
        {"id_tag": f"DRIVER-{number + 1}", "note": note, "status": status, "parent_id_tag": group}
        for number, (note, status, group) in enumerate(_CARDS)
    ]
    headers = {"Authorization": f"Bearer {key}"}
    for path, body in [
        *(("charge-points", wish) for wish in wishes),
        *(("id-tags", tag) for tag in tags),
    ]:
        url = server.http(f"/api/v1/{path}")
        assert requests.post(url, json=body, headers=headers, timeout=30).status_code == 201


def _knock(server: Server) -> None:
    """Who is not let in, and why."""
    for url, who, password in (
        (_url(server), "BOX-17", None),
        (_url(server), EXPECTED.lower(), None),
        (_url(server), EXPECTED, b"not the key of it"),
        (_url(server).replace("/ocpp", "/steve"), "DEPOT-9", None),
    ):
        with suppress(HandshakeRefused):
            connect(url, who, password=password)


def _live(day: Day, status: str, error: str, power_w: int | None) -> None:
    day.status("Available" if power_w is not None else status, errorCode=error)
    if power_w is None:
        return
    day.start()
    for _ in range(_SAMPLES):
        day.register_wh += power_w * _EVERY_MIN // 60
        day.at += timedelta(minutes=_EVERY_MIN)
        sampled = [
            {"value": str(day.register_wh)},
            {"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"},
        ]
        day.meter(0, 0, meterValue=[{"timestamp": day.at.isoformat(), "sampledValue": sampled}])
    day.status(status)
