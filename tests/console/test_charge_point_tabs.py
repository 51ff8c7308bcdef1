"""The tabs of a charge point: what they show of the rows that are there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from ocpp_cs.console.texts import LANGUAGES
from ocpp_cs.console.timeline import timelines
from ocpp_cs.db import models, queries
from ocpp_cs.ocpp16.deviations import DEVIATIONS
from tests.api.rows import Rows
from tests.console.conftest import Console
from tests.console.test_pages import connector, online, words

PAGE = "/charge-points/CB-1"
NOW = datetime.now(UTC)
SCRIPT = "<script>alert(1)</script>"


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
