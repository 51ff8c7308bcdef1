"""`/webhooks`: made, changed, tried and deleted by admins; what they did not get, and its retry."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ocpp_cs.api_keys import Role
from ocpp_cs.db.engine import Engine
from tests.api.conftest import Client, closing_client
from tests.api.rows import START, Rows
from tests.webhooks.conftest import HERE
from tests.webhooks.receiver import Receiver

PATH = "/api/v1/webhooks"
URL = "https://93.184.216.34/hook"


def make(client: Client, **body: Any) -> Any:
    answer = client.post(PATH, json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{PATH}/{answer.json['id']}"
    return answer.json


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()


@pytest.fixture
def near_client(engine: Engine) -> Iterator[Client]:
    """An admin's, where webhooks may go to this machine."""
    with closing_client(engine, "admin") as client:
        options = client.application.extensions["ocpp_cs.options"]
        near = dataclasses.replace(options, webhooks=HERE)
        client.application.extensions["ocpp_cs.options"] = near
        yield client


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(client: Client, rows: Rows) -> None:
    rows.event()
    made = make(client, note="booking", event_types=["offline", "faulted"])
    assert made.pop("secret").startswith("whsec_")
    created_at = made["created_at"]
    assert made == {
        "id": 1,
        "url": URL,
        "note": "booking",
        "event_types": ["offline", "faulted"],
        "charge_point_ids": None,
        "enabled": True,
        "created_by": made["created_by"],
        "created_at": created_at,
        "updated_at": created_at,
        "position": 1,  # from now on
        "events_waiting": 0,
        "oldest_waiting_at": None,
        "dead_letters": 0,
        "failures": 0,
        "failing_since": None,
        "next_attempt_at": None,
        "last_success_at": None,
        "last_failure_at": None,
        "last_error": None,
    }
    assert client.get(f"{PATH}/1").json == made
    assert client.get(PATH).json["items"] == [made]
    assert client.get(PATH, query_string={"format": "csv"}).text.count("offline faulted") == 1
    event = client.get("/api/v1/audit-events").json["items"][0]
    assert (event["action"], event["target"]) == ("webhook.create", "webhooks/1")
    assert event["detail"]["url"] == URL
    assert "whsec" not in str(event)


def test_what_waits_is_counted(client: Client, rows: Rows) -> None:
    key = rows.charge_point("CB-1")
    for charge_point_id in (key, key, None):
        rows.event(charge_point_id)
    rows.event(key, type="offline")
    made = make(client, after=1, charge_point_ids=["CB-1"], event_types=["connected"])
    assert (made["position"], made["events_waiting"]) == (1, 1)
    assert made["oldest_waiting_at"] == "2021-11-10T14:00:00.000Z"
    assert make(client, after=0)["events_waiting"] == 4


def test_a_webhook_is_changed(client: Client, rows: Rows) -> None:
    made = make(client, event_types=["offline"], charge_point_ids=["CB-1"])
    path = f"{PATH}/{made['id']}"
    changed = client.patch(path, json={"enabled": False, "event_types": None, "after": 0}).json
    assert (changed["enabled"], changed["event_types"], changed["position"]) == (False, None, 0)
    assert (changed["charge_point_ids"], changed["secret"]) == (["CB-1"], None)
    renewed = client.patch(path, json={"new_secret": True}).json["secret"]
    assert renewed not in (None, made["secret"])
    assert client.patch(f"{PATH}/9", json={}).status_code == 404


def test_a_failing_webhook_is_tried_at_once_when_it_is_changed(client: Client, rows: Rows) -> None:
    far = {"failures": 7, "next_attempt_at": START, "failing_since": START}
    id = rows.webhook(**far)
    changed = client.patch(f"{PATH}/{id}", json={"url": URL}).json
    assert (changed["failures"], changed["next_attempt_at"]) == (0, None)


def test_a_webhook_is_deleted_with_its_dead_letters(client: Client, rows: Rows) -> None:
    id, other = rows.webhook(), rows.webhook()
    rows.webhook_delivery(id)
    rows.webhook_delivery(other)
    assert client.delete(f"{PATH}/{id}").status_code == 204
    assert client.delete(f"{PATH}/{id}").status_code == 404
    assert client.get(f"{PATH}/{id}/deliveries").status_code == 404
    assert len(client.get(f"{PATH}/{other}/deliveries").json["items"]) == 1
    assert make(client)["id"] > other  # its number is given to no other


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "url"),
        ({"url": URL, "event_types": []}, "event_types"),
        ({"url": URL, "event_types": ["nothing"]}, "event_types"),
        ({"url": URL, "event_types": ["offline", "offline"]}, "event_types"),
        ({"url": URL, "charge_point_ids": [""]}, "charge_point_ids"),
        ({"url": URL, "after": -1}, "after"),
        ({"url": URL, "secret": "x"}, "secret"),
        ({}, "url"),
    ],
)
def test_what_is_wrong_is_named(client: Client, body: Any, field: str) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 422
    assert {name.partition(".")[0] for name in answer.json["errors"]} == {field}


@pytest.mark.parametrize("role", ["analyst", "operator"])
def test_only_admins_see_them(client_as: Callable[[Role | None], Client], role: Role) -> None:
    client = client_as(role)
    assert client.get(PATH).status_code == 403
    assert client.post(f"{PATH}/1/test").status_code == 403


def test_a_test_says_what_came_of_it(near_client: Client, receiver: Receiver) -> None:
    made = make(near_client, url=receiver.url, enabled=False)
    receiver.secret = made["secret"]
    path = f"{PATH}/{made['id']}/test"
    answer = near_client.post(path).json
    assert (answer["delivered"], answer["http_status"], answer["error"]) == (True, 204, None)
    [event] = receiver.events
    assert (event["id"], event["type"], event["data"]) == (0, "test", {})
    receiver.decide = lambda number: "404"
    answer = near_client.post(path).json
    assert (answer["delivered"], answer["error"]) == (False, "it answered 404 Not Found")
    assert near_client.post(f"{PATH}/9/test").status_code == 404


def test_dead_letters_are_listed_and_queued_again(client: Client, rows: Rows) -> None:
    id = rows.webhook()
    key = rows.charge_point("CB-1")
    first, second = rows.webhook_delivery(id, key), rows.webhook_delivery(id)
    rows.webhook_delivery(rows.webhook())
    path = f"{PATH}/{id}/deliveries"
    letter, _ = client.get(path, query_string={"status": "dead"}).json["items"]
    assert letter["charge_point_id"] == "CB-1"
    assert (letter["error"], letter["attempts"]) == ("it answered 500 Oops", 12)
    assert letter["event"] == {"id": 1, "type": "connected"}
    assert client.post(f"{path}/{first}/retry").json["status"] == "queued"
    again = client.post(f"{path}/{first}/retry")
    assert (again.status_code, again.json["code"]) == (409, "not_dead")
    assert client.get(f"{PATH}/{id}").json["dead_letters"] == 1
    assert client.post(f"{PATH}/{id}/retry").json == {"deliveries_queued": 1}
    queued = client.get(path, query_string={"status": "queued"}).json["items"]
    assert [each["id"] for each in queued] == [first, second]
    assert client.post(f"{path}/99/retry").status_code == 404
    assert client.post(f"{PATH}/99/retry").status_code == 404
