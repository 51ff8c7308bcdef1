"""StatusNotification: the history of a connector once, its latest status by event time (R38)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db.models import Connector, Deviation, StatusEvent, Transaction
from ocpp_cs.rules import flag_names
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Store

store = kept.store


def report(
    desk: Desk,
    status: str,
    time: str | None = None,
    message_id: str | None = None,
    **changes: Any,
) -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": status, **changes}
    if time is not None:
        payload["timestamp"] = time
    assert desk.send("StatusNotification", payload, message_id) == {}


def history(store: Store) -> list[str]:
    query = StatusEvent.select().order_by(StatusEvent.occurred_at, StatusEvent.id)
    return [row["status"] for row in store.rows(query)]


def latest(store: Store, connector_id: int = 1) -> Any:
    return store.row(Connector.select().where(Connector.connector_id == connector_id))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01T{text}+00:00")


def test_all_that_it_says_is_kept(store: Store) -> None:
    details = {"info": "door", "vendorId": "ACME", "vendorErrorCode": "E42"}
    desk = store.desk()
    report(desk, "Faulted", "2026-03-01T11:00:00Z", errorCode="OtherError", **details)
    event, connector = store.row(StatusEvent.select()), latest(store)
    for row in (event, connector):
        assert (row["status"], row["error_code"]) == ("Faulted", "OtherError")
        assert (row["info"], row["vendor_id"], row["vendor_error_code"]) == ("door", "ACME", "E42")
        assert row["received_at"] == NOW
    assert event["occurred_at"] == connector["since"] == at("11:00:00")
    report(desk, "Available", "2026-03-01T11:30:00Z")
    assert (latest(store)["info"], latest(store)["error_code"]) == (None, "NoError")


def test_a_late_old_one_is_history_and_not_the_latest(store: Store) -> None:
    desk = store.desk()
    report(desk, "Charging", "2026-03-01T11:30:00Z")
    report(desk, "Preparing", "2026-03-01T11:00:00Z")
    report(desk, "Available", "2026-03-01T10:00:00Z", connectorId=2)
    assert history(store) == ["Available", "Preparing", "Charging"]
    assert (latest(store)["status"], latest(store)["since"]) == ("Charging", at("11:30:00"))
    assert latest(store, 2)["status"] == "Available"
    # Of two in one second the one that came later counts.
    report(desk, "SuspendedEV", "2026-03-01T11:30:00Z")
    assert latest(store)["status"] == "SuspendedEV"


def test_without_a_time_it_is_that_of_receipt(store: Store) -> None:
    desk = store.desk()
    report(desk, "Preparing")
    assert latest(store)["since"] == NOW
    desk.now += timedelta(seconds=1)
    report(desk, "Charging")
    assert latest(store)["status"] == "Charging"
    assert history(store) == ["Preparing", "Charging"]


def test_a_clock_that_runs_ahead_does_not_shut_out_what_follows(store: Store) -> None:
    desk = store.desk()
    report(desk, "Preparing", "2027-01-01T00:00:00Z")
    assert latest(store)["since"] == NOW
    assert store.row(StatusEvent.select())["occurred_at"].year == 2027
    desk.now += timedelta(minutes=1)
    report(desk, "Charging", "2026-03-01T12:01:00Z")
    assert latest(store)["status"] == "Charging"
    # Nor does the same one sent again come back as news, whatever its clock says.
    desk.now += timedelta(minutes=1)
    report(desk, "Preparing", "2027-01-01T00:00:00Z")
    assert latest(store)["status"] == "Charging"


def test_without_a_clock_it_is_the_time_of_receipt(store: Store) -> None:
    for time in ("1970-01-01T00:00:05Z", "0001-01-01T00:00:00Z", "yesterday"):
        desk = store.desk(time)
        report(desk, "Preparing", time)
        desk.now += timedelta(seconds=1)
        report(desk, "Charging", time)
        mine = StatusEvent.charge_point_id == desk.charge_point.id
        assert {
            row["status"]: row["occurred_at"]
            for row in store.rows(StatusEvent.select().where(mine))
        } == {"Preparing": NOW, "Charging": NOW + timedelta(seconds=1)}
        connector = Connector.select().where(Connector.charge_point_id == desk.charge_point.id)
        assert store.row(connector)["status"] == "Charging"
    assert {row["detail"] for row in store.rows(Deviation.select())} == {"StatusNotification"}


# --- Retransmissions ------------------------------------------------------------------------------


def test_a_retransmission_with_a_time_is_the_same_event_under_any_id(store: Store) -> None:
    desk = store.desk()
    for message_id in ("one", "one", "two"):
        report(desk, "Charging", "2026-03-01T11:00:00Z", message_id)
        desk.now += timedelta(days=1)
    other_socket = store.desk()
    report(other_socket, "Charging", "2026-03-01T12:00:00.000+01:00", "three")
    assert history(store) == ["Charging"]
    # Another event of that very second is one of its own.
    report(desk, "Faulted", "2026-03-01T11:00:00Z", "one", errorCode="GroundFailure")
    report(desk, "Charging", "2026-03-01T11:00:00Z", "one", connectorId=2)
    report(store.desk("CP-2"), "Charging", "2026-03-01T11:00:00Z", "one")
    assert len(history(store)) == 4


@pytest.mark.parametrize("time", [None, "1970-01-01T00:00:05Z"])
def test_a_retransmission_without_a_time_is_known_by_its_id_for_ten_minutes(
    store: Store, time: str | None
) -> None:
    desk = store.desk()
    report(desk, "Available", time, "1")
    for minutes in (0, 4, 5):
        desk.now += timedelta(minutes=minutes)
        report(desk, "Available", time, "1")
    assert history(store) == ["Available"]
    # The same id with another content is another event (R7), even in the same millisecond.
    report(desk, "Preparing", time, "1")
    report(desk, "Available", time, "1", connectorId=2)
    assert len(history(store)) == 3
    # Some firmware counts from 1 at every boot: after a while the id is a new one.
    desk.now += timedelta(minutes=11)
    report(desk, "Available", time, "1")
    assert len(history(store)) == 4
    report(store.desk("CP-2"), "Available", time, "1")
    assert len(history(store)) == 5


# --- Connector 0, and what Available says of a transaction ----------------------------------------


def test_statuses_that_the_charge_point_as_a_whole_cannot_have(store: Store) -> None:
    desk = store.desk()
    for status in ("Available", "Unavailable", "Faulted"):
        report(desk, status, connectorId=0)
        desk.now += timedelta(seconds=1)
    assert store.rows(Deviation.select()) == []
    report(desk, "Charging", connectorId=0)
    deviation = store.row(Deviation.select())
    assert (deviation["code"], deviation["detail"]) == ("status_of_connector_0", "Charging")
    assert latest(store, 0)["status"] == "Charging"  # stored all the same


def suspects(store: Store) -> list[int]:
    return [
        row["id"]
        for row in store.rows(Transaction.select().order_by(Transaction.id))
        if "suspect_open" in flag_names(row["flags"])
    ]


def test_available_makes_the_open_transaction_of_its_connector_suspect(store: Store) -> None:
    desk = store.desk()
    first = desk.start()["transactionId"]
    desk.start(connectorId=2)
    store.desk("CP-2").start()
    report(desk, "Available", connectorId=0)
    report(desk, "Finishing")
    report(desk, "Available", "2026-03-01T10:59:00Z")  # that was before the start
    assert suspects(store) == []
    report(desk, "Available", "2026-03-01T11:20:00Z")
    assert suspects(store) == [first]
    row = store.row(Transaction.select().where(Transaction.id == first))
    assert row["suspect_since"] == at("11:20:00")


def test_an_old_available_sent_again_says_nothing_of_a_new_transaction(store: Store) -> None:
    desk = store.desk()
    report(desk, "Available", "2027-01-01T00:00:00Z")  # its clock runs ahead
    desk.now += timedelta(minutes=5)
    desk.start(timestamp="2026-03-01T12:04:00Z")
    desk.now += timedelta(minutes=5)
    report(desk, "Available", "2027-01-01T00:00:00Z")
    assert suspects(store) == []
