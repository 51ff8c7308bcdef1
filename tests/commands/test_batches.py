"""Batches: one action for many charge points, all or none, each at its turn."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.commands import table
from ocpp_cs.commands.batches import LARGEST, BatchOrder, place_batch
from ocpp_cs.commands.orders import read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import queries
from ocpp_cs.db.models import AuditEvent, ChargePoint, Command, CommandBatch, IdempotencyKey
from tests.commands.conftest import ACTOR, Office
from tests.handlers import kept
from tests.handlers.conftest import NOW, Store

store = kept.store


class Fleet:
    """Charge points that are there, unless a test says otherwise of one, and batches for them."""

    def __init__(self, store: Store, size: int) -> None:
        self.store = store
        self.identities = [f"CP-{number}" for number in range(size)]
        for identity in self.identities:
            self.add(identity)

    def add(self, identity: str) -> None:
        values = {
            "identity": identity,
            "created_at": NOW,
            "session_epoch": 1,
            "present_until": NOW + timedelta(hours=1),
        }
        self.store.write(ChargePoint.insert(**values))

    def change(self, identity: str, **values: Any) -> None:
        self.store.write(ChargePoint.update(**values).where(ChargePoint.identity == identity))

    def place(
        self,
        action: str = "ClearCache",
        payload: Any = None,
        *,
        to: list[str] | None = None,
        **options: Any,
    ) -> int:
        request = read_request(action, json.dumps(payload or {}).encode())
        order = BatchOrder(action=action, request=request, **options)
        identities = self.identities if to is None else to
        id: int = self.store.committer.run(
            0, lambda tx: place_batch(tx, order, identities, actor=ACTOR, now=NOW)
        )
        return id

    def commands(self) -> dict[str, dict[str, Any]]:
        """The commands by their charge points."""
        query = (
            Command.select(Command, ChargePoint.identity)
            .join(ChargePoint, on=(ChargePoint.id == Command.charge_point_id))
            .order_by(Command.id)
        )
        return {row["identity"]: row for row in self.store.rows(query)}

    def batch(self, id: int) -> queries.CommandBatchRow:
        found = self.store.engine.read(lambda: queries.command_batch(id))
        assert found is not None
        return found


@pytest.fixture
def fleet(store: Store) -> Fleet:
    return Fleet(store, 4)


def refusal(fleet: Fleet, *arguments: Any, **options: Any) -> Refused:
    """The refusal, which has left nothing behind."""
    with pytest.raises(Refused) as caught:
        fleet.place(*arguments, **options)
    assert fleet.commands() == {}
    for kind in (CommandBatch, AuditEvent, IdempotencyKey):
        assert fleet.store.rows(kind.select()) == []
    return caught.value


def test_a_command_for_each(fleet: Fleet) -> None:
    id = fleet.place("Reset", {"type": "Soft"})
    commands = fleet.commands()
    assert list(commands) == fleet.identities
    assert {row["batch_id"] for row in commands.values()} == {id}
    assert {row["request"] for row in commands.values()} == {'{"type":"Soft"}'}
    assert {row["created_by"] for row in commands.values()} == {ACTOR.name}
    assert len({row["message_id"] for row in commands.values()}) == 4
    # Nobody waits for an answer: a charge point may settle first (F10, F11).
    assert {row["automatic"] for row in commands.values()} == {True}
    batch = fleet.batch(id)
    assert (batch.action, batch.request) == ("Reset", '{"type":"Soft"}')
    assert (batch.commands_total, batch.commands_queued, batch.finished) == (4, 4, False)


def test_they_leave_at_the_rate(fleet: Fleet) -> None:
    fleet.place(rate=2)
    moments = [row["not_before"] for row in fleet.commands().values()]
    assert moments == [NOW + timedelta(seconds=n / 2) for n in range(4)]
    waits = {row["expires_at"] - row["not_before"] for row in fleet.commands().values()}
    assert waits == {timedelta(seconds=60)}


def test_none_is_claimed_before_its_turn(fleet: Fleet) -> None:
    fleet.place(rate=1)
    key = fleet.commands()["CP-2"]["charge_point_id"]

    def claim(seconds: float) -> Any:
        now = NOW + timedelta(seconds=seconds)
        return fleet.store.committer.run(
            0, lambda tx: table.claim(tx, key, 1, settled=True, timeout_s=30, now=now)
        )

    assert claim(1.9) is None
    assert claim(2) is not None


def test_who_cannot_be_commanded_has_ended_at_once(fleet: Fleet) -> None:
    fleet.change("CP-0", present_until=NOW)
    fleet.change("CP-2", registration="rejected")
    id = fleet.place(rate=1)
    commands = fleet.commands()
    told = {identity: (row["status"], row["error_code"]) for identity, row in commands.items()}
    assert told == {
        "CP-0": ("expired", "offline"),
        "CP-1": ("queued", None),
        "CP-2": ("expired", "rejected_charge_point"),
        "CP-3": ("queued", None),
    }
    assert commands["CP-0"]["finished_at"] == NOW
    assert "'CP-0' is offline" in commands["CP-0"]["error_description"]
    # They take nobody's turn.
    assert commands["CP-3"]["not_before"] == NOW + timedelta(seconds=1)
    batch = fleet.batch(id)
    assert (batch.commands_total, batch.commands_queued, batch.commands_expired) == (4, 2, 2)


@pytest.mark.parametrize(
    ("action", "payload", "registration", "code"),
    [
        ("RemoteStopTransaction", {"transactionId": 1}, "pending", "pending_charge_point"),
        (
            "TriggerMessage",
            {"requestedMessage": "BootNotification"},
            "accepted",
            "boot_notification_after_acceptance",
        ),
    ],
)
def test_what_a_registration_forbids(
    fleet: Fleet, action: str, payload: Any, registration: str, code: str
) -> None:
    for identity in fleet.identities:
        fleet.change(identity, registration=registration)
    batch = fleet.batch(fleet.place(action, payload))
    assert {row["error_code"] for row in fleet.commands().values()} == {code}
    assert (batch.commands_expired, batch.finished) == (4, True)


def test_an_offline_one_may_be_waited_for(fleet: Fleet) -> None:
    fleet.change("CP-0", present_until=None)
    fleet.place(deliver_within_s=3600)
    command = fleet.commands()["CP-0"]
    assert (command["status"], command["session_epoch"]) == ("queued", None)
    assert command["expires_at"] == NOW + timedelta(hours=1)


def test_an_unknown_one_refuses_all(fleet: Fleet) -> None:
    refused = refusal(fleet, to=["CP-1", "CP-9", "cp-1"])
    assert (refused.status, refused.code) == (422, "unknown_charge_point")
    assert refused.detail == "There is no charge point 'CP-9', 'cp-1'."
    assert refused.errors == {"charge_point_ids": ["Unknown: CP-9", "Unknown: cp-1"]}


def test_nobody_is_meant(fleet: Fleet) -> None:
    assert refusal(fleet, to=[]).code == "no_charge_points"


def test_too_many(fleet: Fleet) -> None:
    identities = [f"X-{number}" for number in range(LARGEST + 1)]
    assert refusal(fleet, to=identities).code == "too_many_charge_points"


def test_too_large_a_payload_for_so_many(fleet: Fleet) -> None:
    identities = [f"X-{number}" for number in range(LARGEST)]
    payload = {"vendorId": "x", "data": "x" * 10_000}
    refused = refusal(fleet, "DataTransfer", payload, to=identities)
    assert refused.code == "payload_too_large"


def test_a_key_is_for_one_charge_point(fleet: Fleet) -> None:
    payload = {"key": "authorizationkey", "value": "0" * 40}
    assert refusal(fleet, "ChangeConfiguration", payload).code == "key_for_many"
    fleet.place("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "900"})
    assert len(fleet.commands()) == 4


def test_secrets_stand_only_where_they_are_sent_from(fleet: Fleet) -> None:
    fleet.change("CP-0", present_until=None)
    location = "ftp://user:secret@example.com/"
    id = fleet.place("GetDiagnostics", {"location": location})
    commands = fleet.commands()
    assert "secret" in commands["CP-1"]["request"]
    assert "secret" not in commands["CP-0"]["request"]  # has ended
    assert "secret" not in fleet.batch(id).request
    assert not any("secret" in row["detail"] for row in fleet.store.rows(AuditEvent.select()))


def test_the_audit_trail_has_the_batch_and_each_command(fleet: Fleet) -> None:
    id = fleet.place("Reset", {"type": "Hard"})
    lines = fleet.store.rows(AuditEvent.select().order_by(AuditEvent.id))
    assert {(row["actor"], row["remote_address"]) for row in lines} == {
        (ACTOR.name, ACTOR.remote_address)
    }
    told = {(row["action"], row["target"]): json.loads(row["detail"]) for row in lines}
    assert told.pop(("command_batch.create", f"command-batches/{id}")) == {
        "action": "Reset",
        "request": '{"type":"Hard"}',
        "commands": 4,
    }
    expected = {("command.Reset", f"charge-points/{each}") for each in fleet.identities}
    assert told.keys() == expected
    assert all(detail == {"batch_id": id} for detail in told.values())


def test_more_than_a_chunk(store: Store) -> None:
    fleet = Fleet(store, 0)
    identities = [f"CP-{number}" for number in range(600)]
    columns = {"created_at": NOW, "registration": "accepted", "security_profile": 0}
    present = {"session_epoch": 1, "present_until": NOW + timedelta(hours=1)}
    fleet.store.write(
        ChargePoint.insert_many([{"identity": each, **columns, **present} for each in identities])
    )
    batch = fleet.batch(fleet.place(to=identities, rate=1000))
    assert (batch.commands_total, batch.commands_queued) == (600, 600)
    commands = fleet.commands()
    assert list(commands) == identities
    assert commands["CP-599"]["not_before"] == NOW + timedelta(milliseconds=599)


def test_counts_every_status(fleet: Fleet, store: Store) -> None:
    id = fleet.place()
    for status, identity in zip(
        ("sent", "answered", "rejected", "timeout"), fleet.identities, strict=True
    ):
        key = fleet.commands()[identity]["id"]
        store.write(Command.update(status=status).where(Command.id == key))
    batch = fleet.batch(id)
    counts = [value for name, value in batch._asdict().items() if name.startswith("commands_")]
    assert counts == [4, 0, 1, 1, 1, 1, 0, 0, 0]
    assert not batch.finished
    store.write(Command.update(status="unknown").where(Command.status == "sent"))
    assert (fleet.batch(id).commands_unknown, fleet.batch(id).finished) == (1, True)


def test_an_answer_to_one_counts(office: Office, store: Store) -> None:
    request = read_request("ClearCache", b"")
    order = BatchOrder(action="ClearCache", request=request)
    id = office.run(
        lambda tx: place_batch(tx, order, [office.identity], actor=ACTOR, now=office.now)
    )
    office.answer(status="Accepted")
    batch = store.engine.read(lambda: queries.command_batch(id))
    assert batch is not None
    assert (batch.commands_answered, batch.finished) == (1, True)
