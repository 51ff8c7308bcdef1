"""Id tags on the pages: the list, one of them, imports, and cards that are learned."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from ocpp_cs.console.id_tag_learning import WAITS_FOR
from ocpp_cs.console.options import ConsoleOptions, register_options
from ocpp_cs.db import models
from tests.api.rows import START, Rows
from tests.console.conftest import Console, Visitor
from tests.console.test_pages import words

OFFICES = ("/id-tags/add", "/id-tags/import", "/id-tags/learn")


def stored(rows: Rows) -> dict[str, models.IdTag]:
    with rows.bound(models.IdTag):
        return {row.id_tag: row for row in models.IdTag.select()}


def test_the_list_is_searched_and_paged(open_console: Console, rows: Rows) -> None:
    visitor = open_console.visitor()
    assert "No id tag yet" in visitor.get("/id-tags").text
    with rows.together():
        for number in range(60):
            rows.id_tag(f"CARD-{number:02}", parent_id_tag="fleet" if number < 5 else None)
    rows.id_tag("A/B", status="blocked", note="lost <here>", expires_at=START)
    page = visitor.get("/id-tags").text
    assert page.count("<tr data-key") == 50
    [following] = re.findall(r'href="([^"]*)" rel="next"', page)
    assert visitor.get(unescape(following)).text.count("<tr data-key") == 11
    assert visitor.get("/id-tags?q=FLEET").text.count("<tr data-key") == 5
    text = words(visitor.get("/id-tags?status=blocked").text)
    assert "A/B Blocked Expired" in text
    assert "lost <here>" in text
    assert "No id tag fits" in visitor.get("/id-tags?q=nothing").text


def test_readers_change_nothing(console: Console, rows: Rows) -> None:
    rows.id_tag("CARD-1")
    visitor = console.visitor_as("analyst")
    page = visitor.get("/id-tags").text
    for path in OFFICES:
        assert path not in page
        assert visitor.get(path).status_code == 403
    page = visitor.get("/id-tag?id_tag=card-1").text
    assert "<form" not in page.partition("<main")[2].partition("</main")[0]
    for path in (
        "/id-tags/add",
        "/id-tags/import",
        "/id-tag?id_tag=CARD-1",
        "/id-tag/status?id_tag=CARD-1",
        "/id-tag/delete?id_tag=CARD-1",
    ):
        assert visitor.post(path, id_tag="X", status="blocked", sure="yes").status_code == 403
    assert [row.status for row in stored(rows).values()] == ["accepted"]


def test_a_tag_is_added(console: Console, rows: Rows) -> None:
    visitor = console.visitor_as("operator")
    assert "Add an id tag" in visitor.get("/id-tags/add").text
    fields = {
        "id_tag": "CARD/1?",
        "parent_id_tag": "fleet",
        "status": "accepted",
        "expires_at": "2030-01-01T00:00",
        "max_active_transactions": "",
        "note": "gate",
    }
    answer = visitor.post("/id-tags/add", **fields)
    assert (answer.status_code, answer.location) == (303, "/id-tag?id_tag=CARD/1?")
    row = stored(rows)["CARD/1?"]
    assert (row.parent_id_tag, row.note, row.max_active_transactions) == ("fleet", "gate", None)
    assert row.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    again = visitor.post("/id-tags/add", **{**fields, "id_tag": "card/1?", "note": "other"})
    assert (again.status_code, "There is such an id tag already" in again.text) == (409, True)
    assert 'value="card/1?"' in again.text
    assert stored(rows)["CARD/1?"].note == "gate"
    assert visitor.get(answer.location or "").status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("id_tag", "", "1 to 20 characters"),
        ("id_tag", "x" * 21, "1 to 20 characters"),
        ("id_tag", "a\nb", "1 to 20 characters"),
        ("parent_id_tag", "x" * 21, "At most 20 characters"),
        ("expires_at", "soon", "A date with a time."),
        ("max_active_transactions", "0", "A whole number from 1 on"),
        ("max_active_transactions", "many", "A whole number from 1 on"),
        ("status", "gone", "One of the list."),
        ("note", "x" * 1001, "At most 1,000 characters."),
        ("note", "\x00", "At most 1,000 characters."),
    ],
)
def test_what_is_wrong_is_told_at_its_field(
    console: Console, rows: Rows, name: str, value: str, told: str
) -> None:
    visitor = console.visitor_as("operator")
    visitor.get("/id-tags/add")
    answer = visitor.post("/id-tags/add", **{"id_tag": "CARD-1", name: value})
    assert (answer.status_code, told in answer.text) == (422, True)
    assert answer.text.count('aria-invalid="true"') == 1
    assert stored(rows) == {}


def test_a_tag_is_changed_blocked_and_deleted(console: Console, rows: Rows) -> None:
    rows.id_tag("CARD-1", note="old")
    charge_point = rows.charge_point()
    rows.stopped(charge_point, id_tag="CARD-1")
    visitor = console.visitor_as("operator")
    path = "/id-tag?id_tag=card-1"
    page = visitor.get(path).text
    assert "5.00 kWh" in words(page)
    [version] = re.findall(r'name="version" value="([^"]*)"', page)
    wish = {"version": unescape(version), "status": "accepted", "note": "new"}
    assert visitor.post(path, **{**wish, "expires_at": "soon"}).status_code == 422
    assert visitor.post(path, **wish).status_code == 303
    assert stored(rows)["CARD-1"].note == "new"
    stale = visitor.post(path, **{**wish, "note": "late"})
    assert (stale.status_code, "Somebody else has changed" in stale.text) == (409, True)
    assert 'value="late"' in stale.text
    assert visitor.post("/id-tag/status?id_tag=CARD-1", status="blocked").status_code == 303
    assert stored(rows)["CARD-1"].status == "blocked"
    assert "Let it charge again" in visitor.get(path).text
    unsure = visitor.post("/id-tag/delete?id_tag=CARD-1")
    assert (unsure.status_code, "Tick this to go on." in unsure.text) == (422, True)
    assert visitor.post("/id-tag/delete?id_tag=CARD-1", sure="yes").status_code == 303
    assert stored(rows) == {}
    assert visitor.get(path).status_code == 404
    assert visitor.get("/id-tag?id_tag=%00").status_code == 404


def test_a_time_is_shown_as_it_is_typed(console: Console, rows: Rows) -> None:
    at = datetime(2030, 1, 1, 12, 0, 1, 500_000, tzinfo=UTC)
    rows.id_tag("CARD-1", expires_at=at)
    visitor = console.visitor_as("operator")
    page = visitor.get("/id-tag?id_tag=CARD-1").text
    [shown] = re.findall(r'name="expires_at" value="([^"]*)"', page)
    assert shown == "2030-01-01T12:00:01.500"
    [version] = re.findall(r'name="version" value="([^"]*)"', page)
    visitor.post("/id-tag?id_tag=CARD-1", version=unescape(version), expires_at=shown)
    assert stored(rows)["CARD-1"].expires_at == at


def upload(visitor: Visitor, content: bytes, do: str) -> TestResponse:
    fields = {"csrf": visitor.form_token, "do": do, "file": (io.BytesIO(content), "tags.csv")}
    return visitor.client.post("/id-tags/import", data=fields)


def test_a_file_is_checked_and_then_imported(console: Console, rows: Rows) -> None:
    rows.id_tag("OLD")
    content = b"id_tag;note\r\nNEW;\xc3\xa4\r\nold;changed\r\n"
    visitor = console.visitor_as("operator")
    assert "max_active_transactions" in visitor.get("/id-tags/import").text
    checked = upload(visitor, content, "check")
    assert "nothing has changed yet" in checked.text
    assert "Lines 2 New 1 Changed 1 As they were 0" in words(checked.text)
    assert set(stored(rows)) == {"OLD"}
    [kept] = re.findall(r'name="kept" value="([^"]*)"', checked.text)
    done = visitor.post("/id-tags/import", kept=unescape(kept), do="import")
    assert "The file was imported." in done.text
    assert {(row.id_tag, row.note) for row in stored(rows).values()} == {
        ("NEW", "ä"),
        ("old", "changed"),
    }
    assert "As they were 2" in words(upload(visitor, content, "import").text)


def test_a_faulty_file_changes_nothing(console: Console, rows: Rows) -> None:
    visitor = console.visitor_as("operator")
    visitor.get("/id-tags/import")
    refused = upload(visitor, b"id_tag,status\nA,accepted\nB,<b>\n" + b"C,x\n" * 150, "import")
    assert refused.status_code == 422
    text = words(refused.text)
    assert "Nothing was imported: 151 lines or cells are wrong." in text
    assert "3 status Must be one of: accepted, blocked." in text
    assert "And 51 more." in text
    assert stored(rows) == {}
    for content in (b"", b"\xff\xfe", b"other\n1\n"):
        assert upload(visitor, content, "import").status_code == 422
    assert visitor.post("/id-tags/import", kept="?", do="import").status_code == 400
    assert upload(visitor, b"a" * (11 * 1024 * 1024), "import").status_code == 413
    assert visitor.post("/id-tag?id_tag=A", note="x" * (2 * 1024 * 1024)).status_code == 413


def learn(visitor: Visitor) -> str:
    answer = visitor.get("/id-tags/learn")
    assert answer.status_code == 303
    assert answer.location is not None
    return answer.location


def authorize(rows: Rows, charge_point: int, id_tag: str, **values: object) -> None:
    request = f'[2,"1","Authorize",{{"idTag":"{id_tag}"}}]'
    usual = {"action": "Authorize", "request": request, "sent_at": datetime.now(UTC)}
    rows.message(charge_point, **{**usual, **values})


def test_the_next_unknown_card_is_learned(console: Console, rows: Rows) -> None:
    rows.id_tag("KNOWN")
    charge_point = rows.charge_point("CB-1")
    authorize(rows, charge_point, "EARLIER", sent_at=datetime.now(UTC) - timedelta(seconds=5))
    visitor = console.visitor_as("operator")
    place = learn(visitor)
    assert "Hold the card to a reader now" in visitor.get(place).text
    for odd in ("known", "", "x" * 21, "\\ud800", "\\u0000"):
        authorize(rows, charge_point, odd)
    authorize(rows, charge_point, "OURS", direction="from_central_system")
    rows.message(charge_point, action="Authorize", request="[2,", sent_at=datetime.now(UTC))
    assert "Hold the card to a reader now" in visitor.get(f"{place}&fragment=card").text
    authorize(rows, charge_point, "<b>1")
    authorize(rows, charge_point, "SECOND")
    page = visitor.get(place).text
    assert "Seen: &lt;b&gt;1" in page
    assert "CB-1" in words(page)
    assert 'name="id_tag" value="&lt;b&gt;1"' in page
    added = visitor.post("/id-tags/add", id_tag="<b>1", status="accepted")
    assert added.status_code == 303
    # What is registered by now is not unknown any more.
    assert "Seen: SECOND" in visitor.get(place).text


def test_a_card_that_starts_a_transaction_is_seen(console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point("CB-1")
    rows.transaction(charge_point, id_tag="EARLIER", received_at=datetime.now(UTC))
    register_options(console.app, ConsoleOptions(archive=False))
    visitor = console.visitor_as("operator")
    place = learn(visitor)
    page = visitor.get(place).text
    assert "The archive of messages is switched off" in page
    assert "Hold the card" in page
    rows.transaction(charge_point, id_tag="STARTED", received_at=datetime.now(UTC))
    text = words(visitor.get(place).text)
    assert "Seen: STARTED" in text
    assert "StartTransaction" in text


def test_nobody_waits_for_ever(console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    since = datetime.now(UTC) - WAITS_FOR - timedelta(seconds=1)
    authorize(rows, charge_point, "TOO-LATE")
    visitor = console.visitor_as("operator")
    place = f"/id-tags/learn?since={int(since.timestamp() * 1000)}&after=0"
    assert "No unknown card came" in visitor.get(place).text
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)
    for query in ("since=x&after=0", "since=1&after=x", "since=1", f"since={later}&after=0"):
        assert visitor.get(f"/id-tags/learn?{query}").status_code == 400
    assert visitor.get(f"/id-tags/learn?since=1&after={10**15}").status_code == 400


def test_typed_times_are_in_the_zone_of_the_settings(console: Console, rows: Rows) -> None:
    zone = ZoneInfo("Europe/Berlin")
    register_options(console.app, ConsoleOptions(zone=zone))
    visitor = console.visitor_as("operator")
    assert "(Europe/Berlin)" in visitor.get("/id-tags/add").text
    for id_tag, typed in (("SUMMER", "2030-07-01T00:00"), ("WINTER", "2030-01-01T00:00")):
        visitor.post("/id-tags/add", id_tag=id_tag, status="accepted", expires_at=typed)
        assert f'value="{typed}"' in visitor.get(f"/id-tag?id_tag={id_tag}").text
    assert stored(rows)["SUMMER"].expires_at == datetime(2030, 6, 30, 22, tzinfo=UTC)
    assert stored(rows)["WINTER"].expires_at == datetime(2029, 12, 31, 23, tzinfo=UTC)
