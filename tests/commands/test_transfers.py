"""Commands that move files: where to, with which URL, and how far they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.commands import transfers
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.table import Result
from ocpp_cs.commands.transfers import token_digest
from ocpp_cs.db.models import AuditEvent, FileTransfer, StoredFile
from ocpp_cs.files import ANYWHERE, FilePolicy
from tests.commands.conftest import Office, store

__all__ = ["store"]

PUBLIC = replace(ANYWHERE, public_url="https://csms.example.com/base")
WHEN = "2026-03-08T12:00:00Z"
PAYLOADS: dict[str, Any] = {
    "GetDiagnostics": {"location": "drop"},
    "GetLog": {"logType": "SecurityLog", "requestId": 7, "log": {"remoteLocation": "drop"}},
    "UpdateFirmware": {"location": "drop:1", "retrieveDate": WHEN},
    "SignedUpdateFirmware": {
        "requestId": 8,
        "firmware": {
            "location": "drop:1",
            "retrieveDateTime": WHEN,
            "signingCertificate": "-",
            "signature": "-",
        },
    },
}


def with_location(action: str, location: str) -> Any:
    text = json.dumps(PAYLOADS[action])
    for word in ('"drop:1"', '"drop"'):
        text = text.replace(word, json.dumps(location))
    return json.loads(text)


def firmware(office: Office) -> int:
    def work(tx: Any) -> int:
        query = StoredFile.insert(
            charge_point_id=0,
            purpose="firmware",
            name="a b.bin",
            created_by="me",
            created_at=office.now,
            completed_at=office.now,
            sha256="00",
        ).returning(StoredFile.id)
        return int(tx.run(query).fetchone()[0])

    id: int = office.run(work)
    return id


def place(office: Office, action: str, location: str = "drop", **options: Any) -> str:
    """The URL that the charge point is given."""
    options = {"files": PUBLIC, **options}
    office.place(action, with_location(action, location), **options)
    claimed = office.claimed()
    sent: Any = claimed.request
    for name in transfers.KINDS[action].place:
        sent = getattr(sent, name)
    office.sent = claimed  # type: ignore[attr-defined]
    return str(sent)


def answer(office: Office, action: str, **payload: Any) -> None:
    from msgspec import json as codec

    from ocpp_cs.ocpp16.messages import ACTIONS

    response = ACTIONS[action].response_decoder.decode(codec.encode(payload))
    assert office.finish(office.sent, Result(status="answered", response=response))  # type: ignore[attr-defined]


def transfer(office: Office) -> dict[str, Any]:
    query = FileTransfer.select().order_by(FileTransfer.id.desc()).limit(1)
    return office.store.row(query)


@pytest.mark.parametrize("action", ["GetDiagnostics", "GetLog"])
def test_an_upload_gets_a_url_of_its_own(office: Office, action: str) -> None:
    urls = {place(office, action) for _ in range(1)}
    [url] = urls
    match = re.fullmatch(r"https://csms\.example\.com/base/drop/([A-Za-z0-9_-]{43})/", url)
    assert match is not None
    row = transfer(office)
    assert row["token_hash"] == token_digest(match[1])
    assert row["location"] == "drop"
    assert row["expires_at"] == office.now + timedelta(hours=24)
    told = office.store.rows(AuditEvent.select(AuditEvent.detail))
    answer(office, action, **({"status": "Accepted"} if action == "GetLog" else {}))
    shown = json.dumps([told, office.command(row["command_id"])["request"]])
    assert match[1] not in shown
    assert "********" in shown


@pytest.mark.parametrize("action", ["UpdateFirmware", "SignedUpdateFirmware"])
def test_firmware_has_a_url_until_it_is_to_be_fetched(office: Office, action: str) -> None:
    id = firmware(office)
    url = place(office, action, f"drop:{id}")
    assert url.startswith("https://csms.example.com/base/drop/")
    assert url.endswith("/a%20b.bin")
    row = transfer(office)
    assert row["file_id"] == id
    assert row["expires_at"] == office.now + timedelta(days=7, hours=24)


@pytest.mark.parametrize(
    ("action", "location", "files", "code"),
    [
        ("GetDiagnostics", "drop", ANYWHERE, "no_public_url"),
        ("GetDiagnostics", "drop:1", PUBLIC, "bad_location"),
        ("UpdateFirmware", "drop", PUBLIC, "unknown_file"),
        ("UpdateFirmware", "drop:999", PUBLIC, "unknown_file"),
        ("GetDiagnostics", "file:///etc/passwd", PUBLIC, "location_not_allowed"),
        ("GetDiagnostics", "javascript:alert(1)", PUBLIC, "location_not_allowed"),
        ("GetDiagnostics", "/etc", PUBLIC, "location_not_allowed"),
        ("GetDiagnostics", "ftp://", PUBLIC, "location_not_allowed"),
        ("GetDiagnostics", "ftp://a b/", PUBLIC, "location_not_allowed"),
        ("GetDiagnostics", "http://[::1/", PUBLIC, "location_not_allowed"),
        ("GetLog", "gopher://example.com/", PUBLIC, "location_not_allowed"),
    ],
)
def test_a_location_that_is_none(
    office: Office, action: str, location: str, files: FilePolicy, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        office.place(action, with_location(action, location), files=files)
    assert (refused.value.status, refused.value.code) == (422, code)
    assert list(refused.value.errors) == [transfers.KINDS[action].name]
    assert office.claim() is None
    assert office.store.rows(FileTransfer.select()) == []


HOSTS = FilePolicy(schemes=("https", "ftp"), hosts=("files.example.com", "*.example.org", "[::1]"))


@pytest.mark.parametrize(
    ("location", "allowed"),
    [
        ("https://files.example.com/x", True),
        ("https://FILES.example.com:8443/x?y=z", True),
        ("ftp://user:secret@files.example.com/", True),
        ("https://a.b.example.org/", True),
        ("https://[::1]/", True),
        ("https://example.org/", False),
        ("https://badexample.org/", False),
        ("https://other.example.com/", False),
        ("https://files.example.com.evil.test/", False),
        ("https://files.example.com@evil.test/", False),
        ("https://evil.test/files.example.com", False),
        ("https://evil.test\\\\@files.example.com/", False),
        ("http://files.example.com/", False),
    ],
)
def test_schemes_and_hosts_are_those_of_the_settings(
    office: Office, location: str, allowed: bool
) -> None:
    if allowed:
        assert place(office, "GetDiagnostics", location, files=HOSTS) == location
    else:
        with pytest.raises(Refused):
            office.place("GetDiagnostics", {"location": location}, files=HOSTS)


def test_a_password_in_a_location_is_shown_to_nobody(office: Office) -> None:
    location = "ftp://user:p@ss:w0rd@files.example.com/x"
    assert place(office, "GetDiagnostics", location) == location
    answer(office, "GetDiagnostics")
    row = transfer(office)
    assert row["location"] == "ftp://user:********@files.example.com/x"
    stored = [office.command(row["command_id"])["request"]]
    stored += [each["detail"] for each in office.store.rows(AuditEvent.select(AuditEvent.detail))]
    assert "w0rd" not in " ".join(stored)
    assert "p@ss" not in " ".join(stored)


# --- How far it is --------------------------------------------------------------------------------


def states(office: Office) -> tuple[str, str | None, bool]:
    row = transfer(office)
    return row["status"], row["progress"], row["finished_at"] is not None


def test_a_log_is_followed_by_its_number(office: Office) -> None:
    place(office, "GetLog")
    answer(office, "GetLog", status="Accepted", filename="x.log")
    assert transfer(office)["file_name"] == "x.log"
    assert states(office) == ("accepted", "Accepted", False)
    for request_id, status, expected in (
        (6, "UploadFailure", ("accepted", "Accepted", False)),
        (7, "Uploading", ("in_progress", "Uploading", False)),
        (7, "UploadFailure", ("failed", "UploadFailure", True)),
        (7, "Uploading", ("in_progress", "Uploading", False)),  # it tries again by itself
        (7, "Idle", ("in_progress", "Uploading", False)),
        (7, "Uploaded", ("completed", "Uploaded", True)),
    ):
        office.later(1)
        told = {"status": status, "requestId": request_id}
        office.desk.send("LogStatusNotification", told)
        assert states(office) == expected


def test_firmware_without_a_number_is_the_latest(office: Office) -> None:
    id = firmware(office)
    place(office, "UpdateFirmware", f"drop:{id}")
    answer(office, "UpdateFirmware")
    for status, expected in (
        ("Downloading", "in_progress"),
        ("Downloaded", "in_progress"),
        ("Installing", "in_progress"),
        ("InstallationFailed", "failed"),
        ("Installed", "completed"),
    ):
        office.desk.send("FirmwareStatusNotification", {"status": status})
        assert states(office)[:2] == (expected, status)
    office.later(2 * 86400)  # whatever that is about, it is not the one of the day before
    office.desk.send("FirmwareStatusNotification", {"status": "Downloading"})
    assert states(office)[0] == "completed"


@pytest.mark.parametrize(
    ("action", "payload", "expected"),
    [
        ("GetDiagnostics", {"fileName": "d.zip"}, "accepted"),
        ("GetDiagnostics", {}, "rejected"),  # there are none (§6.24)
        ("GetLog", {"status": "Rejected"}, "rejected"),
        ("SignedUpdateFirmware", {"status": "InvalidCertificate"}, "rejected"),
        ("SignedUpdateFirmware", {"status": "Accepted"}, "accepted"),
    ],
)
def test_answers(office: Office, action: str, payload: Any, expected: str) -> None:
    place(office, action, f"drop:{firmware(office)}" if "Firmware" in action else "drop")
    answer(office, action, **payload)
    assert states(office)[0] == expected


def test_ends_without_an_answer(office: Office) -> None:
    for result, expected in (("timeout", "unknown"), ("rejected", "rejected")):
        place(office, "GetLog")
        office.finish(office.sent, Result(status=result, error_code="x"))  # type: ignore[attr-defined]
        assert states(office)[0] == expected


def test_a_later_request_cancels_the_one_before(office: Office) -> None:
    place(office, "GetLog")
    answer(office, "GetLog", status="Accepted")
    first = transfer(office)["id"]
    place(office, "GetLog")
    answer(office, "GetLog", status="AcceptedCanceled")
    before = office.store.row(FileTransfer.select().where(FileTransfer.id == first))
    assert (before["status"], before["token_hash"]) == ("cancelled", None)
    assert states(office)[0] == "accepted"


def test_a_report_may_be_faster_than_the_answer(office: Office) -> None:
    place(office, "GetLog")
    office.desk.send("LogStatusNotification", {"status": "Uploaded", "requestId": 7})
    answer(office, "GetLog", status="Accepted")
    assert states(office) == ("completed", "Uploaded", True)
