"""`/charge-points/{id}/sessions`: the transaction that it led to, or why there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs import rules
from ocpp_cs.commands import remote_starts
from ocpp_cs.commands.sweep import sweep
from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.ocpp16.messages.core import RemoteStartTransactionResponse
from tests.api.commanded import Commanded
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import Rows

SESSIONS = "/charge-points/CB-4711/sessions"
WISH = {"id_tag": "0fc673", "connector_id": 1}
ACCEPTED = Result(status="answered", response=RemoteStartTransactionResponse(status="Accepted"))
PROFILE = {
    "chargingProfileId": 7,
    "stackLevel": 1,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
    },
}


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    return Commanded(client, rows)


def ask(commanded: Commanded, query: str = "", **changes: Any) -> Any:
    options = {"headers": changes.pop("headers", {})}
    wish = {name: value for name, value in {**WISH, **changes}.items() if value is not ...}
    return commanded.request("POST", f"{SESSIONS}{query}", json=wish, **options)


@contextmanager
def plugging_in(commanded: Commanded, rows: Rows) -> Iterator[None]:
    """The charge point accepts, and a car is plugged in, during the block."""
    failures: list[BaseException] = []

    def play() -> None:
        try:
            commanded.finish(commanded.claim(), ACCEPTED)
            start(commanded, rows)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    yield
    thread.join(15)
    assert not failures, failures


def start(commanded: Commanded, rows: Rows) -> int:
    now = datetime.now(UTC)
    id = rows.transaction(commanded.charge_point_id, started_at=now)
    time = rules.event_time(now.isoformat(), now, received=now)
    commanded.committer.run(
        0,
        lambda tx: remote_starts.transaction_started(
            tx,
            charge_point_id=commanded.charge_point_id,
            connector_id=1,
            id_tag="0FC673",
            time=time,
            transaction_id=id,
            now=now,
        ),
    )
    return id


# --- What comes of it -----------------------------------------------------------------------------


def test_the_transaction_that_it_led_to(commanded: Commanded, rows: Rows) -> None:
    with plugging_in(commanded, rows):
        answer = ask(commanded, connector_id=...)
    assert answer.status_code == 201, answer.text
    made = answer.json
    path = f"{SESSIONS}/{made['id']}"
    assert answer.headers["Location"] == f"/api/v1{path}"
    assert (made["outcome"], made["reason"], made["connector_id"]) == ("started", None, None)
    transaction = commanded.get(f"/transactions/{made['transaction_id']}").json
    assert made["transaction"].keys() <= transaction.keys()
    assert made["transaction"]["id_tag"] == "0fc673"
    assert made["transaction"]["status"] == "active"
    assert made["created_by"].startswith("the operator (")
    [claimed] = commanded.sent
    assert (claimed.action, claimed.id) == ("RemoteStartTransaction", made["command_id"])
    assert claimed.request_text == '{"idTag":"0fc673"}'
    found = commanded.get(path).json
    del found["transaction"], made["transaction"]  # its duration goes on
    assert found == made


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [
        (
            Result(status="answered", response=RemoteStartTransactionResponse(status="Rejected")),
            "rejected",
            "rejected_by_charge_point",
        ),
        (
            Result(status="rejected", error_code="InternalError"),
            "rejected",
            "error_from_charge_point",
        ),
    ],
)
def test_rejected(commanded: Commanded, result: Result, outcome: str, reason: str) -> None:
    with commanded.ending(lambda _: result):
        answer = ask(commanded)
    assert answer.status_code == 201
    made = answer.json
    assert (made["outcome"], made["reason"], made["transaction"]) == (outcome, reason, None)
    assert made["finished_at"] is not None


def test_nobody_plugs_in(commanded: Commanded) -> None:
    def accept(_: Claimed) -> Result:
        return ACCEPTED

    with commanded.ending(accept):
        answer = ask(commanded, "?wait=1", start_within_s=5)
    assert answer.status_code == 202
    made = answer.json
    assert (made["outcome"], made["reason"], made["finished_at"]) == ("pending", None, None)
    until = datetime.fromisoformat(made["waits_until"])
    assert until > datetime.now(UTC)
    commanded.committer.run(0, lambda tx: sweep(tx, until + timedelta(seconds=1)))
    found = commanded.get(answer.headers["Location"].removeprefix("/api/v1")).json
    assert (found["outcome"], found["reason"]) == ("not_started", "nobody_plugged_in")


def test_a_request_that_does_not_wait(commanded: Commanded) -> None:
    answer = ask(commanded, "?wait=0")
    assert (answer.status_code, answer.json["outcome"]) == (202, "pending")
    assert answer.json["waits_until"] is None


# --- Asked for twice ------------------------------------------------------------------------------


def test_with_an_idempotency_key_nobody_charges_twice(commanded: Commanded, rows: Rows) -> None:
    headers = {"Idempotency-Key": "app-17"}
    first = ask(commanded, "?wait=0", headers=headers)
    with plugging_in(commanded, rows):
        second = ask(commanded, headers=headers)
    assert second.status_code == 201
    assert second.json["id"] == first.json["id"]
    assert len(commanded.sent) == 1
    assert len(commanded.get(SESSIONS).json["items"]) == 1
    other = ask(commanded, headers=headers, connector_id=2)
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")


# --- Refused --------------------------------------------------------------------------------------


def test_refusals_are_those_of_commands(commanded: Commanded, rows: Rows) -> None:
    there = datetime.now(UTC) + timedelta(hours=1)
    rows.charge_point("CB-away")
    rows.charge_point("CB-new", registration="pending", present_until=there)

    def refused(identity: str) -> tuple[int, str]:
        path = f"/charge-points/{identity}/sessions"
        answer = commanded.request("POST", path, json=WISH)
        return answer.status_code, answer.json["code"]

    assert refused("CB-none") == (404, "unknown_charge_point")
    assert refused("CB-away") == (409, "offline")
    assert refused("CB-new") == (409, "pending_charge_point")
    assert commanded.get("/charge-points/CB-away/sessions").json["items"] == []


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id_tag": "x" * 21}, "id_tag"),
        ({"id_tag": ""}, "id_tag"),
        ({"id_tag": ...}, "id_tag"),
        ({"connector_id": 0}, "connector_id"),
        ({"connector_id": 2**31}, "connector_id"),
        ({"start_within_s": 4}, "start_within_s"),
        ({"start_within_s": 3601}, "start_within_s"),
        ({"idTag": "0fc673"}, "idTag"),
        ({"charging_profile": 7}, "charging_profile"),
        ({"charging_profile": {}}, "charging_profile.chargingProfileId"),
        (
            {"charging_profile": {**PROFILE, "chargingProfilePurpose": "TxDefaultProfile"}},
            "charging_profile.chargingProfilePurpose",
        ),
        (
            {"charging_profile": {**PROFILE, "transactionId": 3}},
            "charging_profile.transactionId",
        ),
    ],
)
def test_a_wish_that_cannot_be_read(
    commanded: Commanded, changes: dict[str, Any], field: str
) -> None:
    answer = ask(commanded, **changes)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text
    assert field in answer.json["detail"]
    assert commanded.get(SESSIONS).json["items"] == []


@on_sqlite
def test_its_profile_goes_on_the_wire(commanded: Commanded) -> None:
    ask(commanded, "?wait=0", charging_profile=PROFILE)
    assert '"chargingProfile":{"chargingProfileId":7,' in commanded.claim().request_text


@on_sqlite
def test_an_analyst_may_read_but_not_ask(commanded: Commanded) -> None:
    made = ask(commanded, "?wait=0").json
    answer = commanded.analyst.post(f"/api/v1{SESSIONS}", json=WISH)
    assert answer.status_code == 403
    assert commanded.analyst.get(f"/api/v1{SESSIONS}/{made['id']}").status_code == 200


# --- Listed ---------------------------------------------------------------------------------------


def test_the_list_has_the_newest_first(commanded: Commanded, rows: Rows) -> None:
    rows.charge_point("CB-other")
    ids = [ask(commanded, "?wait=0").json["id"] for _ in range(3)]
    assert [row["id"] for row in commanded.get(SESSIONS).json["items"]] == ids[::-1]
    page = commanded.get(f"{SESSIONS}?limit=2").json
    rest = commanded.get(f"{SESSIONS}?limit=2&cursor={page['next_cursor']}").json
    assert [row["id"] for row in page["items"] + rest["items"]] == ids[::-1]
    assert commanded.get("/charge-points/CB-other/sessions").json["items"] == []
    other = commanded.get(f"/charge-points/CB-other/sessions/{ids[0]}")
    assert other.status_code == 404
    assert commanded.get("/charge-points/CB-none/sessions").status_code == 404
