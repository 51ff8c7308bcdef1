"""Forms of commands: from the types to fields, and from what was entered to payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ocpp_cs.api.payloads import EXAMPLES, schemas
from ocpp_cs.commands.orders import read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.console.command_forms import MOST_ROWS, Field, entered, form_of, payload_of
from ocpp_cs.console.texts import LANGUAGES
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM

ENGLISH = LANGUAGES["en"].texts
BERLIN = ZoneInfo("Europe/Berlin")
PROFILE = "csChargingProfiles.chargingSchedule"


def every(fields: tuple[Field, ...]) -> Iterator[Field]:
    for field in fields:
        yield field
        yield from every(field.fields)
        for row in field.rows:
            yield from every(row)


def typed(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """A payload as a person would type it into the form."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from typed(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        yield path, "\r\n".join(value)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from typed(inner, f"{path}[{number}]")
    else:
        yield path, str(value)


def payload(action: str, values: dict[str, str], zone: ZoneInfo = BERLIN) -> Any:
    return json.loads(payload_of(FROM_CENTRAL_SYSTEM[action], entered(values), zone))


@pytest.mark.parametrize("name", FROM_CENTRAL_SYSTEM)
def test_every_command_can_be_typed_in(name: str) -> None:
    values = dict(typed(EXAMPLES[name]))
    made = payload_of(FROM_CENTRAL_SYSTEM[name], entered(values), BERLIN)
    wanted = read_request(name, json.dumps(EXAMPLES[name]).encode())
    found = read_request(name, made)
    # Times are written in one way.
    assert json.loads(json.dumps(EXAMPLES[name]).replace(":00Z", ":00.000Z")) == json.loads(made)
    assert type(found) is type(wanted)


@pytest.mark.parametrize("name", FROM_CENTRAL_SYSTEM)
def test_every_field_has_words(name: str) -> None:
    assert f"command_name.{name}" in ENGLISH
    assert f"command_hint.{name}" in ENGLISH
    for field in every(form_of(FROM_CENTRAL_SYSTEM[name], {}, {}).fields):
        assert f"property.{field.name}" in ENGLISH


def test_every_answer_has_words() -> None:
    for action in FROM_CENTRAL_SYSTEM.values():
        status = schemas()[action.response.__name__]["properties"].get("status", {})
        for word in status.get("enum", ()):
            assert f"answer.{word}" in ENGLISH


def test_fields_know_what_their_types_allow() -> None:
    fields = form_of(FROM_CENTRAL_SYSTEM["RemoteStartTransaction"], {}, {}).fields
    id_tag, connector, profile = fields
    assert (id_tag.kind, id_tag.required, id_tag.longest) == ("text", True, 20)
    assert (connector.kind, connector.required, connector.least) == ("integer", False, 1)
    assert (profile.kind, profile.required, profile.filled) == ("group", False, False)
    # What is needed within something optional is not needed without it.
    assert not any(each.required for each in every((profile,)))
    [how] = form_of(FROM_CENTRAL_SYSTEM["Reset"], {}, {}).fields
    assert (how.kind, how.choices) == ("choice", ("Hard", "Soft"))


def test_rows_are_added_and_closed_up() -> None:
    action = FROM_CENTRAL_SYSTEM["SetChargingProfile"]
    path = f"{PROFILE}.chargingSchedulePeriod"
    values = entered(
        {f"{path}[0].startPeriod": "0", f"{path}[1].limit": " ", f"{path}[7].limit": "16,5"}
    )
    assert values == {f"{path}[0].startPeriod": "0", f"{path}[1].limit": "16,5"}
    [rows] = [each for each in every(form_of(action, values, {}, path).fields) if each.rows]
    assert [row[1].value for row in rows.rows] == ["", "16,5", ""]
    made = json.loads(payload_of(action, values, BERLIN))
    periods = made["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    assert periods == [{"startPeriod": 0}, {"limit": 16.5}]
    many = entered({f"{path}[{number}].limit": "1" for number in range(9999)})
    [rows] = [each for each in every(form_of(action, many, {}, path).fields) if each.rows]
    assert len(rows.rows) == MOST_ROWS


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("2026-07-01T12:00", "2026-07-01T10:00:00.000Z"),
        ("2026-01-01T12:00:30", "2026-01-01T11:00:30.000Z"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000Z"),
        ("tomorrow", "tomorrow"),
        ("0001-01-01T00:00", "0001-01-01T00:00"),
    ],
)
def test_times_are_of_the_viewers_zone(text: str, sent: str) -> None:
    values = {"location": "ftp://a/", "retrieveDate": text}
    assert payload("UpdateFirmware", values)["retrieveDate"] == sent


def test_what_is_no_number_is_left_to_the_checks() -> None:
    assert payload("UnlockConnector", {"connectorId": "one"}) == {"connectorId": "one"}
    assert payload("UnlockConnector", {"connectorId": " 1 "}) == {"connectorId": 1}
    assert payload("UnlockConnector", {"connectorId": ""}) == {}
    assert payload("UnlockConnector", {"other": "1"}) == {}
    assert payload("ChangeConfiguration", {"key": "A", "value": ""}) == {"key": "A", "value": ""}
    limit = f"{PROFILE}.chargingSchedulePeriod[0].limit"
    made = payload("SetChargingProfile", {limit: "NaN"})
    [period] = made["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    assert period == {"limit": "NaN"}


@pytest.mark.parametrize(
    ("action", "changes", "path"),
    [
        ("UnlockConnector", {"connectorId": ""}, "connectorId"),
        ("UnlockConnector", {"connectorId": "x"}, "connectorId"),
        ("UnlockConnector", {"connectorId": "-1"}, "connectorId"),
        ("UpdateFirmware", {"retrieveDate": "x"}, "retrieveDate"),
        ("SignedUpdateFirmware", {"firmware.retrieveDateTime": "x"}, "firmware.retrieveDateTime"),
        (
            "SetChargingProfile",
            {f"{PROFILE}.chargingSchedulePeriod[0].limit": "x"},
            f"{PROFILE}.chargingSchedulePeriod[0].limit",
        ),
        (
            "SetChargingProfile",
            {f"{PROFILE}.chargingSchedulePeriod[0].limit": "1.25"},
            f"{PROFILE}.chargingSchedulePeriod[0].limit",
        ),
        ("SetChargingProfile", {f"{PROFILE}.startSchedule": "x"}, f"{PROFILE}.startSchedule"),
        (
            "SetChargingProfile",
            {"csChargingProfiles.stackLevel": "-1"},
            "csChargingProfiles.stackLevel",
        ),
    ],
)
def test_an_error_stands_at_its_field(action: str, changes: dict[str, str], path: str) -> None:
    values = entered({**dict(typed(EXAMPLES[action])), **changes})
    known = FROM_CENTRAL_SYSTEM[action]
    with pytest.raises(Refused) as refused:
        read_request(action, payload_of(known, values, BERLIN))
    form = form_of(known, values, refused.value.errors)
    wrong = [each.path for each in every(form.fields) if each.errors]
    assert (wrong, form.errors) == ([path], ())
