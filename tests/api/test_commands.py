"""Commands over REST: one route per action, the wait for the answer, refusals, and the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.api import payloads
from ocpp_cs.api_keys import Role
from ocpp_cs.commands.table import Result
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM
from tests.api.answering import answering
from tests.api.commanded import Commanded
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, STOP, Rows

URL = "/commands"


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    return Commanded(client, rows)


def send(commanded: Commanded, action: str = "Reset", query: str = "", **options: Any) -> Any:
    options.setdefault("json", payloads.EXAMPLES[action])
    path = f"/charge-points/CB-4711/commands/{action}?{query}"
    return commanded.request("POST", path, **options)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


# --- Sending and waiting --------------------------------------------------------------------------


def test_waits_for_the_answer(commanded: Commanded) -> None:
    with commanded.answering(status="Accepted"):
        answer = send(commanded)
    assert answer.status_code == 200
    shown = answer.json
    assert (shown["action"], shown["charge_point_id"]) == ("Reset", "CB-4711")
    assert (shown["request"], shown["response"]) == ({"type": "Soft"}, {"status": "Accepted"})
    assert (shown["status"], shown["error_code"]) == ("answered", None)
    assert shown["created_by"].startswith("the operator (")
    assert shown["created_at"] <= shown["sent_at"] <= shown["finished_at"]
    assert commanded.get(f"{URL}/{shown['id']}").json == shown


def test_answers_202_while_it_is_not_final(commanded: Commanded) -> None:
    answer = send(commanded, query="wait=0")
    assert (answer.status_code, answer.json["status"]) == (202, "queued")
    assert answer.headers["Location"] == f"/api/v1{URL}/{answer.json['id']}"
    claimed = commanded.claim()
    assert commanded.get(f"{URL}/{claimed.id}").json["status"] == "sent"
    commanded.finish(claimed, Result(status="timeout", error_code="no_answer"))
    shown = commanded.get(f"{URL}/{claimed.id}").json
    assert (shown["status"], shown["error_code"], shown["response"]) == (
        "timeout",
        "no_answer",
        None,
    )


@pytest.mark.parametrize("raw", ["{", '{"status":' + "9" * 400 + "}", "[" * 3000])
def test_an_answer_that_broke_its_schema_is_shown_as_it_came(
    commanded: Commanded, raw: str
) -> None:
    broken = Result(status="answered", raw_response=raw, error_code="FormationViolation")
    with commanded.ending(lambda claimed: broken):
        answer = send(commanded)
    assert (answer.status_code, answer.json["error_code"]) == (200, "FormationViolation")
    expected = json.loads(raw) if raw.endswith("}") else raw
    assert answer.json["response"] == expected
    [listed] = commanded.get(URL).json["items"]
    assert listed["response"] == expected
    assert len(commanded.get(f"{URL}?format=csv").text.splitlines()) == 2


@on_sqlite
@pytest.mark.parametrize("action", FROM_CENTRAL_SYSTEM)
def test_the_example_of_every_action_can_be_sent(commanded: Commanded, action: str) -> None:
    with answering(commanded.committer):
        answer = send(commanded, action)
    assert (answer.status_code, answer.json["status"]) == (200, "answered")
    assert answer.json["request"] == payloads.EXAMPLES[action]


def test_without_a_body_the_payload_is_empty(commanded: Commanded) -> None:
    answer = send(commanded, "ClearCache", "wait=0", json=None)
    assert (answer.status_code, answer.json["request"]) == (202, {})


def test_waits_for_who_is_offline(commanded: Commanded, rows: Rows) -> None:
    rows.charge_point("CB-9")
    path = "/charge-points/CB-9/commands/Reset"
    assert code(commanded.request("POST", path, json={"type": "Soft"})) == (409, "offline")
    answer = commanded.request("POST", f"{path}?wait=0&deliver_within=60", json={"type": "Soft"})
    assert answer.status_code == 202
    created, expires = (
        datetime.fromisoformat(answer.json[name]) for name in ("created_at", "expires_at")
    )
    assert expires - created == timedelta(seconds=60)


def test_sent_again_it_is_the_same_command(commanded: Commanded) -> None:
    key = {"Idempotency-Key": "reset-17"}
    first = send(commanded, query="wait=0", headers=key)
    with commanded.answering(status="Accepted"):
        again = send(commanded, query="wait=20", headers=key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json["id"] == first.json["id"]
    assert len(commanded.get(URL).json["items"]) == 1
    for other in (
        send(commanded, query="wait=0", headers=key, json={"type": "Hard"}),
        send(commanded, query="wait=0&deliver_within=60", headers=key),
        send(commanded, "ClearCache", "wait=0", headers=key),
    ):
        assert code(other) == (422, "idempotency_key_reused")


# --- Refusals -------------------------------------------------------------------------------------


@on_sqlite
def test_what_is_refused(commanded: Commanded, rows: Rows) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    there = {"session_epoch": 1, "present_until": until}
    rows.charge_point("pending", registration="pending", **there)
    rows.charge_point("rejected", registration="rejected", **there)

    def order(identity: str, action: str, payload: Any) -> Any:
        path = f"/charge-points/{identity}/commands/{action}?wait=0"
        return commanded.request("POST", path, json=payload)

    boot = {"requestedMessage": "BootNotification"}
    stop = {"transactionId": 1}
    assert code(order("nobody", "ClearCache", {})) == (404, "unknown_charge_point")
    assert code(order("rejected", "ClearCache", {})) == (409, "rejected_charge_point")
    assert code(order("pending", "RemoteStopTransaction", stop)) == (409, "pending_charge_point")
    assert order("pending", "TriggerMessage", boot).status_code == 202
    refused = order("CB-4711", "TriggerMessage", boot)
    assert code(refused) == (409, "boot_notification_after_acceptance")
    refused = order("CB-4711", "SendLocalList", {"listVersion": 0, "updateType": "Full"})
    assert code(refused) == (422, "bad_payload")  # R39
    assert list(refused.json["errors"]) == ["listVersion"]


@on_sqlite
@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": None, "data": "{}"}, 415),
        ({"json": None, "data": "{}", "content_type": "text/plain"}, 415),
        ({"json": None, "data": "{", "content_type": "application/json"}, 422),
        ({"json": []}, 422),
        ({"json": {"type": "Gentle"}}, 422),
        ({"json": None}, 422),
        ({"json": {"type": "x" * 2_000_000}}, 413),
        ({"query": "wait=61"}, 422),
        ({"query": "wait=-1"}, 422),
        ({"query": "deliver_within=604801"}, 422),
        ({"query": "within=1"}, 422),
        ({"headers": {"Idempotency-Key": ""}}, 422),
    ],
)
def test_a_request_that_is_none(commanded: Commanded, options: dict[str, Any], status: int) -> None:
    answer = send(commanded, **options)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert commanded.get(URL).json["items"] == []


@on_sqlite
def test_an_action_that_is_none(commanded: Commanded) -> None:
    for action in ("reset", "BootNotification", "Explode"):
        path = f"/charge-points/CB-4711/commands/{action}"
        assert commanded.request("POST", path, json={}).status_code == 404
    assert commanded.get("/charge-points/CB-4711/commands/Reset").status_code == 405


@on_sqlite
def test_is_an_operator_s(client_as: Callable[[Role | None], Client]) -> None:
    path = "/api/v1/charge-points/CB-4711/commands/Reset"
    expected: list[tuple[Role | None, int]] = [(None, 401), ("analyst", 403), ("operator", 404)]
    for role, status in expected:
        assert client_as(role).post(path, json={"type": "Soft"}).status_code == status
    assert client_as("analyst").get(f"/api/v1{URL}").status_code == 200
    assert client_as("analyst").delete(f"/api/v1{URL}/1").status_code == 403


# --- Reading and cancelling -----------------------------------------------------------------------


def test_the_list(client: Client, rows: Rows) -> None:
    one, other = rows.charge_point("CB-1"), rows.charge_point("CB-2")
    batch_id = rows.command_batch()
    old = rows.command(one, status="answered", response='{"status":"Accepted"}')
    new = rows.command(other, action="ClearCache", created_at=STOP, batch_id=batch_id)

    def ids(query: str) -> list[int]:
        return [item["id"] for item in client.get(f"/api/v1{URL}?{query}").json["items"]]

    assert ids("") == [new, old]
    assert ids("charge_point_id=CB-1") == [old]
    assert ids("charge_point_id=CB-9") == []
    assert ids("action=ClearCache") == [new]
    assert ids("status=answered") == [old]
    assert ids(f"batch_id={batch_id}") == [new]
    assert ids("created_by=tester%20(k0000000)") == [new, old]
    assert ids("created_by=tester") == []
    assert ids("from=2021-11-10T15:15:00Z") == [new]
    assert ids("to=2021-11-10T15:15:00Z") == [old]
    first = client.get(f"/api/v1{URL}?limit=1").json
    second = client.get(f"/api/v1{URL}?limit=1&cursor={first['next_cursor']}").json
    assert [item["id"] for item in first["items"] + second["items"]] == [new, old]
    lines = client.get(f"/api/v1{URL}?format=csv").text.splitlines()
    assert lines[2].startswith(f'{old},CB-1,Reset,"{{""type"":""Soft""}}",answered,"{{""status""')


@on_sqlite
@pytest.mark.parametrize("query", ["action=reset", "status=done", "batch_id=x", "charge_point=x"])
def test_a_filter_that_is_none(client: Client, query: str) -> None:
    assert client.get(f"/api/v1{URL}?{query}").status_code == 422


def test_no_secret_is_shown(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    rows.command(
        key,
        action="ChangeConfiguration",
        request='{"key":"AuthorizationKey","value":"sesame-open-sesame"}',
    )
    id = rows.command(
        key, action="GetDiagnostics", request='{"location":"ftp://me:sesame@example.com/"}'
    )
    for path in (URL, f"{URL}/{id}", f"{URL}?format=csv", f"{URL}?format=jsonl"):
        text = client.get(f"/api/v1{path}").text
        assert "********" in text
        assert "sesame" not in text


def test_a_queued_one_can_be_cancelled(client: Client, rows: Rows) -> None:
    id = rows.command(rows.charge_point())
    answer = client.delete(f"/api/v1{URL}/{id}")
    assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    assert answer.json["finished_at"] > "2026"
    assert answer.json["error_description"].startswith("By the admin (")
    assert code(client.delete(f"/api/v1{URL}/{id}")) == (409, "not_queued")


def test_one_that_was_sent_cannot(client: Client, rows: Rows) -> None:
    id = rows.command(rows.charge_point(), status="sent", session_epoch=1, sent_at=START)
    assert code(client.delete(f"/api/v1{URL}/{id}")) == (409, "not_queued")
    assert client.get(f"/api/v1{URL}/{id}").json["status"] == "sent"


def test_an_unknown_one(client: Client) -> None:
    for answer in (client.get(f"/api/v1{URL}/7"), client.delete(f"/api/v1{URL}/7")):
        assert (answer.status_code, answer.json["detail"]) == (404, "There is no command 7.")


def test_a_waiting_request_ends_with_the_process(commanded: Commanded) -> None:
    """At the end of the process it is told to look again later, and holds up nothing."""
    commanded.committer.notices.close()
    began = datetime.now(UTC)
    assert send(commanded, query="wait=60").status_code == 202
    assert datetime.now(UTC) - began < timedelta(seconds=30)
