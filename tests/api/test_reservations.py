"""`/reservations`: asked for, answered, cancelled, listed; and the name of each refusal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.commands.table import Result
from ocpp_cs.db import models
from ocpp_cs.db.fields import read_time
from tests.api.commanded import Commanded
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows

SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds")
WISH = {"charge_point_id": "CB-4711", "connector_id": 1, "id_tag": "0fc673", "expires_at": SOON}


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    return Commanded(client, rows)


def ask(commanded: Commanded, path: str = "/reservations", **options: Any) -> Any:
    changes = options.pop("changes", {})
    wish = {name: value for name, value in {**WISH, **changes}.items() if value is not ...}
    return commanded.request("POST", path, json=wish, **options)


def accepted(commanded: Commanded) -> dict[str, Any]:
    """A reservation that the charge point has accepted."""
    with commanded.answering(status="Accepted"):
        answer = ask(commanded)
    assert answer.json["status"] == "accepted", answer.text
    return dict(answer.json)


# --- Asked for ------------------------------------------------------------------------------------


def test_a_reservation_that_is_accepted(commanded: Commanded) -> None:
    with commanded.answering(status="Accepted"):
        answer = ask(commanded, changes={"parent_id_tag": "fleet"})
    assert answer.status_code == 201
    made = answer.json
    assert answer.headers["Location"] == f"/api/v1/reservations/{made['id']}"
    assert made["charge_point_id"] == "CB-4711"
    assert (made["connector_id"], made["id_tag"], made["parent_id_tag"]) == (1, "0fc673", "fleet")
    assert (made["status"], made["ended_by"], made["ended_at"]) == ("accepted", None, None)
    assert made["expires_at"] == SOON.replace("+00:00", "Z")
    assert made["created_by"].startswith("the operator (")
    [claimed] = commanded.sent
    assert (claimed.action, claimed.id) == ("ReserveNow", made["command_id"])
    assert f'"reservationId":{made["reservation_id"]}' in claimed.request_text
    assert commanded.get(f"/reservations/{made['id']}").json == made


@pytest.mark.parametrize("status", ["Occupied", "Faulted", "Rejected", "Unavailable"])
def test_a_reservation_that_is_refused_is_made_all_the_same(
    commanded: Commanded, status: str
) -> None:
    with commanded.answering(status=status):
        answer = ask(commanded)
    assert answer.status_code == 201
    assert (answer.json["status"], answer.json["ended_by"]) == (status.lower(), "charge_point")


def test_no_answer_within_the_time(commanded: Commanded) -> None:
    answer = ask(commanded, "/reservations?wait=0")
    assert (answer.status_code, answer.json["status"]) == (201, "requested")


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"connector_id": -1}, "connector_id"),
        ({"connector_id": "1"}, "connector_id"),
        ({"connector_id": True}, "connector_id"),
        ({"connector_id": 1.5}, "connector_id"),
        ({"connector_id": 2**31}, "connector_id"),
        ({"id_tag": "x" * 21}, "id_tag"),
        ({"id_tag": ""}, "id_tag"),
        ({"id_tag": ...}, "id_tag"),
        ({"id_tag": "a\x00b"}, "id_tag"),
        ({"parent_id_tag": "x" * 21}, "parent_id_tag"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "2021-11-10T14:00:00Z"}, "expires_at"),
        ({"expiry_date": SOON}, "expiry_date"),
        ({"charge_point_id": 7}, "charge_point_id"),
    ],
)
def test_a_wish_that_cannot_be_read(
    commanded: Commanded, changes: dict[str, Any], field: str
) -> None:
    answer = ask(commanded, changes=changes)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text
    assert commanded.get("/reservations").json["items"] == []


@on_sqlite
@pytest.mark.parametrize("query", ["wait=61", "wait=-1", "deliver_within=-1", "within=1"])
def test_parameters_that_cannot_be_read(commanded: Commanded, query: str) -> None:
    assert ask(commanded, f"/reservations?{query}").status_code == 422


def test_a_whole_number_may_be_written_with_a_fraction(commanded: Commanded) -> None:
    """To JSON Schema, 2.0 is an integer."""
    answer = ask(commanded, "/reservations?wait=0", changes={"connector_id": 2.0})
    assert (answer.status_code, answer.json["connector_id"]) == (201, 2)


def test_refusals_are_those_of_commands(commanded: Commanded, rows: Rows) -> None:
    rows.charge_point("CB-away")
    rows.charge_point("CB-refused", registration="rejected", present_until=START)

    def refused(identity: str) -> tuple[int, str]:
        answer = ask(commanded, changes={"charge_point_id": identity})
        return answer.status_code, answer.json["code"]

    assert refused("CB-nobody") == (404, "unknown_charge_point")
    assert refused("CB-away") == (409, "offline")
    assert refused("CB-refused") == (409, "rejected_charge_point")
    assert commanded.get("/reservations").json["items"] == []


def test_a_charge_point_that_is_away_is_waited_for_if_wished(
    commanded: Commanded, rows: Rows
) -> None:
    rows.charge_point("CB-away")
    answer = ask(
        commanded,
        "/reservations?deliver_within=86400&wait=0",
        changes={"charge_point_id": "CB-away"},
    )
    assert (answer.status_code, answer.json["status"]) == (201, "requested")
    found = commanded.committer.run(
        0, lambda tx: tx.run(models.Command.select(models.Command.expires_at)).fetchone()
    )
    # It is of no use once the reservation has expired.
    assert read_time(found[0]) == pytest.approx(
        datetime.fromisoformat(SOON), abs=timedelta(seconds=2)
    )


def test_reading_is_not_enough(commanded: Commanded) -> None:
    answer = commanded.analyst.post("/api/v1/reservations", json=WISH)
    assert answer.status_code == 403
    assert commanded.analyst.get("/api/v1/reservations").json["items"] == []


# --- Sent again -----------------------------------------------------------------------------------


def test_a_request_that_is_sent_again_gets_what_it_made(commanded: Commanded) -> None:
    key = {"Idempotency-Key": "booking-1"}
    with commanded.answering(status="Accepted"):
        first = ask(commanded, headers=key)
    again = ask(commanded, headers=key)
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Location"] == first.headers["Location"]
    assert len(commanded.get("/reservations").json["items"]) == 1
    other = ask(commanded, headers=key, changes={"connector_id": 2})
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")


def test_a_request_that_was_refused_may_be_sent_again(commanded: Commanded, rows: Rows) -> None:
    key = {"Idempotency-Key": "booking-2"}

    def send() -> int:
        changes = {"charge_point_id": "CB-later"}
        answer = ask(commanded, "/reservations?wait=0", headers=key, changes=changes)
        return int(answer.status_code)

    assert send() == 404
    rows.charge_point("CB-later", present_until=datetime.now(UTC) + timedelta(minutes=5))
    assert send() == send() == 201
    assert len(commanded.get("/reservations").json["items"]) == 1


# --- Cancelled ------------------------------------------------------------------------------------


def test_a_cancellation_that_is_accepted(commanded: Commanded) -> None:
    made = accepted(commanded)
    path = f"/reservations/{made['id']}"
    with commanded.answering(status="Accepted"):
        answer = commanded.request("DELETE", path)
    assert answer.status_code == 200
    assert (answer.json["status"], answer.json["ended_by"]) == ("cancelled", "operator")
    assert answer.json["ended_at"] is not None
    assert commanded.sent[-1].request_text == f'{{"reservationId":{made["reservation_id"]}}}'
    again = commanded.request("DELETE", path)
    assert (again.status_code, again.json) == (200, answer.json)


def test_a_reservation_that_the_charge_point_does_not_know(commanded: Commanded) -> None:
    path = f"/reservations/{accepted(commanded)['id']}"
    with commanded.answering(status="Rejected"):
        answer = commanded.request("DELETE", path)
    assert (answer.status_code, answer.json["code"]) == (409, "unknown_to_charge_point")
    ended = commanded.get(path).json
    assert (ended["status"], ended["ended_by"]) == ("cancelled", "charge_point")


@pytest.mark.parametrize(
    ("result", "status", "code"),
    [
        (Result(status="timeout"), 504, "no_answer"),
        (Result(status="unknown"), 504, "no_answer"),
        (Result(status="rejected", error_code="NotSupported"), 409, "not_cancelled"),
        (
            Result(status="answered", raw_response='{"status":"Accepted"}', error_code="x"),
            409,
            "not_cancelled",
        ),
    ],
)
def test_a_cancellation_that_fails(
    commanded: Commanded, result: Result, status: int, code: str
) -> None:
    path = f"/reservations/{accepted(commanded)['id']}"
    with commanded.ending(lambda _: result):
        answer = commanded.request("DELETE", path)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert commanded.get(path).json["status"] == "accepted"


def test_a_cancellation_that_takes_longer(commanded: Commanded) -> None:
    path = f"/reservations/{accepted(commanded)['id']}"
    answer = commanded.request("DELETE", f"{path}?wait=0")
    assert (answer.status_code, answer.json["status"]) == (202, "accepted")
    assert answer.headers["Location"].startswith("/api/v1/commands/")


def test_a_request_that_was_not_sent_yet_is_taken_back(commanded: Commanded) -> None:
    made = ask(commanded, "/reservations?wait=0").json
    answer = commanded.request("DELETE", f"/reservations/{made['id']}")
    assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    assert answer.json["ended_by"] == "operator"
    assert commanded.sent == []


def test_a_request_that_is_under_way_is_cancelled_after_it(commanded: Commanded) -> None:
    made = ask(commanded, "/reservations?wait=0").json
    claimed = commanded.claim()
    assert commanded.request("DELETE", f"/reservations/{made['id']}?wait=0").status_code == 202
    commanded.finish(claimed, Result(status="timeout"))
    assert commanded.claim().action == "CancelReservation"


@pytest.mark.parametrize("status", ["used", "expired", "occupied"])
def test_what_has_ended_cannot_be_cancelled(commanded: Commanded, rows: Rows, status: str) -> None:
    id = rows.reservation(commanded.charge_point_id, status=status, ended_at=START)
    answer = commanded.request("DELETE", f"/reservations/{id}")
    assert (answer.status_code, answer.json["code"]) == (409, "reservation_ended")
    assert status in answer.json["detail"]


def test_no_such_reservation(commanded: Commanded) -> None:
    for method in ("GET", "DELETE"):
        answer = commanded.request(method, "/reservations/999")
        assert (answer.status_code, answer.json["detail"]) == (404, "There is no reservation 999.")


# --- Listed ---------------------------------------------------------------------------------------


def test_fields(client: Client, rows: Rows) -> None:
    charge_point_id = rows.charge_point("CB-4711")
    id = rows.reservation(charge_point_id, command_id=17, transaction_id=3, parent_id_tag="fleet")
    expected = {
        "id": id,
        "charge_point_id": "CB-4711",
        "connector_id": 1,
        "id_tag": "0fc673",
        "parent_id_tag": "fleet",
        "status": "accepted",
        "ended_by": None,
        "expires_at": "2021-11-10T15:00:00.000Z",
        "reservation_id": 7,
        "command_id": 17,
        "transaction_id": 3,
        "created_by": "tester",
        "created_at": "2021-11-10T14:00:00.000Z",
        "updated_at": "2021-11-10T14:00:00.000Z",
        "ended_at": None,
    }
    one = client.get(f"/api/v1/reservations/{id}")
    assert one.json == expected
    assert list(one.json) == list(expected)
    assert client.get("/api/v1/reservations").json == {"items": [expected], "next_cursor": None}


def test_filters_and_order(client: Client, rows: Rows) -> None:
    first, second = rows.charge_point("CB-1"), rows.charge_point("CB-2")
    a = rows.reservation(first, id_tag="Ünsal")
    b = rows.reservation(first, connector_id=2, status="used", ended_at=START)
    c = rows.reservation(second, status="unknown", id_tag="ABC")

    def found(**query: str) -> list[int]:
        answer = client.get("/api/v1/reservations", query_string=query)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json["items"]]

    assert found() == [c, b, a]
    assert found(charge_point_id="CB-1") == [b, a]
    assert found(charge_point_id="CB-3") == []
    assert found(connector_id="2") == [b]
    assert found(id_tag="abc") == [c]
    assert found(id_tag="Ünsal") == [a]
    assert found(status="unknown") == [c]
    assert found(active="true") == [c, a]
    assert found(active="false") == [b]
    assert found(active="true", charge_point_id="CB-1") == [a]


def test_pages_and_csv(client: Client, rows: Rows) -> None:
    charge_point_id = rows.charge_point("CB-1")
    ids = [rows.reservation(charge_point_id) for _ in range(3)]
    page = client.get("/api/v1/reservations?limit=2").json
    assert [item["id"] for item in page["items"]] == ids[:0:-1]
    rest = client.get(f"/api/v1/reservations?limit=2&cursor={page['next_cursor']}").json
    assert [item["id"] for item in rest["items"]] == ids[:1]
    lines = client.get("/api/v1/reservations?format=csv").text.splitlines()
    assert lines[0].startswith("id,charge_point_id,connector_id,id_tag,")
    assert len(lines) == 4
