"""`/reports/energy`: figures, groups, windows, odd sessions, pages and limits."""

from __future__ import annotations

import csv
import io
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows

HOUR = timedelta(hours=1)
ROW = {
    "bucket": None,
    "bucket_start": None,
    "bucket_end": None,
    "charge_point_id": None,
    "connector_id": None,
    "id_tag": None,
    "parent_id_tag": None,
    "energy_wh": 5000,
    "transactions": 1,
    "duration_s": 4500,
}


def get(client: Client, report: str = "energy", **query: Any) -> list[dict[str, Any]]:
    if "since" in query:
        query["from"] = query.pop("since")
    answer = client.get(f"/api/v1/reports/{report}", query_string={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def figures(client: Client, **query: Any) -> list[tuple[Any, ...]]:
    return [
        (row["bucket"], row["energy_wh"], row["transactions"], row["duration_s"])
        for row in get(client, **query)
    ]


def test_everything_is_one_group(client: Client, rows: Rows) -> None:
    rows.stopped(rows.charge_point())
    items = get(client)
    assert items == [ROW]
    assert list(items[0]) == list(ROW)


def test_nothing_is_no_row(client: Client, rows: Rows) -> None:
    assert get(client) == []
    assert get(client, group_by="day,charge_point_id") == []
    rows.stopped(rows.charge_point())
    assert get(client, since="2021-11-10T15:15:00Z", group_by="day") == []
    assert get(client, since="2021-11-11T00:00:00Z", to="2021-11-10T00:00:00Z") == []


def test_a_session_is_split_by_its_samples(client: Client, rows: Rows) -> None:
    id = rows.stopped(rows.charge_point())
    rows.sample(id, START + HOUR / 2, "11000", value=11000)
    expected = [("2021-11-10T14:00+00:00", 3667, 1, 3600), ("2021-11-10T15:00+00:00", 1333, 0, 900)]
    assert figures(client, group_by="hour") == expected
    [first, second] = get(client, group_by="hour")
    assert (first["bucket_start"], first["bucket_end"], second["bucket_end"]) == (
        "2021-11-10T14:00:00.000Z",
        "2021-11-10T15:00:00.000Z",
        "2021-11-10T16:00:00.000Z",
    )


def test_a_window_cuts_sessions(client: Client, rows: Rows) -> None:
    rows.stopped(rows.charge_point())  # 4000 W
    window = {"since": "2021-11-10T14:15:00Z", "to": "2021-11-10T15:09:00Z"}
    [row] = get(client, **window)
    assert row == {
        **ROW,
        "bucket_start": "2021-11-10T14:15:00.000Z",
        "bucket_end": "2021-11-10T15:09:00.000Z",
        "energy_wh": 3600,
        "transactions": 0,
        "duration_s": 3240,
    }
    [first, last] = get(client, group_by="hour", **window)
    assert (first["energy_wh"], first["bucket_start"]) == (3000, "2021-11-10T14:15:00.000Z")
    assert (last["energy_wh"], last["bucket_end"]) == (600, "2021-11-10T15:09:00.000Z")


def test_the_day_of_a_zone(client: Client, rows: Rows) -> None:
    night = datetime(2026, 3, 28, 22, tzinfo=UTC)
    rows.stopped(rows.charge_point(), started_at=night, stopped_at=night + 25 * HOUR)
    assert figures(client, group_by="day", tz="Europe/Berlin") == [
        ("2026-03-28", 200, 1, 3600),
        ("2026-03-29", 4600, 0, 23 * 3600),
        ("2026-03-30", 200, 0, 3600),
    ]
    assert figures(client, group_by="week", tz="Europe/Berlin") == [
        ("2026-W13", 4800, 1, 24 * 3600),
        ("2026-W14", 200, 0, 3600),
    ]
    assert figures(client, group_by="month", tz="Europe/Berlin") == [("2026-03", 5000, 1, 90000)]


def test_groups_have_a_row_in_each_bucket(client: Client, rows: Rows) -> None:
    for identity, months, parent in (("B", (1, 3), None), ("A", (2,), "fleet")):
        key = rows.charge_point(identity)
        for month in months:
            at = datetime(2026, month, 5, tzinfo=UTC)
            rows.stopped(key, started_at=at, stopped_at=at + HOUR, parent_id_tag=parent)
    names = ("bucket", "charge_point_id", "parent_id_tag", "energy_wh", "transactions")
    found = get(client, group_by="parent_id_tag,month,charge_point_id")
    assert [tuple(row[name] for name in names) for row in found] == [
        ("2026-01", "A", "fleet", 0, 0),
        ("2026-01", "B", None, 5000, 1),
        ("2026-02", "A", "fleet", 5000, 1),
        ("2026-02", "B", None, 0, 0),
        ("2026-03", "A", "fleet", 0, 0),
        ("2026-03", "B", None, 5000, 1),
    ]
    assert [row["bucket"] for row in get(client, group_by="month", charge_point_id="A")] == [
        "2026-02"
    ]


def test_id_tags_are_the_same_in_any_case(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    for id_tag in ("abc", "ABC", "def"):
        rows.stopped(key, id_tag=id_tag)
    found = [(row["id_tag"], row["transactions"]) for row in get(client, group_by="id_tag")]
    assert found == [("ABC", 2), ("def", 1)]
    assert [row["transactions"] for row in get(client, id_tag="Abc")] == [2]


def test_active_sessions(client: Client, rows: Rows) -> None:
    """Energy up to the latest register, time until now."""
    now = datetime.now(UTC).replace(microsecond=0)
    started_at = now - 3 * HOUR
    key = rows.charge_point()
    rows.transaction(key, started_at=started_at)
    id = rows.transaction(
        key,
        started_at=started_at,
        last_register_at=started_at + HOUR,
        last_register_wh=12000,
    )
    rows.sample(id, started_at + HOUR / 2, "11900", value=11900)
    [row] = get(client)
    assert (row["energy_wh"], row["transactions"]) == (2000, 2)
    assert 6 * 3600 <= row["duration_s"] < 6 * 3600 + 60
    [row] = get(client, to=(started_at + HOUR / 2).isoformat())
    assert (row["energy_wh"], row["duration_s"]) == (pytest.approx(1900, abs=1), 3600)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"stopped_at": START}, [5000, 1, 0]),
        ({"stopped_at": START - 48 * HOUR}, [5000, 1, -48 * 3600]),
        ({"meter_stop_wh": 9000}, [-1000, 1, 4500]),
        ({"meter_start_wh": -(2**63) + 1, "meter_stop_wh": 2**63 - 1}, [float(2**64), 1, 4500]),
    ],
)
def test_odd_sessions(
    client: Client, rows: Rows, values: dict[str, Any], expected: list[Any]
) -> None:
    rows.stopped(rows.charge_point(), **values)
    for query in ({}, {"group_by": "day"}):
        assert list(figures(client, **query)[0][1:]) == expected
    assert sum(row[1] for row in figures(client, group_by="hour")) == expected[0]


def test_phases_are_summed_and_doubtful_samples_left_out(client: Client, rows: Rows) -> None:
    id = rows.stopped(rows.charge_point())
    for phase in ("L1", "L2", "L3"):
        rows.sample(id, START + HOUR, "4000", value=4000, phase=phase)
        rows.sample(id, START + HOUR, "4000", value=4000, phase=phase, context="Sample.Clock")
    rows.sample(id, START + HOUR, "14999", value=14999, location="Inlet")
    rows.sample(id, START + HOUR / 2, "?", value=None)
    rows.sample(id, START + HOUR / 2, "1", value=14000, measurand="Energy.Reactive.Import.Register")
    assert [row[1] for row in figures(client, group_by="hour")] == [2000, 3000]


def pages(client: Client, limit: int, report: str = "energy", **query: Any) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = client.get(
            f"/api/v1/reports/{report}", query_string={**query, **cursor, "limit": limit}
        )
        assert answer.status_code == 200, answer.text
        found += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return found
        assert len(answer.json["items"]) == limit
        cursor = {"cursor": answer.json["next_cursor"]}


def fill(rows: Rows) -> None:
    with rows.together():
        keys = [rows.charge_point(f"CB-{number}") for number in range(3)]
        for number, key in itertools.product(range(40), keys):
            at = START + number * 5 * HOUR + key * HOUR / 7
            rows.stopped(
                key,
                started_at=at,
                stopped_at=at + number * HOUR / 3,
                parent_id_tag="fleet" if number % 2 else None,
                meter_stop_wh=10000 + 977 * number,
            )


@pytest.mark.parametrize("group_by", ["hour,charge_point_id,parent_id_tag", "id_tag", "day"])
def test_pages_and_streams_have_the_same_rows(client: Client, rows: Rows, group_by: str) -> None:
    fill(rows)
    query = {"group_by": group_by, "tz": "Asia/Kathmandu"}
    found = pages(client, 97, **query)
    assert found == pages(client, 1000, **query)
    assert sum(row["energy_wh"] for row in found) == 3 * 977 * sum(range(40))
    assert round(sum(row["duration_s"] for row in found)) == 1200 * 3 * sum(range(40))
    assert sum(row["transactions"] for row in found) == 120
    answer = client.get("/api/v1/reports/energy", query_string={**query, "format": "csv"})
    streamed = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["bucket_start"] or None for row in streamed] == [r["bucket_start"] for r in found]
    assert [int(row["energy_wh"]) for row in streamed] == [row["energy_wh"] for row in found]
    lines = client.get("/api/v1/reports/energy", query_string={**query, "format": "jsonl"})
    assert [line for line in lines.text.splitlines() if line] == [
        _line(client, row) for row in found
    ]


def _line(client: Client, row: dict[str, Any]) -> str:
    return client.application.json.dumps(row, ensure_ascii=False, separators=(",", ":"))


@on_sqlite
@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ({"tz": "Europe/Atlantis"}, "tz: Not a time zone"),
        ({"tz": "../etc/passwd"}, "tz: Not a time zone"),
        ({"group_by": "day,hour"}, "group_by: At most one of"),
        ({"group_by": "day,day"}, "group_by: The same more than once"),
        ({"group_by": "connector"}, "group_by: Must be of"),
        ({"group_by": "hour"}, "More than 100,000 buckets of one hour"),
        ({"group_by": "day,charge_point_id"}, "2 groups in "),
    ],
)
def test_refusals(
    client: Client,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, str],
    fault: str,
) -> None:
    monkeypatch.setattr("ocpp_cs.db.reports.grouping.LONGEST", 10_000)
    for identity in ("A", "B"):
        key = rows.charge_point(identity)
        rows.stopped(key, started_at=datetime(1990, 1, 1, tzinfo=UTC))
    answer = client.get("/api/v1/reports/energy", query_string=query)
    assert answer.status_code == 422
    assert answer.json["detail"].startswith(fault)
