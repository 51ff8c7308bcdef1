"""SecurityEventNotification and SignCertificate: stored once, then confirmed (W9, W11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ocpp_cs.db.models import CertificateRequest, SecurityEvent
from ocpp_cs.handlers import CallContext
from ocpp_cs.handlers.security import note_security_event
from ocpp_cs.ocpp16.session import CallReceived
from tests.handlers import kept
from tests.handlers.conftest import NOW, OPEN, Desk, Store

store = kept.store

TIME = "2026-03-01T11:00:00Z"


def report(desk: Desk, type: str = "MemoryExhaustion", **changes: Any) -> None:
    payload = {"type": type, "timestamp": TIME, **changes}
    assert desk.send("SecurityEventNotification", payload) == {}


def events(store: Store) -> list[dict[str, Any]]:
    return store.rows(SecurityEvent.select().order_by(SecurityEvent.id))


def test_an_event_is_stored_with_its_time(store: Store) -> None:
    report(store.desk(), techInfo="97 % in use")
    row = store.row(SecurityEvent.select())
    assert (row["source"], row["type"], row["tech_info"]) == (
        "charge_point",
        "MemoryExhaustion",
        "97 % in use",
    )
    assert row["occurred_at"] == datetime.fromisoformat("2026-03-01T11:00:00+00:00")
    assert row["received_at"] == NOW


def test_critical_ones_are_told_apart_and_any_text_is_kept(store: Store) -> None:
    desk = store.desk()
    critical = {
        "FirmwareUpdated": True,
        "SettingSystemTime": True,
        "StartupOfTheDevice": True,
        "ResetOrReboot": True,
        "SecurityLogWasCleared": True,
        "MemoryExhaustion": True,
        "TamperDetectionActivated": True,
        "FailedToAuthenticateAtCentralSystem": False,
        "CentralSystemFailedToAuthenticate": False,
        "ReconfigurationOfSecurityParameters": False,
        "InvalidMessages": False,
        "AttemptedReplayAttacks": False,
        "InvalidFirmwareSignature": False,
        "InvalidTLSVersion": False,
        "tamperdetectionactivated": False,
        "Vendor's own \U0001f6a8": False,
    }
    for type in critical:
        report(desk, type)
    assert {row["type"]: row["critical"] for row in events(store)} == critical


def test_an_event_sent_again_is_the_same_event(store: Store) -> None:
    desk = store.desk()
    report(desk)
    desk.now += timedelta(days=3)  # its delivery is guaranteed: it may come late
    report(desk)
    report(store.desk(), timestamp="2026-03-01T12:00:00+01:00")
    assert len(events(store)) == 1
    report(desk, techInfo="")  # the same as none
    assert len(events(store)) == 1
    report(desk, techInfo="other")
    report(desk, type="ResetOrReboot")
    report(desk, timestamp="2026-03-01T11:00:00.001Z")
    report(store.desk("CP-2"))
    assert len(events(store)) == 5


def test_without_a_usable_time_an_event_of_another_day_is_another_event(store: Store) -> None:
    """A charge point without a clock tells the same time at each of its boots (F27)."""
    for time in ("1970-01-01T00:00:09Z", "0001-01-01T00:00:00Z", "yesterday"):
        desk = store.desk(time)
        for _ in range(3):
            for _ in range(3):  # sent until it was answered
                report(desk, "StartupOfTheDevice", timestamp=time)
                desk.now += timedelta(minutes=3)
            desk.now += timedelta(days=1)
        rows = [row for row in events(store) if row["charge_point_id"] == desk.charge_point.id]
        assert [row["received_at"].day for row in rows] == [1, 2, 3]


def test_our_own_events_are_noted_once_a_minute(store: Store) -> None:
    desk = store.desk()
    call = CallReceived("1", "Heartbeat", None, (), b"")  # type: ignore[arg-type]

    def note(seconds: int, tech_info: str = "x") -> None:
        now = NOW + timedelta(seconds=seconds)
        context = CallContext(desk.charge_point, call, now, OPEN)
        store.committer.run(
            0, lambda tx: note_security_event(tx, context, "ForeignTransaction", tech_info)
        )

    for seconds in (0, 1, 59):
        note(seconds)
    assert len(events(store)) == 1
    note(60)
    note(60, "y")
    rows = events(store)
    assert len(rows) == 3
    assert {(row["source"], row["critical"]) for row in rows} == {("central_system", True)}


def test_a_certificate_request_is_stored_once(store: Store) -> None:
    desk = store.desk()
    first = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
    for csr in (first, first, "another"):
        assert desk.send("SignCertificate", {"csr": csr}) == {"status": "Accepted"}
    store.desk("CP-2").send("SignCertificate", {"csr": first})
    rows = store.rows(CertificateRequest.select().order_by(CertificateRequest.id))
    assert [(row["csr"], row["status"]) for row in rows] == [
        (first, "pending"),
        ("another", "pending"),
        (first, "pending"),
    ]
    assert len({row["charge_point_id"] for row in rows}) == 2
