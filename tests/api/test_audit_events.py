"""`/audit-events`: who did what, when and from where, written with the deed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs import audit, inventory
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import COMMAND_LINE, Actor
from ocpp_cs.db.commit import Tx
from tests.api.conftest import Client, committer_of

PATH = "/api/v1/audit-events"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EXPORT = Actor("nightly export (aaaaaaaa)", "192.0.2.1")


def events(client: Client, query: Any = "") -> list[Any]:
    answer = client.get(PATH, query_string=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def record(client: Client, actor: Actor, action: str, target: str, at: datetime) -> None:
    committer_of(client).run(0, lambda tx: audit.record(tx, actor, action, target, at, {"n": 1}))


def test_what_an_admin_does_is_recorded(client: Client) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    address = {"REMOTE_ADDR": "192.0.2.17"}
    body = {"name": "x", "role": "operator", "expires_at": "2100-01-01T00:00:00Z"}
    made = client.post("/api/v1/api-keys", json=body, environ_overrides=address).json
    client.delete(f"/api/v1/api-keys/{made['id']}", environ_overrides=address)
    revoked, created, first = events(client)
    admin = f"the admin ({first['target'].rpartition('/')[2]})"
    for event in (revoked, created):
        assert event["actor"] == admin == made["created_by"]
        assert event["remote_address"] == "192.0.2.17"
        assert event["target"] == f"api-keys/{made['id']}"
        assert began <= datetime.fromisoformat(event["at"]) <= datetime.now(UTC)
    assert (created["action"], created["detail"]) == (
        "api_key.create",
        {"name": "x", "role": "operator", "expires_at": "2100-01-01T00:00:00.000Z"},
    )
    assert (revoked["action"], revoked["detail"]) == ("api_key.revoke", {"name": "x"})
    assert (first["actor"], first["remote_address"]) == ("command line", None)
    assert made["api_key"].split("_")[2] not in client.get(PATH).text


def test_what_was_refused_leaves_nothing(client: Client) -> None:
    before = events(client)
    client.delete(f"/api/v1/api-keys/{before[0]['target'].rpartition('/')[2]}")  # the last admin
    client.delete("/api/v1/api-keys/nobody")
    client.post("/api/v1/api-keys", json={"name": "", "role": "admin"})
    past = {"name": "x", "role": "admin", "expires_at": "2020-01-01T00:00:00Z"}
    client.post("/api/v1/api-keys", json=past)
    assert events(client) == before


def test_a_deed_that_fails_is_not_recorded(client: Client) -> None:
    """The line and the deed are one transaction."""
    before = events(client)

    def work(tx: Tx) -> None:
        inventory.add_charge_point(
            tx, "CP-1", key_hash=None, note=None, actor=COMMAND_LINE, now=NOW
        )
        raise RuntimeError("the power is cut")

    with pytest.raises(RuntimeError):
        committer_of(client).run(0, work)
    assert events(client) == before
    assert client.get("/api/v1/charge-points").json["items"] == []


def test_filters(client: Client) -> None:
    for minute, (actor, action, target) in enumerate(
        [
            (EXPORT, "command.Reset", "charge-points/CP-1"),
            (EXPORT, "command.Reset", "charge-points/CP-2"),
            (COMMAND_LINE, "command.Reset", "charge-points/CP-1"),
            (EXPORT, "id_tag.put", "id-tags/TAG"),
        ]
    ):
        record(client, actor, action, target, NOW + minute * MINUTE)

    def minutes(**query: str) -> list[int]:
        found = events(client, {"to": "2026-03-02T00:00:00Z", **query})
        return [datetime.fromisoformat(event["at"]).minute for event in found]

    assert minutes() == [3, 2, 1, 0]
    assert minutes(actor=EXPORT.name) == [3, 1, 0]
    assert minutes(actor="nightly export") == []  # exactly
    assert minutes(action="command.Reset") == [2, 1, 0]
    assert minutes(target="charge-points/CP-1") == [2, 0]
    assert minutes(target="charge-points/CP-1", actor="command line") == [2]
    assert minutes(**{"from": "2026-03-01T12:01:00Z"}) == [3, 2, 1]
    assert minutes(to="2026-03-01T12:01:00Z") == [0]
    assert minutes(**{"from": "2026-03-01T13:01:00+01:00", "to": "2026-03-01T12:03:00Z"}) == [2, 1]


def test_pages_within_one_moment(client: Client) -> None:
    for number in range(7):
        record(client, EXPORT, f"deed {number}", "x", NOW)
    found, query = [], {"limit": "2", "target": "x"}
    while True:
        page = client.get(PATH, query_string=query).json
        found += [event["action"] for event in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        record(client, EXPORT, "arrived meanwhile", "x", NOW + MINUTE)
    assert found == [f"deed {number}" for number in reversed(range(7))]


def test_detail_is_an_object_and_in_csv_its_text(client: Client) -> None:
    record(client, EXPORT, "deed", "x", NOW)

    def bare(tx: Tx) -> None:
        audit.record(tx, EXPORT, "deed", "x", NOW)

    committer_of(client).run(0, bare)
    assert [event["detail"] for event in events(client, "target=x")] == [None, {"n": 1}]
    text = client.get(f"{PATH}?target=x&format=csv").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["detail"] for row in rows] == ["", '{"n":1}']


@pytest.mark.parametrize("role", [None, "analyst", "operator"])
def test_only_for_admins(client_as: Callable[[Role | None], Client], role: Role | None) -> None:
    assert client_as(role).get(PATH).status_code == (401 if role is None else 403)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(sqlite_client: Client, method: str) -> None:
    assert sqlite_client.open(PATH, method=method).status_code == 405
