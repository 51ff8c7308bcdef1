"""Sessions in the database: attempts counted, epochs fencing, presence that ends by itself."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.models import ChargePoint, ConnectionAttempt
from ocpp_cs.handlers import ConnectedChargePoint
from ocpp_cs.handlers.connections import (
    Attempt,
    KnownChargePoint,
    Login,
    Presence,
    connect,
    disconnect,
    find_charge_point,
    keep_present,
    record_attempt,
)
from ocpp_cs.rules import Registration, UnknownChargePoints
from tests.handlers import kept
from tests.handlers.conftest import NOW, Store

store = kept.store

ATTEMPT = Attempt("CP-1", "192.0.2.7", "accepted", 101, "ocpp1.6", "firmware/1.0")
MINUTE = timedelta(minutes=1)


def log_in(
    store: Store,
    identity: str = "CP-1",
    *,
    now: datetime = NOW,
    unknown: UnknownChargePoints = "open",
    login: Login = Login(1),  # noqa: B008  # frozen
    committer: Committer | None = None,
) -> ConnectedChargePoint | None:
    return (committer or store.committer).run(
        0,
        lambda tx: connect(
            tx,
            ATTEMPT._replace(identity=identity),
            now=now,
            present_until=now + MINUTE,
            unknown=unknown,
            subprotocol_offered=True,
            login=login,
        ),
    )


def connected(store: Store, identity: str = "CP-1", **arguments: Any) -> ConnectedChargePoint:
    charge_point = log_in(store, identity, **arguments)
    assert charge_point is not None
    return charge_point


def presence(charge_point: ConnectedChargePoint, last_seen_at: datetime = NOW) -> Presence:
    return Presence(charge_point.id, charge_point.epoch, last_seen_at)


def log_out(store: Store, charge_point: ConnectedChargePoint, at: datetime) -> None:
    store.committer.run(0, lambda tx: disconnect(tx, presence(charge_point, at), at))


def stay(
    store: Store, *charge_points: ConnectedChargePoint, until: datetime
) -> dict[int, Registration | None]:
    presences = [presence(each, until - MINUTE) for each in charge_points]
    return store.committer.run(0, lambda tx: keep_present(tx, presences, until - MINUTE, until))


def row(store: Store, identity: str = "CP-1") -> dict[str, Any]:
    return store.row(ChargePoint.select().where(ChargePoint.identity == identity))


# --- Who may come in, and as what (R2, R21) -------------------------------------------------------


@pytest.mark.parametrize(
    ("unknown", "registration", "accepted_at"),
    [("open", "accepted", NOW), ("pending", "pending", None)],
)
def test_an_unknown_charge_point_is_created_by_the_policy(
    store: Store, unknown: UnknownChargePoints, registration: str, accepted_at: datetime | None
) -> None:
    charge_point = connected(store, unknown=unknown)
    assert (charge_point.identity, charge_point.registration) == ("CP-1", registration)
    assert charge_point.may_report == (unknown == "open")
    stored = row(store)
    assert (stored["registration"], stored["accepted_at"]) == (registration, accepted_at)
    assert (stored["created_at"], stored["connected_at"]) == (NOW, NOW)
    assert (stored["present_until"], stored["offline_since"]) == (NOW + MINUTE, None)
    assert stored["subprotocol_offered"] is True
    # Once it is there, the policy is no longer asked.
    assert connected(store, unknown="closed").id == charge_point.id
    assert row(store)["registration"] == registration


def test_the_closed_policy_leaves_no_trace_but_the_attempt(store: Store) -> None:
    assert log_in(store, unknown="closed") is None
    assert store.rows(ChargePoint.select()) == []
    assert store.rows(ConnectionAttempt.select()) == []  # its refusal is recorded by the gateway
    assert store.committer.run(0, lambda tx: find_charge_point(tx, "CP-1")) is None


def test_identities_differ_by_case(store: Store) -> None:
    assert connected(store, "CP-1").id != connected(store, "cp-1").id


def test_what_the_connection_has_to_know_comes_from_the_row(store: Store) -> None:
    connected(store)
    store.write(
        ChargePoint.update(
            registration="rejected",
            firmware_version="1.2",
            call_timeout_s=90,
            security_profile=2,
            key_hash="OLD",
            next_key_hash="NEW",
        )
    )
    charge_point = connected(store, login=Login(2))
    assert (charge_point.registration, charge_point.ever_accepted) == ("rejected", True)
    assert charge_point.may_report
    assert (charge_point.firmware_version, charge_point.call_timeout_s) == ("1.2", 90)
    known = store.committer.run(0, lambda tx: find_charge_point(tx, "CP-1"))
    assert known == KnownChargePoint(charge_point.id, 2, "OLD", "NEW")


# --- Keys (R18) -----------------------------------------------------------------------------------


def test_the_old_key_dies_with_the_first_login_by_the_new_one(store: Store) -> None:
    connected(store)
    connected(store, "CP-2")
    store.write(ChargePoint.update(key_hash="OLD", next_key_hash="NEW"))

    def keys(identity: str = "CP-1") -> tuple[Any, Any]:
        stored = row(store, identity)
        return stored["key_hash"], stored["next_key_hash"]

    connected(store)  # by the old key
    assert keys() == ("OLD", "NEW")
    connected(store, login=Login(1, "SOMETHING ELSE"))  # the keys were changed meanwhile
    assert keys() == ("OLD", "NEW")
    connected(store, login=Login(1, "NEW"))
    assert keys() == ("NEW", None)
    connected(store, login=Login(1, "NEW"))
    assert keys() == ("NEW", None)
    assert keys("CP-2") == ("OLD", "NEW")


# --- Epochs (F6, F8, A1) --------------------------------------------------------------------------


def test_each_session_has_its_own_epoch(store: Store) -> None:
    assert [connected(store).epoch for _ in range(3)] == [1, 2, 3]
    assert connected(store, "CP-2").epoch == 1


def test_two_sessions_that_begin_at_once_have_different_epochs(store: Store) -> None:
    """Of two workers that both accept the newest socket, one has to learn that it is not."""
    other = Committer(store.engine)
    begun = threading.Barrier(2, timeout=10)
    epochs: list[int] = []

    def run(committer: Committer) -> None:
        begun.wait()
        epochs.append(connected(store, committer=committer).epoch)

    threads = [threading.Thread(target=run, args=(each,)) for each in (store.committer, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    other.close()
    assert sorted(epochs) == [1, 2]
    assert len(store.rows(ChargePoint.select())) == 1


def test_the_end_of_a_session_is_written_down(store: Store) -> None:
    charge_point = connected(store)
    log_out(store, charge_point, NOW + MINUTE)
    stored = row(store)
    assert (stored["present_until"], stored["offline_since"]) == (None, NOW + MINUTE)
    assert stored["last_seen_at"] == NOW + MINUTE
    connected(store, now=NOW + 2 * MINUTE)
    stored = row(store)
    assert (stored["present_until"], stored["offline_since"]) == (NOW + 3 * MINUTE, None)


def test_the_cleanup_of_an_old_session_does_not_touch_the_new_one(store: Store) -> None:
    old = connected(store)
    connected(store, now=NOW + MINUTE)
    before = row(store)
    log_out(store, old, NOW + 2 * MINUTE)
    assert row(store) == before


def test_presence_is_extended_for_the_living_alone(store: Store) -> None:
    old = connected(store)
    new = connected(store, now=NOW + MINUTE)
    other = connected(store, "CP-2")
    gone = replace(other, id=4711)
    store.write(ChargePoint.update(registration="rejected").where(ChargePoint.id == other.id))
    later = NOW + timedelta(minutes=5)
    assert stay(store, old, gone, until=later) == {old.id: None, 4711: None}
    assert row(store)["present_until"] == NOW + 2 * MINUTE
    # What an operator has decided meanwhile comes along.
    assert stay(store, new, other, until=later) == {new.id: "accepted", other.id: "rejected"}
    assert row(store)["present_until"] == row(store, "CP-2")["present_until"] == later
    assert row(store)["last_seen_at"] == later - MINUTE
    assert stay(store, until=later) == {}


# --- Attempts -------------------------------------------------------------------------------------


def test_attempts_alike_are_one_row(store: Store) -> None:
    def record(at: datetime, **changes: Any) -> None:
        attempt = ATTEMPT._replace(**changes)
        store.committer.run(0, lambda tx: record_attempt(tx, attempt, at))

    record(NOW)
    record(NOW + MINUTE, http_status=102, subprotocols="", user_agent="firmware/2.0")
    stored = store.row(ConnectionAttempt.select())
    assert (stored["attempts"], stored["http_status"], stored["user_agent"]) == (
        2,
        102,
        "firmware/2.0",
    )
    assert (stored["attempted_at"], stored["last_attempted_at"]) == (NOW, NOW + MINUTE)
    for change in ({"identity": "x"}, {"remote_address": "x"}, {"outcome": "x"}):
        record(NOW, **change)
    assert len(store.rows(ConnectionAttempt.select())) == 4
    # Several of one group are counted, too.

    def record_ten(tx: Tx) -> None:
        for _ in range(10):
            record_attempt(tx, ATTEMPT, NOW)

    store.committer.run(0, record_ten)
    first = ConnectionAttempt.select().order_by(ConnectionAttempt.id).limit(1)
    assert store.row(first)["attempts"] == 12


def test_a_connection_counts_as_an_attempt(store: Store) -> None:
    for _ in range(3):
        connected(store)
    stored = store.row(ConnectionAttempt.select())
    assert (stored["outcome"], stored["attempts"]) == ("accepted", 3)


@pytest.mark.parametrize("failures", [False, True])
def test_attempts_of_ever_new_names_make_room(store: Store, failures: bool) -> None:
    """The oldest go first: 20,000 are kept, and looked after every 500 (R2). What else fails
    meanwhile does not open the bound."""

    def fail(tx: Tx) -> None:
        raise ZeroDivisionError

    def record(first: int, count: int) -> None:
        def work(tx: Tx) -> None:
            for number in range(first, first + count):
                attempt = ATTEMPT._replace(identity=f"{number:05}", outcome="unknown")
                record_attempt(tx, attempt, NOW + timedelta(seconds=number))

        store.committer.run(0, work)

    for first in range(0, 22_000, 499):
        record(first, 499)
        if failures:
            with pytest.raises(ZeroDivisionError):
                store.committer.run(0, fail)
    names = sorted(row["identity"] for row in store.rows(ConnectionAttempt.select()))
    assert 20_000 <= len(names) <= 20_000 + 2 * 500
    assert names[-1] == f"{22_000 // 499 * 499 + 498:05}"
    assert names[0] == f"{int(names[-1]) - len(names) + 1:05}"
