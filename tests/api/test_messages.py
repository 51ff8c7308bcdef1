"""`/messages`: the frames of charge points, in the order of their calls."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db import queries
from ocpp_cs.db.engine import Engine
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows

PATH = "/api/v1/messages"
MINUTE = timedelta(minutes=1)


def messages(client: Client, query: Any = "") -> list[Any]:
    answer = client.get(PATH, query_string=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json["items"])


def test_a_row(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    rows.message(key, connection_epoch=4)
    assert messages(client) == [
        {
            "id": 1,
            "charge_point_id": "CB-4711",
            "direction": "from_charge_point",
            "message_id": "1",
            "action": "Heartbeat",
            "request": [2, "1", "Heartbeat", {}],
            "response": [3, "1", {"currentTime": "2021-11-10T14:00:00.000Z"}],
            "error_code": None,
            "sent_at": "2021-11-10T14:00:00.000Z",
            "answered_at": "2021-11-10T14:00:00.250Z",
            "duration_s": 0.25,
            "connection_id": f"{key}-4",
        }
    ]


def test_what_was_not_answered(client: Client, rows: Rows) -> None:
    rows.message(
        rows.charge_point(),
        direction="from_central_system",
        response=None,
        answered_at=None,
        error_code="no_answer",
        action="",
    )
    [row] = messages(client)
    names = ("response", "answered_at", "duration_s", "action")
    assert [row[name] for name in names] == [None] * 4
    assert row["error_code"] == "no_answer"


def test_filters(client: Client, rows: Rows) -> None:
    first, second = rows.charge_point("CP-1"), rows.charge_point("CP-2")
    rows.message(first, sent_at=START)
    rows.message(second, sent_at=START + MINUTE, action="Reset", direction="from_central_system")
    rows.message(first, sent_at=START + 2 * MINUTE, error_code="InternalError")
    rows.message(first, sent_at=START + 3 * MINUTE, action="Reset", error_code="no_answer")

    def minutes(**query: str) -> list[int]:
        found = messages(client, query)
        return [datetime.fromisoformat(row["sent_at"]).minute for row in found]

    assert minutes() == [3, 2, 1, 0]
    assert minutes(sort="sent_at") == [0, 1, 2, 3]
    assert minutes(charge_point_id="CP-1") == [3, 2, 0]
    assert minutes(charge_point_id="nobody") == []
    assert minutes(action="Reset") == [3, 1]
    assert minutes(direction="from_central_system") == [1]
    assert minutes(error="true") == [3, 2]
    assert minutes(error="false") == [1, 0]
    assert minutes(error="true", action="Reset", charge_point_id="CP-1") == [3]
    assert minutes(**{"from": "2021-11-10T14:01:00Z"}) == [3, 2, 1]
    assert minutes(to="2021-11-10T14:01:00Z") == [0]
    assert minutes(**{"from": "2021-11-10T15:01:00+01:00", "to": "2021-11-10T14:03:00Z"}) == [2, 1]


@pytest.mark.parametrize("sort", ["-sent_at", "sent_at"])
def test_order_is_that_of_the_calls_not_of_their_ends(
    client: Client, rows: Rows, sort: str
) -> None:
    """A command is archived when it has ended, after what was answered meanwhile."""
    key = rows.charge_point()
    for second in (3, 4, 4, 1, 5):
        rows.message(key, message_id=str(second), sent_at=START + timedelta(seconds=second))
    found, query = [], {"limit": "2", "sort": sort}
    while True:
        page = client.get(PATH, query_string=query).json
        found += [(row["message_id"], row["id"]) for row in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    expected = [("1", 4), ("3", 1), ("4", 2), ("4", 3), ("5", 5)]
    assert found == (expected if sort == "sent_at" else expected[::-1])


ODD = [
    ('[2, "1",\n"X",\r\n{}]', [2, "1", "X", {}]),
    ('[2,"1","X",{"a":12345678901234567890.123}', '[2,"1","X",{"a":12345678901234567890.123}'),
    ("=SUM(A1)", "=SUM(A1)"),
    ('[2,"1","X",{"a":"\\u0000"}]', [2, "1", "X", {"a": "\x00"}]),
    ("[" * 5000, "[" * 5000),
    ('[2,"1"]... (cut: the frame has 70000 bytes)', '[2,"1"]... (cut: the frame has 70000 bytes)'),
]


@on_sqlite
@pytest.mark.parametrize(("frame", "shown"), ODD, ids=range(len(ODD)))
def test_frames_are_json_where_they_can_be_read(
    client: Client, rows: Rows, frame: str, shown: Any
) -> None:
    rows.message(rows.charge_point(), request=frame)
    assert messages(client)[0]["request"] == shown
    lines = client.get(f"{PATH}?format=jsonl").get_data(as_text=True).split("\n")
    assert [bool(line) for line in lines] == [True, False]
    assert json.loads(lines[0])["request"] == shown
    text = client.get(f"{PATH}?format=csv").get_data(as_text=True)
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["request"].startswith("'=") if frame[0] == "=" else row["request"][0] == "["


@on_sqlite
@pytest.mark.parametrize("query", ["sort=id", "direction=up", "error=perhaps", "from=today"])
def test_what_is_no_parameter_is_refused(client: Client, query: str) -> None:
    assert client.get(f"{PATH}?{query}").status_code == 422


@on_sqlite  # on PostgreSQL the plan depends on how many rows there are
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"since": START, "until": START + MINUTE},
        {"charge_point_id": "CP-1", "since": START},
        {"error": True, "since": START},
    ],
    ids=str,
)
def test_rows_come_in_the_order_of_an_index(engine: Engine, wanted: dict[str, Any]) -> None:
    """Of millions of rows none is read in vain, none is sorted."""
    statements: list[str] = []

    def plan() -> str:
        connection = engine.database.connection()
        connection.set_trace_callback(statements.append)
        queries.messages(queries.MessageFilter(**wanted), None, 50)
        connection.set_trace_callback(None)
        found = connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}").fetchall()
        return " ".join(row[3] for row in found)

    text = engine.read(plan)
    assert "TEMP B-TREE" not in text
    assert "USING INDEX message" in text
