"""`/charging-profiles`: the library, what is sent of it, and what charge points hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.commanded import Commanded
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import Rows

LIBRARY = "/charging-profiles"
HELD = "/charge-points/CB-4711/charging-profiles"
PROFILE = {
    "chargingProfileId": 7,
    "stackLevel": 1,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "validTo": "2999-01-01T00:00:00Z",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "startSchedule": "2026-11-22T22:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
    },
}
TX_PROFILE: dict[str, Any] = {**PROFILE, "chargingProfilePurpose": "TxProfile"}


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    return Commanded(client, rows)


def create(commanded: Commanded, name: str = "night", **changes: Any) -> Any:
    profile = {key: value for key, value in {**PROFILE, **changes}.items() if value is not ...}
    return commanded.request("POST", LIBRARY, json={"name": name, "profile": profile})


def apply(commanded: Commanded, id: int, query: str = "", **changes: Any) -> Any:
    options = {"headers": changes.pop("headers", {})}
    place = {"charge_point_id": "CB-4711", "connector_id": 1, **changes}
    return commanded.request("POST", f"{LIBRARY}/{id}/apply{query}", json=place, **options)


# --- The library ----------------------------------------------------------------------------------


def test_a_profile_is_kept_as_it_will_be_sent(commanded: Commanded) -> None:
    answer = create(commanded)
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert answer.headers["Location"] == f"/api/v1{LIBRARY}/{made['id']}"
    assert (made["name"], made["profile"]) == ("night", PROFILE)
    found = commanded.get(f"{LIBRARY}/{made['id']}")
    assert found.json == made
    assert found.headers["ETag"] == answer.headers["ETag"]
    other = create(commanded, "day").json
    assert commanded.get(LIBRARY).json["items"] == [made, other]


def test_replaced_and_deleted(commanded: Commanded) -> None:
    made = create(commanded).json
    path = f"{LIBRARY}/{made['id']}"
    changed = {"name": "day", "profile": {**PROFILE, "stackLevel": 2}}
    answer = commanded.request("PUT", path, json=changed)
    assert answer.status_code == 200
    assert (answer.json["name"], answer.json["profile"]) == ("day", changed["profile"])
    assert answer.json["created_at"] == made["created_at"]
    assert commanded.request("DELETE", path).status_code == 204
    assert commanded.get(path).status_code == 404
    assert commanded.request("PUT", path, json=changed).status_code == 404
    assert commanded.request("DELETE", path).status_code == 404
    assert create(commanded).json["id"] > made["id"]


def test_who_read_an_older_version_changes_nothing(commanded: Commanded) -> None:
    answer = create(commanded)
    path, older = f"{LIBRARY}/{answer.json['id']}", answer.headers["ETag"]
    changed = {"name": "day", "profile": PROFILE}

    def put(etag: str) -> Any:
        return commanded.request("PUT", path, json=changed, headers={"If-Match": etag})

    newer = put(older).headers["ETag"]
    assert newer != older
    refused = put(older)
    assert (refused.status_code, refused.json["code"]) == (412, "changed_meanwhile")
    assert put(f'"x", {newer}').status_code == 200
    assert put("*").status_code == 200
    delete = commanded.request("DELETE", path, headers={"If-Match": older})
    assert delete.status_code == 412
    delete = commanded.request("DELETE", path, headers={"If-Match": newer})
    assert delete.status_code == 204


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"chargingProfileId": ...}, "profile.chargingProfileId"),
        ({"charging_profile_id": 1}, "profile.charging_profile_id"),
        ({"chargingProfilePurpose": "Max"}, "profile.chargingProfilePurpose"),
        ({"stackLevel": -1}, "profile.stackLevel"),
        ({"recurrencyKind": ...}, "profile.recurrencyKind"),
        ({"validTo": "tomorrow"}, "profile"),
        (
            {"chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": []}},
            "profile.chargingSchedule.chargingSchedulePeriod",
        ),
        (
            {"chargingProfilePurpose": "TxProfile", "transactionId": 3},
            "profile.transactionId",
        ),
    ],
)
def test_what_ocpp_forbids_is_named(
    commanded: Commanded, changes: dict[str, Any], field: str
) -> None:
    answer = create(commanded, **changes)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field]), answer.text
    assert commanded.get(LIBRARY).json["items"] == []


@on_sqlite
@pytest.mark.parametrize("purpose", ["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"])
def test_every_purpose_may_be_kept(commanded: Commanded, purpose: str) -> None:
    assert create(commanded, chargingProfilePurpose=purpose).status_code == 201


@on_sqlite
@pytest.mark.parametrize(
    "body", [{}, {"name": "", "profile": PROFILE}, {"name": "n", "profile": []}, {"name": "n"}]
)
def test_a_body_that_cannot_be_read(commanded: Commanded, body: Any) -> None:
    answer = commanded.request("POST", LIBRARY, json=body)
    assert answer.status_code == 422
    assert answer.json["errors"]


@on_sqlite
def test_an_analyst_reads_and_an_operator_writes(commanded: Commanded) -> None:
    create(commanded)
    assert commanded.analyst.get(f"/api/v1{LIBRARY}").status_code == 200
    answer = commanded.analyst.post(f"/api/v1{LIBRARY}", json={"name": "n", "profile": PROFILE})
    assert answer.status_code == 403


@on_sqlite
def test_changes_are_audited(commanded: Commanded, client: Client) -> None:
    id = create(commanded).json["id"]
    commanded.request("PUT", f"{LIBRARY}/{id}", json={"name": "day", "profile": PROFILE})
    commanded.request("DELETE", f"{LIBRARY}/{id}")
    events = client.get("/api/v1/audit-events").json["items"]
    ours = [event["action"] for event in events if event["target"] == f"charging-profiles/{id}"]
    assert sorted(ours) == [
        "charging_profile.create",
        "charging_profile.delete",
        "charging_profile.replace",
    ]


# --- Sent, and held -------------------------------------------------------------------------------


def test_applied_and_held(commanded: Commanded) -> None:
    id = create(commanded).json["id"]
    with commanded.answering(status="Accepted"):
        answer = apply(commanded, id)
    assert answer.status_code == 200, answer.text
    assert answer.json["action"] == "SetChargingProfile"
    assert answer.json["request"] == {"connectorId": 1, "csChargingProfiles": PROFILE}
    [held] = commanded.get(HELD).json["items"]
    assert held["profile"] == PROFILE
    assert (held["connector_id"], held["charging_profile_id"]) == (1, 7)
    assert (held["purpose"], held["stack_level"]) == ("TxDefaultProfile", 1)
    assert (held["transaction_id"], held["valid_to"]) == (None, "2999-01-01T00:00:00.000Z")
    assert held["command_id"] == answer.json["id"]


def test_for_a_transaction(commanded: Commanded, rows: Rows) -> None:
    id = create(commanded, **TX_PROFILE).json["id"]
    transaction_id = rows.transaction(commanded.charge_point_id)
    with commanded.answering(status="Accepted"):
        answer = apply(commanded, id, transaction_id=transaction_id)
    assert answer.json["request"]["csChargingProfiles"]["transactionId"] == transaction_id
    assert commanded.get(HELD).json["items"][0]["transaction_id"] == transaction_id


def test_transactions_that_a_profile_cannot_be_for(commanded: Commanded, rows: Rows) -> None:
    id = create(commanded, **TX_PROFILE).json["id"]
    default = create(commanded).json["id"]
    stopped = rows.stopped(commanded.charge_point_id)
    elsewhere = rows.transaction(commanded.charge_point_id, connector_id=2)
    running = rows.transaction(commanded.charge_point_id)
    for profile_id, transaction_id in (
        (id, stopped),
        (id, elsewhere),
        (id, running + 1),
        (default, running),
    ):
        answer = apply(commanded, profile_id, transaction_id=transaction_id)
        assert (answer.status_code, list(answer.json["errors"])) == (422, ["transaction_id"])


def test_refusals_are_those_of_commands(commanded: Commanded, rows: Rows) -> None:
    rows.charge_point("CB-away")
    id = create(commanded).json["id"]
    unknown = apply(commanded, id + 1)
    assert (unknown.status_code, unknown.json["code"]) == (404, "unknown_charging_profile")
    nowhere = apply(commanded, id, charge_point_id="CB-none")
    assert (nowhere.status_code, nowhere.json["code"]) == (404, "unknown_charge_point")
    away = apply(commanded, id, charge_point_id="CB-away")
    assert (away.status_code, away.json["code"]) == (409, "offline")
    later = apply(commanded, id, "?wait=0&deliver_within=60", charge_point_id="CB-away")
    assert (later.status_code, later.json["status"]) == (202, "queued")
    assert later.headers["Location"] == f"/api/v1/commands/{later.json['id']}"


@on_sqlite
@pytest.mark.parametrize(
    ("purpose", "connector_id"), [("TxProfile", 0), ("ChargePointMaxProfile", 1)]
)
def test_connectors_that_a_purpose_forbids(
    commanded: Commanded, purpose: str, connector_id: int
) -> None:
    id = create(commanded, chargingProfilePurpose=purpose).json["id"]
    answer = apply(commanded, id, connector_id=connector_id)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["connector_id"])


def test_with_an_idempotency_key_it_is_sent_once(commanded: Commanded) -> None:
    id = create(commanded).json["id"]
    headers = {"Idempotency-Key": "tariff-1"}
    first = apply(commanded, id, "?wait=0", headers=headers).json
    assert apply(commanded, id, "?wait=0", headers=headers).json == first
    other = apply(commanded, id, "?wait=0", headers=headers, connector_id=2)
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")


def test_what_charge_points_hold_in_the_order_of_connectors(
    commanded: Commanded, rows: Rows
) -> None:
    now = datetime.now(UTC)
    other = rows.charge_point("CB-other")

    def hold(charge_point_id: int, number: int, connector_id: int, valid_to: Any = None) -> None:
        rows.installed_charging_profile(
            charge_point_id,
            charging_profile_id=number,
            connector_id=connector_id,
            valid_to=valid_to,
        )

    for number, connector_id in ((1, 2), (2, 0), (3, 2), (4, 1)):
        hold(commanded.charge_point_id, number, connector_id)
    hold(commanded.charge_point_id, 5, 1, now - timedelta(seconds=1))
    hold(commanded.charge_point_id, 6, 3, now + timedelta(hours=1))
    hold(other, 7, 1)
    numbers: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = commanded.get(f"{HELD}?limit=2{cursor and '&cursor='}{cursor}").json
        numbers += [row["charging_profile_id"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert numbers == [2, 4, 1, 3, 6]
    assert commanded.get("/charge-points/CB-none/charging-profiles").status_code == 404
