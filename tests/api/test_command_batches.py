"""`POST /commands` and `/command-batches`: who is meant, what is refused, what can be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.api_keys import Role
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows

URL = "/api/v1/commands"
BATCHES = "/api/v1/command-batches"
RESET: dict[str, Any] = {"action": "Reset", "payload": {"type": "Soft"}}


@pytest.fixture
def fleet(rows: Rows) -> list[str]:
    """CB-1 and CB-2 are there, CB-3 is not, and CB-4 is of another make."""
    until = datetime.now(UTC) + timedelta(hours=1)
    for identity in ("CB-1", "CB-2"):
        rows.charge_point(identity, session_epoch=1, present_until=until, vendor="ACME")
    rows.charge_point("CB-3", vendor="ACME", model="WALLBOX")
    rows.charge_point("CB-4", session_epoch=1, present_until=until, vendor="Other")
    return ["CB-1", "CB-2", "CB-3", "CB-4"]


def meant(client: Client, batch: Any) -> list[str]:
    """The charge points of a batch."""
    items = client.get(f"{URL}?batch_id={batch.json['id']}").json["items"]
    return sorted(item["charge_point_id"] for item in items)


def test_by_their_ids(client: Client, fleet: list[str]) -> None:
    answer = client.post(URL, json={**RESET, "charge_point_ids": ["CB-2", "CB-1", "CB-3"]})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"{BATCHES}/{answer.json['id']}"
    counts = {name: value for name, value in answer.json.items() if name.startswith("commands_")}
    assert {name: value for name, value in counts.items() if value} == {
        "commands_total": 3,
        "commands_queued": 2,
        "commands_expired": 1,
    }
    assert len(counts) == 9
    assert (answer.json["action"], answer.json["request"]) == ("Reset", {"type": "Soft"})
    assert answer.json["finished"] is False
    assert meant(client, answer) == ["CB-1", "CB-2", "CB-3"]
    assert client.get(answer.headers["Location"]).json == answer.json


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, ["CB-1", "CB-2", "CB-3", "CB-4"]),
        ({"online": True}, ["CB-1", "CB-2", "CB-4"]),
        ({"online": False}, ["CB-3"]),
        ({"vendor": "ACME"}, ["CB-1", "CB-2", "CB-3"]),
        ({"vendor": "ACME", "online": True}, ["CB-1", "CB-2"]),
        ({"model": "WALLBOX"}, ["CB-3"]),
        ({"q": "b-4"}, ["CB-4"]),
        ({"registration": "accepted", "q": "CB-1"}, ["CB-1"]),
    ],
)
def test_by_the_filters_of_the_list(
    client: Client, fleet: list[str], filter: dict[str, Any], expected: list[str]
) -> None:
    answer = client.post(URL, json={**RESET, "filter": filter})
    assert answer.status_code == 202
    assert meant(client, answer) == expected
    parameters = {name: str(value).lower() for name, value in filter.items() if name == "online"}
    listed = client.get("/api/v1/charge-points", query_string={**filter, **parameters})
    assert [item["id"] for item in listed.json["items"]] == expected


def test_more_than_are_read_at_a_time(client: Client, rows: Rows) -> None:
    with rows.together():
        for number in range(1001):
            rows.charge_point(f"CB-{number:04}")
    answer = client.post(URL, json={**RESET, "filter": {}, "deliver_within": 60, "rate": 1000})
    assert answer.json["commands_queued"] == 1001


def test_waits_for_who_is_offline(client: Client, fleet: list[str]) -> None:
    wanted = {**RESET, "charge_point_ids": ["CB-3"], "deliver_within": 3600}
    answer = client.post(URL, json=wanted)
    [command] = client.get(f"{URL}?batch_id={answer.json['id']}").json["items"]
    assert command["status"] == "queued"
    created, expires = (
        datetime.fromisoformat(command[name]) for name in ("created_at", "expires_at")
    )
    assert expires - created == timedelta(hours=1)


def test_without_a_payload(client: Client, fleet: list[str]) -> None:
    answer = client.post(URL, json={"action": "ClearCache", "charge_point_ids": ["CB-1"]})
    assert answer.json["request"] == {}


@on_sqlite
@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({}, "charge_point_ids"),
        ({"charge_point_ids": ["CB-1"], "filter": {}}, "charge_point_ids"),
        ({"charge_point_ids": []}, "charge_point_ids"),
        ({"charge_point_ids": ["CB-1", "CB-1"]}, "charge_point_ids"),
        ({"charge_point_ids": "CB-1"}, "charge_point_ids"),
        ({"charge_point_ids": [1]}, "charge_point_ids.0"),
        ({"charge_point_ids": ["CB-1", "CB-9"]}, "charge_point_ids"),
        ({"charge_point_ids": None}, "charge_point_ids"),
        ({"filter": {"vender": "ACME"}}, "filter.vender"),
        ({"filter": {"online": "true"}}, "filter.online"),
        ({"filter": {"registration": "maybe"}}, "filter.registration"),
        ({"filter": {}, "action": "reset"}, "action"),
        ({"filter": {}, "action": "BootNotification"}, "action"),
        ({"filter": {}, "payload": {"type": "Gentle"}}, "payload.type"),
        ({"filter": {}, "payload": {}}, "payload.type"),
        ({"filter": {}, "payload": []}, "payload"),
        ({"filter": {}, "payload": {"type": "Soft", "x": 10**30}}, "payload.x"),
        ({"filter": {}, "rate": 0}, "rate"),
        ({"filter": {}, "rate": 1001}, "rate"),
        ({"filter": {}, "rate": "10"}, "rate"),
        ({"filter": {}, "deliver_within": 604801}, "deliver_within"),
        ({"filter": {}, "deliver_within": -1}, "deliver_within"),
        ({"filter": {}, "wait": 1}, "wait"),
    ],
)
def test_a_refusal_names_the_field(
    client: Client, fleet: list[str], wanted: dict[str, Any], name: str
) -> None:
    answer = client.post(URL, json={**RESET, **wanted})
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [name]
    assert client.get(URL).json["items"] == []
    assert client.get(BATCHES).json["items"] == []


@on_sqlite
@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"filter": {"vendor": "nobody"}}, "no_charge_points"),
        ({"charge_point_ids": ["CB-9"]}, "unknown_charge_point"),
        ({"filter": {}, "payload": {"type": "Gentle"}}, "bad_payload"),
        (
            {
                "filter": {},
                "action": "ChangeConfiguration",
                "payload": {"key": "AuthorizationKey", "value": "0" * 40},
            },
            "key_for_many",
        ),
    ],
)
def test_a_refusal_has_its_name(
    client: Client, fleet: list[str], wanted: dict[str, Any], code: str
) -> None:
    answer = client.post(URL, json={**RESET, **wanted})
    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_sent_again_it_is_the_same_batch(client: Client, fleet: list[str]) -> None:
    wanted = {**RESET, "charge_point_ids": ["CB-1"]}
    key = {"Idempotency-Key": "night-17"}
    first = client.post(URL, json=wanted, headers=key)
    again = client.post(URL, json=wanted, headers=key)
    assert (again.status_code, again.json["id"]) == (202, first.json["id"])
    assert len(client.get(URL).json["items"]) == 1
    other = client.post(URL, json={**wanted, "rate": 5}, headers=key)
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert client.post(URL, json=wanted).json["id"] != first.json["id"]


@on_sqlite
@pytest.mark.parametrize("key", ["x" * 256, "with blank", "schön"])
def test_a_key_that_is_none(client: Client, fleet: list[str], key: str) -> None:
    wanted = {**RESET, "charge_point_ids": ["CB-1"]}
    answer = client.post(URL, json=wanted, headers={"Idempotency-Key": key})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["Idempotency-Key"])


@on_sqlite
def test_is_an_operator_s_to_send(client_as: Callable[[Role | None], Client]) -> None:
    wanted = {**RESET, "filter": {}}
    assert client_as(None).post(URL, json=wanted).status_code == 401
    assert client_as("analyst").post(URL, json=wanted).status_code == 403
    assert client_as("operator").post(URL, json=wanted).status_code == 422  # there are none
    assert client_as("analyst").get(BATCHES).status_code == 200


def test_an_unknown_batch(client: Client) -> None:
    answer = client.get(f"{BATCHES}/7")
    assert (answer.status_code, answer.json["detail"]) == (404, "There is no batch 7.")


def test_the_list(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    old = rows.command_batch()
    new = rows.command_batch(action="ClearCache", request="{}", created_at=START + timedelta(1))
    rows.command(key, batch_id=old, status="answered")
    rows.command(key, batch_id=old, status="sent")
    rows.command(key, status="sent")

    def ids(query: str) -> list[int]:
        return [item["id"] for item in client.get(f"{BATCHES}?{query}").json["items"]]

    assert ids("") == [new, old]
    assert ids("action=Reset") == [old]
    assert ids("created_by=somebody") == []
    assert ids("from=2021-11-11T00:00:00Z") == [new]
    assert ids("to=2021-11-11T00:00:00Z") == [old]
    first = client.get(f"{BATCHES}?limit=1").json
    second = client.get(f"{BATCHES}?limit=1&cursor={first['next_cursor']}").json
    assert [item["id"] for item in first["items"] + second["items"]] == [new, old]
    [shown] = second["items"]
    assert (shown["commands_answered"], shown["commands_sent"]) == (1, 1)
    lines = client.get(f"{BATCHES}?format=csv").text.splitlines()
    assert lines[2].startswith(f'{old},Reset,"{{""type"":""Soft""}}",tester (k0000000),')
    assert lines[2].endswith("1,0,1,1,0,0,0,0,0,false")
