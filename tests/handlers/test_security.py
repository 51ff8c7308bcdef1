"""SecurityEventNotification and SignCertificate: stored once, then confirmed (W9, W11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ocpp_cs.db.models import CertificateRequest, SecurityEvent
from ocpp_cs.handlers import CallContext
from ocpp_cs.handlers.security import REQUESTS_PER_DAY, note_security_event
from ocpp_cs.ocpp16.session import CallReceived
from tests.certificates import csr, ec_key, rsa_key
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


def requests(store: Store) -> list[dict[str, Any]]:
    return store.rows(CertificateRequest.select().order_by(CertificateRequest.id))


def test_a_certificate_request_is_stored_once(store: Store) -> None:
    desk = store.desk()
    first, second = csr("CP-1"), csr("CP-1", key=rsa_key())
    for text in (first, first, second, first):
        assert desk.send("SignCertificate", {"csr": text}) == {"status": "Accepted"}
    desk.now += timedelta(days=3)  # it is pending still
    assert store.desk().send("SignCertificate", {"csr": first}) == {"status": "Accepted"}
    assert [(row["csr"], row["status"], row["reason"]) for row in requests(store)] == [
        (first, "pending", None),
        (second, "pending", None),
    ]


def test_the_same_request_after_its_end_is_a_new_one(store: Store) -> None:
    """A charge point that keeps its key sends the same text a year later."""
    desk = store.desk()
    text = csr("CP-1", key=rsa_key())
    desk.send("SignCertificate", {"csr": text})
    store.write(CertificateRequest.update(status="accepted"))
    desk.send("SignCertificate", {"csr": text})
    assert len(requests(store)) == 1  # still the same one, sent again
    desk.now += timedelta(days=330)
    desk.send("SignCertificate", {"csr": text})
    assert [row["status"] for row in requests(store)] == ["accepted", "pending"]


def test_a_request_that_nobody_may_sign_is_refused_and_noted(store: Store) -> None:
    policy = replace(OPEN, operator_name="Example CPO")
    desk = store.desk("CP-1", policy)
    bad = (
        csr("CP-2"),
        csr("CP-1", key=rsa_key(1024)),
        csr("CP-1", "Another"),
        "-----BEGIN CERTIFICATE REQUEST-----",
    )
    for text in bad:
        for _ in range(2):
            assert desk.send("SignCertificate", {"csr": text}) == {"status": "Rejected"}
    rows = requests(store)
    assert [row["csr"] for row in rows] == list(bad)
    assert {row["status"] for row in rows} == {"invalid"}
    assert "'CP-2'" in rows[0]["reason"]
    seen = events(store)
    assert [row["type"] for row in seen] == ["InvalidCertificateRequest"] * 4
    assert all(row["critical"] and row["source"] == "central_system" for row in seen)


def test_the_common_name_may_be_a_serial_number_that_nobody_else_has(store: Store) -> None:
    """Each charge point says itself which serial number it has."""
    desk, other = store.desk("CP-1"), store.desk("CP-2")
    boot = {"chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "SN-7"}
    assert desk.send("SignCertificate", {"csr": csr("SN-7")}) == {"status": "Rejected"}
    desk.send("BootNotification", boot)
    assert desk.send("SignCertificate", {"csr": csr("SN-7", key=rsa_key())})["status"] == "Accepted"
    for stolen in ("SN-7", "CP-1"):
        other.send("BootNotification", {**boot, "chargePointSerialNumber": stolen})
        answer = other.send("SignCertificate", {"csr": csr(stolen, key=ec_key("of another"))})
        assert answer == {"status": "Rejected"}
    assert "Another charge point" in requests(store)[-1]["reason"]


def test_requests_have_a_quota(store: Store) -> None:
    desk = store.desk()
    for number in range(REQUESTS_PER_DAY):
        desk.send("SignCertificate", {"csr": f"{number}"})
    assert desk.send("SignCertificate", {"csr": csr("CP-1")}) == {"status": "Rejected"}
    assert len(requests(store)) == REQUESTS_PER_DAY
    assert events(store)[-1]["type"] == "TooManyCertificateRequests"
    desk.now += timedelta(days=1, seconds=1)
    assert desk.send("SignCertificate", {"csr": csr("CP-1")}) == {"status": "Accepted"}
