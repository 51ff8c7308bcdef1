"""The same data in every form: JSON pages, JSON Lines, CSV, and what plain SQL finds, row for row.

Simulated charge points make it over real sockets of a real gunicorn. `DATA_SET=100000` in the
environment makes so many sessions instead of a few, each with some twenty samples:

    DATA_SET=100000 make test ARGS="tests/e2e/test_data_set.py -s --timeout 3600"
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import pytest
import requests

from ocpp_cs.rules import flag_names
from tests.conftest import StartServer
from tests.e2e.conftest import milliseconds, plain_sql
from tests.e2e.sessions import charge
from tests.servers import Server

SESSIONS = int(os.environ.get("DATA_SET", "200"))
CHARGE_POINTS = 10 if SESSIONS < 10_000 else 100
LISTS = {"transactions": "transactions?sort=started_at", "meter-values": "meter-values"}
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = dict[str, Any]


def pages(server: Server, path: str) -> Iterator[Row]:
    mark = "&" if "?" in path else "?"
    url: str | None = server.http(f"/api/v1/{path}{mark}limit=1000")
    with requests.Session() as session:
        while url is not None:
            answer = session.get(url, timeout=60)
            assert answer.status_code == 200, answer.text
            yield from answer.json()["items"]
            following = answer.links.get("next")
            url = None if following is None else requests.compat.urljoin(url, following["url"])


def lines(server: Server, path: str, format: str) -> Iterator[str]:
    mark = "&" if "?" in path else "?"
    url = server.http(f"/api/v1/{path}{mark}format={format}")
    with requests.get(url, stream=True, timeout=600) as answer:
        assert answer.status_code == 200
        answer.encoding = "utf-8"
        for line in answer.iter_lines(chunk_size=65536, decode_unicode=True):
            yield str(line)


def json_lines(server: Server, path: str) -> Iterator[Row]:
    decode = json.loads
    return (decode(line) for line in lines(server, path, "jsonl"))


def csv_rows(server: Server, path: str) -> Iterator[dict[str, str]]:
    return iter(csv.DictReader(lines(server, path, "csv")))


def as_cells(row: Row) -> dict[str, str]:
    return {name: cell(value) for name, value in row.items()}


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(value)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def time_text(stored: Any) -> str:
    at = datetime.fromtimestamp(milliseconds(stored) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


SELECT_TRANSACTIONS = """
SELECT t.id, c.identity AS charge_point_id, t.connector_id, t.id_tag, t.parent_id_tag,
    t.id_tag_status, t.started_at, t.stopped_at, t.received_at, t.meter_start_wh, t.meter_stop_wh,
    t.meter_stop_wh - t.meter_start_wh AS energy_wh, 0 AS duration_s, 0 AS average_power_w,
    t.max_power_w, t.stop_reason, t.stop_id_tag, t.reservation_id, 'completed' AS status, t.flags
FROM transactions AS t JOIN charge_points AS c ON c.id = t.charge_point_id
ORDER BY t.started_at, t.id
"""
SELECT_METER_VALUES = """
SELECT c.identity AS charge_point_id, nullif(v.transaction_id, 0) AS transaction_id, v.sampled_at,
    v.connector_id, s.measurand, v.value, nullif(s.unit, '') AS unit, nullif(s.phase, '') AS phase,
    s.location, s.context, s.format, v.raw_value
FROM meter_values AS v JOIN charge_points AS c ON c.id = v.charge_point_id
JOIN meter_series AS s ON s.id = v.series_id
ORDER BY v.charge_point_id, v.transaction_id, v.sampled_at, v.series_id, v.connector_id
"""


def sql_rows(url: str, statement: str) -> Iterator[Row]:
    with plain_sql(url) as connection:
        on_sqlite = url.startswith("sqlite:")
        cursor = connection.cursor() if on_sqlite else connection.cursor(name="all_rows")
        cursor.execute(statement)
        first = cursor.fetchone()
        names = [column[0] for column in cursor.description]
        while first is not None:
            for values in (first, *cursor.fetchmany(1000)):
                yield dict(zip(names, values, strict=True))
            first = cursor.fetchone()


def sql_transactions(url: str) -> Iterator[Row]:
    """With what follows from them, worked out as the documents say."""
    for row in sql_rows(url, SELECT_TRANSACTIONS):
        took_ms = milliseconds(row["stopped_at"]) - milliseconds(row["started_at"])
        row["duration_s"] = took_ms / 1000
        row["average_power_w"] = round(row["energy_wh"] * 3600 / row["duration_s"], 1)
        row["flags"] = list(flag_names(row["flags"]))
        for name in ("started_at", "stopped_at", "received_at"):
            row[name] = time_text(row[name])
        yield row


def sql_meter_values(url: str) -> Iterator[Row]:
    for row in sql_rows(url, SELECT_METER_VALUES):
        yield {**row, "sampled_at": time_text(row["sampled_at"])}


def count_equal(one: Iterator[Any], other: Iterator[Any]) -> int:
    """How many rows both have; fails at the first that differs or is missing."""
    count = 0
    for mine, theirs in zip_longest(one, other):
        assert mine == theirs, f"row {count}"
        count += 1
    return count


# Minutes if many are wanted.
@pytest.mark.timeout(120 if SESSIONS < 10_000 else 3600)
def test_every_form_has_the_same_rows(server: StartServer, database_url: str) -> None:
    running = server(database_url)
    began = time.monotonic()
    charge(f"ws://127.0.0.1:{running.port}/ocpp", CHARGE_POINTS, SESSIONS // CHARGE_POINTS)
    told = [f"{SESSIONS} sessions were made in {time.monotonic() - began:.0f} s"]
    plain = {"transactions": sql_transactions, "meter-values": sql_meter_values}
    for name, path in LISTS.items():
        counts = set()
        for form, found, expected in (
            ("pages", pages(running, path), plain[name](database_url)),
            ("JSON Lines", json_lines(running, path), plain[name](database_url)),
            ("CSV", csv_rows(running, path), map(as_cells, json_lines(running, path))),
        ):
            began = time.monotonic()
            counts.add(count_equal(found, expected))
            told.append(f"{name} as {form}: compared in {time.monotonic() - began:.1f} s")
        [count] = counts
        told.append(f"{name}: {count} rows, the same in every form")
        assert count >= SESSIONS * (1 if name == "transactions" else 10)
    print(*told, sep="\n")
