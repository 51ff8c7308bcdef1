"""Local lists: what is sent when, what each answer means for the list, and the one retry."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs import inventory
from ocpp_cs.commands import local_lists, table
from ocpp_cs.commands.local_list_plans import HIGHEST_VERSION, LARGEST_CHUNK, USUAL_CHUNK
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.sweep import sweep
from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.db.models import (
    AuditEvent,
    ChargePoint,
    Command,
    ConfigurationKey,
    IdTag,
    LocalListEntry,
    LocalListUpdate,
)
from ocpp_cs.ocpp16.messages.local_auth_list import SendLocalListResponse
from tests.commands.conftest import ACTOR, Office
from tests.handlers.conftest import NOW


def tag(office: Office, id_tag: str, **values: Any) -> None:
    office.run(lambda tx: inventory.put_id_tag(tx, id_tag, actor=ACTOR, now=office.now, **values))


def tags(office: Office, count: int) -> None:
    rows = [
        {
            "id_tag": f"T{number:05}",
            "id_tag_key": f"t{number:05}",
            "created_at": NOW,
            "updated_at": NOW,
        }
        for number in range(count)
    ]
    office.run(lambda tx: tx.run(IdTag.insert_many(rows)))


def configure(office: Office, key: str, value: str | None) -> None:
    row = {"charge_point_id": office.key, "key": key, "key_key": key.lower(), "value": value}
    office.store.write(ConfigurationKey.insert(**row))


def send(office: Office, update_type: Any = None, deliver_within_s: int = 0) -> int:
    id: int = office.run(
        lambda tx: local_lists.send(
            tx,
            office.identity,
            update_type,
            deliver_within_s=deliver_within_s,
            actor=ACTOR,
            now=office.now,
        )
    )
    return id


def refused(office: Office, update_type: Any = None) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        send(office, update_type)
    return caught.value.status, caught.value.code


def row(office: Office, id: int) -> dict[str, Any]:
    return office.store.row(LocalListUpdate.select().where(LocalListUpdate.id == id))


def status(office: Office, id: int) -> str:
    found = row(office, id)
    assert (found["finished_at"] is None) is (found["status"] == "sending")
    return str(found["status"])


def retry_of(office: Office, id: int) -> dict[str, Any]:
    return office.store.row(LocalListUpdate.select().where(LocalListUpdate.retry_of == id))


def version(office: Office) -> int | None:
    found = office.store.row(ChargePoint.select().where(ChargePoint.id == office.key))
    assert (found["local_list_version"] is None) is (found["local_list_version_at"] is None)
    return found["local_list_version"]


def entries(office: Office) -> dict[str, str]:
    found = office.store.rows(
        LocalListEntry.select().where(LocalListEntry.charge_point_id == office.key)
    )
    return {each["id_tag"]: each["info"] for each in found}


def sent(claimed: Claimed) -> tuple[int, str, list[str]]:
    """Version, type, and id tags of a SendLocalList; a minus before those that are deleted."""
    request: Any = claimed.request
    listed = [
        each.id_tag if each.id_tag_info else f"-{each.id_tag}"
        for each in request.local_authorization_list or ()
    ]
    return request.list_version, request.update_type, listed


def holding(office: Office, *id_tags: str) -> None:
    """The charge point has accepted a list of these."""
    for each in id_tags:
        tag(office, each)
    id = send(office, "full")
    office.answer(status="Accepted")
    assert status(office, id) == "accepted"


ACCEPTED = '{"status":"Accepted"}'

# --- What is sent ---------------------------------------------------------------------------------


def test_the_whole_list_as_the_tags_are_now(office: Office) -> None:
    tag(office, "a", parent_id_tag="fleet", expires_at=NOW + timedelta(days=1))
    tag(office, "B", status="blocked")
    tag(office, "c", expires_at=NOW)
    tag(office, "d", max_active_transactions=0)
    id = send(office)
    assert office.claimed().request_text == (
        '{"listVersion":1,"updateType":"Full","localAuthorizationList":['
        '{"idTag":"a","idTagInfo":{"status":"Accepted","expiryDate":"2026-03-02T12:00:00.000Z",'
        '"parentIdTag":"fleet"}},'
        '{"idTag":"B","idTagInfo":{"status":"Blocked"}},'
        '{"idTag":"c","idTagInfo":{"status":"Expired","expiryDate":"2026-03-01T12:00:00.000Z"}},'
        '{"idTag":"d","idTagInfo":{"status":"Accepted"}}]}'
    )
    found = row(office, id)
    assert (found["update_type"], found["list_version"], found["status"]) == ("full", 1, "sending")
    assert (found["entries_total"], found["commands_total"]) == (4, 1)
    assert (found["created_by"], found["created_at"]) == (ACTOR.name, NOW)


def test_the_answer_makes_it_known(office: Office) -> None:
    tag(office, "a")
    id = send(office)
    assert (version(office), entries(office)) == (None, {})
    office.later(2)
    office.answer(status="Accepted")
    assert status(office, id) == "accepted"
    assert row(office, id)["finished_at"] == NOW + timedelta(seconds=2)
    assert (version(office), entries(office)) == (1, {"a": ACCEPTED})


def test_afterwards_only_what_has_changed(office: Office) -> None:
    holding(office, "gone", "same", "blocked")
    office.store.write(IdTag.delete().where(IdTag.id_tag == "gone"))
    office.run(
        lambda tx: inventory.set_id_tag_status(tx, "blocked", "blocked", actor=ACTOR, now=NOW)
    )
    tag(office, "new")
    id = send(office)
    assert sent(office.answer(status="Accepted")) == (
        2,
        "Differential",
        ["-gone", "blocked", "new"],
    )
    assert row(office, id)["entries_total"] == 3
    assert entries(office) == {"same": ACCEPTED, "new": ACCEPTED, "blocked": '{"status":"Blocked"}'}
    assert version(office) == 2


def test_a_tag_that_expires_is_a_change(office: Office) -> None:
    tag(office, "a", expires_at=NOW + timedelta(hours=1))
    holding(office, "b")
    assert row(office, send(office))["commands_total"] == 0
    office.later(3600)
    send(office, deliver_within_s=60)
    assert sent(office.claimed()) == (2, "Differential", ["a"])


def test_nothing_has_changed(office: Office) -> None:
    holding(office, "a")
    id = send(office)
    found = row(office, id)
    assert (found["status"], found["commands_total"], found["entries_total"]) == ("accepted", 0, 0)
    assert (found["update_type"], found["list_version"]) == ("differential", 1)
    assert found["finished_at"] == NOW
    assert office.claim() is None


def test_full_may_be_asked_for(office: Office) -> None:
    holding(office, "a")
    send(office, "full")
    assert sent(office.answer(status="Accepted")) == (2, "Full", ["a"])


def test_an_empty_list_is_sent_in_full(office: Office) -> None:
    id = send(office)
    assert sent(office.answer(status="Accepted")) == (1, "Full", [])
    assert (status(office, id), version(office)) == ("accepted", 1)
    tag(office, "a")
    send(office)
    assert sent(office.claimed()) == (2, "Full", ["a"])


def test_a_differential_needs_a_known_list(office: Office) -> None:
    tag(office, "a")
    assert refused(office, "differential") == (409, "local_list_unknown")
    office.place("GetLocalListVersion")
    office.answer(listVersion=0)
    send(office, "differential")
    assert sent(office.answer(status="Accepted")) == (1, "Differential", ["a"])
    assert entries(office) == {"a": ACCEPTED}


def test_a_list_in_parts(office: Office) -> None:
    configure(office, "SendLocalListMaxLength", "2")
    tags(office, 5)
    id = send(office)
    assert (row(office, id)["list_version"], row(office, id)["commands_total"]) == (3, 3)
    assert sent(office.answer(status="Accepted")) == (1, "Full", ["T00000", "T00001"])
    assert sent(office.answer(status="Accepted")) == (2, "Differential", ["T00002", "T00003"])
    assert (status(office, id), version(office), len(entries(office))) == ("sending", 2, 4)
    assert sent(office.answer(status="Accepted")) == (3, "Differential", ["T00004"])
    assert (status(office, id), version(office), len(entries(office))) == ("accepted", 3, 5)


@pytest.mark.parametrize(
    ("value", "first"),
    [
        (None, USUAL_CHUNK),
        ("many", USUAL_CHUNK),
        ("0", USUAL_CHUNK),
        ("150", 150),
        ("99999", LARGEST_CHUNK),
    ],
)
def test_entries_of_a_command(office: Office, value: str | None, first: int) -> None:
    configure(office, "SendLocalListMaxLength", value)
    tags(office, LARGEST_CHUNK + 1)
    send(office)
    assert len(sent(office.claimed())[2]) == first


def test_later_parts_wait_for_those_before_them(office: Office) -> None:
    configure(office, "SendLocalListMaxLength", "1")
    tags(office, 3)
    send(office)
    found = office.store.rows(Command.select().order_by(Command.id))
    waits = [(each["expires_at"] - NOW).total_seconds() for each in found]
    assert waits == [60, 120, 180]
    assert {each["session_epoch"] for each in found} == {office.epoch}


def test_a_list_that_is_too_long(office: Office) -> None:
    configure(office, "LocalAuthListMaxLength", "2")
    tags(office, 2)
    send(office)
    office.answer(status="Accepted")
    tag(office, "one more")
    assert refused(office) == (409, "local_list_too_long")
    assert len(office.store.rows(LocalListUpdate.select())) == 1


def test_one_update_at_a_time(office: Office) -> None:
    tag(office, "a")
    send(office)
    assert refused(office) == (409, "local_list_update_running")
    other = Office(office.store, "CP-2")
    send(other)
    office.answer(status="Accepted")
    send(office)


def test_refusals_of_commands(office: Office) -> None:
    office.identity = "CP-nobody"
    assert refused(office) == (404, "unknown_charge_point")
    office.identity = "CP-1"
    office.disconnect()
    assert refused(office) == (409, "offline")
    assert status(office, send(office, deliver_within_s=60)) == "sending"


def test_the_audit_trail_has_one_line_without_the_list(office: Office) -> None:
    configure(office, "SendLocalListMaxLength", "1")
    tags(office, 3)
    id = send(office)
    found = office.store.row(AuditEvent.select())
    assert (found["action"], found["target"]) == ("local_list.update", "charge-points/CP-1")
    assert found["detail"] == (
        f'{{"local_list_update_id":{id},"update_type":"full","list_version":3,"entries_total":3,'
        '"commands_total":3}'
    )


# --- Versions -------------------------------------------------------------------------------------


def test_the_version_follows_that_of_the_charge_point(office: Office) -> None:
    tag(office, "a")
    office.place("GetLocalListVersion")
    office.later(3)
    office.answer(listVersion=41)
    found = office.store.row(ChargePoint.select())
    assert found["local_list_version_at"] == NOW + timedelta(seconds=3)
    send(office)
    assert sent(office.claimed())[:2] == (42, "Full")


@pytest.mark.parametrize("told", [-1, HIGHEST_VERSION])
def test_versions_that_have_no_next_one(office: Office, told: int) -> None:
    """R39: never 0 or -1, and no more than an integer holds."""
    tag(office, "a")
    office.place("GetLocalListVersion")
    office.answer(listVersion=told)
    send(office)
    assert sent(office.claimed())[:2] == (1, "Full")


def test_a_list_that_is_known_begins_anew_near_the_highest_version(office: Office) -> None:
    payload = {
        "listVersion": HIGHEST_VERSION - 1,
        "updateType": "Full",
        "localAuthorizationList": [{"idTag": "a", "idTagInfo": {"status": "Accepted"}}],
    }
    office.place("SendLocalList", payload)
    office.answer(status="Accepted")
    tag(office, "a")
    tag(office, "b")
    send(office)
    assert sent(office.answer(status="Accepted")) == (1, "Full", ["a", "b"])
    assert version(office) == 1


def test_another_version_than_thought_makes_the_list_unknown(office: Office) -> None:
    holding(office, "a")
    office.place("GetLocalListVersion")
    office.answer(listVersion=1)
    assert entries(office) == {"a": ACCEPTED}
    office.place("GetLocalListVersion")
    office.answer(listVersion=7)
    assert (version(office), entries(office)) == (7, {})
    send(office)
    assert sent(office.claimed()) == (8, "Full", ["a"])


# --- What is not accepted -------------------------------------------------------------------------


def test_a_version_mismatch_is_answered_with_the_whole_list_once(office: Office) -> None:
    holding(office, "a")
    configure(office, "SendLocalListMaxLength", "1")
    tag(office, "b")
    tag(office, "c")
    id = send(office)
    assert sent(office.answer(status="VersionMismatch")) == (2, "Differential", ["b"])
    assert status(office, id) == "version_mismatch"
    again = retry_of(office, id)
    assert (again["update_type"], again["status"]) == ("full", "sending")
    assert (again["entries_total"], again["commands_total"]) == (3, 3)
    assert [sent(office.answer(status="Accepted"))[:2] for _ in range(3)] == [
        (3, "Full"),
        (4, "Differential"),
        (5, "Differential"),
    ]
    assert status(office, again["id"]) == "accepted"
    assert (version(office), list(entries(office))) == (5, ["a", "b", "c"])
    cancelled = office.store.rows(
        Command.select().where(
            (Command.local_list_update_id == id) & (Command.status == "cancelled")
        )
    )
    assert [(each["finished_at"], each["sent_at"]) for each in cancelled] == [(NOW, None)]


def test_a_change_that_failed_is_answered_with_the_whole_list(office: Office) -> None:
    """§5.15: so it should be."""
    holding(office, "a")
    tag(office, "b")
    id = send(office)
    office.answer(status="Failed")
    assert status(office, id) == "failed"
    assert sent(office.answer(status="Accepted")) == (3, "Full", ["a", "b"])
    assert status(office, retry_of(office, id)["id"]) == "accepted"


@pytest.mark.parametrize("answer", ["VersionMismatch", "Failed"])
def test_there_is_no_second_retry(office: Office, answer: str) -> None:
    configure(office, "SendLocalListMaxLength", "1")
    holding(office, "a")
    tag(office, "b")
    id = send(office)
    office.answer(status="VersionMismatch")
    office.answer(status="Accepted")
    office.answer(status=answer)  # to the second part of the whole list, which is a difference
    again = retry_of(office, id)
    assert again["status"] == {"VersionMismatch": "version_mismatch", "Failed": "failed"}[answer]
    assert len(office.store.rows(LocalListUpdate.select())) == 3
    assert office.claim() is None


def test_a_retry_that_is_refused_leaves_the_end(office: Office) -> None:
    holding(office, "a")
    tag(office, "b")
    id = send(office)
    claimed = office.claimed()
    configure(office, "LocalAuthListMaxLength", "1")
    response = claimed_answer("VersionMismatch")
    assert office.finish(claimed, Result(status="answered", response=response))
    assert status(office, id) == "version_mismatch"
    assert office.store.rows(LocalListUpdate.select().where(LocalListUpdate.retry_of == id)) == []


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result(status="timeout"), "failed"),
        (Result(status="unknown"), "failed"),
        (Result(status="rejected", error_code="NotImplemented"), "failed"),
        (Result(status="answered", raw_response="{}", error_code="x"), "failed"),
        ("Failed", "failed"),
        ("NotSupported", "not_supported"),
    ],
)
def test_what_ends_an_update(office: Office, result: Any, expected: str) -> None:
    """In the middle: what follows is not sent, what the charge point holds is not known."""
    configure(office, "SendLocalListMaxLength", "1")
    holding(office, "a")
    tag(office, "b")
    tag(office, "c")
    id = send(office, "full")
    claimed = office.claimed()
    if isinstance(result, str):
        result = Result(status="answered", response=claimed_answer(result))
    office.finish(claimed, result)
    assert status(office, id) == expected
    assert office.claim() is None
    assert (version(office), entries(office)) == (None, {})
    send(office)
    assert sent(office.claimed()) == (5, "Full", ["a"])


@pytest.mark.parametrize("how", ["expired", "cancelled"])
def test_what_was_never_sent_changes_nothing(office: Office, how: str) -> None:
    holding(office, "a")
    configure(office, "SendLocalListMaxLength", "1")
    tag(office, "b")
    tag(office, "c")
    id = send(office)
    if how == "expired":
        office.later(61)
        office.run(lambda tx: sweep(tx, office.now))
    else:
        last = max(each["id"] for each in office.store.rows(Command.select()))
        office.run(lambda tx: table.cancel(tx, last, actor=ACTOR, now=office.now))
    assert status(office, id) == "failed"
    assert office.claim() is None
    assert (version(office), entries(office)) == (1, {"a": ACCEPTED})


def test_an_update_ends_with_its_connection(office: Office) -> None:
    configure(office, "SendLocalListMaxLength", "1")
    tags(office, 3)
    id = send(office)
    office.answer(status="Accepted")
    office.disconnect()
    assert status(office, id) == "failed"
    assert (version(office), len(entries(office))) == (1, 1)


# --- Commands written by hand ---------------------------------------------------------------------


def by_hand(office: Office, update_type: str, number: int, listed: Any = None) -> None:
    payload = {"listVersion": number, "updateType": update_type}
    if listed is not None:
        payload["localAuthorizationList"] = listed
    office.place("SendLocalList", payload)


def test_a_list_by_hand(office: Office) -> None:
    info = {"status": "Accepted"}
    by_hand(office, "Full", 9, [{"idTag": "A", "idTagInfo": info}, {"idTag": "B"}])
    office.answer(status="Accepted")
    assert (version(office), entries(office)) == (9, {"A": ACCEPTED})
    listed = [{"idTag": "a"}, {"idTag": "c", "idTagInfo": {"status": "Blocked"}}]
    by_hand(office, "Differential", 12, listed)
    office.answer(status="Accepted")
    assert (version(office), entries(office)) == (12, {"c": '{"status":"Blocked"}'})
    by_hand(office, "Full", 13)
    office.answer(status="Accepted")
    assert (version(office), entries(office)) == (13, {})
    assert office.store.rows(LocalListUpdate.select()) == []


def test_a_change_by_hand_to_what_is_not_known(office: Office) -> None:
    by_hand(office, "Differential", 5, [{"idTag": "a", "idTagInfo": {"status": "Accepted"}}])
    office.answer(status="Accepted")
    assert (version(office), entries(office)) == (5, {})


def test_a_mismatch_by_hand(office: Office) -> None:
    """An old version is refused, and rightly; a new one tells that we were wrong."""
    holding(office, "a")
    by_hand(office, "Differential", 1)
    office.answer(status="VersionMismatch")
    assert entries(office) == {"a": ACCEPTED}
    by_hand(office, "Differential", 2)
    office.answer(status="VersionMismatch")
    assert (version(office), entries(office)) == (None, {})


def test_lists_of_charge_points_are_their_own(office: Office) -> None:
    holding(office, "a")
    other = Office(office.store, "CP-2")
    by_hand(other, "Full", 3, [{"idTag": "x", "idTagInfo": {"status": "Accepted"}}])
    other.answer(status="Accepted")
    other.place("GetLocalListVersion")
    other.answer(listVersion=0)
    assert (version(office), entries(office)) == (1, {"a": ACCEPTED})
    assert (version(other), entries(other)) == (0, {})


# --- Notices --------------------------------------------------------------------------------------


def test_who_waits_for_an_update_is_told_of_its_end_and_of_its_retry(office: Office) -> None:
    holding(office, "a")
    tag(office, "b")
    id = send(office)
    with office.store.committer.notices.watch("local_list_update", id) as told:
        office.answer(status="VersionMismatch")
        assert told.wait(10)
        told.clear()
        office.answer(status="Accepted")
        assert told.wait(10)


def claimed_answer(status: str) -> Any:
    return SendLocalListResponse(status=status)  # type: ignore[arg-type]
