"""What happens to a charge point, and what the feed tells of it: once, in order, or not at all."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ocpp_cs import events
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.feed import Feed
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.handlers import connections
from ocpp_cs.handlers.connections import Attempt, Presence, disconnect, keep_present, tell_offline
from tests.handlers.conftest import NOW, Store

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
REFUSED = Attempt("CP-1", "192.0.2.7", "wrong_password", 401, "ocpp1.6", "firmware/1.0")


def told(store: Store, *types: str) -> list[tuple[str, Any]]:
    """Type and data of all events so far, of these types if any are named."""
    wanted = queries.EventFilter(types=types or None)
    last = Feed(store.engine).settled()
    rows = store.engine.read(lambda: queries.events(wanted, 0, last, 100))
    assert all(row.charge_point_id in ("CP-1", None) for row in rows)
    return [(row.type, json.loads(row.data)) for row in rows]


def types_told(store: Store) -> list[str]:
    return [type for type, _ in told(store)]


def status(desk: Any, status: str, second: int, error_code: str = "NoError", **also: Any) -> None:
    at = f"2026-03-01T11:00:{second:02}Z"
    payload = {"connectorId": 1, "status": status, "errorCode": error_code, "timestamp": at}
    desk.send("StatusNotification", {**payload, **also})


def look(store: Store, now: Any, after: timedelta = 5 * MINUTE) -> None:
    """As the watch of a process does it."""
    before = now - after
    away = store.engine.read(lambda: queries.charge_points_away(before))
    ids = [each.id for each in away]
    store.committer.run(0, lambda tx: tell_offline(tx, ids, before, now))


def test_a_session_is_told_from_its_start_to_its_stop(store: Store) -> None:
    desk = store.desk()
    for _ in range(2):  # a retransmission is no news
        transaction_id = desk.start(reservationId=3)["transactionId"]
    for _ in range(2):
        desk.stop(transaction_id, reason="EVDisconnected")
    assert told(store)[1:] == [
        (
            "session_started",
            {
                "transaction_id": transaction_id,
                "connector_id": 1,
                "id_tag": "TAG",
                "parent_id_tag": None,
                "id_tag_status": "Accepted",
                "started_at": "2026-03-01T11:00:00.000Z",
                "meter_start_wh": 1000,
                "reservation_id": 3,
            },
        ),
        (
            "session_stopped",
            {
                "transaction_id": transaction_id,
                "connector_id": 1,
                "started_at": "2026-03-01T11:00:00.000Z",
                "stopped_at": "2026-03-01T11:30:00.000Z",
                "duration_s": 1800,
                "meter_start_wh": 1000,
                "meter_stop_wh": 5000,
                "energy_wh": 4000,
                "stop_reason": "EVDisconnected",
                "closed_by": None,
            },
        ),
    ]


def test_what_is_rolled_back_is_not_told(store: Store) -> None:
    desk = store.desk()

    def work(tx: Any) -> None:
        disconnect(tx, Presence(desk.charge_point.id, desk.charge_point.epoch, NOW), NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.committer.run(0, work)
    assert types_told(store) == ["connected"]


def test_a_transaction_that_seems_to_have_ended_is_told(store: Store) -> None:
    desk = store.desk()
    first = desk.start()["transactionId"]
    status(desk, "Available", 30)
    status(desk, "Available", 40)
    second = desk.start(timestamp="2026-03-01T11:10:00Z")["transactionId"]
    desk.start(timestamp="2026-03-01T11:20:00Z")
    assert told(store, "transaction_suspect") == [
        (
            "transaction_suspect",
            {"transaction_id": id, "connector_id": 1, "suspect_since": f"2026-03-01T11:{at}.000Z"},
        )
        for id, at in ((first, "00:30"), (second, "20:00"))
    ]


def test_a_fault_is_told_when_it_begins_changes_and_ends(store: Store) -> None:
    desk = store.desk()
    status(desk, "Faulted", 10, "GroundFailure", info="RCD", vendorErrorCode="E1")
    status(desk, "Faulted", 11, "GroundFailure")  # the same, after a boot
    status(desk, "Faulted", 12, "OverVoltage")
    status(desk, "Available", 5)  # a late old one
    status(desk, "Preparing", 13)
    status(desk, "Available", 14)
    found = told(store, "faulted", "recovered")
    assert [(type, data["since"][17:19]) for type, data in found] == [
        ("faulted", "10"),
        ("faulted", "12"),
        ("recovered", "13"),
    ]
    first = found[0][1]
    assert (first["error_code"], first["info"], first["vendor_id"]) == (
        "GroundFailure",
        "RCD",
        None,
    )
    assert found[2][1]["status"] == "Preparing"
    assert found[2][1]["faulted_since"] == "2026-03-01T11:00:12.000Z"


def test_a_connection_is_told_from_its_begin_to_its_end(store: Store) -> None:
    first, second = store.desk(), store.desk()
    for desk in (first, second):  # the first one has been replaced: its end is no news
        presence = Presence(desk.charge_point.id, desk.charge_point.epoch, NOW - SECOND)
        store.committer.run(0, lambda tx: disconnect(tx, presence, NOW))  # noqa: B023
    connected = {"remote_address": "127.0.0.1", "security_profile": 0}
    assert told(store) == [
        ("connected", {"session": 1, **connected}),
        ("connected", {"session": 2, **connected}),
        ("disconnected", {"session": 2, "last_seen_at": "2026-03-01T11:59:59.000Z"}),
    ]


def test_who_stays_away_is_told_once_and_once_when_it_is_back(store: Store) -> None:
    desk = store.desk()
    presence = Presence(desk.charge_point.id, desk.charge_point.epoch, NOW)
    store.committer.run(0, lambda tx: disconnect(tx, presence, NOW))
    look(store, NOW + 5 * MINUTE)  # not longer than
    assert types_told(store) == ["connected", "disconnected"]
    for _ in range(2):
        look(store, NOW + 5 * MINUTE + SECOND)
    store.desk()
    store.desk()
    assert told(store)[2:5:2] == [
        (
            "offline",
            {
                "offline_since": "2026-03-01T12:00:00.000Z",
                "last_seen_at": "2026-03-01T12:00:00.000Z",
            },
        ),
        ("online", {"offline_told_at": "2026-03-01T12:05:01.000Z"}),
    ]
    assert types_told(store)[2:] == ["offline", "connected", "online", "connected"]


def test_who_hung_on_a_process_that_died_is_told_when_its_presence_has_run_out(
    store: Store,
) -> None:
    desk = store.desk()  # present for a minute, and never disconnected
    look(store, NOW + 5 * MINUTE)
    assert types_told(store) == ["connected"]
    now = NOW + 6 * MINUTE + SECOND
    look(store, now)
    assert told(store, "offline")[0][1]["offline_since"] == "2026-03-01T12:01:00.000Z"
    # It was the database that was away from its process: it is heard of again.
    presence = Presence(desk.charge_point.id, desk.charge_point.epoch, now)
    for _ in range(2):
        store.committer.run(0, lambda tx: keep_present(tx, [presence], now, now + MINUTE))
    look(store, now)
    assert types_told(store) == ["connected", "offline", "online"]


def test_of_two_processes_one_tells_who_is_offline(store: Store) -> None:
    desk = store.desk()
    other = Committer(store.engine)
    try:
        ids, before = [desk.charge_point.id], NOW + 10 * MINUTE
        threads = [
            threading.Thread(
                target=committer.run,
                args=(0, lambda tx: tell_offline(tx, ids, before, before)),
            )
            for committer in (store.committer, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        other.close()
    assert types_told(store) == ["connected", "offline"]


def test_who_is_registered_and_never_came_is_not_offline(store: Store) -> None:
    store.write(ChargePoint.insert(identity="CP-1", created_at=NOW))
    look(store, NOW + timedelta(days=30))
    assert types_told(store) == []


def refuse(store: Store, now: Any = NOW, **changes: Any) -> None:
    attempt = REFUSED._replace(**changes)
    store.committer.run(0, lambda tx: connections.record_refusal(tx, attempt, now))


def test_refused_handshakes_are_told_one_of_a_kind_in_an_hour(store: Store) -> None:
    for _ in range(3):
        refuse(store, identity="CP-9", outcome="unknown_charge_point", http_status=404)
    refuse(store, identity="CP-9", outcome="wrong_path", http_status=404)
    refuse(store, NOW + 60 * MINUTE, identity="CP-9", outcome="wrong_path", http_status=404)
    assert [data["outcome"] for _, data in told(store)] == [
        "unknown_charge_point",
        "wrong_path",
        "wrong_path",
    ]
    assert told(store)[0][1] == {
        "identity": "CP-9",
        "remote_address": "192.0.2.7",
        "outcome": "unknown_charge_point",
        "http_status": 404,
    }


def test_refused_handshakes_of_a_charge_point_are_its_own_and_security_events(
    store: Store,
) -> None:
    store.desk()
    refuse(store)
    assert types_told(store)[1:] == ["handshake_refused", "security_event"]
    last = Feed(store.engine).settled()
    rows = store.engine.read(lambda: queries.events(queries.EventFilter(), 1, last, 10))
    assert [row.charge_point_id for row in rows] == ["CP-1", "CP-1"]


def test_refused_handshakes_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_TOLD_PER_HOUR", 5)
    for number in range(8):
        refuse(store, identity=f"X-{number}", outcome="unknown_charge_point")
    assert len(told(store)) == 5
    refuse(store, NOW + 60 * MINUTE, identity="X-9", outcome="unknown_charge_point")
    assert len(told(store)) == 6


def test_security_events_are_told_once(store: Store) -> None:
    desk = store.desk()
    for _ in range(2):
        desk.send(
            "SecurityEventNotification",
            {
                "type": "TamperDetectionActivated",
                "timestamp": "2026-03-01T11:00:00Z",
                "techInfo": "lid",
            },
        )
    assert told(store)[1:] == [
        (
            "security_event",
            {
                "event": "TamperDetectionActivated",
                "source": "charge_point",
                "critical": True,
                "tech_info": "lid",
                "occurred_at": "2026-03-01T11:00:00.000Z",
            },
        )
    ]


@pytest.mark.parametrize("kind", events.TYPES.values())
def test_examples_are_whole_events(kind: type[events.Event]) -> None:
    assert msgspec.convert(events.example(kind), kind).encoded()
