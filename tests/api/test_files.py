"""Files: uploaded once to a URL that nobody can guess, fetched in ranges, kept in the database."""

from __future__ import annotations

import hashlib
import io
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from ocpp_cs import removal
from ocpp_cs.api.options import Options, register_options
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db.models import FileChunk, FileTransfer, StoredFile
from ocpp_cs.files import ANYWHERE, CHUNK_BYTES
from ocpp_cs.retention import Store, stored_files
from tests.api.commanded import Commanded
from tests.api.conftest import Client
from tests.api.rows import Rows

CONTENT = random.Random(1).randbytes(2 * CHUNK_BYTES + 777)
LIMIT = 3 * CHUNK_BYTES


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    limits = replace(ANYWHERE, upload_max_bytes=LIMIT, firmware_max_bytes=LIMIT)
    register_options(app_of(client), Options(limits))
    return Commanded(client, rows)


def app_of(client: Client) -> Flask:
    app: Flask = client.application
    return app


def order(commanded: Commanded, action: str, payload: dict[str, Any]) -> Any:
    """The command as the charge point gets it."""
    answer = commanded.request(
        "POST", f"/charge-points/CB-4711/commands/{action}?wait=0", json=payload
    )
    assert answer.status_code == 202, answer.text
    return commanded.claim().request


def upload_path(commanded: Commanded) -> str:
    url = str(order(commanded, "GetDiagnostics", {"location": "drop"}).location)
    match = re.fullmatch(r"http://localhost(/drop/[A-Za-z0-9_-]{43}/)", url)
    assert match is not None, url
    return match[1]


def listed(commanded: Commanded, path: str = "/files") -> list[Any]:
    items: list[Any] = commanded.get(path).json["items"]
    return items


def nobody(client: Client) -> Client:
    return app_of(client).test_client()


def counts(rows: Rows) -> tuple[int, int]:
    with rows.bound(StoredFile), rows.bound(FileChunk):
        return StoredFile.select().count(), FileChunk.select().count()


# --- Uploads --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("suffix", ["d.zip", "/d.zip", "a/b/d.zip", ""])
def test_an_upload_is_kept_as_it_came(
    commanded: Commanded, client: Client, method: str, suffix: str
) -> None:
    """Charge points append their file's name, or do not, with a slash or two."""
    path = upload_path(commanded)
    answer = nobody(client).open(path + suffix, method=method, data=CONTENT)
    assert (answer.status_code, answer.data) == (201, b"")
    [file] = listed(commanded)
    assert (file["charge_point_id"], file["purpose"]) == ("CB-4711", "diagnostics")
    assert file["name"] == ("d.zip" if suffix else "diagnostics-1")
    assert file["size_bytes"] == len(CONTENT)
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    content = commanded.get(f"/files/{file['id']}/content")
    assert content.data == CONTENT
    [transfer] = listed(commanded, "/file-transfers")
    assert (transfer["status"], transfer["file_id"]) == ("completed", file["id"])
    assert commanded.get(f"/file-transfers/{transfer['id']}").json == transfer


def test_a_form_is_read_for_its_file(commanded: Commanded, client: Client) -> None:
    form = {"note": "x" * 1000, "file": (io.BytesIO(CONTENT), r"C:\logs\d 1.zip")}
    answer = nobody(client).post(
        upload_path(commanded), data=form, content_type="multipart/form-data"
    )
    assert answer.status_code == 201, answer.text
    [file] = listed(commanded)
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b"junk",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\ncut off',
    ],
)
def test_a_form_without_a_whole_file_is_none(
    commanded: Commanded, client: Client, rows: Rows, body: bytes
) -> None:
    path = upload_path(commanded)
    answer = nobody(client).post(path, data=body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 400, answer.text
    assert counts(rows) == (0, 0)
    assert nobody(client).put(path, data=b"x").status_code == 201  # it may try again


def test_a_url_is_good_once_and_for_a_time(
    commanded: Commanded, client: Client, rows: Rows
) -> None:
    path = upload_path(commanded)
    assert nobody(client).get(path).status_code == 405
    assert nobody(client).put(path, data=b"first").status_code == 201
    assert nobody(client).put(path, data=b"second").status_code == 404
    late = upload_path(commanded)
    with rows.bound(FileTransfer):
        FileTransfer.update(expires_at=datetime.now(UTC) - timedelta(seconds=1)).execute()
    assert nobody(client).put(late, data=b"x").status_code == 404
    for guessed in ("/drop/x", "/drop/x/", "/drop/" + "A" * 43 + "/a", "/drop/\x00/", "/drop/%ff/"):
        assert nobody(client).put(guessed, data=b"x").status_code in (404, 400)
    assert len(listed(commanded)) == 1


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_that_is_too_large_is_not_kept(
    commanded: Commanded, client: Client, rows: Rows, declared: bool
) -> None:
    path = upload_path(commanded)
    too_much = bytes(LIMIT + 1) if not declared else bytes(2 * LIMIT)
    answer = nobody(client).put(path, data=too_much)
    assert answer.status_code == 413
    assert counts(rows) == (0, 0)
    assert nobody(client).put(path, data=bytes(LIMIT)).status_code == 201


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("a%22b%09X: y.zip", "a_b_X_ y.zip"),
        ("%3Cscript%3E.html", "_script_.html"),
        ("...", "diagnostics-1"),
        ("x" * 200 + ".zip", "x" * 116 + ".zip"),
    ],
)
def test_names_hurt_nobody(commanded: Commanded, client: Client, name: str, kept: str) -> None:
    assert nobody(client).put(upload_path(commanded) + name, data=b"x").status_code == 201
    [file] = listed(commanded)
    assert file["name"] == kept
    headers = commanded.get(f"/files/{file['id']}/content").headers
    assert headers["Content-Disposition"] == f'attachment; filename="{kept}"'


# --- Downloads ------------------------------------------------------------------------------------


@pytest.fixture
def firmware(commanded: Commanded) -> Any:
    answer = commanded.request(
        "POST",
        "/files?name=box-1.5.bin",
        data=CONTENT,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/v1/files/{answer.json['id']}"
    return answer.json


def download_path(commanded: Commanded, file: Any) -> str:
    payload = {"location": f"drop:{file['id']}", "retrieveDate": "2026-01-01T00:00:00Z"}
    url = str(order(commanded, "UpdateFirmware", payload).location)
    assert url.endswith("/box-1.5.bin")
    return url.removeprefix("http://localhost")


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, len(CONTENT)),
        (f"bytes={CHUNK_BYTES - 1}-{CHUNK_BYTES}", CHUNK_BYTES - 1, CHUNK_BYTES + 1),
        (f"bytes={CHUNK_BYTES}-{2 * CHUNK_BYTES - 1}", CHUNK_BYTES, 2 * CHUNK_BYTES),
        ("bytes=100-99999999", 100, len(CONTENT)),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT)),
    ],
)
def test_a_range_is_what_was_asked_for(
    commanded: Commanded, client: Client, firmware: Any, asked: str, first: int, end: int
) -> None:
    path = download_path(commanded, firmware)
    answer = nobody(client).get(path, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.data == CONTENT[first:end]
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["Content-Length"] == str(end - first)


def test_firmware_is_fetched_as_often_as_needed(
    commanded: Commanded, client: Client, firmware: Any
) -> None:
    path = download_path(commanded, firmware)
    for _ in range(2):
        answer = nobody(client).get(path)
        assert (answer.status_code, answer.data) == (200, CONTENT)
    etag = answer.headers["ETag"]
    assert answer.headers["Accept-Ranges"] == "bytes"
    head = nobody(client).head(path)
    assert (head.status_code, head.data, head.content_length) == (200, b"", len(CONTENT))
    # Of another file a part is of no use; several parts at once are not offered.
    for headers in (
        {"Range": "bytes=0-0", "If-Range": '"other"'},
        {"Range": "bytes=0-0,5-6"},
        {"Range": "lines=0-1"},
        {"Range": "junk"},
    ):
        assert nobody(client).get(path, headers=headers).status_code == 200
    same = nobody(client).get(path, headers={"Range": "bytes=0-0", "If-Range": etag})
    assert same.status_code == 206
    beyond = nobody(client).get(path, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
    assert nobody(client).put(path, data=b"x").status_code == 405


def test_no_browser_shows_or_runs_a_file(commanded: Commanded, firmware: Any) -> None:
    headers = commanded.get(f"/files/{firmware['id']}/content").headers
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


def test_roles(commanded: Commanded, firmware: Any) -> None:
    analyst = commanded.analyst
    assert analyst.get(f"/api/v1/files/{firmware['id']}/content").status_code == 200
    assert analyst.delete(f"/api/v1/files/{firmware['id']}").status_code == 403
    assert analyst.post("/api/v1/files?name=x", data=b"x").status_code == 403


def test_a_deleted_file_is_gone_with_its_parts(
    commanded: Commanded, client: Client, rows: Rows, firmware: Any
) -> None:
    path = download_path(commanded, firmware)
    assert commanded.request("DELETE", f"/files/{firmware['id']}").status_code == 204
    assert counts(rows) == (0, 0)
    assert nobody(client).get(path).status_code == 404
    assert commanded.get(f"/files/{firmware['id']}").status_code == 404
    assert commanded.get(f"/files/{firmware['id']}/content").status_code == 404


def test_firmware_that_is_too_large(commanded: Commanded, rows: Rows) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = commanded.request("POST", "/files?name=x", data=bytes(LIMIT + 1), headers=headers)
    assert answer.status_code == 413
    assert commanded.request("POST", "/files?name=x", data=b"x").status_code == 415
    assert counts(rows) == (0, 0)


# --- The end of files -----------------------------------------------------------------------------


def test_old_files_of_charge_points_go_and_firmware_stays(
    commanded: Commanded, client: Client, rows: Rows, firmware: Any
) -> None:
    nobody(client).put(upload_path(commanded), data=CONTENT)
    committer = commanded.committer
    store = Store(committer.engine, lambda work: committer.run(0, work))
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert sum(stored_files.steps(store, soon - timedelta(days=1), False)) == 0
    assert sum(stored_files.steps(store, soon, True)) == 1
    assert sum(stored_files.steps(store, soon, False)) == 1
    assert [file["id"] for file in listed(commanded)] == [firmware["id"]]
    assert counts(rows) == (1, 3)


def test_what_never_became_a_file_is_cleared_away(commanded: Commanded, rows: Rows) -> None:
    begun = datetime.now(UTC) - timedelta(days=2)
    given = {"purpose": "log", "name": "x", "created_by": "x", "created_at": begun}
    id = rows.insert(StoredFile, charge_point_id=1, **given)
    rows.insert(FileChunk, charge_point_id=1, file_id=id, number=0, content=b"x")
    assert listed(commanded) == []
    committer = commanded.committer
    store = Store(committer.engine, lambda work: committer.run(0, work))
    assert sum(stored_files.unfinished(store, datetime.now(UTC) - timedelta(days=1))) == 1
    assert counts(rows) == (0, 0)


def test_files_go_with_their_charge_point(
    commanded: Commanded, client: Client, rows: Rows, firmware: Any
) -> None:
    path = upload_path(commanded)
    nobody(client).put(path, data=CONTENT)
    late = upload_path(commanded)
    removal.remove_charge_point(
        lambda work: commanded.committer.run(0, work),
        "CB-4711",
        cascade=True,
        actor=COMMAND_LINE,
        now=datetime.now(UTC),
    )
    assert counts(rows) == (1, 3)  # the firmware
    assert nobody(client).put(late, data=b"x").status_code == 404


# --- Many charge points at once -------------------------------------------------------------------


def test_each_charge_point_of_a_batch_has_a_url_of_its_own(
    commanded: Commanded, rows: Rows
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    rows.charge_point("CB-4712", session_epoch=1, present_until=later)
    rows.charge_point("CB-4713")  # offline
    batch = {
        "action": "GetDiagnostics",
        "payload": {"location": "drop"},
        "charge_point_ids": ["CB-4711", "CB-4712", "CB-4713"],
    }
    answer = commanded.request("POST", "/commands", json=batch)
    assert answer.status_code == 202, answer.text
    with rows.bound(FileTransfer):
        hashes = [row.token_hash for row in FileTransfer.select()]
    assert len(set(hashes)) == len(hashes) == 2
    shown = commanded.get("/commands").text
    assert "/drop/********/" in shown
    assert not re.search(r"/drop/[A-Za-z0-9_-]{43}", shown)
    bad = {**batch, "payload": {"location": "drop:1"}}
    assert commanded.request("POST", "/commands", json=bad).status_code == 422
