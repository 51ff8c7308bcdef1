"""`/orphan-stops` and `/quarantine`: fields, filters, and decisions over REST.

What a decision does to a transaction stands in tests/test_resolutions.py.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, key_of, on_sqlite, with_key
from tests.api.rows import STOP, Rows

BASE = "/api/v1"
UNRESOLVED: dict[str, Any] = {
    "resolution": None,
    "resolved_transaction_id": None,
    "resolution_note": None,
    "resolved_by": None,
    "resolved_at": None,
}


def ids(client: Client, path: str, **query: Any) -> list[int]:
    answer = client.get(f"{BASE}/{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json["items"]]


def test_an_orphan_stop_with_all_its_figures(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    id = rows.orphan_stop(key, likely_transaction_id=7, flags=1 << 6)
    row = {
        **UNRESOLVED,
        "id": id,
        "charge_point_id": "CB-4711",
        "transaction_id": -1,
        "likely_transaction_id": 7,
        "id_tag": "0fc673",
        "meter_stop_wh": 15000,
        "stopped_at": "2021-11-10T15:15:00.000Z",
        "stop_reason": "Local",
        "flags": ["naive_time"],
        "received_at": "2021-11-10T15:15:00.000Z",
    }
    assert client.get(f"{BASE}/orphan-stops").json["items"] == [row]
    frame = [
        2,
        "9",
        "StopTransaction",
        {"transactionId": -1, "meterStop": 15000, "timestamp": "2021-11-10T15:15:00Z"},
    ]
    assert client.get(f"{BASE}/orphan-stops/{id}").json == {**row, "frame": frame}


def test_a_quarantined_frame_with_its_text(client: Client, rows: Rows) -> None:
    id = rows.quarantined_frame(rows.charge_point(), frame="[2,", received=3)
    row = {
        **UNRESOLVED,
        "id": id,
        "charge_point_id": "CB-4711",
        "action": "StopTransaction",
        "message_id": "9",
        "error": "OccurrenceConstraintViolation: meterStop is missing",
        "received": 3,
        "received_at": "2021-11-10T15:15:00.000Z",
        "last_received_at": "2021-11-10T15:15:00.000Z",
    }
    assert client.get(f"{BASE}/quarantine").json["items"] == [row]
    assert client.get(f"{BASE}/quarantine/{id}").json == {**row, "frame": "[2,"}


def test_filters(client: Client, rows: Rows) -> None:
    here, there = rows.charge_point("CB-1"), rows.charge_point("CB-2")
    for path, insert in (
        ("orphan-stops", rows.orphan_stop),
        ("quarantine", rows.quarantined_frame),
    ):
        first = insert(here)
        second = insert(there, received_at=STOP + timedelta(hours=1), resolution="dismissed")
        assert ids(client, path) == [second, first]  # the newest first
        assert ids(client, path, charge_point_id="CB-1") == [first]
        assert ids(client, path, charge_point_id="CB-3") == []
        assert ids(client, path, resolved="false") == [first]
        assert ids(client, path, resolved="true") == [second]
        at = "2021-11-10T16:15:00Z"
        assert ids(client, path, **{"from": at}) == [second]
        assert ids(client, path, to=at) == [first]
    assert ids(client, "orphan-stops", transaction_id=5) == []
    other = rows.orphan_stop(here, transaction_id=5)
    assert ids(client, "orphan-stops", transaction_id=5) == [other]
    values = rows.quarantined_frame(here, action="MeterValues")
    assert ids(client, "quarantine", action="MeterValues") == [values]


def test_linked_over_rest(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    transaction_id, id = rows.transaction(key), rows.orphan_stop(key)
    operator = with_key(client, key_of(client, "operator"))
    wish = {"resolution": "linked", "transaction_id": transaction_id, "note": "it was offline"}
    answer = operator.post(f"{BASE}/orphan-stops/{id}/resolve", json=wish)
    assert answer.status_code == 200, answer.text
    assert answer.json["resolution"] == "linked"
    assert answer.json["resolved_transaction_id"] == transaction_id
    assert answer.json["resolution_note"] == "it was offline"
    assert answer.json["resolved_by"].startswith("the operator (")
    assert answer.json == client.get(f"{BASE}/orphan-stops/{id}").json
    ended = client.get(f"{BASE}/transactions/{transaction_id}").json
    assert (ended["status"], ended["energy_wh"]) == ("completed", 5000)
    assert ended["stop"]["message_id"] == "9"
    again = operator.post(f"{BASE}/orphan-stops/{id}/resolve", json=wish)
    assert (again.status_code, again.json["code"]) == (409, "already_resolved")
    [line] = client.get(f"{BASE}/audit-events?action=orphan_stop.resolve").json["items"]
    assert line["detail"] == {
        "resolution": "linked",
        "transaction_id": transaction_id,
        "note": "it was offline",
    }


def test_a_frame_is_dismissed_over_rest(client: Client, rows: Rows) -> None:
    id = rows.quarantined_frame(rows.charge_point())
    path = f"{BASE}/quarantine/{id}/resolve"
    answer = client.post(path, json={"resolution": "dismissed"})
    assert (answer.status_code, answer.json["resolution"]) == (200, "dismissed"), answer.text
    assert client.post(path, json={"resolution": "dismissed"}).status_code == 409


@on_sqlite
@pytest.mark.parametrize("path", ["orphan-stops", "quarantine"])
@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "resolution"),
        ({"resolution": "forgotten"}, "resolution"),
        ({"resolution": "linked"}, "transaction_id"),
        ({"resolution": "linked", "transaction_id": 99}, "transaction_id"),
        ({"resolution": "linked", "transaction_id": "1"}, "transaction_id"),
        ({"resolution": "dismissed", "transaction_id": 1}, "transaction_id"),
        ({"resolution": "dismissed", "note": ""}, "note"),
        ({"resolution": "dismissed", "why": "x"}, "why"),
    ],
)
def test_a_wrong_decision_is_named(
    client: Client, rows: Rows, path: str, wish: dict[str, Any], field: str
) -> None:
    key = rows.charge_point()
    rows.orphan_stop(key)
    rows.quarantined_frame(key)
    answer = client.post(f"{BASE}/{path}/1/resolve", json=wish)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text
    assert ids(client, path, resolved="true") == []


@on_sqlite
@pytest.mark.parametrize("path", ["orphan-stops", "quarantine"])
def test_who_may_and_what_is_not_there(client: Client, rows: Rows, path: str) -> None:
    wish = {"resolution": "dismissed"}
    assert client.get(f"{BASE}/{path}/9").status_code == 404
    assert client.post(f"{BASE}/{path}/9/resolve", json=wish).status_code == 404
    analyst = with_key(client, key_of(client, "analyst"))
    assert analyst.get(f"{BASE}/{path}").status_code == 200
    assert analyst.post(f"{BASE}/{path}/9/resolve", json=wish).status_code == 403


# --- Closing a transaction ------------------------------------------------------------------------


def test_a_transaction_is_closed_over_rest(client: Client, rows: Rows) -> None:
    id = rows.transaction(rows.charge_point(), flags=1, suspect_since=STOP)
    path = f"{BASE}/transactions/{id}/close"
    answer = client.post(path, json={"reason": "the charge point was replaced"})
    assert answer.status_code == 200, answer.text
    closed = answer.json
    assert (closed["status"], closed["flags"]) == ("completed", ["closed_by_operator"])
    assert (closed["energy_wh"], closed["duration_s"]) == (0, 0)
    assert closed["closed_by"].startswith("the admin (")
    assert closed["close_reason"] == "the charge point was replaced"
    assert closed["closed_at"] is not None
    assert closed["stop_reason"] is None
    assert closed == client.get(f"{BASE}/transactions/{id}").json
    [row] = client.get(f"{BASE}/transactions").json["items"]
    assert "closed_at" not in row
    again = client.post(path, json={"reason": "x"})
    assert (again.status_code, again.json["code"]) == (409, "not_active")


@on_sqlite
def test_what_cannot_be_closed_over_rest(client: Client, rows: Rows) -> None:
    id = rows.transaction(rows.charge_point())
    path = f"{BASE}/transactions/{id}/close"
    for body in ({}, {"reason": ""}, {"reason": None}, {"reason": "x", "meter_stop_wh": 1}):
        assert client.post(path, json=body).status_code == 422
    assert client.post(f"{BASE}/transactions/99/close", json={"reason": "x"}).status_code == 404
    analyst = with_key(client, key_of(client, "analyst"))
    assert analyst.post(path, json={"reason": "x"}).status_code == 403
    assert client.get(f"{BASE}/transactions/{id}").json["status"] == "active"
    assert (
        json.loads(client.get(f"{BASE}/audit-events?action=transaction.close").text)["items"] == []
    )
