"""Sessions asked for over REST: which start is the answer to which, and the reasons for none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ocpp_cs.commands import remote_starts, table
from ocpp_cs.commands.orders import read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.sweep import sweep
from ocpp_cs.commands.table import Result
from ocpp_cs.db.models import Command, InstalledChargingProfile, RemoteStart
from ocpp_cs.ocpp16.messages.core import RemoteStartTransactionResponse
from ocpp_cs.ocpp16.times import format_time
from tests.commands.conftest import ACTOR, Office
from tests.handlers.conftest import NOW

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


def ask(office: Office, id_tag: str = "TAG", start_within_s: int = 120, **payload: Any) -> int:
    request = read_request(
        "RemoteStartTransaction", msgspec.json.encode({"idTag": id_tag, **payload})
    )
    id: int = office.run(
        lambda tx: remote_starts.start(
            tx,
            office.identity,
            request,  # type: ignore[arg-type]
            start_within_s=start_within_s,
            actor=ACTOR,
            now=office.now,
        )
    )
    return id


def row(office: Office, id: int) -> dict[str, Any]:
    return office.store.row(RemoteStart.select().where(RemoteStart.id == id))


def outcome(office: Office, id: int) -> tuple[str, str | None, int | None]:
    found = row(office, id)
    assert (found["finished_at"] is None) == (found["outcome"] == "pending")
    return found["outcome"], found["reason"], found["transaction_id"]


def start(office: Office, seconds: float = 0, **changes: Any) -> int:
    """A car is plugged in: the transaction's id. `seconds` is when, counted from now."""
    at = format_time(office.now + timedelta(seconds=seconds))
    id: int = office.desk.start(**{"timestamp": at, **changes})["transactionId"]
    return id


def swept(office: Office) -> None:
    office.run(lambda tx: sweep(tx, office.now))


# --- The way it should be -------------------------------------------------------------------------


def test_accepted_and_started(office: Office) -> None:
    id = ask(office, connectorId=1)
    assert outcome(office, id) == ("pending", None, None)
    assert row(office, id)["waits_until"] is None
    office.answer(status="Accepted")
    assert outcome(office, id) == ("pending", None, None)
    assert row(office, id)["waits_until"] == NOW + timedelta(seconds=120)
    office.later(30)
    transaction_id = start(office)
    assert outcome(office, id) == ("started", None, transaction_id)
    assert row(office, id)["finished_at"] == office.now


def test_whoever_waits_is_told(office: Office) -> None:
    id = ask(office)
    with office.store.committer.notices.watch("remote_start", id) as told:
        office.answer(status="Accepted")
        assert told.wait(5)
        told.clear()
        start(office)
        assert told.wait(5)


def test_nothing_is_kept_of_what_is_refused(office: Office) -> None:
    office.disconnect()
    with pytest.raises(Refused) as refused:
        ask(office)
    assert (refused.value.status, refused.value.code) == (409, "offline")
    assert office.store.rows(RemoteStart.select()) == []


# --- Which start it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "started", "fits"),
    [
        ({"connectorId": 2}, {"connectorId": 1}, False),
        ({"connectorId": 2}, {"connectorId": 2}, True),
        ({}, {"connectorId": 2}, True),
        ({}, {"idTag": "other"}, False),
        ({}, {"idTag": "tag"}, True),
    ],
)
def test_connector_and_id_tag(
    office: Office, asked: dict[str, Any], started: dict[str, Any], fits: bool
) -> None:
    id = ask(office, **asked)
    office.answer(status="Accepted")
    start(office, **started)
    assert outcome(office, id)[0] == ("started" if fits else "pending")


@pytest.mark.parametrize(("seconds", "fits"), [(-3600, False), (-301, False), (-299, True)])
def test_a_start_that_was_queued_for_long_is_another_one(
    office: Office, seconds: float, fits: bool
) -> None:
    id = ask(office)
    office.answer(status="Accepted")
    start(office, seconds)
    assert outcome(office, id)[0] == ("started" if fits else "pending")


@pytest.mark.parametrize("timestamp", ["1970-01-01T00:02:11Z", "soon"])
def test_without_a_clock_any_start_of_now_fits(office: Office, timestamp: str) -> None:
    id = ask(office)
    office.answer(status="Accepted")
    start(office, timestamp=timestamp)
    assert outcome(office, id)[0] == "started"


def test_a_start_before_the_command_was_sent_is_another_one(office: Office) -> None:
    id = ask(office)
    start(office)
    assert outcome(office, id) == ("pending", None, None)
    office.answer(status="Accepted")
    later = start(office, connectorId=2)
    assert outcome(office, id) == ("started", None, later)


def test_one_start_is_the_answer_to_one_request(office: Office) -> None:
    first, second = ask(office), ask(office)
    office.answer(status="Accepted")
    office.answer(status="Accepted")
    one = start(office)
    assert outcome(office, first) == ("started", None, one)
    assert outcome(office, second) == ("pending", None, None)
    assert start(office) == one  # retransmitted
    assert outcome(office, second) == ("pending", None, None)
    two = start(office, connectorId=2)
    assert outcome(office, second) == ("started", None, two)


def test_another_charge_points_start_is_not_ours(office: Office) -> None:
    id = ask(office)
    office.answer(status="Accepted")
    other = Office(office.store, "CP-2")
    start(other)
    assert outcome(office, id) == ("pending", None, None)


# --- The command's end comes late -----------------------------------------------------------------


@pytest.mark.parametrize(
    "result", [Result(status=status) for status in ("rejected", "timeout", "unknown")]
)
def test_no_end_overwrites_a_start(office: Office, result: Result) -> None:
    id = ask(office)
    claimed = office.claimed()
    transaction_id = start(office)
    assert office.finish(claimed, result)
    assert outcome(office, id) == ("started", None, transaction_id)


def test_a_start_may_overtake_the_answer(office: Office) -> None:
    id = ask(office)
    claimed = office.claimed()
    transaction_id = start(office)
    accepted = RemoteStartTransactionResponse(status="Accepted")
    assert office.finish(claimed, Result(status="answered", response=accepted))
    assert outcome(office, id) == ("started", None, transaction_id)


# --- Reasons --------------------------------------------------------------------------------------


def test_rejected(office: Office) -> None:
    id = ask(office)
    office.answer(status="Rejected")
    assert outcome(office, id) == ("rejected", "rejected_by_charge_point", None)
    start(office)  # somebody else with the same tag
    assert outcome(office, id) == ("rejected", "rejected_by_charge_point", None)


def test_answered_with_an_error(office: Office) -> None:
    id = ask(office)
    office.finish(office.claimed(), Result(status="rejected", error_code="InternalError"))
    assert outcome(office, id) == ("rejected", "error_from_charge_point", None)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result(status="timeout"), "no_answer"),
        (Result(status="unknown"), "connection_lost"),
        (
            Result(status="answered", raw_response="{}", error_code="FormationViolation"),
            "no_answer",
        ),
    ],
)
def test_without_an_answer_the_wait_goes_on(office: Office, result: Result, reason: str) -> None:
    """The charge point may have taken the command: its start may still come."""
    started, left = ask(office), ask(office, "LEFT")
    for _ in (started, left):
        assert office.finish(office.claimed(), result)
        assert outcome(office, started) == ("pending", reason, None)
    office.later(60)
    transaction_id = start(office)
    assert outcome(office, started) == ("started", None, transaction_id)
    office.later(61)
    swept(office)
    assert outcome(office, left) == ("not_started", reason, None)


def test_nobody_plugged_in(office: Office) -> None:
    id = ask(office, start_within_s=300)
    office.answer(status="Accepted")
    office.later(299)
    swept(office)
    assert outcome(office, id) == ("pending", None, None)
    office.later(1)
    with office.store.committer.notices.watch("remote_start", id) as told:
        swept(office)
        assert told.wait(5)
    assert outcome(office, id) == ("not_started", "nobody_plugged_in", None)
    start(office)
    assert outcome(office, id) == ("not_started", "nobody_plugged_in", None)


def test_not_delivered(office: Office) -> None:
    id = ask(office)
    office.later(61)
    swept(office)
    assert outcome(office, id) == ("not_started", "not_delivered", None)


def test_cancelled(office: Office) -> None:
    id = ask(office)
    command_id = row(office, id)["command_id"]
    office.run(lambda tx: table.cancel(tx, command_id, actor=ACTOR, now=office.now))
    assert outcome(office, id) == ("not_started", "cancelled", None)


def test_a_command_without_a_session_is_just_a_command(office: Office) -> None:
    id = office.place("RemoteStartTransaction", {"idTag": "TAG"})
    office.answer(status="Accepted")
    start(office)
    assert office.status(id) == "answered"
    assert office.store.rows(RemoteStart.select()) == []


# --- With a charging profile ----------------------------------------------------------------------


def test_its_charging_profile_is_in_force_with_the_transaction(office: Office) -> None:
    ask(office, chargingProfile=PROFILE)
    office.answer(status="Accepted")
    assert office.store.rows(InstalledChargingProfile.select()) == []
    transaction_id = start(office, connectorId=2)
    held = office.store.row(InstalledChargingProfile.select())
    assert (held["connector_id"], held["transaction_id"]) == (2, transaction_id)
    assert (held["charging_profile_id"], held["purpose"]) == (7, "TxProfile")
    assert held["command_id"] == office.store.row(Command.select())["id"]
    assert msgspec.json.decode(held["profile"]) == PROFILE
    office.desk.stop(transaction_id)
    assert office.store.rows(InstalledChargingProfile.select()) == []
