"""`/id-tags/import`: all of a CSV file or nothing, and an export that changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_cs.db.models import IdTag
from ocpp_cs.imports.csv_files import FAULTS_MAX, LINES_MAX
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows

BASE = "/api/v1/id-tags"
HEADER = "id_tag,parent_id_tag,status,expires_at,max_active_transactions,note"


def bring(client: Client, text: str | bytes, query: str = "", **headers: str) -> Any:
    given = {"Content-Type": "text/csv", **headers}
    return client.post(f"{BASE}/import{query}", data=text, headers=given)


def report(client: Client, text: str | bytes, query: str = "") -> tuple[int, int, int, int]:
    answer = bring(client, text, query)
    assert answer.status_code == 200, answer.text
    names = ("lines", "added", "changed", "unchanged")
    return tuple(answer.json[name] for name in names)


def faults(client: Client, text: str | bytes) -> list[tuple[int, str]]:
    before = client.get(BASE).json
    answer = bring(client, text)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["faults_total"] >= len(answer.json["faults"])
    assert all(fault["error"] for fault in answer.json["faults"])
    assert client.get(BASE).json == before
    return [(fault["line"], fault["column"]) for fault in answer.json["faults"]]


def items(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(BASE).json["items"]
    return found


def imports(client: Client) -> list[dict[str, Any]]:
    events = client.get("/api/v1/audit-events?action=id_tag.import").json["items"]
    return [event["detail"] for event in events]


def test_added_changed_and_unchanged(client: Client, rows: Rows) -> None:
    rows.id_tag("Same")
    rows.id_tag("old", note="before")
    rows.id_tag("other")
    text = (
        f"{HEADER}\nSame,,accepted,,1,\nOLD,fleet,blocked,2030-01-01T01:00:00+01:00,,\nnew,,,,3,x"
    )
    assert report(client, text) == (3, 1, 1, 1)
    assert items(client) == [
        {
            "id_tag": "new",
            "parent_id_tag": None,
            "status": "accepted",
            "expires_at": None,
            "max_active_transactions": 3,
            "note": "x",
        },
        {
            "id_tag": "OLD",
            "parent_id_tag": "fleet",
            "status": "blocked",
            "expires_at": "2030-01-01T00:00:00.000Z",
            "max_active_transactions": None,
            "note": None,
        },
        client.get(f"{BASE}/other").json,
        client.get(f"{BASE}/same").json,
    ]
    assert client.get(f"{BASE}?q=FLEET").json["items"][0]["id_tag"] == "OLD"
    assert imports(client) == [{"added": 1, "changed": 1}]


ODD = (
    "=1+1",
    "'=1+1",
    "''-x",
    "'plain",
    "@tag",
    "-5",
    "+49",
    'a "quoted", one',
    "two\r\nlines",
    "\tblank",
    "a;b",
    "Straße",
    "",
)


def test_an_export_that_is_imported_changes_nothing(client: Client, rows: Rows) -> None:
    for number, note in enumerate(ODD):
        rows.id_tag(f"t{number}", note=note, expires_at=START, max_active_transactions=None)
    for id_tag in ("=cmd", "'=cmd", "''@x", "-1", "a,b", 'a"b', "Ä;ö"):
        rows.id_tag(id_tag, parent_id_tag="+group", status="blocked")
    before = client.get(f"{BASE}?format=csv").data
    count = len(ODD) + 7
    assert report(client, before) == (count, 0, 0, count)
    assert imports(client) == []
    rows.clear(IdTag)
    assert report(client, before) == (count, count, 0, 0)
    assert client.get(f"{BASE}?format=csv").data == before


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@on_sqlite
def test_what_spreadsheets_make_of_csv(
    client: Client, delimiter: str, mark: bytes, end: str
) -> None:
    lines = ("note;id_tag", '"a;b,c";Tüv', "", "x;y", "")
    text = end.join(lines).replace("note;", f"note{delimiter}").replace('";', f'"{delimiter}')
    text = text.replace("x;y", f"x{delimiter}y")
    assert report(client, mark + text.encode()) == (2, 2, 0, 0)
    assert [(item["id_tag"], item["note"]) for item in items(client)] == [
        ("Tüv", "a;b,c"),
        ("y", "x"),
    ]


def test_a_column_that_is_missing_stays_as_it_is(client: Client, rows: Rows) -> None:
    rows.id_tag("old", status="blocked", parent_id_tag="fleet", max_active_transactions=None)
    assert report(client, "id_tag,note\nold,lost\nnew,\n") == (2, 1, 1, 0)
    new, old = items(client)
    assert (old["status"], old["parent_id_tag"], old["note"]) == ("blocked", "fleet", "lost")
    assert old["max_active_transactions"] is None
    assert (new["status"], new["max_active_transactions"]) == ("accepted", 1)


def test_a_dry_run_writes_nothing(client: Client, rows: Rows) -> None:
    rows.id_tag("old")
    answer = bring(client, "id_tag,note\nold,x\nnew,\n", "?dry_run=true")
    assert answer.json == {"dry_run": True, "lines": 2, "added": 1, "changed": 1, "unchanged": 0}
    assert [item["note"] for item in items(client)] == [None]
    assert imports(client) == []


def test_one_wrong_line_refuses_the_whole_file(client: Client, rows: Rows) -> None:
    rows.id_tag("old")
    text = f"{HEADER}\nold,,blocked,,,\nnew,,lost,tomorrow,0,\n,,,,,\n"
    assert faults(client, text) == [
        (3, "status"),
        (3, "expires_at"),
        (3, "max_active_transactions"),
        (4, "id_tag"),
    ]


@on_sqlite
@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", [(1, "id_tag")]),
        ("id_tag,colour\nx,red\n", [(1, "colour")]),
        ("note\nx\n", [(1, "id_tag")]),
        ("id_tag,id_tag\nx,y\n", [(1, "id_tag"), (1, "id_tag")]),
        ("id_tag,note\nx\n", [(2, "")]),
        ("id_tag,note\nx,y,z\n", [(2, "")]),
        ("id_tag\nAbc\nx\naBC\n", [(4, "id_tag")]),
        ("id_tag\n x\n" + "y" * 21 + "\n", [(2, "id_tag"), (3, "id_tag")]),
        ("id_tag,parent_id_tag\nx, \n", [(2, "parent_id_tag")]),
        ("id_tag,expires_at\nx,2030-01-01T00:00:00\n", [(2, "expires_at")]),
        (
            "id_tag,max_active_transactions\nx,9999999999\ny,²\n",
            [(2, "max_active_transactions"), (3, "max_active_transactions")],
        ),
        ('id_tag,note\n"x\ny",\nz,1,2\n', [(2, "id_tag"), (4, "")]),
        ('id_tag,note\nx,"open\n', [(2, "")]),
        ('id_tag,note\nx,"a"b\n', [(2, "")]),
        (b"id_tag\nx\n\xff\n", [(3, "")]),
        ("id_tag\nx\x00\n", [(2, "")]),
    ],
)
def test_what_is_wrong_is_told_by_line_and_column(
    client: Client, text: str | bytes, places: list[tuple[int, str]]
) -> None:
    assert faults(client, text) == places


@on_sqlite
def test_faults_are_counted_and_not_all_told(client: Client) -> None:
    answer = bring(client, "id_tag,status\n" + "x,lost\n" * (FAULTS_MAX + 20))
    assert answer.status_code == 422
    assert len(answer.json["faults"]) == FAULTS_MAX
    assert answer.json["faults_total"] == FAULTS_MAX + 20
    assert answer.json["faults"][0] == {
        "line": 2,
        "column": "status",
        "error": "Must be one of: accepted, blocked.",
    }
    assert "20 more are not listed" in answer.json["detail"]


@on_sqlite
def test_limits(client: Client) -> None:
    assert bring(client, b"id_tag\n" + b"x" * (10 * 1024 * 1024)).status_code == 413
    long = "id_tag\n" + "".join(f"t{number}\n" for number in range(LINES_MAX + 1))
    [(line, _)] = faults(client, long)
    assert line == LINES_MAX + 2
    for type in ("application/json", "text/plain", "text/csv; charset=utf-16"):
        assert bring(client, "id_tag\nx\n", **{"Content-Type": type}).status_code == 415
    assert (
        bring(client, "id_tag\nx\n", **{"Content-Type": "text/csv; charset=UTF-8"}).status_code
        == 200
    )
