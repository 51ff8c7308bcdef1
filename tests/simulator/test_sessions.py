"""Visits from plug-in to plug-out: who may charge, how it ends, online and offline."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from ocpp_cs.simulator.day import Farewell, Outage, Visit, make_visit
from ocpp_cs.simulator.vendors import VENDORS, Vendor
from tests.servers import wait_until
from tests.simulator.central_system import FakeCentralSystem, Heard, Reaction
from tests.simulator.conftest import START, Living, StartLiving

NORDLICHT, VOLTAIRE, AMPERTAL, BLITZWERK, KASPARI = VENDORS
MINUTE = timedelta(minutes=1)


def visit(vendor: Vendor, minutes: float, stays: float = 10, **changes: Any) -> Visit:
    """A visit that begins so many minutes after the start."""
    at = START + minutes * MINUTE
    usual = {
        "id_tag": "VISITOR",
        "leaves_at": at + stays * MINUTE,
        "authorises_after": timedelta(seconds=20),
        "unplugs_after": timedelta(seconds=90),
        "farewell": "presents_tag",
    }
    return replace(make_visit(Random(1), vendor, "CP", 1, at), **{**usual, **changes})


def outage(minutes: float, length: float) -> Outage:
    return Outage(START + minutes * MINUTE, START + (minutes + length) * MINUTE)


def statuses(fake: FakeCentralSystem) -> list[str]:
    told = [h.payload for h in fake.of("StatusNotification") if h.payload["connectorId"] == 1]
    return [payload["status"] for payload in told]


def wait_for(fake: FakeCentralSystem, action: str, count: int = 1) -> Heard:
    wait_until(lambda: len(fake.of(action)) >= count, what=f"{count} {action}")
    return fake.of(action)[count - 1]


@pytest.mark.parametrize(
    ("farewell", "expected"),
    [
        ("presents_tag", {"reason": "Local", "idTag": "VISITOR"}),
        ("presents_tag_silently", {"idTag": "VISITOR"}),
        ("pulls_cable", {"reason": "EVDisconnected"}),
    ],
)
def test_three_ways_to_leave(
    central_system: FakeCentralSystem,
    living: StartLiving,
    farewell: Farewell,
    expected: dict[str, str],
) -> None:
    living(NORDLICHT, visit(NORDLICHT, 1, farewell=farewell))
    stop = wait_for(central_system, "StopTransaction").payload
    assert {key: stop[key] for key in ("reason", "idTag") if key in stop} == expected
    assert stop["timestamp"] == "2026-03-02T08:10:30.000Z"


def test_the_course_of_a_visit(central_system: FakeCentralSystem, living: StartLiving) -> None:
    living(NORDLICHT, visit(NORDLICHT, 1, stays=3))
    wait_until(lambda: statuses(central_system).count("Available") == 2)
    told = [
        heard.action
        for heard in central_system.heard
        if heard.action not in ("StatusNotification", "BootNotification")
    ]
    assert told == ["Authorize", "StartTransaction", *["MeterValues"] * 2, "StopTransaction"]
    assert statuses(central_system) == [
        "Available",
        "Preparing",
        "Charging",
        "Finishing",
        "Available",
    ]
    times = [heard.payload["timestamp"][11:19] for heard in central_system.of("StatusNotification")]
    assert times[2:] == ["08:00:30", "08:00:50", "08:03:30", "08:05:00"]


def test_refused_tag_never_charges(central_system: FakeCentralSystem, living: StartLiving) -> None:
    central_system.script = lambda heard: (
        {"idTagInfo": {"status": "Invalid"}} if heard.action == "Authorize" else None
    )
    living(NORDLICHT, visit(NORDLICHT, 1))
    wait_until(lambda: statuses(central_system) == ["Available", "Preparing", "Available"])
    assert central_system.of("StartTransaction") == []


def test_offline_session_is_told_later_with_its_own_times(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    """§3.7: everything of a session that began and ended without a connection."""
    living(NORDLICHT, visit(NORDLICHT, 2, stays=4), outages=(outage(1, 20),))
    stop = wait_for(central_system, "StopTransaction").payload
    start = central_system.of("StartTransaction")[0].payload
    assert (start["timestamp"], stop["timestamp"]) == (
        "2026-03-02T08:01:50.000Z",
        "2026-03-02T08:05:30.000Z",
    )
    assert central_system.of("Authorize") == []
    # Old changes of status are not told, the current one is (§4.9).
    assert statuses(central_system) == ["Available", "Available"]


@pytest.mark.parametrize(("vendor", "boots"), [(KASPARI, 2), (VOLTAIRE, 1)])
def test_some_reboot_after_an_outage(
    central_system: FakeCentralSystem, living: StartLiving, vendor: Vendor, boots: int
) -> None:
    living(vendor, outages=(outage(1, 2),))
    wait_until(lambda: len(statuses(central_system)) == 2)
    assert len(central_system.of("BootNotification")) == boots


def offline_with_list(
    fake: FakeCentralSystem, living: StartLiving, status: str, **changes: str
) -> Living:
    """A visitor of that status in the local list comes while the line is down."""
    there = living(NORDLICHT, visit(NORDLICHT, 30), outages=(outage(25, 20),))
    entry = {"idTag": "visitor", "idTagInfo": {"status": status}}
    update = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    fake.call(there.identity, "SendLocalList", update)
    for key, value in changes.items():
        fake.call(there.identity, "ChangeConfiguration", {"key": key, "value": value})
    return there


def test_local_list_decides_offline(central_system: FakeCentralSystem, living: StartLiving) -> None:
    offline_with_list(central_system, living, "Accepted", AllowOfflineTxForUnknownId="false")
    assert wait_for(central_system, "StartTransaction").payload["idTag"] == "VISITOR"


def test_blocked_in_the_local_list_is_refused_offline(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    offline_with_list(central_system, living, "Blocked")
    # Back online, the charge point tells its status anew; nobody has charged.
    wait_until(lambda: len(statuses(central_system)) >= 2)
    assert statuses(central_system) == ["Available", "Available"]
    assert central_system.of("StartTransaction") == []


def test_preauthorised_by_the_local_list(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    there = living(NORDLICHT, visit(NORDLICHT, 40))
    entry = {"idTag": "VISITOR", "idTagInfo": {"status": "Accepted"}}
    update = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    central_system.call(there.identity, "SendLocalList", update)
    change = {"key": "LocalPreAuthorize", "value": "true"}
    central_system.call(there.identity, "ChangeConfiguration", change)
    wait_for(central_system, "StartTransaction")
    assert central_system.of("Authorize") == []


def test_sample_interval_can_be_changed(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    there = living(NORDLICHT, visit(NORDLICHT, 40))
    change = {"key": "MeterValueSampleInterval", "value": "20"}
    central_system.call(there.identity, "ChangeConfiguration", change)
    wait_for(central_system, "MeterValues", 3)
    times = [h.payload["meterValue"][0]["timestamp"] for h in central_system.of("MeterValues")]
    assert [text[17:19] for text in times[:3]] == ["10", "30", "50"]


def test_slow_central_system_changes_no_times(
    central_system: FakeCentralSystem, living: StartLiving
) -> None:
    """The first answer to StartTransaction gets lost for two real seconds: forty minutes here."""
    lost: list[Heard] = []

    def lose_first(heard: Heard) -> Reaction | None:
        if heard.action == "StartTransaction" and not lost:
            lost.append(heard)
            return "SILENCE"
        return None

    central_system.script = lose_first
    living(NORDLICHT, visit(NORDLICHT, 1, stays=3))
    stop = wait_for(central_system, "StopTransaction").payload
    assert stop["timestamp"] == "2026-03-02T08:03:30.000Z"
    assert len(central_system.of("MeterValues")) == 2
