"""The command table: each arrow of a command's life, and the arrows that do not exist."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.commands import table
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.sweep import sweep
from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.models import AuditEvent, ChargePoint, Command
from ocpp_cs.ocpp16.messages.core import ClearCacheResponse
from tests.commands.conftest import ACTOR, Office
from tests.handlers.conftest import NOW

ACCEPTED = Result(status="answered", response=ClearCacheResponse(status="Accepted"))
KEY = "0123456789abcdef0123456789abcdef01234567"


def change_key(office: Office) -> int:
    return office.place("ChangeConfiguration", {"key": "AuthorizationKey", "value": KEY})


# --- Sent once ----------------------------------------------------------------------------------


def test_a_command_is_claimed_once_and_answered(office: Office) -> None:
    id = office.place()
    assert office.status(id) == "queued"
    claimed = office.claimed()
    assert (claimed.id, claimed.action, claimed.timeout_s) == (id, "ClearCache", 30)
    assert len(claimed.message_id) == 36
    row = office.command(id)
    assert (row["status"], row["session_epoch"]) == ("sent", office.epoch)
    assert row["deadline_at"] - row["sent_at"] == timedelta(seconds=30)
    assert office.claim() is None
    assert office.finish(claimed, ACCEPTED)
    row = office.command(id)
    assert (row["status"], row["response"]) == ("answered", '{"status":"Accepted"}')
    assert row["finished_at"] == NOW


def test_commands_are_claimed_in_their_order(office: Office) -> None:
    ids = [office.place() for _ in range(3)]
    assert [office.claimed().id for _ in ids] == ids


def test_of_many_connections_that_claim_at_once_one_gets_it(office: Office) -> None:
    """As after a reconnect of which the older process has not heard: two lanes, one row."""
    ids = [office.place() for _ in range(20)]
    got: list[Claimed] = []
    committers = [Committer(office.store.engine) for _ in range(4)]

    def claim(committer: Committer) -> None:
        for _ in range(40):
            found = committer.run(
                0,
                lambda tx: table.claim(
                    tx, office.key, office.epoch, settled=True, timeout_s=30, now=NOW
                ),
            )
            if found is not None:
                got.append(found)

    threads = [threading.Thread(target=claim, args=(each,)) for each in committers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for committer in committers:
        committer.close()
    assert sorted(each.id for each in got) == ids


def test_own_time_of_the_charge_point_to_answer(office: Office) -> None:
    office.store.write(ChargePoint.update(call_timeout_s=90))
    office.place()
    assert office.claimed().timeout_s == 90


@pytest.mark.parametrize(
    ("result", "status", "response"),
    [
        (Result(status="rejected", error_code="NotSupported"), "rejected", None),
        (Result(status="timeout", error_code="no_answer"), "timeout", None),
        (Result(status="unknown", error_code="connection_lost"), "unknown", None),
        (
            Result(status="answered", raw_response='"?"', error_code="FormationViolation"),
            "answered",
            '"?"',
        ),
    ],
)
def test_ends_of_a_sent_command(
    office: Office, result: Result, status: str, response: str | None
) -> None:
    id = office.place()
    assert office.finish(office.claimed(), result)
    row = office.command(id)
    assert (row["status"], row["response"], row["error_code"]) == (
        status,
        response,
        result.error_code,
    )


def test_a_command_ends_once(office: Office) -> None:
    id = office.place()
    claimed = office.claimed()
    assert office.finish(claimed, Result(status="timeout"))
    assert not office.finish(claimed, ACCEPTED)
    assert office.status(id) == "timeout"


# --- Who may claim ------------------------------------------------------------------------------


def test_a_replaced_connection_claims_nothing(office: Office) -> None:
    older = office.epoch
    office.reconnect()
    office.place(deliver_within_s=60)
    assert office.claim(epoch=older) is None
    assert office.claim() is not None


def test_automatic_commands_wait_until_the_charge_point_has_settled(office: Office) -> None:
    deferred = office.place(deliver_within_s=60)
    asked_for_now = office.place("Reset", {"type": "Soft"})
    claimed = office.claim(settled=False)
    assert claimed is not None
    assert claimed.id == asked_for_now
    assert office.claim(settled=False) is None
    assert office.claimed().id == deferred


def test_a_paced_command_waits_for_its_turn(office: Office) -> None:
    office.place(not_before=NOW + timedelta(seconds=3))
    assert office.claim() is None
    office.later(3)
    assert office.claim() is not None


def test_what_waited_too_long_is_not_sent_even_before_the_sweep(office: Office) -> None:
    office.place(deliver_within_s=10)
    office.later(10)
    assert office.claim() is None


@pytest.mark.parametrize(
    ("registration", "action", "payload", "sent"),
    [
        ("pending", "RemoteStopTransaction", {"transactionId": 1}, False),
        ("pending", "ClearCache", {}, True),
        ("rejected", "ClearCache", {}, False),
    ],
)
def test_registration_is_looked_at_when_it_is_sent(
    office: Office, registration: str, action: str, payload: Any, sent: bool
) -> None:
    """An operator may have changed it since the order (R20)."""
    office.place(action, payload)
    office.store.write(ChargePoint.update(registration=registration))
    assert (office.claim() is not None) is sent


# --- Sessions and processes that end ------------------------------------------------------------


def test_a_new_connection_ends_what_the_older_one_had(office: Office) -> None:
    sent = office.place()
    office.claimed()
    meant_for_it = office.place()
    deferred = office.place(deliver_within_s=60)
    office.reconnect()
    assert [office.status(id) for id in (sent, meant_for_it, deferred)] == [
        "unknown",
        "expired",
        "queued",
    ]
    assert office.command(sent)["error_code"] == "connection_lost"
    assert office.claimed().id == deferred


def test_the_end_of_a_connection_expires_what_was_meant_for_it(office: Office) -> None:
    sent = office.place()
    claimed = office.claimed()
    queued = office.place()
    office.disconnect()
    # Its sender may have the answer in its hands.
    assert [office.status(id) for id in (sent, queued)] == ["sent", "expired"]
    assert office.finish(claimed, ACCEPTED)
    assert office.status(sent) == "answered"


def test_the_sweep_expires_and_loses_what_is_overdue(office: Office) -> None:
    lost = office.place()
    office.claimed()
    waiting = office.place(deliver_within_s=40)
    long_waiting = office.place(deliver_within_s=4000)

    def states() -> list[str]:
        return [office.status(id) for id in (lost, waiting, long_waiting)]

    office.run(lambda tx: sweep(tx, office.now))
    assert states() == ["sent", "queued", "queued"]
    office.later(40)
    office.run(lambda tx: sweep(tx, office.now))
    assert states() == ["sent", "expired", "queued"]
    office.later(5)  # 30 s to answer, 15 s for its process to say so
    office.run(lambda tx: sweep(tx, office.now))
    assert states() == ["unknown", "expired", "queued"]


def test_the_sweep_names_who_is_there_and_has_something_waiting(office: Office) -> None:
    assert office.run(lambda tx: sweep(tx, office.now)) == []
    office.place(deliver_within_s=4000)
    office.place(deliver_within_s=4000)
    assert office.run(lambda tx: sweep(tx, office.now)) == [office.key]
    office.disconnect()
    assert office.run(lambda tx: sweep(tx, office.now)) == []


def test_a_restart_loses_what_was_sent_and_nothing_else(office: Office) -> None:
    sent = office.place()
    office.claimed()
    queued = office.place()
    office.run(lambda tx: table.begin_process(tx, office.now))
    assert [office.status(id) for id in (sent, queued)] == ["unknown", "queued"]


# --- Cancelling ---------------------------------------------------------------------------------


def test_a_queued_command_is_cancelled(office: Office) -> None:
    id = office.place()
    office.run(lambda tx: table.cancel(tx, id, actor=ACTOR, now=office.now))
    row = office.command(id)
    assert (row["status"], row["error_description"]) == ("cancelled", f"By {ACTOR.name}.")
    assert office.claim() is None
    audit = office.store.rows(AuditEvent.select().order_by(AuditEvent.id))
    assert [line["action"] for line in audit] == ["command.ClearCache", "command.cancel"]
    assert audit[1]["remote_address"] == ACTOR.remote_address


@pytest.mark.parametrize(("status", "code"), [(404, "unknown_command"), (409, "not_queued")])
def test_what_is_not_queued_is_not_cancelled(office: Office, status: int, code: str) -> None:
    id = office.place()
    office.claimed()
    with pytest.raises(Refused) as refused:
        office.run(
            lambda tx: table.cancel(
                tx, id if status == 409 else id + 1, actor=ACTOR, now=office.now
            )
        )
    assert (refused.value.status, refused.value.code) == (status, code)
    assert office.status(id) == "sent"


# --- Secrets ------------------------------------------------------------------------------------


def test_a_key_stands_in_the_table_only_until_its_command_has_ended(office: Office) -> None:
    answered, cancelled = change_key(office), None
    assert KEY in office.command(answered)["request"]
    claimed = office.claimed()
    assert KEY in claimed.request_text
    office.finish(claimed, Result(status="rejected", error_code="NotSupported"))
    cancelled = change_key(office)
    office.run(lambda tx: table.cancel(tx, cancelled, actor=ACTOR, now=office.now))
    for row in office.store.rows(Command.select()):
        assert KEY not in row["request"]
    for row in office.store.rows(AuditEvent.select()):
        assert KEY not in row["detail"]
