"""Pages, streams and cursors of every list: nothing twice, nothing missing, one truth in all forms.

What the rows mean is tested beside their resources.
"""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpp_cs.api import lists
from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine
from tests.api.conftest import Client, client_of, committer_of, on_sqlite
from tests.api.rows import START, Rows

MINUTE = timedelta(minutes=1)
BASE = "/api/v1"


def pages(client: Client, path: str, between: Any = None, **query: Any) -> list[Any]:
    """All items, page by page; `between` is called before each further page."""
    found: list[Any] = []
    cursors: set[str] = set()
    while True:
        answer = client.get(path, query_string=query)
        assert answer.status_code == 200, answer.text
        items, cursor = answer.json["items"], answer.json["next_cursor"]
        found += items
        assert ("Link" in answer.headers) == (cursor is not None)
        if cursor is None:
            return found
        assert len(items) == query.get("limit", 50)
        assert cursor not in cursors, "this would never end"
        cursors.add(cursor)
        query["cursor"] = cursor
        if between is not None:
            between()


def body(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.get_data(as_text=True))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.lists(st.integers(0, 4), max_size=30),
    arrivals=st.lists(st.integers(-2, 6), max_size=8),
    limit=st.integers(1, 7),
    sort=st.sampled_from(["started_at", "-started_at"]),
)
def test_no_row_twice_and_none_missing_while_rows_arrive(
    engine: Engine,
    rows: Rows,
    minutes: list[int],
    arrivals: list[int],
    limit: int,
    sort: str,
) -> None:
    """Few different times and many rows: the page ends lie within equal times."""
    rows.clear(models.Transaction)
    client = client_of(engine)
    with rows.together():
        before = [
            {"id": rows.transaction(started_at=START + minute * MINUTE), "minute": minute}
            for minute in minutes
        ]
    waiting = list(arrivals)

    def arrive() -> None:
        if waiting:
            rows.transaction(started_at=START + waiting.pop() * MINUTE)

    found = [
        item["id"] for item in pages(client, f"{BASE}/transactions", arrive, limit=limit, sort=sort)
    ]
    assert len(found) == len(set(found))
    expected = sorted(before, key=lambda row: (row["minute"], row["id"]), reverse=sort[0] == "-")
    known = {row["id"] for row in before}
    assert [id for id in found if id in known] == [row["id"] for row in expected]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.sets(st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(0, 2))),
    limit=st.integers(1, 5),
)
def test_no_sample_twice_and_none_missing(
    engine: Engine, rows: Rows, samples: set[tuple[int, int, int]], limit: int
) -> None:
    """A sample's place has three parts, and pages end within equal ones of each."""
    rows.clear(models.Transaction, models.MeterValue)
    id = rows.transaction()
    with rows.together():
        for minute, kind, connector_id in samples:
            rows.sample(
                id,
                START + minute * MINUTE,
                f"{minute} {kind} {connector_id}",
                connector_id=connector_id,
                measurand=f"Kind {kind}",
            )
    found = pages(client_of(engine), f"{BASE}/transactions/{id}/meter-values", limit=limit)
    raw = [item["raw_value"] for item in found]
    assert sorted(raw) == sorted(f"{a} {b} {c}" for a, b, c in samples)
    assert [item["sampled_at"] for item in found] == sorted(item["sampled_at"] for item in found)


HOSTILE = [
    "=cmd|'/c calc'!A1",
    "+1",
    "-2+3",
    "@SUM(1)",
    "\tx",
    "\rx",
    'a "quoted", text',
    "two\r\nlines",
    "Säule № 1 🔌",
    "<script>alert(1)</script>",
    "'quoted",
    " =blank before",
]
PATHS = [
    "/charge-points",
    "/charge-points/CB-0/data-transfers",
    "/charge-points/CB-0/deviations",
    "/charge-points/CB-0/status-events",
    "/connection-attempts",
    "/transactions",
    "/transactions/1/meter-values",
    "/id-tags",
]


@pytest.fixture
def filled(client: Client, rows: Rows) -> Client:
    """Rows of every kind, full of texts that break careless writers, and more than one chunk."""
    dice = random.Random(1)

    def text() -> str | None:
        return dice.choice([*HOSTILE, None])

    with rows.together():
        key = rows.charge_point("CB-0", vendor="=1")
        for number in range(40):
            rows.charge_point(f"{dice.choice(HOSTILE)} {number}", vendor=text(), note=text())
            rows.id_tag(f"{dice.choice(HOSTILE)} {number}", parent_id_tag=text(), note=text())
            rows.status_event(key, info=text(), received_at=START + dice.randrange(9) * MINUTE)
            rows.data_transfer(key, vendor_id=dice.choice(HOSTILE), data=text())
            rows.deviation(key, code=dice.choice(HOSTILE), detail=f"{number}")
            rows.connection_attempt(dice.choice(HOSTILE), user_agent=text() or "")
        for _ in range(lists.CHUNK * 2 + 7):
            rows.transaction(
                key,
                id_tag=dice.choice(HOSTILE),
                parent_id_tag=text(),
                stop_reason=text(),
                started_at=START + dice.randrange(60) * MINUTE,
                stopped_at=dice.choice((None, START)),
                meter_stop_wh=dice.choice((0, 10**15)),
                max_power_w=dice.choice((None, 7360.5, 0.1, 1e300)),
                flags=dice.choice((0, 5)),
            )
        for number in range(lists.CHUNK):
            rows.sample(1, START + number * MINUTE, dice.choice(HOSTILE), value=number / 3)
    return client


def as_cell(value: Any) -> str:
    """What a reader of the CSV should find for a value of the JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, str):
        return "'" + value if value[:1] in tuple("=+-@\t\r") else value
    return str(value)


def test_json_csv_and_json_lines_say_the_same(filled: Client) -> None:
    # What changes from one request to the next is the elapsed time of an active one.
    def still(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "duration_s": ""} if item.get("status") == "active" else item

    for path in PATHS:
        items = [still(item) for item in pages(filled, BASE + path, limit=100)]
        lines = body(filled.get(BASE + path, headers={"Accept": "application/jsonl"}))
        assert [still(json.loads(line)) for line in lines.split("\n")[:-1]] == items
        cells = body(filled.get(BASE + path, headers={"Accept": "text/csv"}))
        names, *found = csv.reader(io.StringIO(cells, newline=""))
        assert names == list(items[0])
        again = [still(dict(zip(names, row, strict=True))) for row in found]
        assert again == [{name: as_cell(value) for name, value in item.items()} for item in items]


@on_sqlite
def test_no_cell_begins_a_formula(filled: Client) -> None:
    for path in PATHS:
        text = io.StringIO(body(filled.get(f"{BASE}{path}?format=csv")), newline="")
        for row in csv.DictReader(text):
            for name, cell in row.items():
                if name not in ("energy_wh", "duration_s", "average_power_w", "value"):
                    assert cell[:1] not in tuple("=+-@\t\r"), (path, name, cell)


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("/charge-points", "charge-points"),
        ("/transactions", "transactions"),
        ("/transactions/1/meter-values", "transaction-1-meter-values"),
        ("/id-tags", "id-tags"),
    ],
)
@pytest.mark.parametrize(
    ("format", "content_type"),
    [("csv", "text/csv; charset=utf-8"), ("jsonl", "application/jsonl")],
)
def test_a_stream_is_a_file(
    sqlite_client: Client, path: str, stem: str, format: str, content_type: str
) -> None:
    rows = Rows(committer_of(sqlite_client).engine)
    rows.transaction(rows.charge_point())
    rows.close()
    answer = sqlite_client.get(f"{BASE}{path}?format={format}")
    assert answer.headers["Content-Type"] == content_type
    disposition = f'attachment; filename="{stem}.{format}"'
    assert answer.headers["Content-Disposition"] == disposition
    assert answer.headers["Vary"] == "Accept"


def test_a_stream_keeps_filters_and_order_and_has_all_pages(client: Client, rows: Rows) -> None:
    key = rows.charge_point("A")
    with rows.together():
        for minute in range(120):
            rows.transaction(key, started_at=START + minute * MINUTE, connector_id=minute % 2)
    path = f"{BASE}/transactions?connector_id=1&sort=started_at&limit=3"
    lines = body(client.get(path + "&format=jsonl")).splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 60
    assert found == sorted(found, key=lambda item: item["started_at"])
    assert {item["connector_id"] for item in found} == {1}


def test_a_stream_begins_at_the_cursor(client: Client, rows: Rows) -> None:
    for name in "abcd":
        rows.charge_point(name)
    cursor = client.get(f"{BASE}/charge-points?limit=2").json["next_cursor"]
    lines = body(client.get(f"{BASE}/charge-points?format=jsonl&cursor={cursor}")).splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["c", "d"]


def test_an_empty_list(client: Client) -> None:
    assert client.get(f"{BASE}/id-tags").json == {"items": [], "next_cursor": None}
    assert body(client.get(f"{BASE}/id-tags?format=jsonl")) == ""
    header = "id_tag,parent_id_tag,status,expires_at,max_active_transactions,note\r\n"
    assert body(client.get(f"{BASE}/id-tags?format=csv")) == header


def in_use(engine: Engine) -> int:
    """Database connections that are held at this moment."""
    if engine.dialect == "sqlite":
        return 0 if engine.database.is_closed() else 1
    pool: Any = engine.database
    return len(pool._in_use)


def test_a_slow_reader_holds_no_connection(client: Client, engine: Engine, rows: Rows) -> None:
    with rows.together():
        for number in range(lists.CHUNK + 1):
            rows.id_tag(f"{number:05}")
    answer = client.get(f"{BASE}/id-tags?format=jsonl", buffered=False)
    parts = answer.iter_encoded()
    first = next(parts)
    assert in_use(engine) == 0
    rows.id_tag("99999")  # arrives between the chunks
    rest = b"".join(parts)
    assert first.count(b"\n") == lists.CHUNK
    assert rest.count(b"\n") == 2
    assert in_use(engine) == 0


def test_an_exact_number_of_chunks_ends(client: Client, rows: Rows) -> None:
    with rows.together():
        for number in range(lists.CHUNK):
            rows.id_tag(f"{number:05}")
    assert body(client.get(f"{BASE}/id-tags?format=jsonl")).count("\n") == lists.CHUNK
    assert len(client.get(f"{BASE}/id-tags?limit=500").json["items"]) == 500
    assert client.get(f"{BASE}/id-tags?limit=500").json["next_cursor"] is None


def test_link_leads_to_the_next_page(client: Client, rows: Rows) -> None:
    for name in ("a", "b", "c"):
        rows.charge_point(name, note="säule & =", vendor="A C/ME")
    query = {"limit": "1", "vendor": "A C/ME", "q": "äULE & ="}
    first = client.get(f"{BASE}/charge-points", query_string=query)
    link = first.headers["Link"]
    assert link.endswith('>; rel="next"')
    url = link[1:].partition(">")[0]
    assert url.startswith(f"http://localhost{BASE}/charge-points?")
    second = client.get(url)
    assert [item["id"] for item in second.json["items"]] == ["b"]
    third = client.get(second.headers["Link"][1:].partition(">")[0])
    assert [item["id"] for item in third.json["items"]] == ["c"]
    assert "Link" not in third.headers


@pytest.mark.parametrize("host", ["xn--e1afmkfd.example", "[::1]:8081", "10.0.0.1"])
def test_link_under_any_host(sqlite_client: Client, host: str) -> None:
    rows = Rows(committer_of(sqlite_client).engine)
    rows.charge_point("a")
    rows.charge_point("b")
    rows.close()
    answer = sqlite_client.get(f"{BASE}/charge-points?limit=1", headers={"Host": host})
    assert answer.headers["Link"].startswith(f"<http://{host}{BASE}/charge-points?limit=1&cursor=")


def test_a_cursor_is_good_for_its_list_and_order_only(client: Client, rows: Rows) -> None:
    key = rows.charge_point("a")
    rows.charge_point("b")
    rows.id_tag("a")
    rows.id_tag("b")
    rows.transaction(key)
    rows.transaction(key)
    cursors = {
        path: client.get(f"{BASE}{path}", query_string={"limit": 1}).json["next_cursor"]
        for path in ("/charge-points", "/id-tags", "/transactions")
    }
    for path in cursors:
        for other, cursor in cursors.items():
            answer = client.get(f"{BASE}{path}?cursor={cursor}")
            assert answer.status_code == (200 if other == path else 422), (path, other)
    answer = client.get(f"{BASE}/transactions?sort=started_at&cursor={cursors['/transactions']}")
    assert list(answer.json["errors"]) == ["cursor"]


def test_head_and_options(sqlite_client: Client) -> None:
    for format in ("json", "csv", "jsonl"):
        path = f"{BASE}/id-tags?format={format}"
        head, got = sqlite_client.head(path), sqlite_client.get(path)
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
    options = sqlite_client.options(f"{BASE}/messages")
    assert (options.status_code, options.data) == (200, b"")
    assert set(options.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
