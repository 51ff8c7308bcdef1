"""`/charge-points/{id}/configuration` and `/availability`: what is known, and asking for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.commands.table import Result
from tests.api.commanded import Commanded
from tests.api.conftest import Client
from tests.api.rows import START, Rows

PATH = "/charge-points/CB-4711/configuration"


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    return Commanded(client, rows)


# --- What is known --------------------------------------------------------------------------------


def test_fields(client: Client, rows: Rows) -> None:
    id = rows.charge_point("CB-4711")
    rows.configuration_key(
        id,
        "HeartbeatInterval",
        value="900",
        readonly=False,
        reboot_required=True,
        read_at=START,
        changed_at=START + timedelta(minutes=1),
    )
    rows.configuration_key(id, "authorizationKey", changed_at=START)
    rows.configuration_key(rows.charge_point("CB-4712"), "Other")
    expected: list[dict[str, Any]] = [
        {
            "key": "authorizationKey",
            "value": None,
            "readonly": None,
            "reboot_required": False,
            "read_at": None,
            "changed_at": "2021-11-10T14:00:00.000Z",
        },
        {
            "key": "HeartbeatInterval",
            "value": "900",
            "readonly": False,
            "reboot_required": True,
            "read_at": "2021-11-10T14:00:00.000Z",
            "changed_at": "2021-11-10T14:01:00.000Z",
        },
    ]
    answer = client.get(f"/api/v1{PATH}")
    assert answer.json == {"items": expected, "next_cursor": None}
    assert list(answer.json["items"][0]) == list(expected[0])
    page = client.get(f"/api/v1{PATH}?limit=1").json
    assert page["items"] == expected[:1]
    rest = client.get(f"/api/v1{PATH}?limit=1&cursor={page['next_cursor']}").json
    assert rest == {"items": expected[1:], "next_cursor": None}
    assert client.get(f"/api/v1{PATH}?format=csv").text.splitlines() == [
        "key,value,readonly,reboot_required,read_at,changed_at",
        "authorizationKey,,,false,,2021-11-10T14:00:00.000Z",
        "HeartbeatInterval,900,false,true,2021-11-10T14:00:00.000Z,2021-11-10T14:01:00.000Z",
    ]


@pytest.mark.parametrize("resource", ["configuration", "availability"])
def test_no_such_charge_point(client: Client, rows: Rows, resource: str) -> None:
    rows.charge_point("CB-4711")
    assert client.get(f"/api/v1/charge-points/CB-4711/{resource}").json["items"] == []
    answer = client.get(f"/api/v1/charge-points/nobody/{resource}")
    assert (answer.status_code, answer.json["detail"]) == (
        404,
        "There is no charge point 'nobody'.",
    )


def test_availability(client: Client, rows: Rows) -> None:
    id = rows.charge_point("CB-4711")
    rows.availability(id, 2, availability="Inoperative", scheduled=True)
    rows.availability(id, 0)
    assert client.get("/api/v1/charge-points/CB-4711/availability").json["items"] == [
        {
            "connector_id": 0,
            "availability": "Operative",
            "scheduled": False,
            "since": "2021-11-10T14:00:00.000Z",
        },
        {
            "connector_id": 2,
            "availability": "Inoperative",
            "scheduled": True,
            "since": "2021-11-10T14:00:00.000Z",
        },
    ]
    page = client.get("/api/v1/charge-points/CB-4711/availability?limit=1").json
    rest = client.get(
        f"/api/v1/charge-points/CB-4711/availability?cursor={page['next_cursor']}"
    ).json
    assert [item["connector_id"] for item in rest["items"]] == [2]


# --- Asked for ------------------------------------------------------------------------------------


def test_refresh_asks_the_charge_point(commanded: Commanded, rows: Rows) -> None:
    rows.configuration_key(commanded.charge_point_id, "Gone", value="1", read_at=START)
    reported = [
        {"key": "B", "readonly": True, "value": "2"},
        {"key": "a", "readonly": False, "value": "1"},
    ]
    with commanded.answering(configurationKey=reported):
        answer = commanded.get(f"{PATH}?refresh=true&limit=1")
    assert answer.status_code == 200
    assert [(each["key"], each["value"]) for each in answer.json["items"]] == [("a", "1")]
    [claimed] = commanded.sent
    assert (claimed.action, claimed.request_text) == ("GetConfiguration", "{}")
    # The page after it comes without a second command.
    cursor = answer.json["next_cursor"]
    rest = commanded.get(f"{PATH}?refresh=true&limit=1&cursor={cursor}")
    assert [each["key"] for each in rest.json["items"]] == ["B"]
    assert len(commanded.sent) == 1


def test_refresh_is_a_command(commanded: Commanded) -> None:
    def status(query: str) -> int:
        return int(commanded.analyst.get(f"/api/v1{PATH}{query}").status_code)

    assert [status(query) for query in ("?refresh=true", "?refresh=false", "")] == [403, 200, 200]


def test_refresh_is_refused_as_commands_are(commanded: Commanded, rows: Rows) -> None:
    rows.charge_point("CB-away")
    answer = commanded.get("/charge-points/CB-away/configuration?refresh=true")
    assert (answer.status_code, answer.json["code"]) == (409, "offline")
    answer = commanded.get("/charge-points/nobody/configuration?refresh=true")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_charge_point")


@pytest.mark.parametrize(
    ("result", "status", "code"),
    [
        (Result(status="timeout", error_code="no_answer"), 504, "no_answer"),
        (Result(status="unknown", error_code="connection_lost"), 504, "no_answer"),
        (Result(status="rejected", error_code="InternalError"), 502, "bad_answer"),
        (
            Result(status="answered", raw_response="{}", error_code="FormationViolation"),
            502,
            "bad_answer",
        ),
    ],
)
def test_refresh_without_an_answer(
    commanded: Commanded, rows: Rows, result: Result, status: int, code: str
) -> None:
    rows.configuration_key(commanded.charge_point_id, "A", value="1", read_at=START)
    with commanded.ending(lambda _: result):
        answer = commanded.get(f"{PATH}?refresh=true")
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert [each["key"] for each in commanded.get(PATH).json["items"]] == ["A"]
