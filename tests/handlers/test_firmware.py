"""Firmware, diagnostics and log statuses: stored once per event, though they carry no time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from ocpp_cs.db.models import DiagnosticsEvent, FirmwareEvent, Table
from tests.handlers import kept
from tests.handlers.conftest import NOW, Desk, Refused, Store

store = kept.store


class Kind(NamedTuple):
    """An action, where it is stored, and the mark of the security extension there."""

    action: str
    table: type[Table]
    mark: str
    extended: bool
    statuses: tuple[str, str]


KINDS = [
    Kind(
        "FirmwareStatusNotification",
        FirmwareEvent,
        "signed",
        False,
        ("Downloading", "Installed"),
    ),
    Kind(
        "SignedFirmwareStatusNotification",
        FirmwareEvent,
        "signed",
        True,
        ("SignatureVerified", "InvalidSignature"),
    ),
    Kind("DiagnosticsStatusNotification", DiagnosticsEvent, "log", False, ("Uploading", "Idle")),
    Kind("LogStatusNotification", DiagnosticsEvent, "log", True, ("Uploading", "UploadFailure")),
]


def rows(store: Store, kind: Kind) -> list[dict[str, Any]]:
    return store.rows(kind.table.select())


def send(desk: Desk, kind: Kind, status: str, message_id: str, **changes: Any) -> None:
    assert desk.send(kind.action, {"status": status, **changes}, message_id) == {}


@pytest.mark.parametrize("kind", KINDS, ids=[kind.action for kind in KINDS])
def test_a_status_is_stored_once(store: Store, kind: Kind) -> None:
    desk = store.desk()
    first, second = kind.statuses
    request = {"requestId": 7} if kind.extended else {}
    send(desk, kind, first, "1", **request)
    (row,) = rows(store, kind)
    assert (row["status"], row["message_id"], row["received_at"]) == (first, "1", NOW)
    assert (row["request_id"], row[kind.mark]) == (request.get("requestId"), kind.extended)
    # The same again within ten minutes, from this socket or another, is a retransmission.
    desk.now += timedelta(minutes=9)
    send(desk, kind, first, "1", **request)
    send(store.desk(), kind, first, "1", **request)
    assert len(rows(store, kind)) == 1
    # Another status, id, charge point or time is not.
    send(desk, kind, second, "1", **request)
    send(desk, kind, first, "2", **request)
    send(store.desk("CP-2"), kind, first, "1", **request)
    assert len(rows(store, kind)) == 4
    desk.now += timedelta(minutes=11)
    send(desk, kind, first, "1", **request)
    assert len(rows(store, kind)) == 5


def test_statuses_of_two_requests_or_kinds_are_two_events(store: Store) -> None:
    """Same id, other content (R7): an id may begin anew when the charge point boots."""
    desk = store.desk()
    signed, log = KINDS[1], KINDS[3]
    for kind in (signed, log):
        for request in ({"requestId": 1}, {"requestId": 2}, {}, {"requestId": 1}, {}):
            send(desk, kind, kind.statuses[0], "1", **request)
        assert sorted(str(row["request_id"]) for row in rows(store, kind)) == ["1", "2", "None"]
    for plain, extended, status in ((KINDS[0], signed, "Idle"), (KINDS[2], log, "Idle")):
        send(desk, plain, status, "idle")
        send(desk, extended, status, "idle")
        assert len([row for row in rows(store, plain) if row["message_id"] == "idle"]) == 2


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", KINDS, ids=[kind.action for kind in KINDS])
def test_an_unknown_status_is_refused(store: Store, kind: Kind) -> None:
    with pytest.raises(Refused):
        store.desk().send(kind.action, {"status": "Thinking"})
    assert rows(store, kind) == []
