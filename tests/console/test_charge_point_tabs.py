"""The tabs of a charge point: what they show of the rows that are there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from flask import url_for

from ocpp_cs.console.charge_point import TABS
from ocpp_cs.console.limits import Step, curve
from ocpp_cs.console.status_bars import timelines
from ocpp_cs.console.texts import LANGUAGES
from ocpp_cs.db import models, queries
from ocpp_cs.ocpp16.deviations import DEVIATIONS
from tests.api.rows import Rows
from tests.console.conftest import Console
from tests.console.test_pages import connector, online, words

PAGE = "/charge-points/CB-1"
NOW = datetime.now(UTC)
SCRIPT = "<script>alert(1)</script>"


def test_every_live_part_of_every_tab_answers(console: Console, rows: Rows) -> None:
    online(rows, "CB-1")
    visitor = console.visitor_as("operator")
    with console.app.test_request_context():
        tabs = [url_for(view, charge_point_id="CB-1") for view, _ in TABS]
    for path in (*tabs, f"{PAGE}/commands/Reset"):
        live = re.findall(r'data-live="([^"]*)"', visitor.get(path).text)
        assert live, path
        for url in live:
            assert visitor.get(unescape(url)).status_code == 200, url


def message(rows: Rows, key: int, number: int, action: str = "Heartbeat", **values: object) -> None:
    usual = {
        "connection_epoch": 1,
        "direction": "from_charge_point",
        "message_id": str(number),
        "action": action,
        "request": f'[2,"{number}","{action}",{{}}]',
        "response": f'[3,"{number}",{{}}]',
        "sent_at": NOW + timedelta(seconds=number),
        "answered_at": NOW + timedelta(seconds=number, milliseconds=7),
    }
    rows.insert(models.Message, charge_point_id=key, **{**usual, **values})


def test_messages_are_filtered_and_paged(open_console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    with rows.together():
        for number in range(55):
            message(rows, key, number)
        message(rows, key, 90, "StatusNotification", error_code="FormationViolation")
        message(rows, key, 91, "Reset", direction="from_central_system", request=SCRIPT)
    visitor = open_console.visitor()
    page = visitor.get(f"{PAGE}/messages").text
    assert page.count('data-key="message-') == 50
    assert SCRIPT not in page
    assert "Answer, after 7 ms" in page
    [following] = re.findall(r'href="([^"]*)" rel="next"', page)
    assert visitor.get(unescape(following)).text.count('data-key="message-') == 7
    for query, count in (
        ("action=Reset", 1),
        ("errors=1", 1),
        ("direction=from_central_system", 1),
        ("direction=from_charge_point&action=Reset", 0),
        ("action=nonsense", 50),
    ):
        assert visitor.get(f"{PAGE}/messages?{query}").text.count('data-key="message-') == count


def event(id: int, status: str, hours: float) -> queries.StatusEventRow:
    at = NOW - timedelta(hours=hours)
    return queries.StatusEventRow(1, id, status, "NoError", None, None, None, at, at)


def test_a_timeline_is_made_of_changes() -> None:
    begins = NOW - timedelta(hours=10)
    events = [
        event(1, "Charging", 5),
        event(1, "Available", 30),
        event(1, "Charging", 4),
        event(1, "Available", 1),
        event(2, "Faulted", -1),  # a clock that goes ahead
    ]
    first, second, third = timelines([1, 2, 3], events, begins, NOW)
    shown = [(each.status, each.x, each.width) for each in first.stretches]
    assert shown == [("Available", 0, 500), ("Charging", 500, 400), ("Available", 900, 100)]
    assert first.totals == [("Available", 6 * 3600), ("Charging", 4 * 3600)]
    assert (second.stretches, third.stretches) == ([], [])


def test_the_history_is_drawn_and_listed(open_console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    connector(rows, key, 1, "Charging")
    rows.status_event(key, 1, "Available", NOW - timedelta(days=2))
    rows.status_event(key, 1, "Faulted", NOW - timedelta(hours=2), error_code="GroundFailure")
    visitor = open_console.visitor()
    page = visitor.get(f"{PAGE}/history").text
    assert '<rect class="good" x="0.0"' in page
    text = words(page)
    assert re.search(r"Available 2[12] h", text)
    assert "Faulted GroundFailure" in text
    assert "Available 1 d 2" in words(visitor.get(f"{PAGE}/history?span=week").text)


def test_the_configuration_is_shown_and_changed(console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    for name, value, readonly in (
        ("HeartbeatInterval", "900", False),
        ("NumberOfConnectors", "2", True),
        ("AuthorizationKey", None, False),
        ("Odd", SCRIPT, True),
    ):
        rows.insert(
            models.ConfigurationKey,
            charge_point_id=key,
            key=name,
            key_key=name.casefold(),
            value=value,
            readonly=readonly,
            reboot_required=name == "HeartbeatInterval",
            read_at=NOW,
        )
    path = f"{PAGE}/configuration"
    text = words(console.visitor_as("analyst").get(path).text)
    assert "AuthorizationKey not shown" in text
    assert "HeartbeatInterval 900 After a restart" in text
    assert "NumberOfConnectors 2 Read only" in text
    visitor = console.visitor_as("operator")
    page = visitor.get(path).text
    assert SCRIPT not in page
    assert 'aria-label="HeartbeatInterval" value="900"' in page
    assert 'aria-label="NumberOfConnectors"' not in page
    commands = f"{PAGE}/commands"
    fields = {"key": "HeartbeatInterval", "value": "60", "next": path}
    assert visitor.post(f"{commands}/ChangeConfiguration", **fields).location == path
    assert visitor.post(f"{commands}/GetConfiguration", next=path).location == path
    assert "Read configuration Waiting" in words(visitor.get(path).text)


def test_conformance_is_told_in_words(open_console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    visitor = open_console.visitor()
    assert "Nothing to object to" in visitor.get(f"{PAGE}/conformance").text
    for code in ("naive_time", "NotSupported", SCRIPT):
        rows.insert(
            models.Deviation,
            charge_point_id=key,
            firmware_version="1.0",
            code=code,
            detail=SCRIPT[:8],
            seen=1234,
            first_seen_at=NOW,
            last_seen_at=NOW,
        )
    page = visitor.get(f"{PAGE}/conformance").text
    assert "<script>" not in page.replace("<script src", "")
    assert "A time without offset <script> 1,234 1.0" in words(page)
    assert "A message that was refused with the CALLERROR NotSupported" in words(page)


def test_every_deviation_has_words() -> None:
    for code in DEVIATIONS:
        assert f"deviation.{code}" in LANGUAGES["en"].texts


def test_events_are_listed_by_their_kind(open_console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    visitor = open_console.visitor()
    for kind in ("security", "firmware", "diagnostics"):
        assert "No event yet" in visitor.get(f"{PAGE}/events?kind={kind}").text
    rows.security_event(key, tech_info=SCRIPT)
    rows.firmware_event(key, status="InstallationFailed", signed=True)
    rows.diagnostics_event(key, status="Uploaded", request_id=7, log=True)
    page = visitor.get(f"{PAGE}/events").text
    assert SCRIPT not in page
    assert "TamperDetectionActivated Critical the charge point" in words(page)
    firmware = words(visitor.get(f"{PAGE}/events?kind=firmware").text)
    assert "InstallationFailed \N{EN DASH} Signed" in firmware
    assert "Uploaded 7 Log" in words(visitor.get(f"{PAGE}/events?kind=diagnostics").text)


def test_a_connector_is_reserved_and_freed(console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    connector(rows, key, 1, "Available")
    path = f"{PAGE}/reservations"
    visitor = console.visitor_as("operator")
    visitor.get(path)
    until = (NOW + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
    wish = {"connector_id": "1", "id_tag": "CARD-1", "expires_at": until}
    for wrong, name in (
        ({"id_tag": ""}, "id_tag"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00"}, "expires_at"),
        ({"connector_id": "-1"}, "connector_id"),
    ):
        answer = visitor.post(path, **{**wish, **wrong})
        assert (name, answer.status_code) == (name, 422)
        assert f'id="{name}-wrong"' in answer.text, words(answer.text)
    assert visitor.post(path, **wish).location == path
    assert "CARD-1 Connector 1 Requested" in words(visitor.get(path).text)
    [reservation] = console.committer.engine.read(
        lambda: queries.reservations(queries.ReservationFilter(), None, 10)
    )
    assert visitor.post(path, cancel=str(reservation.id)).status_code == 303
    assert "CARD-1 Connector 1 Cancelled" in words(visitor.get(path).text)
    online(rows, "CB-2")
    other = visitor.post("/charge-points/CB-2/reservations", cancel=str(reservation.id))
    assert other.status_code == 404
    assert visitor.post(path, cancel="x").status_code == 404
    rows.reservation(key, status="used", ended_at=NOW)
    assert visitor.post(path, cancel=str(reservation.id + 1)).status_code == 409
    assert console.visitor_as("analyst").post(path, **wish).status_code == 403


def test_a_schedule_is_drawn_as_steps() -> None:
    periods = [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 3600, "limit": 8.0}]
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods, "duration": 7200}
    drawn = curve(schedule)
    assert drawn is not None
    assert drawn.steps == [Step(0, 3600, 16.0, None), Step(3600, 7200, 8.0, None)]
    assert drawn.line == "M 4.0 36.80 H 180.0 L 180.0 74.40 H 356.0"
    assert (drawn.top, drawn.unit) == (20.0, "A")
    del schedule["duration"]
    endless, daily = curve(schedule), curve(schedule, "Daily")
    assert endless is not None
    assert endless.steps[-1].ends_s is None
    assert daily is not None
    assert daily.ticks[-1].after_s == 86400
    assert curve({**schedule, "chargingSchedulePeriod": []}) is None
    one = curve({**schedule, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.0}]})
    assert one is not None
    assert one.top == 1.0


def test_charging_profiles_are_pictures(console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    connector(rows, key, 1, "Available")
    path = f"{PAGE}/charging-profiles"
    visitor = console.visitor_as("operator")
    assert "No charging profile" in visitor.get(path).text
    rows.installed_charging_profile(key)
    library = rows.charging_profile(name=SCRIPT)
    rows.command(
        key,
        action="GetCompositeSchedule",
        request='{"connectorId":1,"duration":86400}',
        status="answered",
        response='{"status":"Accepted","connectorId":1,"chargingSchedule":{"chargingRateUnit":"W",'
        '"duration":86400,"chargingSchedulePeriod":[{"startPeriod":0,"limit":11000.0}]}}',
        finished_at=NOW,
    )
    page = visitor.get(path).text
    assert page.count('<svg class="chart limits"') == 3
    assert SCRIPT not in page
    text = words(page)
    assert "Profile 1, Connector 1" in text
    assert "16 A" in text
    assert "11.0 kW" in text
    assert visitor.post(path, profile=str(library), connector="1").location == path
    assert "Set charging profile Waiting" in words(visitor.get(path).text)
    assert visitor.post(path, profile="99", connector="1").status_code == 404
    assert visitor.post(path, profile="x", connector="1").status_code == 404
