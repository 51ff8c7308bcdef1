"""Streams of CSV and JSON Lines, byte for byte: the fast road against one value after the other.

The plain road is written out here: the JSON of the pages, and Python's csv module.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.api import fields, lists, transactions
from ocpp_cs.api.columns import Columns
from ocpp_cs.spreadsheets import quoted
from tests.api.conftest import Client
from tests.api.rows import START, Rows
from tests.api.test_lists import BASE, body, pages

PATH = f"{BASE}/transactions"
TEXTS = [
    *("=1", "'=1", "''=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'\tx", "=", "'", "-", '"', ","),
    *("a,b", 'a"b', "a\nb", "a\r\nb", '"a"', " a", "a ", "a=b", "a'b", "\\", "\\n", "a\\", "\x7f"),
    *("null", "[null", ",null", "],[", "]", "[", "[]", "true", "1e+16", "NaN", "-5", "\u2028"),
    *("Säule № 1 🔌", "中文", "<b>&amp;</b>", "\x01", "\x1f"),
]
PLAIN = ["TAG1", "fleet north", "Säule", "a-b", "x=1", "a@b.example", "it's"]
HARMLESS = {"id_tag": "TAG1", "parent_id_tag": None, "stop_reason": "Local", "stop_id_tag": None}
TIMES = [
    START,
    START + timedelta(milliseconds=1),
    START - timedelta(hours=1, milliseconds=999),
    datetime(1969, 12, 31, 23, 59, 59, 999000, UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1000, UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999000, UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999000, UTC),
]
REGISTERS = [0, 1, -1, 10_001, 2**53 + 1, 2**63 - 1, -(2**63)]
POWERS = [None, 0.0, -0.0, 7360.5, -0.1, 1e300, -1e16, 1e15, 123456789012345.6, 1e-5, 2.0**53]


def cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return quoted(value) if isinstance(value, str) else value


def plain_csv(items: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(items[0])
    for item in items:
        writer.writerow([cell(value) for value in item.values()])
    return text.getvalue()


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The duration of an active transaction grows from request to request."""
    now = START + timedelta(days=400, milliseconds=123)
    monkeypatch.setattr(transactions, "request_time", lambda: now)


def fill(rows: Rows) -> None:
    """Odd values one by one among harmless ones, then all at once; active and stopped ones."""
    dice = random.Random(7)
    with rows.together():
        keys = [rows.charge_point(name) for name in ("CB-1", "=1+1", 'a "b", c')]
        for name, text in itertools.product(HARMLESS, [*TEXTS, *PLAIN]):
            rows.stopped(keys[0], **{**HARMLESS, name: text})
        for start, stop in itertools.product(TIMES, [None, *TIMES]):
            rows.transaction(keys[0], started_at=start, stopped_at=stop, meter_stop_wh=20_000)
            rows.transaction(keys[0], started_at=start, last_register_wh=7, last_register_at=stop)
        for first, last in itertools.product(REGISTERS, [None, *REGISTERS]):
            rows.stopped(keys[0], meter_start_wh=first, meter_stop_wh=last)
            rows.transaction(keys[0], meter_start_wh=first, last_register_wh=last)
        for power in POWERS:
            rows.transaction(keys[0], max_power_w=power)
        for seconds in range(300):
            rows.stopped(
                dice.choice(keys),
                started_at=START + timedelta(milliseconds=dice.randrange(10**6)),
                stopped_at=START + timedelta(milliseconds=dice.randrange(10**9)),
                meter_stop_wh=dice.randrange(-(10**6), 10**6),
                received_at=dice.choice(TIMES),
                max_power_w=dice.choice(POWERS),
                reservation_id=dice.choice((None, -1, seconds)),
                flags=dice.choice((0, 0, 1, 5, 1023)),
                **{name: dice.choice([*TEXTS, *PLAIN]) for name in HARMLESS},
            )


@pytest.mark.usefixtures("still")
def test_every_byte_is_that_of_the_plain_road(
    client: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(rows)
    for sort in ("started_at", "-started_at"):
        items = pages(client, PATH, sort=sort, limit=1000)
        expected = plain_csv(items)
        for block, scanned in ((lists.BLOCK, lists.SCANNED), (1, 5), (3, 7), (50, 50)):
            monkeypatch.setattr(lists, "BLOCK", block)
            monkeypatch.setattr(lists, "SCANNED", scanned)
            assert body(client.get(f"{PATH}?sort={sort}&format=csv")) == expected
        lines = body(client.get(f"{PATH}?sort={sort}&format=jsonl")).split("\n")
        assert [repr(json.loads(line)) for line in lines[:-1]] == [repr(item) for item in items]
        assert lines[-1] == ""


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    "query",
    [
        {"charge_point_id": "=1+1"},
        {"status": "active"},
        {"status": "completed", "min_energy_wh": 5000},
        {"flag": "naive_time"},
        {"id_tag": "tag1", "from": "2021-11-10T14:00:00Z", "to": "2021-11-11T14:00:00Z"},
        {"connector_id": 1, "parent_id_tag": "=1"},
    ],
)
def test_filters_choose_the_same_rows(client: Client, rows: Rows, query: dict[str, Any]) -> None:
    fill(rows)
    items = pages(client, PATH, limit=1000, **query)
    answer = client.get(PATH, query_string={**query, "format": "csv"})
    assert body(answer) == plain_csv(items)


def test_an_exact_number_of_scanned_rows_ends(
    client: Client, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "SCANNED", 4)
    header = body(client.get(f"{PATH}?format=csv"))
    assert header.startswith("id,charge_point_id,")
    assert header.count("\r\n") == 1
    with rows.together():
        key = rows.charge_point()
        for _ in range(8):
            rows.stopped(key)
    assert body(client.get(f"{PATH}?format=csv")).count("\r\n") == 9
    assert body(client.get(f"{PATH}?format=jsonl")).count("\n") == 8


class _Anything(fields.Row):
    first = fields.Text("A text.", "x", nullable=True)
    whole = fields.Whole("A whole number.", 1, nullable=True)
    number = fields.Number("A number.", 1, nullable=True)
    truth = fields.Truth("A truth.", True, nullable=True)
    flags = fields.Flags("Flags.", [])
    any = fields.AnyJson("Any JSON.", {}, nullable=True)
    last = fields.Text("A text.", "x", nullable=True)


def nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


ANY_TEXT = st.sampled_from([*PLAIN, *TEXTS]) | st.text(st.characters(exclude_categories=["Cs"]))
ANY_ROW = st.tuples(
    nullable(ANY_TEXT),
    nullable(st.integers()),
    nullable(st.floats()),
    nullable(st.booleans()),
    st.integers(0, 1023),
    nullable(st.sampled_from(["-5", "[]", "{}", "3", "null", '"x"', "=1", "broken{"])),
    nullable(ANY_TEXT),
)


@given(st.lists(ANY_ROW, max_size=4))
def test_columns_write_what_their_fields_write_one_by_one(rows: list[tuple[Any, ...]]) -> None:
    columns = Columns(_Anything)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns.names)
    for row in rows:
        writer.writerow(map(one_cell, columns.fields.values(), row))
    table = list(zip(*rows, strict=True))
    assert columns.separated(table, True) == text.getvalue().encode()


def one_cell(field: Any, value: Any) -> Any:
    for change in (field.plain, field.cell):
        if value is not None and change is not None:
            value = change(value)
    return value
