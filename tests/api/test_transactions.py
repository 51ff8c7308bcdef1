"""`/transactions`: figures, filters against a naive model, the frames behind a transaction."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.rules import TransactionFlag, flag_names, id_tag_key
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, STOP, Rows

HOUR = timedelta(hours=1)
INT64_MAX = 2**63 - 1


def get(client: Client, path: str = "", **query: Any) -> Any:
    answer = client.get(f"/api/v1/transactions{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def ids(client: Client, **query: Any) -> list[int]:
    return [item["id"] for item in get(client, limit=1000, **query)["items"]]


def test_a_completed_one(client: Client, rows: Rows) -> None:
    key = rows.charge_point("CB-4711")
    id = rows.stopped(
        key,
        parent_id_tag="fleet",
        reservation_id=12,
        max_power_w=7360.5,
        flags=int(TransactionFlag.NAIVE_TIME | TransactionFlag.SUSPECT_OPEN),
    )
    expected = {
        "id": id,
        "charge_point_id": "CB-4711",
        "connector_id": 1,
        "id_tag": "0fc673",
        "parent_id_tag": "fleet",
        "id_tag_status": "Accepted",
        "started_at": "2021-11-10T14:00:00.000Z",
        "stopped_at": "2021-11-10T15:15:00.000Z",
        "received_at": "2021-11-10T14:00:00.000Z",
        "meter_start_wh": 10000,
        "meter_stop_wh": 15000,
        "energy_wh": 5000,
        "duration_s": 4500,
        "average_power_w": 4000,
        "max_power_w": 7360.5,
        "stop_reason": "EVDisconnected",
        "stop_id_tag": "0fc673",
        "reservation_id": 12,
        "status": "completed",
        "flags": ["suspect_open", "naive_time"],
    }
    page = get(client)
    assert page == {"items": [expected], "next_cursor": None}
    assert list(page["items"][0]) == list(expected)


def test_an_active_one_before_its_first_sample(client: Client, rows: Rows) -> None:
    started_at = datetime.now(UTC).replace(microsecond=0) - HOUR
    rows.transaction(rows.charge_point(), started_at=started_at)
    [item] = get(client)["items"]
    assert item["status"] == "active"
    assert item["flags"] == []
    assert (item["energy_wh"], item["average_power_w"], item["meter_stop_wh"]) == (None, None, None)
    assert 3600 <= item["duration_s"] < 3660


def test_an_active_one_has_the_energy_of_its_latest_sample(client: Client, rows: Rows) -> None:
    rows.transaction(
        rows.charge_point(),
        meter_start_wh=1000,
        last_register_wh=3000,
        last_register_at=START + HOUR / 2,
    )
    [item] = get(client)["items"]
    assert (item["energy_wh"], item["average_power_w"]) == (2000, 4000)


def test_odd_figures_are_shown_as_they_are(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    greatest = 2 * INT64_MAX
    table: list[tuple[dict[str, Any], int, float, Any]] = [
        ({"meter_stop_wh": 9000}, -1000, 4500, -800),
        ({"stopped_at": START - HOUR}, 5000, -3600, None),
        ({"stopped_at": START}, 5000, 0, None),
        ({"stopped_at": START + timedelta(milliseconds=1500)}, 5000, 1.5, 12000000),
        (
            {"meter_start_wh": -INT64_MAX, "meter_stop_wh": INT64_MAX},
            greatest,
            4500,
            pytest.approx(greatest * 3600 / 4500),
        ),
    ]
    for values, *_ in table:
        rows.stopped(key, **values)
    items = get(client, sort="started_at")["items"]
    figures = [(i["energy_wh"], i["duration_s"], i["average_power_w"]) for i in items]
    assert figures == [tuple(expected) for _, *expected in table]
    assert ids(client, min_energy_wh=-1000) == [5, 4, 3, 2, 1]
    assert ids(client, min_energy_wh=5000) == [5, 4, 3, 2]
    assert ids(client, min_energy_wh=INT64_MAX) == [5]


def test_power_beyond_all_numbers_is_null(client: Client, rows: Rows) -> None:
    rows.stopped(rows.charge_point(), max_power_w=float("inf"))
    assert get(client)["items"][0]["max_power_w"] is None


def test_every_filter_against_a_naive_model(client: Client, rows: Rows) -> None:
    dice = random.Random(20211110)
    charge_points = {rows.charge_point(f"CP-{n}"): f"CP-{n}" for n in range(3)}
    stored: list[dict[str, Any]] = []
    with rows.together():
        for _ in range(200):
            key = dice.choice(list(charge_points))
            row = {
                "connector_id": dice.randrange(1, 4),
                "id_tag": dice.choice(("TagA", "taga", "TagB")),
                "parent_id_tag": dice.choice(("Fleet", "fleet", "É", None)),
                "started_at": START + timedelta(minutes=dice.randrange(50)),
                "flags": dice.choice((0, 0, 1, 2, 3, 1 << 17)),
                "meter_start_wh": 1000,
            }
            if dice.random() < 0.5:
                row |= {"stopped_at": STOP, "meter_stop_wh": 1000 + dice.randrange(10)}
            elif dice.random() < 0.5:
                row |= {"last_register_wh": 1000 + dice.randrange(10), "last_register_at": STOP}
            id = rows.transaction(key, **row)
            stored.append({"id": id, "charge_point_id": charge_points[key], **row})

    def energy(row: dict[str, Any]) -> int | None:
        register = row.get("meter_stop_wh", row.get("last_register_wh"))
        return None if register is None else register - 1000

    def fits(row: dict[str, Any], query: dict[str, Any]) -> bool:
        flags = flag_names(row["flags"])
        checks = {
            "charge_point_id": lambda v: row["charge_point_id"] == v,
            "connector_id": lambda v: row["connector_id"] == v,
            "id_tag": lambda v: id_tag_key(row["id_tag"]) == id_tag_key(v),
            "parent_id_tag": lambda v: (row["parent_id_tag"] or "").casefold() == v.casefold(),
            "status": lambda v: ("stopped_at" in row) == (v == "completed"),
            "from": lambda v: row["started_at"] >= datetime.fromisoformat(v),
            "to": lambda v: row["started_at"] < datetime.fromisoformat(v),
            "flag": lambda v: v in flags,
            "min_energy_wh": lambda v: energy(row) is not None and energy(row) >= v,
        }
        return all(checks[name](value) for name, value in query.items())

    possible: dict[str, list[Any]] = {
        "charge_point_id": ["CP-0", "CP-2", "nobody"],
        "connector_id": [1, 3, 9],
        "id_tag": ["TAGA", "tagb", "tagc"],
        "parent_id_tag": ["FLEET", "É", "other"],
        "status": ["active", "completed"],
        "from": ["2021-11-10T14:10:00Z", "2021-11-10T16:10:00+02:00"],
        "to": ["2021-11-10T14:20:00Z", "2021-11-10T14:30:00.001Z"],
        "flag": ["suspect_open", "start_time_unreadable", "negative_register", "late_stop"],
        "min_energy_wh": [0, 5, 100],
    }
    queries: list[dict[str, Any]] = [
        {name: value} for name, values in possible.items() for value in values
    ]
    for _ in range(40):
        names = dice.sample(list(possible), dice.randrange(2, 5))
        queries.append({name: dice.choice(possible[name]) for name in names})
    for query in queries:
        found = [row for row in stored if fits(row, query)]
        newest = sorted(found, key=lambda row: (row["started_at"], row["id"]), reverse=True)
        expected = [row["id"] for row in newest]
        assert ids(client, **query) == expected, query
        assert ids(client, sort="started_at", **query) == expected[::-1], query


def test_from_is_inclusive_and_to_exclusive(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    first = rows.transaction(key, started_at=START)
    second = rows.transaction(key, started_at=START + timedelta(milliseconds=1))
    between = "2021-11-10T14:00:00.0005Z"  # stored times are whole milliseconds
    assert ids(client, **{"from": "2021-11-10T14:00:00Z"}) == [second, first]
    assert ids(client, to="2021-11-10T14:00:00Z") == []
    assert ids(client, **{"from": between}) == [second]
    assert ids(client, to=between) == [first]
    assert ids(client, **{"from": "2021-11-10T15:00:00.001+01:00"}) == [second]
    # A plus sign that nobody percent-encoded.
    plain = client.get("/api/v1/transactions?from=2021-11-10T15:00:00.001+01:00")
    assert [item["id"] for item in plain.json["items"]] == [second]


def test_detail_of_the_first_session(client: Client, rows: Rows) -> None:
    id = rows.stopped(rows.charge_point())
    start = (
        '[2,"3","StartTransaction",{"connectorId":1,"idTag":"0fc673","meterStart":10000,'
        '"timestamp":"2021-11-10T14:00:00.000Z"}]'
    )
    rows.evidence(id, "start", start)
    rows.evidence(id, "stop", '[2,"4","StopTransaction",{}]', message_id="4", received_at=STOP)
    rows.evidence(id, "conflicting_stop", "[2,", event_key="x", message_id="5", received_at=STOP)
    for quarter in range(1, 5):
        value = 10000 + 1000 * quarter
        rows.sample(id, START + quarter * HOUR / 4, str(value), value=value)
    rows.sample(id, STOP, "x", measurand="Voltage", phase="L1-N", unit="V", sent_unit="V")
    detail = get(client, f"/{id}")
    assert detail["energy_wh"] == 5000
    assert list(detail)[:20] == list(get(client)["items"][0])
    assert detail["samples"] == [
        {
            "measurand": "Energy.Active.Import.Register",
            "phase": None,
            "location": "Outlet",
            "unit": "Wh",
            "samples": 4,
            "first_sampled_at": "2021-11-10T14:15:00.000Z",
            "last_sampled_at": "2021-11-10T15:00:00.000Z",
            "min_value": 11000,
            "max_value": 14000,
        },
        {
            "measurand": "Voltage",
            "phase": "L1-N",
            "location": "Outlet",
            "unit": "V",
            "samples": 1,
            "first_sampled_at": "2021-11-10T15:15:00.000Z",
            "last_sampled_at": "2021-11-10T15:15:00.000Z",
            "min_value": None,
            "max_value": None,
        },
    ]
    assert detail["start"]["message_id"] == "3"
    assert detail["start"]["received_at"] == "2021-11-10T14:00:00.000Z"
    assert detail["start"]["frame"][3]["meterStart"] == 10000
    assert detail["stop"]["frame"] == [2, "4", "StopTransaction", {}]
    assert [stop["frame"] for stop in detail["conflicting_stops"]] == ["[2,"]


def test_detail_without_samples_and_frames(client: Client, rows: Rows) -> None:
    id = rows.transaction(rows.charge_point())
    detail = get(client, f"/{id}")
    assert (detail["samples"], detail["start"], detail["stop"]) == ([], None, None)
    assert detail["conflicting_stops"] == []


@pytest.mark.parametrize(
    "frame",
    ["[" * 100_000, "[1e999]", "[NaN]", '["\\ud800"]', "no JSON", "", "9" * 5000],
    ids=["deep", "too great", "not a number", "half a letter", "text", "nothing", "long"],
)
@on_sqlite
def test_frame_that_cannot_be_shown_as_json_is_shown_as_text(
    client: Client, rows: Rows, frame: str
) -> None:
    id = rows.transaction(rows.charge_point())
    rows.evidence(id, "start", frame)
    assert get(client, f"/{id}")["start"]["frame"] == frame


@pytest.mark.parametrize("path", ["/999", "/0", "/9223372036854775807", "/999/meter-values"])
@on_sqlite
def test_no_such_transaction(client: Client, path: str) -> None:
    answer = client.get(f"/api/v1/transactions{path}")
    assert answer.status_code == 404
    assert "There is no transaction" in answer.json["detail"]


def test_meter_values(client: Client, rows: Rows) -> None:
    id = rows.stopped(rows.charge_point())
    rows.sample(id, START, "11.0005", value=11000.0, sent_unit="kWh")
    rows.sample(id, START, "x", measurand="SoC", unit="Percent", phase="", location="EV")
    rows.sample(rows.transaction(), START, "1", value=1)  # another transaction's
    page = get(client, f"/{id}/meter-values")
    expected = {
        "sampled_at": "2021-11-10T14:00:00.000Z",
        "connector_id": 1,
        "measurand": "Energy.Active.Import.Register",
        "value": 11000,
        "unit": "Wh",
        "phase": None,
        "location": "Outlet",
        "context": "Sample.Periodic",
        "format": "Raw",
        "raw_value": "11.0005",
    }
    assert page["items"][0] == expected
    assert list(page["items"][0]) == list(expected)
    assert (page["items"][1]["measurand"], page["items"][1]["value"]) == ("SoC", None)
    assert len(page["items"]) == 2


def test_meter_value_filters_against_a_naive_model(client: Client, rows: Rows) -> None:
    id = rows.stopped(rows.charge_point())
    stored: list[dict[str, Any]] = []
    with rows.together():
        for minute, measurand, phase in itertools.product(
            range(10), ("Voltage", "SoC"), ("", "L1")
        ):
            kind: dict[str, Any] = {
                "measurand": measurand,
                "phase": phase,
                "context": "Sample.Periodic" if minute else "Transaction.Begin",
            }
            at = START + timedelta(minutes=minute)
            rows.sample(id, at, f"{minute} {measurand} {phase}", **kind)
            stored.append({"at": at, "raw": f"{minute} {measurand} {phase}", **kind})

    def expect(query: dict[str, str], **wanted: Any) -> None:
        since, until = wanted.pop("since", START), wanted.pop("until", STOP)
        expected = {
            row["raw"]
            for row in stored
            if since <= row["at"] < until and all(row[k] == v for k, v in wanted.items())
        }
        items = get(client, f"/{id}/meter-values", limit=1000, **query)["items"]
        assert {item["raw_value"] for item in items} == expected, query
        assert len(items) == len(expected), query
        times = [item["sampled_at"] for item in items]
        assert times == sorted(times), query

    three, seven = START + timedelta(minutes=3), START + timedelta(minutes=7)
    between = {"from": "2021-11-10T14:03:00Z", "to": "2021-11-10T14:07:00Z"}
    expect({})
    expect({"measurand": "SoC"}, measurand="SoC")
    expect({"phase": "L1"}, phase="L1")
    expect({"phase": ""}, phase="")
    expect({"context": "Transaction.Begin"}, context="Transaction.Begin")
    expect(between, since=three, until=seven)
    expect(
        {**between, "measurand": "SoC", "phase": "L1"},
        measurand="SoC",
        phase="L1",
        since=three,
        until=seven,
    )
