"""`/events`: a feed that a reader follows with `after`, and misses nothing of."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db.events import note_event
from ocpp_cs.events import Connected, DatabaseUnavailable, Disconnected, Event
from tests.api.conftest import Client, committer_of
from tests.api.rows import Rows

PATH = "/api/v1/events"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONNECTED = Connected(session=1, remote_address="192.0.2.7", security_profile=0)
DISCONNECTED = Disconnected(session=1, last_seen_at="2026-03-01T12:00:00.000Z")
OUTAGE = DatabaseUnavailable(since="", until="", duration_s=3)


def note(client: Client, event: Event, charge_point: int | None = None, at: datetime = NOW) -> None:
    committer_of(client).run(0, lambda tx: note_event(tx, charge_point, event, at))


def page(client: Client, **query: Any) -> Any:
    answer = client.get(PATH, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


@pytest.fixture
def filled(client: Client, rows: Rows) -> Client:
    """Six events of two charge points and of none."""
    first, second = rows.charge_point("CB-1"), rows.charge_point("CB-2")
    note(client, CONNECTED, first)
    note(client, CONNECTED, second, NOW + timedelta(hours=1))
    note(client, OUTAGE, None, NOW + timedelta(hours=2))
    note(client, DISCONNECTED, first, NOW + timedelta(hours=3))
    note(client, DISCONNECTED, second, NOW + timedelta(hours=4))
    note(client, CONNECTED, first, NOW + timedelta(hours=5))
    return client


def test_an_event_is_shown_whole(filled: Client) -> None:
    assert page(filled, limit=1)["items"] == [
        {
            "id": 1,
            "type": "connected",
            "at": "2026-03-01T12:00:00.000Z",
            "charge_point_id": "CB-1",
            "data": {"session": 1, "remote_address": "192.0.2.7", "security_profile": 0},
        }
    ]


def test_a_reader_gets_each_once_in_order(filled: Client) -> None:
    seen, after, answers = [], 0, []
    for _ in range(4):
        found = page(filled, after=after, limit=2)
        seen += [item["id"] for item in found["items"]]
        after = found["next_after"]
        answers.append((len(found["items"]), after))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert answers == [(2, 2), (2, 4), (2, 6), (0, 6)]
    note(filled, OUTAGE)
    assert [item["id"] for item in page(filled, after=after)["items"]] == [7]


def test_pages_by_cursor_are_those_of_any_list(filled: Client) -> None:
    first = page(filled, after=1, limit=3)
    assert [item["id"] for item in first["items"]] == [2, 3, 4]
    rest = page(filled, after=1, limit=3, cursor=first["next_cursor"])
    assert [item["id"] for item in rest["items"]] == [5, 6]
    assert (rest["next_cursor"], rest["next_after"]) == (None, 6)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"types": "disconnected"}, [4, 5]),
        ({"types": "disconnected,database_unavailable", "after": 3}, [4, 5]),
        ({"charge_point_id": "CB-1"}, [1, 4, 6]),
        ({"charge_point_id": "CB-1", "types": "connected"}, [1, 6]),
        ({"charge_point_id": "CB-9"}, []),
        ({"from": "2026-03-01T13:00:00Z", "to": "2026-03-01T15:00:00Z"}, [2, 3]),
    ],
)
def test_filters(filled: Client, query: Any, ids: list[int]) -> None:
    found = page(filled, **query)
    assert [item["id"] for item in found["items"]] == ids
    assert found["next_after"] == 6  # what does not match need not be looked through again


@pytest.mark.parametrize(
    "query", [{"types": "connekted"}, {"after": -1}, {"wait": 61}, {"before": 3}]
)
def test_what_is_wrong_is_named(client: Client, query: Any) -> None:
    answer = client.get(PATH, query_string=query)
    assert (answer.status_code, list(answer.json["errors"])) == (422, list(query))


def test_the_streamed_formats_have_the_same(filled: Client) -> None:
    csv = filled.get(PATH, query_string={"format": "csv", "after": 4}).text.splitlines()
    assert csv[0] == "id,type,at,charge_point_id,data"
    assert len(csv) == 3
    lines = filled.get(PATH, query_string={"format": "jsonl", "types": "database_unavailable"})
    assert lines.text == (
        '{"id":3,"type":"database_unavailable","at":"2026-03-01T14:00:00.000Z",'
        '"charge_point_id":null,"data":{"since":"","until":"","duration_s":3}}\n'
    )


def test_a_request_may_wait_for_what_it_wants(filled: Client) -> None:
    found: list[Any] = []
    query = {"after": 6, "wait": 60, "types": "database_unavailable"}
    reader = threading.Thread(target=lambda: found.append(page(filled, **query)))
    reader.start()
    note(filled, CONNECTED)
    note(filled, OUTAGE)
    reader.join(30)
    assert [item["id"] for item in found[0]["items"]] == [8]


def test_who_does_not_wait_is_told_how_far_it_is(client: Client) -> None:
    assert page(client, after=5) == {"items": [], "next_cursor": None, "next_after": 5}
