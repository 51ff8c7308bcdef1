"""Keys of the REST API in the database: made, revoked, noted, and never there as they are shown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs import api_keys, credentials
from ocpp_cs.api_keys import ApiKeyError, LastAdminKey, NewKey, Role, UnknownApiKey
from ocpp_cs.audit import Actor
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import ApiKey, AuditEvent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SOMEBODY = Actor("somebody (aaaaaaaa)", "192.0.2.1")


class Keys:
    """What is stored, and a way to change it."""

    def __init__(self, url: str) -> None:
        self.engine = Engine(url)
        migrate.upgrade(self.engine)
        self.committer = Committer(self.engine, lanes=2)

    def create(self, name: str = "a name", role: Role = "analyst", **wishes: Any) -> NewKey:
        given = {"actor": SOMEBODY, "now": NOW, **wishes}
        return self.committer.run(0, lambda tx: api_keys.create(tx, name, role, **given))

    def revoke(self, key_id: str, *, now: datetime = NOW, lane: int = 0, **wishes: Any) -> None:
        def work(tx: Tx) -> None:
            api_keys.revoke(tx, key_id, actor=SOMEBODY, now=now, **wishes)

        self.committer.run(lane, work)

    def touch(self, key_id: str, now: datetime) -> None:
        self.committer.run(0, lambda tx: api_keys.touch(tx, key_id, now))

    def rows(self, table: Any) -> list[dict[str, Any]]:
        return self.engine.read(lambda: list(table.select().order_by(table.id).dicts()))

    def close(self) -> None:
        self.committer.close()
        self.engine.close()


@pytest.fixture
def keys(database_url: str, tables: None) -> Iterator[Keys]:
    keys = Keys(database_url)
    try:
        yield keys
    finally:
        keys.close()


def test_a_key_is_stored_without_its_secret(keys: Keys) -> None:
    made = keys.create("nightly export", "operator", expires_at=NOW + DAY)
    parsed = credentials.parse_api_key(made.text)
    assert parsed is not None
    key_id, secret = parsed
    [row] = keys.rows(ApiKey)
    assert key_id == made.id == row["public_id"]
    assert credentials.verify(row["secret_hash"], secret.encode())
    assert not credentials.verify(row["secret_hash"], secret[::-1].encode())
    assert secret not in str(keys.rows(ApiKey) + keys.rows(AuditEvent))
    assert (row["name"], row["role"], row["created_by"], row["created_at"], row["expires_at"]) == (
        "nightly export",
        "operator",
        SOMEBODY.name,
        NOW,
        NOW + DAY,
    )
    assert (row["last_used_at"], row["revoked_at"]) == (None, None)


def test_what_becomes_of_a_key_is_in_the_audit_trail(keys: Keys) -> None:
    made = keys.create("x")
    keys.revoke(made.id)
    keys.revoke(made.id)  # nothing more happened
    trail = [(e["action"], e["target"], e["actor"], e["at"]) for e in keys.rows(AuditEvent)]
    assert trail == [
        (action, f"api-keys/{made.id}", SOMEBODY.name, NOW)
        for action in ("api_key.create", "api_key.revoke")
    ]


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 101, "a\nb", "a\x1b[31m", "a\n", " a", "a ", "a\x7f", "a\udc80"]
)
def test_a_name_that_would_be_trouble_is_refused(keys: Keys, name: str) -> None:
    with pytest.raises(ApiKeyError) as refused:
        keys.create(name)
    assert refused.value.field == "name"
    assert keys.rows(ApiKey) == keys.rows(AuditEvent) == []


@pytest.mark.parametrize("name", ["x", "x" * 100, "Zoë's café ☕", "a (b) <c>"])
def test_other_names_are_fine(keys: Keys, name: str) -> None:
    keys.create(name)
    assert [row["name"] for row in keys.rows(ApiKey)] == [name]


@pytest.mark.parametrize("ago", [timedelta(), DAY])
def test_a_key_that_is_expired_already_is_refused(keys: Keys, ago: timedelta) -> None:
    with pytest.raises(ApiKeyError, match="expires_at: Must be in the future"):
        keys.create(expires_at=NOW - ago)


def test_the_first_key_is_made_once(keys: Keys) -> None:
    def first(tx: Tx) -> NewKey | None:
        return api_keys.create_first(tx, "admin", "admin", actor=SOMEBODY, now=NOW)

    made = keys.committer.run(0, first)
    assert made is not None
    assert keys.committer.run(0, first) is None
    keys.revoke(made.id)  # whoever revoked it does not want it back
    assert keys.committer.run(0, first) is None
    assert len(keys.rows(ApiKey)) == 1


def test_a_revoked_key_stays_in_the_table(keys: Keys) -> None:
    made = keys.create()
    keys.revoke(made.id)
    keys.revoke(made.id, now=NOW + DAY)
    assert [row["revoked_at"] for row in keys.rows(ApiKey)] == [NOW]


def test_an_unknown_key_cannot_be_revoked(keys: Keys) -> None:
    with pytest.raises(UnknownApiKey, match="there is no API key 'nobody'"):
        keys.revoke("nobody")


def test_the_last_admin_can_be_kept(keys: Keys) -> None:
    keys.create(role="operator")
    revoked, expired, last = (keys.create(role="admin", expires_at=NOW + DAY) for _ in range(3))
    keys.revoke(revoked.id, keep_an_admin=True)
    keys.revoke(expired.id, keep_an_admin=True)
    with pytest.raises(LastAdminKey):
        keys.revoke(last.id, keep_an_admin=True)
    keys.create(role="admin")
    keys.revoke(last.id, keep_an_admin=True)


def test_an_expired_admin_is_none(keys: Keys) -> None:
    keys.create(role="admin", expires_at=NOW + DAY)
    last = keys.create(role="admin")
    with pytest.raises(LastAdminKey):
        keys.revoke(last.id, now=NOW + DAY, keep_an_admin=True)
    keys.revoke(last.id, now=NOW + DAY)


def test_two_admins_cannot_revoke_each_other_at_once(keys: Keys) -> None:
    """In two transactions at one time (PostgreSQL): the second sees what the first has done."""
    for _ in range(10):
        pair = [keys.create(role="admin") for _ in range(2)]
        refused: list[str] = []
        start = threading.Barrier(2)

        def revoke(
            lane: int,
            pair: list[NewKey] = pair,
            refused: list[str] = refused,
            start: threading.Barrier = start,
        ) -> None:
            start.wait(10)
            try:
                keys.revoke(pair[lane].id, lane=lane, keep_an_admin=True)
            except LastAdminKey:
                refused.append(pair[lane].id)

        threads = [threading.Thread(target=revoke, args=(lane,)) for lane in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(refused) == 1
        keys.revoke(refused[0])


def test_use_is_noted_to_the_minute(keys: Keys) -> None:
    made, other = keys.create(), keys.create()
    seen = []
    for seconds in (0, 59, 60, 30, 121):
        keys.touch(made.id, NOW + timedelta(seconds=seconds))
        seen.append((keys.rows(ApiKey)[0]["last_used_at"] - NOW).total_seconds())
    assert seen == [0, 0, 60, 60, 121]
    assert keys.rows(ApiKey)[1]["last_used_at"] is None, other


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("analyst", ["analyst"]),
        ("operator", ["analyst", "operator"]),
        ("admin", ["analyst", "operator", "admin"]),
    ],
)
def test_each_role_may_do_what_those_before_it_may(role: Role, may: list[str]) -> None:
    assert [needed for needed in api_keys.ROLES if api_keys.covers(role, needed)] == may
