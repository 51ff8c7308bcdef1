"""Commands from the page: what may be sent, what is refused, and what is shown of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

from ocpp_cs.db import models, queries
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM
from tests.api.rows import Rows
from tests.console.conftest import Console
from tests.console.test_pages import connector, online, words

PAGE = "/charge-points/CB-1"
COMMANDS = f"{PAGE}/commands"
NOW = datetime.now(UTC)


def commands(console: Console) -> list[queries.CommandRow]:
    wanted = queries.CommandFilter(charge_point_id="CB-1")
    return console.committer.engine.read(lambda: queries.commands(wanted, None, 10))


def test_a_command_is_sent_and_shown(console: Console, rows: Rows) -> None:
    online(rows, "CB-1")
    visitor = console.visitor_as("operator")
    form = visitor.get(f"{COMMANDS}/Reset").text
    assert "All sessions are stopped" in form
    answer = visitor.post(f"{COMMANDS}/Reset", type="Soft", deliver_within="0")
    assert (answer.status_code, answer.location) == (303, COMMANDS)
    [command] = commands(console)
    assert (command.action, json.loads(command.request)) == ("Reset", {"type": "Soft"})
    assert command.created_by.startswith("the operator")
    text = words(visitor.get(COMMANDS).text)
    assert re.search("Reset Waiting .{,12} It waits for the charge point", text)
    visitor.post(f"{COMMANDS}/{command.id}/cancel")
    assert commands(console)[0].status == "cancelled"
    assert "Reset Cancelled" in words(visitor.get(f"{COMMANDS}?fragment=commands").text)


def test_every_command_has_its_form(console: Console, rows: Rows) -> None:
    rows.charge_point("CB-1")
    visitor = console.visitor_as("operator")
    for action in FROM_CENTRAL_SYSTEM:
        page = visitor.get(f"{COMMANDS}/{action}")
        assert page.status_code == 200
        assert "It is offline now." in page.text


def test_what_is_wrong_stands_at_its_field(console: Console, rows: Rows) -> None:
    online(rows, "CB-1")
    visitor = console.visitor_as("operator")
    visitor.get(COMMANDS)
    answer = visitor.post(f"{COMMANDS}/RemoteStartTransaction", connectorId="one", idTag="<b>A")
    assert answer.status_code == 422
    assert 'value="one"' in answer.text
    assert 'aria-describedby="field-connectorId-wrong"' in answer.text
    assert "A whole number is needed." in answer.text
    assert 'value="&lt;b&gt;A"' in answer.text
    assert commands(console) == []


def test_one_that_is_offline_is_waited_for_if_wanted(console: Console, rows: Rows) -> None:
    rows.charge_point("CB-1")
    visitor = console.visitor_as("operator")
    visitor.get(COMMANDS)
    answer = visitor.post(f"{COMMANDS}/UnlockConnector", connectorId="1")
    assert answer.status_code == 409
    assert "Let the command wait for it" in answer.text
    assert visitor.post(
        f"{COMMANDS}/UnlockConnector", connectorId="1", deliver_within="3600"
    ).location
    [command] = commands(console)
    assert command.expires_at - command.created_at == timedelta(hours=1)


def test_rows_are_added_before_anything_is_sent(console: Console, rows: Rows) -> None:
    online(rows, "CB-1")
    visitor = console.visitor_as("operator")
    visitor.get(COMMANDS)
    path = "csChargingProfiles.chargingSchedule.chargingSchedulePeriod"
    fields = {f"{path}[0].startPeriod": "0", "more": path}
    answer = visitor.post(f"{COMMANDS}/SetChargingProfile", **fields)
    assert answer.status_code == 200
    assert f'name="{path}[1].limit"' in answer.text
    assert commands(console) == []


def test_an_analyst_reads_only(console: Console, rows: Rows) -> None:
    online(rows, "CB-1")
    connector(rows, 1, 1, "Available")
    visitor = console.visitor_as("analyst")
    for path in (PAGE, COMMANDS):
        page = visitor.get(path)
        assert page.status_code == 200
        assert "/commands/Re" not in page.text
    assert visitor.get(f"{COMMANDS}/Reset").status_code == 403
    assert visitor.post(f"{COMMANDS}/Reset", type="Soft").status_code == 403
    assert commands(console) == []


def test_a_session_is_started_and_stopped_beside_its_connector(
    console: Console, rows: Rows
) -> None:
    key = online(rows, "CB-1")
    connector(rows, key, 1, "Available")
    connector(rows, key, 2, "Charging")
    id = rows.transaction(key, connector_id=2, stopped_at=None, meter_stop_wh=None)
    visitor = console.visitor_as("operator")
    page = visitor.get(PAGE).text
    assert f'name="transactionId" value="{id}"' in page
    answer = visitor.post(
        f"{COMMANDS}/RemoteStartTransaction", connectorId="1", idTag="CARD-1", next=PAGE
    )
    assert answer.location == PAGE
    visitor.post(f"{COMMANDS}/RemoteStopTransaction", transactionId=str(id), next=PAGE)
    stop, start = commands(console)
    assert json.loads(start.request) == {"connectorId": 1, "idTag": "CARD-1"}
    assert json.loads(stop.request) == {"transactionId": id}
    text = words(visitor.get(PAGE).text)
    assert "Latest commands Remote stop Waiting" in text
    rows.clear(models.Transaction)
    assert "RemoteStopTransaction" not in visitor.get(f"{PAGE}?fragment=connectors").text


def test_an_answer_is_told_in_words(console: Console, rows: Rows) -> None:
    key = online(rows, "CB-1")
    for status, response, told in (
        ("answered", {"status": "Scheduled"}, "In force after the session"),
        ("answered", {"status": "<b>odd</b>"}, "<b>odd</b>"),
        ("answered", {}, "Answered"),
        ("timeout", None, "No answer"),
    ):
        rows.command(
            key,
            action="ChangeAvailability",
            request='{"connectorId":1,"type":"Inoperative"}',
            status=status,
            response=None if response is None else json.dumps(response),
            finished_at=NOW,
        )
        page = console.visitor_as("analyst").get(COMMANDS).text
        assert f"Change availability {told}" in words(page)
        assert "<b>" not in page


def test_a_password_is_not_shown(console: Console, rows: Rows) -> None:
    online(rows, "CB-1")
    visitor = console.visitor_as("operator")
    visitor.get(COMMANDS)
    secret = "0123456789abcdefXY"
    sent = visitor.post(f"{COMMANDS}/ChangeConfiguration", key="AuthorizationKey", value=secret)
    assert sent.status_code == 303
    page = visitor.get(COMMANDS).text
    assert "********" in page
    assert secret not in page


def test_there_is_no_form_for_what_is_not_there(console: Console, rows: Rows) -> None:
    online(rows, "CB-1")
    visitor = console.visitor_as("operator")
    visitor.get(COMMANDS)
    assert visitor.get(f"{COMMANDS}/Heartbeat").status_code == 404
    assert visitor.get("/charge-points/nobody/commands/Reset").status_code == 404
    assert visitor.post("/charge-points/nobody/commands/Reset", type="Soft").status_code == 404
    assert visitor.post(f"{COMMANDS}/99/cancel").status_code == 404
