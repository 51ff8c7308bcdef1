"""Charge points registered, changed and deleted over REST: by whom, and what is left of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from peewee import BlobField, BooleanField, TextField

from ocpp_cs import credentials, removal
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import Actor
from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import UtcField
from ocpp_cs.db.models import TABLES, ChargePoint, Transaction
from ocpp_cs.db.owned import OWNED
from ocpp_cs.inventory import ChargePointRefused
from tests.api.conftest import Client, closing_client, committer_of, on_sqlite
from tests.api.rows import START, Rows

PATH = "/api/v1/charge-points"
PASSWORD = "correct-horse-battery"
FOR_IT = "charge_point_id"


def stored(engine: Engine, identity: str = "CB-4711") -> Any:
    """Its row, or None."""
    return engine.read(lambda: ChargePoint.get_or_none(ChargePoint.identity == identity))


def audited(client: Client) -> list[tuple[str, str, Any]]:
    """Action, target and detail of what was done, the oldest first."""
    items = client.get("/api/v1/audit-events").json["items"][::-1]
    lines = [(item["action"], item["target"], item["detail"]) for item in items]
    return [line for line in lines if line[0].startswith("charge_point")]


# --- Registered ---------------------------------------------------------------------------------


def test_a_password_is_made_and_shown_once(client: Client, engine: Engine) -> None:
    answer = client.post(PATH, json={"id": "CB 4711 ä", "note": "level 2"})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{PATH}/CB%204711%20%C3%A4"
    made = answer.json["password"]
    row = stored(engine, "CB 4711 ä")
    assert credentials.verify(row.key_hash, made.encode())
    assert (row.registration, row.security_profile, row.note) == ("accepted", 1, "level 2")
    assert row.accepted_at is not None
    one = client.get(answer.headers["Location"])
    assert one.json == {k: v for k, v in answer.json.items() if k != "password"}
    assert one.headers["ETag"] == answer.headers["ETag"]
    everything = client.get(PATH).text + client.get("/api/v1/audit-events").text
    assert made not in everything
    assert audited(client) == [
        ("charge_point.create", "charge-points/CB 4711 ä", {"security_profile": 1})
    ]


@pytest.mark.parametrize("profile", [1, 2, 3])
def test_a_password_of_ones_own_is_not_shown(client: Client, engine: Engine, profile: int) -> None:
    wish = {"id": "CB-4711", "password": PASSWORD, "security_profile": profile}
    answer = client.post(PATH, json=wish)
    assert (answer.status_code, answer.json["password"]) == (201, None)
    assert credentials.verify(stored(engine).key_hash, PASSWORD.encode())
    assert stored(engine).security_profile == profile
    assert PASSWORD not in client.get("/api/v1/audit-events").text


def test_without_a_password(client: Client, engine: Engine) -> None:
    answer = client.post(PATH, json={"id": "CB-4711", "security_profile": 0, "password": None})
    assert (answer.status_code, answer.json["password"]) == (201, None)
    assert stored(engine).key_hash is None


@on_sqlite
@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "a:b"}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"id": "x" * 49}, "id"),
        ({"id": "A", "password": "x" * 15}, "password"),
        ({"id": "A", "password": "x" * 41}, "password"),
        ({"id": "A", "password": "ä" * 21}, "password"),
        ({"id": "A", "password": PASSWORD, "security_profile": 0}, "password"),
        ({"id": "A", "security_profile": 4}, "security_profile"),
        ({"id": "A", "security_profile": "1"}, "security_profile"),
        ({"id": "A", "registration": "pending"}, "registration"),
    ],
)
def test_what_cannot_be_registered(client: Client, wish: dict[str, Any], field: str) -> None:
    answer = client.post(PATH, json=wish)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert client.get(PATH).json["items"] == []


def test_an_id_is_registered_once(client: Client, engine: Engine) -> None:
    assert client.post(PATH, json={"id": "CB-4711"}).status_code == 201
    before = stored(engine).key_hash
    answer = client.post(PATH, json={"id": "CB-4711", "password": PASSWORD})
    assert (answer.status_code, answer.json["code"]) == (409, "registered_already")
    assert stored(engine).key_hash == before
    assert client.post(PATH, json={"id": "cb-4711"}).status_code == 201


# --- Changed ------------------------------------------------------------------------------------


def patch(client: Client, headers: Any = None, **changes: Any) -> Any:
    return client.patch(f"{PATH}/CB-4711", json=changes, headers=headers)


def test_what_is_absent_stays_and_null_is_the_default(client: Client, rows: Rows) -> None:
    rows.charge_point(registration="pending")
    values = {
        "registration": "accepted",
        "note": "level 2",
        "call_timeout_s": 60,
        "heartbeat_interval_s": 0,
    }
    first = patch(client, **values)
    assert first.status_code == 200, first.text
    assert {name: first.json[name] for name in values} == values
    assert first.json["password"] is None
    second = patch(client, note=None, call_timeout_s=None)
    expected = {**values, "note": None, "call_timeout_s": None}
    assert {name: second.json[name] for name in values} == expected
    assert patch(client).json == second.json
    patch(client, note=None, registration="accepted")  # changes nothing
    told = {**values, "note": "changed"}
    target = "charge-points/CB-4711"
    assert audited(client) == [
        ("charge_point.update", target, told),
        ("charge_point.update", target, {"note": "changed", "call_timeout_s": None}),
    ]


@on_sqlite
@pytest.mark.parametrize(
    "changes",
    [
        {"registration": "maybe"},
        {"registration": None},
        {"call_timeout_s": 0},
        {"call_timeout_s": 601},
        {"heartbeat_interval_s": -1},
        {"security_profile": None},
        {"security_profile": 4},
        {"security_profile": 1},  # without a password nobody could log in
        {"security_profile": 0, "password": PASSWORD},
        {"password": "short"},
        {"id": "CB-1"},
        {"online": True},
    ],
)
def test_what_cannot_be_changed(client: Client, rows: Rows, changes: dict[str, Any]) -> None:
    rows.charge_point(security_profile=0)
    before = client.get(f"{PATH}/CB-4711")
    answer = patch(client, **changes)
    assert answer.status_code == 422
    assert set(answer.json["errors"]) <= set(changes)
    after = client.get(f"{PATH}/CB-4711")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


def test_a_password_counts_at_once_and_raises_the_profile(
    client: Client, rows: Rows, engine: Engine
) -> None:
    rows.charge_point(security_profile=0, next_key_hash="waits")
    answer = patch(client, password=PASSWORD)
    assert (answer.json["security_profile"], answer.json["password"]) == (1, None)
    row = stored(engine)
    assert credentials.verify(row.key_hash, PASSWORD.encode())
    assert row.next_key_hash is None
    made = patch(client, password=None, security_profile=2).json
    assert made["security_profile"] == 2
    assert credentials.verify(stored(engine).key_hash, made["password"].encode())
    again = patch(client, password=PASSWORD).json
    assert again["security_profile"] == 2
    assert made["password"] not in client.get("/api/v1/audit-events").text
    assert [detail for _, _, detail in audited(client)] == [
        {"security_profile": 1, "password": "set"},
        {"security_profile": 2, "password": "set"},
        {"password": "set"},
    ]


def test_only_an_admin_lowers_a_profile(
    client_as: Callable[[Role | None], Client], rows: Rows, engine: Engine
) -> None:
    """Over OCPP a profile never falls (W2)."""
    operator, admin = client_as("operator"), client_as("admin")
    rows.charge_point(security_profile=2, key_hash="some")
    for profile in (1, 0):
        refused = patch(operator, security_profile=profile, note="x")
        assert (refused.status_code, refused.json["code"]) == (403, "admin_only")
    assert (stored(engine).security_profile, stored(engine).note) == (2, None)
    assert patch(operator, security_profile=3).status_code == 200
    assert patch(admin, security_profile=1).json["security_profile"] == 1
    assert stored(engine).key_hash == "some"
    assert patch(admin, security_profile=0).json["security_profile"] == 0
    assert stored(engine).key_hash is None
    assert patch(operator, security_profile=1, password=None).json["password"] is not None


def test_a_note_never_touches_the_login(client: Client, rows: Rows, engine: Engine) -> None:
    """Also where profile and password do not fit each other, as no change leaves them."""
    rows.charge_point("A", security_profile=0, key_hash="some")
    rows.charge_point("B", security_profile=1)
    for identity, login in (("A", (0, "some")), ("B", (1, None))):
        assert client.patch(f"{PATH}/{identity}", json={"note": "x"}).status_code == 200
        row = stored(engine, identity)
        assert (row.security_profile, row.key_hash) == login


def test_a_version_is_meant(client: Client, rows: Rows, engine: Engine) -> None:
    rows.charge_point()
    old = client.get(f"{PATH}/CB-4711").headers["ETag"]
    committer = committer_of(client)
    seen = ChargePoint.update(last_seen_at=START, vendor="ACME", present_until=START)
    committer.run(0, lambda tx: tx.run(seen).rowcount)
    assert client.get(f"{PATH}/CB-4711").headers["ETag"] == old  # it only reported
    new = patch(client, {"If-Match": old}, note="x").headers["ETag"]
    assert new != old
    for refused in (
        patch(client, {"If-Match": old}, note="y"),
        client.delete(f"{PATH}/CB-4711", headers={"If-Match": old}),
    ):
        assert (refused.status_code, refused.json["code"]) == (412, "changed_meanwhile")
    assert stored(engine).note == "x"
    password = patch(client, {"If-Match": new}, password=PASSWORD).headers["ETag"]
    assert password != new
    assert client.delete(f"{PATH}/CB-4711", headers={"If-Match": password}).status_code == 204


def test_who_is_not_there(client: Client) -> None:
    for answer in (patch(client, note="x"), client.delete(f"{PATH}/CB-4711")):
        assert (answer.status_code, answer.json["code"]) == (404, "unknown_charge_point")


# --- Deleted ------------------------------------------------------------------------------------


def fill_everything(rows: Rows, charge_point_id: int, count: int) -> None:
    """Rows of a charge point in each table, whatever its columns are."""
    with rows.together():
        for table in OWNED:
            for number in range(count):
                values: dict[str, Any] = {}
                for field in table._meta.sorted_fields:
                    if field.name == FOR_IT:
                        values[field.name] = charge_point_id
                    elif field.name == "id" or (field.null and field.default is None):
                        continue
                    elif isinstance(field, UtcField):
                        values[field.name] = START + timedelta(seconds=number)
                    elif isinstance(field, TextField):
                        values[field.name] = f"{number}"
                    elif isinstance(field, BooleanField):
                        values[field.name] = False
                    elif isinstance(field, BlobField):
                        values[field.name] = b"%d" % number
                    else:
                        values[field.name] = charge_point_id * 1000 + number
                if table is models.TransactionEvidence:
                    values["transaction_id"] = rows.transaction(charge_point_id)
                rows.insert(table, **values)


def left(engine: Engine, charge_point_id: int) -> dict[str, int]:
    def count() -> dict[str, int]:
        return {name: query.count() for name, query in queries.items()}

    tables: list[Any] = list(OWNED)
    queries = {
        table._meta.table_name: table.select().where(table.charge_point_id == charge_point_id)
        for table in tables
    }
    return engine.read(count)


def test_every_table_of_charge_points_is_emptied(
    client: Client, rows: Rows, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever tables there are: one that has `charge_point_id` is among them."""
    monkeypatch.setattr(removal, "CHUNK", 2)
    ours = {table for table in TABLES if FOR_IT in table._meta.fields}
    assert set(OWNED) == ours
    assert len(OWNED) >= 20
    gone, stays = rows.charge_point("CB-4711"), rows.charge_point("CB-stays")
    for key in (gone, stays):
        fill_everything(rows, key, 5)
    assert min(left(engine, gone).values()) == 5
    before = left(engine, stays)
    answer = client.delete(f"{PATH}/CB-4711?cascade=true")
    assert (answer.status_code, answer.data) == (204, b"")
    assert set(left(engine, gone).values()) == {0}
    assert left(engine, stays) == before
    assert stored(engine) is None
    assert client.get(f"{PATH}/CB-4711").status_code == 404
    assert audited(client) == [("charge_point.delete", "charge-points/CB-4711", {"cascade": True})]


def test_transactions_keep_a_charge_point(client: Client, rows: Rows, engine: Engine) -> None:
    key = rows.charge_point(present_until=datetime.now(UTC) + timedelta(hours=1))
    rows.stopped(key)
    answer = client.delete(f"{PATH}/CB-4711")
    assert (answer.status_code, answer.json["code"]) == (409, "has_transactions")
    assert client.get(f"{PATH}/CB-4711").json["online"] is True
    assert (stored(engine).session_epoch, stored(engine).removing_at) == (0, None)
    assert audited(client) == []


def test_without_transactions_an_operator_deletes_it(
    client_as: Callable[[Role | None], Client], rows: Rows, engine: Engine
) -> None:
    operator = client_as("operator")
    key = rows.charge_point()
    rows.connector(key, 1)
    rows.configuration_key(key)
    refused = operator.delete(f"{PATH}/CB-4711?cascade=true")
    assert (refused.status_code, "role admin" in refused.json["detail"]) == (403, True)
    assert stored(engine) is not None
    assert client_as("analyst").delete(f"{PATH}/CB-4711").status_code == 403
    assert operator.delete(f"{PATH}/CB-4711").status_code == 204
    assert set(left(engine, key).values()) == {0}
    assert operator.post(PATH, json={"id": "CB-4711"}).status_code == 201
    assert stored(engine).id > key  # what is left of the old one's connection is not taken for it


def test_what_broke_off_is_done_again(
    client: Client, rows: Rows, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the middle: nobody gets in, nothing is ordered, and DELETE ends it."""
    monkeypatch.setattr(removal, "CHUNK", 2)
    key = rows.charge_point(present_until=datetime.now(UTC) + timedelta(hours=1))
    fill_everything(rows, key, 5)
    committer = committer_of(client)
    runs = 0

    class Crash(Exception):
        pass

    def run(work: Any) -> Any:
        nonlocal runs
        runs += 1
        if runs == 30:
            raise Crash
        return committer.run(0, work)

    with pytest.raises(Crash):
        removal.remove_charge_point(run, "CB-4711", cascade=True, actor=Actor("tester"), now=START)
    counts = left(engine, key)
    assert 0 in counts.values()
    assert max(counts.values()) > 0
    assert client.get(f"{PATH}/CB-4711").json["online"] is False
    for refused in (patch(client, note="x"), client.post(PATH, json={"id": "CB-4711"})):
        assert (refused.status_code, refused.json["code"]) == (409, "being_deleted")
    order = client.post(f"{PATH}/CB-4711/commands/Reset?deliver_within=60", json={"type": "Soft"})
    assert order.json["code"] == "unknown_charge_point"
    batch = {"action": "Reset", "payload": {"type": "Soft"}, "charge_point_ids": ["CB-4711"]}
    assert client.post("/api/v1/commands", json=batch).status_code == 422
    assert client.delete(f"{PATH}/CB-4711").json["code"] == "has_transactions"
    assert client.delete(f"{PATH}/CB-4711?cascade=true").status_code == 204
    assert set(left(engine, key).values()) == {0}
    assert stored(engine) is None


def test_a_transaction_that_came_meanwhile_keeps_it(
    client: Client, rows: Rows, engine: Engine
) -> None:
    """Another process was storing it while the charge point was marked."""
    key = rows.charge_point()
    rows.connector(key, 1)
    committer = committer_of(client)
    runs = 0

    def run(work: Any) -> Any:
        nonlocal runs
        runs += 1
        result = committer.run(0, work)
        if runs == 1:
            rows.transaction(key)
        return result

    with pytest.raises(ChargePointRefused) as refused:
        removal.remove_charge_point(run, "CB-4711", cascade=False, actor=Actor("tester"), now=START)
    assert refused.value.code == "has_transactions"
    assert stored(engine).removing_at is None
    assert left(engine, key)["connectors"] == 1
    assert engine.read(lambda: Transaction.select().count()) == 1


def race(clients: list[Client], version: str) -> list[int]:
    """The statuses that come of changes which are sent at the same moment, all to one version."""
    barrier, answers = threading.Barrier(len(clients)), list[int]()

    def change(client: Client, note: str) -> None:
        barrier.wait(10)
        answers.append(patch(client, {"If-Match": version}, note=note).status_code)

    threads = [
        threading.Thread(target=change, args=(client, f"{number} {version}"))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(answers)


def test_of_two_who_mean_the_same_version_one_is_refused(engine: Engine, rows: Rows) -> None:
    """In two processes: the second one waits for the first, and then finds what it has changed."""
    rows.charge_point()
    with closing_client(engine, "admin") as here, closing_client(engine, "admin") as there:
        for _ in range(10):
            version = here.get(f"{PATH}/CB-4711").headers["ETag"]
            assert race([here, there], version) == [200, 412]
