"""What the pages show of the rows that are there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import url_for

from ocpp_cs.console.charge_point import TABS
from ocpp_cs.db import models
from tests.api.rows import Rows
from tests.console.conftest import Console
from tests.servers import wait_until

NOW = datetime.now(UTC)
SOON = NOW + timedelta(hours=1)


def words(html: str) -> str:
    """What a person reads, blanks and lines as one blank each."""
    body = html.partition("<main")[2] or html
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def online(rows: Rows, identity: str, **values: Any) -> int:
    usual = {"present_until": SOON, "last_seen_at": NOW, "connected_at": NOW}
    return rows.charge_point(identity, **usual, **values)


def connector(rows: Rows, charge_point_id: int, number: int, status: str, **values: Any) -> None:
    usual = {"error_code": "NoError", "since": NOW, "received_at": NOW}
    rows.insert(
        models.Connector,
        charge_point_id=charge_point_id,
        connector_id=number,
        status=status,
        **{**usual, **values},
    )


def test_an_empty_overview_says_what_to_do(open_console: Console) -> None:
    text = words(open_console.visitor().get("/").text)
    assert "Charge points online 0 of 0" in text
    assert "No charge point yet" in text
    assert "/ocpp/<identity>" in text
    assert "All is well" in text
    assert "Nobody is charging" in text


def test_the_overview_counts_what_is_there(open_console: Console, rows: Rows) -> None:
    first = online(rows, "CB-1")
    second = online(rows, "CB-2")
    gone = rows.charge_point("CB-3", last_seen_at=NOW, offline_since=NOW - timedelta(minutes=5))
    rows.charge_point("CB-4", registration="pending")
    connector(rows, first, 0, "Available")
    connector(rows, first, 1, "Charging")
    connector(rows, second, 1, "Faulted", error_code="GroundFailure", info="relay 2")
    connector(rows, gone, 1, "Available")
    rows.transaction(
        first,
        # Not long ago: other tests may have taken minutes.
        started_at=datetime.now(UTC) - timedelta(minutes=30),
        stopped_at=None,
        meter_start_wh=1000,
        meter_stop_wh=None,
        last_register_wh=6250,
        last_register_at=NOW,
        last_sample_at=NOW,
        id_tag="CARD-1",
    )
    text = words(open_console.visitor().get("/").text)
    assert "Charge points online 2 of 4 1 offline 1 never seen 1 waiting for approval" in text
    assert "Sessions running 1 5.25 kWh charged so far" in text
    assert "Charging 1 Faulted 1 Offline 1" in text
    assert re.search(r"CB-1 Connector 1 CARD-1 3\d min", text)
    assert "Faulted CB-2" in text
    assert "Connector 1 reports GroundFailure. relay 2" in text
    assert "Offline CB-3" in text


def test_hostile_registers_do_not_take_the_overview_away(open_console: Console, rows: Rows) -> None:
    charge_point = online(rows, "CB-1")
    for connector_id in (1, 2):
        rows.transaction(
            charge_point,
            connector_id=connector_id,
            started_at=NOW - timedelta(minutes=30),
            stopped_at=None,
            meter_start_wh=-(2**63),
            meter_stop_wh=None,
            last_register_wh=2**63 - 1,
            last_register_at=NOW,
        )
    assert open_console.visitor().get("/").status_code == 200


def test_energy_adds_up_over_days(open_console: Console, rows: Rows) -> None:
    charge_point = online(rows, "CB-1")
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    for day, energy in ((0, 1000), (1, 2000), (20, 30000), (40, 500000)):
        at = midnight - timedelta(days=day)
        rows.transaction(
            charge_point,
            started_at=at,
            stopped_at=at + timedelta(milliseconds=10),
            meter_start_wh=0,
            meter_stop_wh=energy,
        )
    visitor = open_console.visitor()

    def shown() -> str:
        return words(visitor.get("/?fragment=energy").text)

    wait_until(lambda: "summed up" not in shown())
    text = shown()
    assert "Today 1.00 kWh" in text
    assert "Last 7 days 3.00 kWh" in text
    assert "Last 30 days 33.00 kWh" in text


def test_charge_points_are_searched_and_paged(open_console: Console, rows: Rows) -> None:
    with rows.together():
        for number in range(60):
            rows.charge_point(f"CB-{number:03}", vendor="ACME" if number % 2 else "Other")
    online(rows, "XY-1", note="car park")
    visitor = open_console.visitor()
    page = visitor.get("/charge-points").text
    assert page.count("<tr data-key") == 50
    [following] = re.findall(r'href="([^"]*)" rel="next"', page)
    second = visitor.get(unescape(following)).text
    assert second.count("<tr data-key") == 11
    assert "First page" in second
    assert visitor.get("/charge-points?q=acme").text.count("<tr data-key") == 30
    found = words(visitor.get("/charge-points?presence=online&q=car+park").text)
    assert "XY-1 car park Online" in found
    assert "No charge point fits" in visitor.get("/charge-points?q=nothing").text
    assert visitor.get("/charge-points?after=nonsense").status_code == 400
    assert visitor.get("/charge-points?q=%00").status_code == 200
    # What is live asks for the same.
    [live] = re.findall(r'data-live="([^"]*)"', visitor.get("/charge-points?q=acme").text)
    fragment = visitor.get(unescape(live)).text
    assert fragment.count("<tr data-key") == 30
    assert "<html" not in fragment


def test_a_charge_point_has_its_page(open_console: Console, rows: Rows) -> None:
    key = online(rows, "CB 1\N{SNOWMAN}", vendor="ACME", model="WALLBOX", security_profile=2)
    connector(rows, key, 1, "SuspendedEV")
    rows.insert(
        models.ConnectionAttempt,
        identity="CB 1\N{SNOWMAN}",
        remote_address="192.0.2.1",
        outcome="wrong_password",
        http_status=401,
        attempted_at=NOW,
        last_attempted_at=NOW,
    )
    visitor = open_console.visitor()
    assert "CB 1\N{SNOWMAN}" in visitor.get("/charge-points").text
    text = words(visitor.get("/charge-points/CB%201%E2%98%83").text)
    assert "Online" in text
    assert "Connector 1 Paused by the car" in text
    assert "Vendor ACME Model WALLBOX Serial number \N{EN DASH}" in text
    assert "2: password, TLS" in text
    text = words(visitor.get("/charge-points/CB%201%E2%98%83/connection-attempts").text)
    assert "Refused 1 192.0.2.1 Enter the right password" in text
    missing = visitor.get("/charge-points/nobody")
    assert (missing.status_code, "Not found" in missing.text) == (404, True)


AS_BROWSERS_ASK = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_where_nothing_is_a_browser_gets_a_page(console: Console) -> None:
    visitor = console.visitor()
    asked = {"Accept": AS_BROWSERS_ASK, "Accept-Language": "de"}
    answer = visitor.get("/chargepoints", headers=asked)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "Nicht gefunden" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    answer = visitor.get("/sign-out", headers=asked)
    assert (answer.status_code, answer.mimetype) == (405, "text/html")
    assert "POST" in answer.headers["Allow"]
    # Programs get what they can read, and so does whoever asks the API.
    for path, accepted in (("/nowhere", "*/*"), ("/nowhere", "application/json, text/html;q=0.5")):
        told = visitor.get(path, headers={"Accept": accepted})
        assert (told.status_code, told.mimetype) == (404, "application/problem+json")
    told = visitor.get("/api/v1/nowhere", headers=asked)
    assert (told.status_code, told.mimetype) == (401, "application/problem+json")


def test_what_charge_points_say_is_text(open_console: Console, rows: Rows) -> None:
    script = "<script>alert(1)</script>'\"&"
    columns = (
        "vendor model serial_number charge_box_serial_number firmware_version iccid imsi"
        " meter_type meter_serial_number note"
    )
    key = online(rows, "CB-<b>1", **dict.fromkeys(columns.split(), script))
    connector(rows, key, 1, script, error_code=script, info=script, vendor_error_code=script)
    connector(rows, key, 2, "Faulted", error_code=script, info=script)
    rows.insert(
        models.ConnectionAttempt,
        identity=script,
        remote_address=script,
        outcome=script,
        http_status=404,
        user_agent=script,
        attempted_at=NOW,
        last_attempted_at=NOW,
    )
    rows.transaction(key, stopped_at=None, meter_stop_wh=None, id_tag=script, suspect_since=NOW)
    visitor = open_console.visitor()
    rows.status_event(key, 1, script, NOW, error_code=script, info=script)
    with open_console.app.test_request_context():
        tabs = [url_for(view, charge_point_id="CB-<b>1") for view, _ in TABS]
    for path in ("/", "/charge-points", *tabs):
        page = visitor.get(path).text
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "&lt;" in page
    assert "<b>" not in visitor.get("/charge-points?q=%22%3E%3Cb%3E").text


def test_power_is_that_of_the_latest_sample(open_console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    started = at - timedelta(minutes=20)
    id = rows.transaction(
        key, started_at=started, stopped_at=None, meter_stop_wh=None, last_sample_at=at
    )
    kind: dict[str, Any] = {"measurand": "Power.Active.Import", "unit": "W", "sent_unit": "W"}
    for when, phase, value in (
        (started, "", 22000.0),
        (at, "L1", 3600.0),
        (at, "L2", 3700.0),
        (at, "L3", 3700.0),
    ):
        rows.sample(id, when, str(value), charge_point_id=key, value=value, phase=phase, **kind)
    text = words(open_console.visitor().get("/").text)
    assert "Power now 11.0 kW measured in 1 session" in text


@pytest.mark.parametrize(
    ("accepted", "title"),
    [("de-AT,de;q=0.9,en;q=0.8", "Übersicht"), ("fr", "Overview"), ("", "Overview")],
)
def test_the_language_is_the_browsers(open_console: Console, accepted: str, title: str) -> None:
    visitor = open_console.visitor()
    page = visitor.get("/", headers={"Accept-Language": accepted}).text
    assert f"<h1>{title}</h1>" in page


def test_a_language_is_chosen(open_console: Console) -> None:
    visitor = open_console.visitor()
    visitor.get("/")
    answer = visitor.post("/language", language="de", next="/charge-points?q=a")
    assert answer.location == "/charge-points?q=a"
    page = visitor.get("/charge-points").text
    assert '<html lang="de">' in page
    assert "Ladestationen" in page
    visitor.post("/language", language="../en")
    assert '<html lang="de">' in visitor.get("/").text
