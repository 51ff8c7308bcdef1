"""`/charge-points/{id}/local-list`: sent, waited for, tried again in full, listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.ocpp16.messages.local_auth_list import SendLocalListResponse, UpdateStatus
from tests.api.commanded import Commanded
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows

LIST = "/charge-points/CB-4711/local-list"


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    return Commanded(client, rows)


def send(commanded: Commanded, query: str = "", path: str = LIST, **options: Any) -> Any:
    return commanded.request("POST", f"{path}{query}", **{"json": {}, **options})


def accepted(commanded: Commanded) -> dict[str, Any]:
    """An update that the charge point has accepted at once."""
    with commanded.answering(status="Accepted"):
        answer = send(commanded)
    assert (answer.status_code, answer.json["status"]) == (200, "accepted"), answer.text
    return dict(answer.json)


def last_request(commanded: Commanded) -> Any:
    return json.loads(commanded.sent[-1].request_text)


# --- Sent -----------------------------------------------------------------------------------------


def test_the_first_update_is_full_and_the_next_one_differential(
    commanded: Commanded, rows: Rows
) -> None:
    rows.id_tag("0fc673", parent_id_tag="fleet")
    rows.id_tag("0FC674", status="blocked")
    with commanded.answering(status="Accepted"):
        answer = send(commanded)
    made = answer.json
    assert answer.status_code == 200
    assert answer.headers["Location"] == f"/api/v1{LIST}/updates/{made['id']}"
    assert (made["charge_point_id"], made["status"]) == ("CB-4711", "accepted")
    assert (made["update_type"], made["list_version"]) == ("full", 1)
    assert (made["entries_total"], made["commands_total"], made["retry_of"]) == (2, 1, None)
    assert made["created_by"].startswith("the operator (")
    assert made["finished_at"] >= made["created_at"]
    assert last_request(commanded) == {
        "listVersion": 1,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idTag": "0fc673", "idTagInfo": {"status": "Accepted", "parentIdTag": "fleet"}},
            {"idTag": "0FC674", "idTagInfo": {"status": "Blocked"}},
        ],
    }
    assert made["commands"] == [commanded.sent[-1].id]
    assert commanded.get(f"{LIST}/updates/{made['id']}").json == made

    rows.id_tag("0fc675")
    second = accepted(commanded)
    assert (second["update_type"], second["list_version"]) == ("differential", 2)
    assert (second["entries_total"], second["commands_total"]) == (1, 1)
    assert last_request(commanded) == {
        "listVersion": 2,
        "updateType": "Differential",
        "localAuthorizationList": [{"idTag": "0fc675", "idTagInfo": {"status": "Accepted"}}],
    }


def test_nothing_to_send_is_said_and_not_sent(commanded: Commanded, rows: Rows) -> None:
    rows.id_tag()
    accepted(commanded)
    answer = send(commanded)
    assert answer.status_code == 200
    made = answer.json
    assert (made["status"], made["commands_total"], made["entries_total"]) == ("accepted", 0, 0)
    assert (made["update_type"], made["list_version"]) == ("differential", 1)
    assert made["finished_at"] is not None
    assert len(commanded.sent) == 1


def test_full_may_be_asked_for(commanded: Commanded, rows: Rows) -> None:
    rows.id_tag()
    accepted(commanded)
    with commanded.answering(status="Accepted"):
        made = send(commanded, json={"update_type": "full"}).json
    assert (made["update_type"], made["list_version"], made["entries_total"]) == ("full", 2, 1)


def test_no_answer_within_the_time(commanded: Commanded, rows: Rows) -> None:
    rows.id_tag()
    answer = send(commanded, "?wait=0")
    made = answer.json
    assert (answer.status_code, made["status"], made["finished_at"]) == (202, "sending", None)
    assert answer.headers["Location"] == f"/api/v1{LIST}/updates/{made['id']}"
    again = send(commanded, "?wait=0")
    assert (again.status_code, again.json["code"]) == (409, "local_list_update_running")


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("Failed", "failed"),
        ("NotSupported", "not_supported"),
        (Result(status="timeout"), "failed"),
        (Result(status="rejected", error_code="NotImplemented"), "failed"),
        (Result(status="answered", raw_response="{}", error_code="x"), "failed"),
    ],
)
def test_an_update_that_is_not_taken(
    commanded: Commanded, rows: Rows, result: Any, status: str
) -> None:
    rows.id_tag()
    if isinstance(result, str):
        with commanded.answering(status=result):
            answer = send(commanded)
    else:
        with commanded.ending(lambda _: result):
            answer = send(commanded)
    assert (answer.status_code, answer.json["status"]) == (200, status)
    assert commanded.get(LIST).json["entries_total"] is None


def test_another_version_is_answered_with_the_whole_list(commanded: Commanded, rows: Rows) -> None:
    rows.id_tag()
    first = accepted(commanded)
    rows.id_tag("0fc674")
    with commanded.answering(status="VersionMismatch"):
        made = send(commanded, "?wait=2").json
    assert (made["status"], made["update_type"]) == ("sending", "full")
    assert (made["entries_total"], made["retried_by"]) == (2, None)
    assert made["created_by"] == first["created_by"]
    refused = commanded.get(f"{LIST}/updates/{made['retry_of']}").json
    assert (refused["status"], refused["retried_by"]) == ("version_mismatch", made["id"])
    assert made["list_version"] > refused["list_version"] > first["list_version"]


def test_who_waits_gets_the_second_update(commanded: Commanded, rows: Rows) -> None:
    rows.id_tag()
    accepted(commanded)
    rows.id_tag("0fc674")
    statuses: Iterator[UpdateStatus] = iter(["VersionMismatch", "Accepted"])

    def one(claimed: Claimed) -> Result:
        response = SendLocalListResponse(status=next(statuses))
        return Result(status="answered", response=response)

    with commanded.ending(one), commanded.ending(one):
        answer = send(commanded)
    made = answer.json
    assert (answer.status_code, made["status"], made["update_type"]) == (200, "accepted", "full")
    assert made["retry_of"] is not None
    assert answer.headers["Location"].endswith(f"/{made['id']}")
    assert commanded.get(LIST).json["entries_total"] == 2


# --- Refused --------------------------------------------------------------------------------------


def test_refusals(commanded: Commanded, rows: Rows) -> None:
    rows.charge_point("CB-away")
    rows.charge_point("CB-refused", registration="rejected", present_until=START)
    rows.id_tag()

    def refused(identity: str, **wish: Any) -> tuple[int, str]:
        answer = send(commanded, path=f"/charge-points/{identity}/local-list", json=wish)
        return answer.status_code, answer.json["code"]

    assert refused("CB-nobody") == (404, "unknown_charge_point")
    assert refused("CB-away") == (409, "offline")
    assert refused("CB-refused") == (409, "rejected_charge_point")
    assert refused("CB-4711", update_type="differential") == (409, "local_list_unknown")
    assert commanded.get(f"{LIST}/updates").json["items"] == []


def test_a_list_that_is_too_long(commanded: Commanded, rows: Rows) -> None:
    rows.configuration_key(commanded.charge_point_id, "LocalAuthListMaxLength", value="1")
    rows.id_tag("1")
    rows.id_tag("2")
    answer = send(commanded)
    assert (answer.status_code, answer.json["code"]) == (409, "local_list_too_long")


@on_sqlite
@pytest.mark.parametrize(
    ("body", "field"),
    [({"update_type": "Full"}, "update_type"), ({"type": "full"}, "type")],
)
def test_a_wish_that_cannot_be_read(commanded: Commanded, body: dict[str, Any], field: str) -> None:
    answer = send(commanded, json=body)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text


def test_reading_is_not_enough(commanded: Commanded) -> None:
    assert commanded.analyst.post(f"/api/v1{LIST}", json={}).status_code == 403
    assert commanded.analyst.get(f"/api/v1{LIST}").status_code == 200


def test_a_charge_point_that_is_away_is_waited_for_if_wished(
    commanded: Commanded, rows: Rows
) -> None:
    rows.charge_point("CB-away")
    rows.id_tag()
    path = "/charge-points/CB-away/local-list"
    answer = send(commanded, "?deliver_within=600&wait=0", path)
    assert (answer.status_code, answer.json["status"]) == (202, "sending")


def test_a_request_that_is_sent_again_gets_what_it_made(commanded: Commanded, rows: Rows) -> None:
    rows.id_tag()
    key = {"Idempotency-Key": "list-1"}
    with commanded.answering(status="Accepted"):
        first = send(commanded, headers=key)
    again = send(commanded, headers=key)
    assert (again.status_code, again.json) == (200, first.json)
    other = send(commanded, headers=key, json={"update_type": "full"})
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")


# --- Read -----------------------------------------------------------------------------------------


def test_a_charge_point_of_which_nothing_is_known(client: Client, rows: Rows) -> None:
    rows.charge_point("CB-4711")
    assert client.get(f"/api/v1{LIST}").json == {
        "charge_point_id": "CB-4711",
        "list_version": None,
        "list_version_at": None,
        "entries_total": None,
        "latest_update": None,
    }
    for path in ("", "/entries", "/updates", "/updates/1"):
        assert client.get(f"/api/v1/charge-points/CB-nobody/local-list{path}").status_code == 404
    assert client.get(f"/api/v1{LIST}/updates/1").status_code == 404


def test_the_list_and_its_entries(commanded: Commanded, rows: Rows) -> None:
    rows.id_tag("b", expires_at=datetime(2099, 1, 1, tzinfo=UTC))
    rows.id_tag("A", status="blocked", parent_id_tag="fleet")
    made = accepted(commanded)
    found = commanded.get(LIST).json
    assert (found["list_version"], found["entries_total"]) == (1, 2)
    assert found["list_version_at"] == made["finished_at"]
    assert found["latest_update"] == {
        name: made[name] for name in made if name not in ("commands", "retried_by")
    }
    assert commanded.get(f"{LIST}/entries").json["items"] == [
        {"id_tag": "A", "status": "Blocked", "expires_at": None, "parent_id_tag": "fleet"},
        {
            "id_tag": "b",
            "status": "Accepted",
            "expires_at": "2099-01-01T00:00:00.000Z",
            "parent_id_tag": None,
        },
    ]
    page = commanded.get(f"{LIST}/entries?limit=1").json
    rest = commanded.get(f"{LIST}/entries?limit=1&cursor={page['next_cursor']}").json
    assert [item["id_tag"] for item in page["items"] + rest["items"]] == ["A", "b"]
    lines = commanded.get(f"{LIST}/entries?format=csv").text.splitlines()
    assert lines[:2] == ["id_tag,status,expires_at,parent_id_tag", "A,Blocked,,fleet"]


def test_the_empty_list_is_known_by_its_version(commanded: Commanded) -> None:
    with commanded.answering(listVersion=0):
        commanded.request("POST", "/charge-points/CB-4711/commands/GetLocalListVersion")
    found = commanded.get(LIST).json
    assert (found["list_version"], found["entries_total"]) == (0, 0)


def test_updates_are_those_of_the_charge_point(client: Client, rows: Rows) -> None:
    first, second = rows.charge_point("CB-4711"), rows.charge_point("CB-4712")

    a, b = rows.local_list_update(first, status="version_mismatch"), rows.local_list_update(second)
    c = rows.local_list_update(first, retry_of=a, list_version=2)
    command_id = rows.command(first, local_list_update_id=c)
    rows.command(first, local_list_update_id=a)
    listed = client.get(f"/api/v1{LIST}/updates").json["items"]
    assert [item["id"] for item in listed] == [c, a]
    one = client.get(f"/api/v1{LIST}/updates/{c}").json
    assert one == {**listed[0], "commands": [command_id], "retried_by": None}
    assert client.get(f"/api/v1{LIST}/updates/{a}").json["retried_by"] == c
    assert listed[0] == {
        "id": c,
        "charge_point_id": "CB-4711",
        "update_type": "full",
        "list_version": 2,
        "status": "accepted",
        "entries_total": 3,
        "commands_total": 1,
        "retry_of": a,
        "created_by": "tester",
        "created_at": "2021-11-10T14:00:00.000Z",
        "finished_at": "2021-11-10T14:00:01.000Z",
    }
    assert client.get(f"/api/v1{LIST}/updates/{b}").status_code == 404
    page = client.get(f"/api/v1{LIST}/updates?limit=1").json
    rest = client.get(f"/api/v1{LIST}/updates?limit=1&cursor={page['next_cursor']}").json
    assert [item["id"] for item in rest["items"]] == [a]
