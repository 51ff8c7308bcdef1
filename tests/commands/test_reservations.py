"""Reservations: each way in which one is made, refused, used and ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.commands import reservations, table
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.reservations import HIGHEST_NUMBER, Wish
from ocpp_cs.commands.sweep import sweep
from ocpp_cs.commands.table import Result
from ocpp_cs.db.models import Command, Reservation
from ocpp_cs.ocpp16.messages.reservation import ReserveNowResponse
from tests.commands.conftest import ACTOR, Office
from tests.handlers.conftest import NOW

HOUR = timedelta(hours=1)


def reserve(office: Office, connector_id: int = 1, **changes: Any) -> int:
    """Asks for a reservation of an hour; its id."""
    given = {
        "connector_id": connector_id,
        "id_tag": "TAG",
        "parent_id_tag": None,
        "expires_at": office.now + HOUR,
        **changes,
    }
    id, _ = office.run(
        lambda tx: reservations.reserve(
            tx, office.identity, Wish(**given), actor=ACTOR, now=office.now
        )
    )
    return int(id)


def reserved(office: Office, connector_id: int = 1, **changes: Any) -> int:
    """A reservation that the charge point has accepted."""
    id = reserve(office, connector_id, **changes)
    office.answer(status="Accepted")
    return id


def by_hand(office: Office, number: int, status: str = "Accepted", **changes: Any) -> None:
    """A ReserveNow that was written by hand, and its answer."""
    payload = {
        "connectorId": 1,
        "expiryDate": "2026-03-01T13:00:00Z",
        "idTag": "TAG",
        "reservationId": number,
    }
    office.place("ReserveNow", {**payload, **changes})
    office.answer(status=status)


def cancel(office: Office, id: int) -> None:
    def work(tx: Any) -> int:
        found = reservations.find(tx, id)
        return reservations.order_cancellation(tx, found, actor=ACTOR, now=office.now)

    office.run(work)


def row(office: Office, id: int) -> dict[str, Any]:
    return office.store.row(Reservation.select().where(Reservation.id == id))


def state(office: Office, id: int) -> tuple[str, str | None]:
    found = row(office, id)
    assert (found["ended_at"] is None) is (found["ended_by"] is None)
    return found["status"], found["ended_by"]


def report(office: Office, status: str, connector_id: int = 1, at: datetime | None = None) -> None:
    payload = {"connectorId": connector_id, "status": status, "errorCode": "NoError"}
    if at is not None:
        payload["timestamp"] = at.isoformat().replace("+00:00", "Z")
    office.desk.send("StatusNotification", payload)


# --- Asked for ------------------------------------------------------------------------------------


def test_a_reservation_and_its_command_are_made_together(office: Office) -> None:
    id = reserve(office, 2, parent_id_tag="fleet")
    found = row(office, id)
    assert state(office, id) == ("requested", None)
    assert (found["reservation_id"], found["created_by"]) == (id, ACTOR.name)
    claimed = office.claimed()
    assert claimed.id == found["command_id"]
    assert claimed.request_text == (
        '{"connectorId":2,"expiryDate":"2026-03-01T13:00:00.000Z","idTag":"TAG",'
        f'"reservationId":{id},"parentIdTag":"fleet"}}'
    )


def test_a_refused_order_leaves_no_reservation(office: Office) -> None:
    office.disconnect()
    with pytest.raises(Refused) as refused:
        reserve(office)
    assert (refused.value.status, refused.value.code) == (409, "offline")
    assert office.store.rows(Reservation.select()) == []


def test_a_reservation_in_the_past_is_refused(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        reserve(office, expires_at=office.now)
    assert (refused.value.status, list(refused.value.errors)) == (422, ["expires_at"])
    assert office.store.rows(Command.select()) == []


def test_a_number_taken_by_hand_is_not_given_again(office: Office) -> None:
    """The charge point would replace that reservation (§5.13)."""
    first = reserved(office, 1)
    by_hand(office, first + 2, connectorId=2)
    by_hand(office, first + 3, connectorId=3)
    next_one = reserved(office, 4)
    assert next_one == first + 3
    assert row(office, next_one)["reservation_id"] == first + 4
    assert len(office.store.rows(Reservation.select().where(Reservation.ended_at.is_null()))) == 4


def test_numbers_end_where_ocpp_ends(office: Office) -> None:
    def number(id: int) -> int:
        found: int = office.run(lambda tx: reservations._free_number(tx, office.key, id))
        return found

    assert number(HIGHEST_NUMBER) == HIGHEST_NUMBER
    by_hand(office, HIGHEST_NUMBER)
    with pytest.raises(Refused, match="used up"):
        number(HIGHEST_NUMBER)
    with pytest.raises(Refused, match="used up"):
        number(HIGHEST_NUMBER + 1)


# --- What the charge point answers ----------------------------------------------------------------


@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
def test_an_answer_that_refuses(office: Office, status: str) -> None:
    id = reserve(office)
    office.later(1)
    office.answer(status=status)
    assert state(office, id) == (status.lower(), "charge_point")
    assert (
        row(office, id)["ended_at"] == row(office, id)["updated_at"] == NOW + timedelta(seconds=1)
    )


def test_an_answer_that_accepts(office: Office) -> None:
    id = reserve(office)
    office.later(1)
    office.answer(status="Accepted")
    assert state(office, id) == ("accepted", None)
    assert row(office, id)["updated_at"] == NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result(status="timeout"), ("unknown", None)),
        (Result(status="unknown"), ("unknown", None)),
        (Result(status="answered", raw_response="{}", error_code="x"), ("unknown", None)),
        (Result(status="rejected", error_code="NotSupported"), ("rejected", "charge_point")),
    ],
)
def test_no_answer(office: Office, result: Result, expected: tuple[str, str | None]) -> None:
    id = reserve(office)
    office.finish(office.claimed(), result)
    assert state(office, id) == expected


def test_a_request_that_was_never_sent(office: Office) -> None:
    cancelled, expired = reserve(office), reserve(office)
    command_id = row(office, cancelled)["command_id"]
    office.run(lambda tx: table.cancel(tx, command_id, actor=ACTOR, now=office.now))
    assert state(office, cancelled) == ("cancelled", "operator")
    office.later(61)
    office.run(lambda tx: table.expire(tx, office.now))
    assert state(office, expired) == ("cancelled", "not_delivered")


def test_what_has_ended_stays_as_it_ended(office: Office) -> None:
    """Its time passed while the charge point thought about it."""
    id = reserve(office, expires_at=NOW + timedelta(seconds=5))
    claimed = office.claimed()
    office.later(5)
    office.run(lambda tx: sweep(tx, office.now))
    office.finish(claimed, Result(status="timeout"))
    assert state(office, id) == ("expired", "expiry")


# --- Commands written by hand ---------------------------------------------------------------------


def test_a_reservation_by_hand_is_kept_once_it_is_accepted(office: Office) -> None:
    office.place(
        "ReserveNow",
        {
            "connectorId": 0,
            "expiryDate": "2026-03-01T14:00:00+01:00",
            "idTag": "TAG",
            "parentIdTag": "fleet",
            "reservationId": -7,
        },
    )
    assert office.store.rows(Reservation.select()) == []
    office.later(4)
    claimed = office.answer(status="Accepted")
    found = office.store.row(Reservation.select())
    assert (found["reservation_id"], found["connector_id"], found["id_tag"]) == (-7, 0, "TAG")
    assert (found["parent_id_tag"], found["status"]) == ("fleet", "accepted")
    assert (found["command_id"], found["created_by"]) == (claimed.id, ACTOR.name)
    assert (found["created_at"], found["expires_at"]) == (NOW, NOW + HOUR)
    assert found["updated_at"] == NOW + timedelta(seconds=4)


@pytest.mark.parametrize("status", ["Occupied", "Rejected"])
def test_a_reservation_by_hand_that_is_refused_leaves_nothing(office: Office, status: str) -> None:
    by_hand(office, 7, status)
    assert office.store.rows(Reservation.select()) == []


def test_the_same_number_replaces_the_older_one(office: Office) -> None:
    id = reserved(office)
    other = Office(office.store, "CP-2")
    by_hand(other, id)
    by_hand(office, id, "Occupied", idTag="OTHER")
    assert state(office, id) == ("accepted", None)
    by_hand(office, id, idTag="OTHER")
    assert state(office, id) == ("cancelled", "replacement")
    open_ones = office.store.rows(Reservation.select().where(Reservation.ended_at.is_null()))
    assert sorted(each["id_tag"] for each in open_ones) == ["OTHER", "TAG"]


def test_a_cancellation_by_hand(office: Office) -> None:
    id = reserved(office)
    other = Office(office.store, "CP-2")
    other.place("CancelReservation", {"reservationId": id})
    other.answer(status="Accepted")
    assert state(office, id) == ("accepted", None)
    office.place("CancelReservation", {"reservationId": id})
    office.answer(status="Accepted")
    assert state(office, id) == ("cancelled", "operator")


# --- Cancelled ------------------------------------------------------------------------------------


def test_a_cancellation_that_is_accepted(office: Office) -> None:
    id = reserved(office)
    cancel(office, id)
    assert state(office, id) == ("accepted", None)
    assert office.answer(status="Accepted").request_text == f'{{"reservationId":{id}}}'
    assert state(office, id) == ("cancelled", "operator")


def test_a_reservation_that_the_charge_point_does_not_know_has_ended(office: Office) -> None:
    id = reserved(office)
    cancel(office, id)
    office.answer(status="Rejected")
    assert state(office, id) == ("cancelled", "charge_point")


@pytest.mark.parametrize(
    "result", [Result(status="timeout"), Result(status="rejected", error_code="NotSupported")]
)
def test_a_cancellation_without_an_answer_ends_nothing(office: Office, result: Result) -> None:
    id = reserved(office)
    cancel(office, id)
    office.finish(office.claimed(), result)
    assert state(office, id) == ("accepted", None)


def test_a_cancellation_settles_what_was_unknown(office: Office) -> None:
    id = reserve(office)
    office.finish(office.claimed(), Result(status="timeout"))
    cancel(office, id)
    office.answer(status="Accepted")
    assert state(office, id) == ("cancelled", "operator")


def test_a_cancellation_that_comes_first_does_not_end_what_is_on_its_way(office: Office) -> None:
    office.place("CancelReservation", {"reservationId": 1})
    id = reserve(office)
    office.store.write(Reservation.update(reservation_id=1))
    office.answer(status="Rejected")
    assert state(office, id) == ("requested", None)


def test_a_reservation_that_nobody_knows(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        office.run(lambda tx: reservations.find(tx, 999_999))
    assert (refused.value.status, refused.value.code) == (404, "unknown_reservation")


# --- Used and expired -----------------------------------------------------------------------------


def test_a_start_uses_its_reservation(office: Office) -> None:
    id = reserved(office)
    office.later(60)
    transaction_id = office.desk.start(reservationId=id)["transactionId"]
    assert state(office, id) == ("used", "transaction")
    found = row(office, id)
    assert found["transaction_id"] == transaction_id
    assert found["ended_at"] == found["updated_at"] == NOW + timedelta(seconds=60)


def test_a_start_that_is_sent_again_changes_nothing(office: Office) -> None:
    id = reserved(office)
    office.desk.start(reservationId=id)
    before = row(office, id)
    office.later(60)
    office.desk.start(reservationId=id)
    office.desk.start(reservationId=id, timestamp="2026-03-01T11:30:00Z")  # another transaction
    assert row(office, id) == before


def test_a_start_uses_a_reservation_of_which_no_answer_came(office: Office) -> None:
    id = reserve(office)
    office.finish(office.claimed(), Result(status="timeout"))
    office.desk.start(reservationId=id)
    assert state(office, id) == ("used", "transaction")


def test_a_start_of_another_charge_point_uses_nothing(office: Office) -> None:
    id = reserved(office)
    office.store.desk("CP-2").start(reservationId=id)
    assert state(office, id) == ("accepted", None)


@pytest.mark.parametrize("number", [0, -1, 2**31 - 1])
def test_a_start_that_names_no_reservation_of_ours(office: Office, number: int) -> None:
    id = reserved(office)
    assert office.desk.start(reservationId=number)["transactionId"] > 0
    assert state(office, id) == ("accepted", None)


def test_a_start_told_late_uses_what_has_expired_meanwhile(office: Office) -> None:
    """The charge point was offline when its driver came (§3.7)."""
    id = reserved(office)
    office.later(7200)
    office.run(lambda tx: sweep(tx, office.now))
    assert state(office, id) == ("expired", "expiry")
    transaction_id = office.desk.start(reservationId=id)["transactionId"]
    assert state(office, id) == ("used", "transaction")
    assert row(office, id)["transaction_id"] == transaction_id


def test_of_a_number_used_again_the_latest_is_used(office: Office) -> None:
    by_hand(office, 1, expiryDate="2026-03-01T12:00:30Z")
    office.later(30)
    office.run(lambda tx: sweep(tx, office.now))
    by_hand(office, 1)
    office.desk.start(reservationId=1)
    rows = office.store.rows(Reservation.select().order_by(Reservation.id))
    assert [each["status"] for each in rows] == ["expired", "used"]


def test_a_start_does_not_use_what_was_cancelled(office: Office) -> None:
    id = reserved(office)
    cancel(office, id)
    office.answer(status="Accepted")
    office.desk.start(reservationId=id)
    assert state(office, id) == ("cancelled", "operator")


def test_a_reservation_expires_by_the_clock(office: Office) -> None:
    sooner, later = reserved(office), reserved(office, expires_at=NOW + 2 * HOUR)
    office.later(3599)
    office.run(lambda tx: sweep(tx, office.now))
    assert state(office, sooner) == ("accepted", None)
    office.later(1)
    office.run(lambda tx: sweep(tx, office.now))
    assert state(office, sooner) == ("expired", "expiry")
    assert state(office, later) == ("accepted", None)


# --- What the charge point reports ----------------------------------------------------------------


def test_a_connector_that_is_available_again_is_reserved_no_more(office: Office) -> None:
    id = reserved(office)
    office.later(1)
    report(office, "Reserved")
    office.later(600)
    report(office, "Available")
    assert state(office, id) == ("cancelled", "charge_point")
    assert row(office, id)["ended_at"] == NOW + timedelta(seconds=601)


def test_past_its_time_it_has_expired(office: Office) -> None:
    id = reserved(office)
    report(office, "Reserved")
    office.later(3600)
    report(office, "Available")
    assert state(office, id) == ("expired", "charge_point")


def test_available_before_it_was_ever_reserved_ends_nothing(office: Office) -> None:
    report(office, "Reserved")  # by an earlier reservation
    office.later(1)
    id = reserved(office)
    office.later(1)
    report(office, "Available")
    assert state(office, id) == ("accepted", None)


def test_an_old_available_that_comes_late_ends_nothing(office: Office) -> None:
    id = reserved(office)
    office.later(60)
    report(office, "Reserved", at=NOW + timedelta(seconds=2))
    report(office, "Available", at=NOW - timedelta(seconds=2))
    assert state(office, id) == ("accepted", None)


def test_reserved_may_be_reported_before_the_answer(office: Office) -> None:
    id = reserve(office)
    claimed = office.claimed()
    report(office, "Reserved")
    office.later(1)
    response = ReserveNowResponse(status="Accepted")
    office.finish(claimed, Result(status="answered", response=response))
    office.later(60)
    report(office, "Available")
    assert state(office, id) == ("cancelled", "charge_point")


def test_reserved_by_hand_may_be_reported_before_the_answer(office: Office) -> None:
    payload = {
        "connectorId": 1,
        "expiryDate": "2026-03-01T13:00:00Z",
        "idTag": "TAG",
        "reservationId": 5,
    }
    office.place("ReserveNow", payload)
    office.later(1)
    report(office, "Reserved")
    office.later(1)
    office.answer(status="Accepted")
    office.later(60)
    report(office, "Available")
    assert office.store.row(Reservation.select())["status"] == "cancelled"


@pytest.mark.parametrize("status", ["Faulted", "Unavailable"])
@pytest.mark.parametrize("connector_id", [0, 1])
def test_a_fault_ends_a_reservation(office: Office, status: str, connector_id: int) -> None:
    """§5.13 (3), also of one that was not seen as Reserved."""
    id, other = reserved(office), reserved(office, 2)
    office.later(1)
    report(office, status, connector_id)
    assert state(office, id) == ("cancelled", "charge_point")
    assert state(office, other)[0] == ("cancelled" if connector_id == 0 else "accepted")


def test_a_fault_from_before_ends_nothing(office: Office) -> None:
    office.later(30)
    id = reserved(office)
    office.later(1)
    report(office, "Faulted", at=NOW)
    assert state(office, id) == ("accepted", None)


@pytest.mark.parametrize("status", ["Reserved", "Preparing", "Charging"])
def test_other_statuses_end_nothing(office: Office, status: str) -> None:
    id = reserved(office)
    report(office, "Reserved")
    office.later(1)
    report(office, status)
    assert state(office, id) == ("accepted", None)


def test_one_connector_does_not_end_a_reservation_of_any_connector(office: Office) -> None:
    id = reserved(office, 0)
    for status in ("Reserved", "Available", "Faulted"):
        office.later(1)
        report(office, status, 1)
    assert state(office, id) == ("accepted", None)
    office.later(1)
    report(office, "Available", 0)
    assert state(office, id) == ("accepted", None)


def test_what_is_on_its_way_is_not_ended_by_a_status(office: Office) -> None:
    id = reserve(office)
    office.later(1)
    report(office, "Faulted")
    assert state(office, id) == ("requested", None)


def test_a_status_of_another_charge_point_ends_nothing(office: Office) -> None:
    id = reserved(office)
    other = Office(office.store, "CP-2")
    other.later(5)
    for status in ("Reserved", "Available", "Faulted"):
        report(other, status)
    assert state(office, id) == ("accepted", None)
