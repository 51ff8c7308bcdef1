"""`/reports/utilisation` and `/reports/unrecorded-energy`: figures, filters and pages."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.rows import START, STOP, Rows
from tests.api.test_reports import get, pages

HOUR = timedelta(hours=1)


# --- utilisation


def observe(rows: Rows, key: int, *events: tuple[int, str], connector_id: int = 1) -> None:
    """Statuses of a connector, by the hours after START at which they came."""
    rows.connector(key, connector_id)
    for hours, status in events:
        rows.status_event(key, connector_id, status, START + hours * HOUR)


def shares(client: Client, **query: Any) -> list[tuple[Any, ...]]:
    query = {"to": "2021-11-11T00:00:00Z", **query}
    names = ("bucket", "charge_point_id", "connector_id", "status", "duration_s", "share")
    return [tuple(row[name] for name in names) for row in get(client, "utilisation", **query)]


def test_a_status_lasts_until_the_next_one(client: Client, rows: Rows) -> None:
    observe(rows, rows.charge_point(), (0, "Available"), (1, "Charging"), (3, "Available"))
    assert shares(client) == [
        (None, None, None, "Available", 8 * 3600, 0.8),
        (None, None, None, "Charging", 2 * 3600, 0.2),
    ]
    assert shares(
        client, group_by="hour", since="2021-11-10T14:30:00Z", to="2021-11-10T16:00:00Z"
    ) == [
        ("2021-11-10T14:00+00:00", None, None, "Available", 1800, 1),
        ("2021-11-10T15:00+00:00", None, None, "Charging", 3600, 1),
    ]


def test_the_latest_status_lasts_until_now(client: Client, rows: Rows) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    key = rows.charge_point()
    rows.connector(key, 1)
    rows.status_event(key, 1, "Available", now - HOUR)
    rows.status_event(key, 1, "Faulted", now + HOUR)  # its clock is wrong
    [row] = get(client, "utilisation", to=(now + 9 * HOUR).isoformat())
    assert row["status"] == "Available"
    assert 3600 <= row["duration_s"] < 3660


def test_what_is_not_observed_does_not_count(client: Client, rows: Rows) -> None:
    key = rows.charge_point("CB-1")
    observe(rows, key, (0, "Faulted"), connector_id=0)
    observe(rows, key, (8, "Faulted"), connector_id=1)
    observe(rows, key, connector_id=2)
    observe(rows, rows.charge_point("CB-2"), (4, "Charging"), (7, "Available"))
    assert shares(client, group_by="connector_id,charge_point_id,day") == [
        ("2021-11-10", "CB-1", 1, "Faulted", 2 * 3600, 1),
        ("2021-11-10", "CB-2", 1, "Available", 3 * 3600, 0.5),
        ("2021-11-10", "CB-2", 1, "Charging", 3 * 3600, 0.5),
    ]
    assert shares(client, charge_point_id="CB-1") == [(None, None, None, "Faulted", 7200, 1)]
    assert shares(client, connector_id=2) == []
    assert shares(client, since="2021-11-12T00:00:00Z") == []


def test_of_two_at_the_same_time_the_later_one_counts(client: Client, rows: Rows) -> None:
    observe(rows, rows.charge_point(), (0, "Available"), (0, "Charging"))
    assert shares(client) == [(None, None, None, "Charging", 10 * 3600, 1)]


def test_pages_of_utilisation(client: Client, rows: Rows) -> None:
    for number in range(60):
        events = [(hour, ("Available", "Charging")[hour % 2]) for hour in range(20)]
        observe(rows, rows.charge_point(f"CB-{number:02}"), *events)
    query = {"group_by": "day,charge_point_id", "to": "2021-11-12T00:00:00Z"}
    found = pages(client, 37, "utilisation", **query)
    assert found == pages(client, 1000, "utilisation", **query)
    assert len(found) == 60 * 2 * 2
    assert sum(row["duration_s"] for row in found) == 60 * 34 * 3600
    text = client.get("/api/v1/reports/utilisation", query_string={**query, "format": "csv"}).text
    assert len(text.splitlines()) == 1 + len(found)


# --- unrecorded energy


def gaps(client: Client, **query: Any) -> list[tuple[int, int, int]]:
    return [
        (row["previous_transaction_id"], row["transaction_id"], row["energy_wh"])
        for row in get(client, "unrecorded-energy", **query)
    ]


def charge(rows: Rows, key: int, day: int, start: int, stop: int | None, **values: Any) -> int:
    given: dict[str, Any] = {"started_at": START + timedelta(days=day), "meter_start_wh": start}
    if stop is not None:
        given |= {"stopped_at": STOP + timedelta(days=day), "meter_stop_wh": stop}
    return rows.transaction(key, **{**given, **values})


def test_a_gap(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    first = charge(rows, key, 0, 10000, 15000)
    second = charge(rows, key, 1, 15250, None)
    [row] = get(client, "unrecorded-energy")
    assert row == {
        "charge_point_id": "CB-4711",
        "connector_id": 1,
        "previous_transaction_id": first,
        "transaction_id": second,
        "gap_from": "2021-11-10T15:15:00.000Z",
        "gap_to": "2021-11-11T14:00:00.000Z",
        "meter_stop_wh": 15000,
        "meter_start_wh": 15250,
        "energy_wh": 250,
    }


def test_which_gaps(client: Client, rows: Rows) -> None:
    key, other = rows.charge_point("A"), rows.charge_point("B")
    # Not in the order of their start: an offline charge point delivered the second one late.
    third = charge(rows, key, 2, 900, 1000)
    first = charge(rows, key, 0, 0, 500)
    second = charge(rows, key, 1, 500, 600)
    elsewhere = charge(rows, key, 1, 7000, 8000, connector_id=2)
    charge(rows, other, 1, 9000, 9500)
    fourth = charge(rows, key, 3, 10, None)
    charge(rows, key, 4, 20, 30)  # after one that is still active
    later = charge(rows, key, 5, 8040, 9000, connector_id=2)
    assert gaps(client) == [(second, third, 300), (elsewhere, later, 40)]
    assert gaps(client, min_energy_wh=-1000) == [
        (first, second, 0),
        (second, third, 300),
        (third, fourth, -990),
        (elsewhere, later, 40),
    ]
    assert gaps(client, min_energy_wh=41) == [(second, third, 300)]
    assert gaps(client, connector_id=2) == [(elsewhere, later, 40)]
    assert gaps(client, charge_point_id="B") == []
    assert gaps(client, charge_point_id="A", to="2021-11-13T00:00:00Z") == [(second, third, 300)]
    assert gaps(client, since="2021-11-12T14:00:00.001Z") == [(elsewhere, later, 40)]


def test_gaps_of_the_same_start_and_hostile_registers(client: Client, rows: Rows) -> None:
    key, most = rows.charge_point(), 2**63 - 1
    ids = [charge(rows, key, 0, start, most) for start in (0, -most, 5)]
    assert gaps(client, min_energy_wh=-most) == [(ids[1], ids[2], 5 - most)]
    stop = charge(rows, key, 1, most, -most)
    last = charge(rows, key, 2, most, most)
    assert gaps(client) == [(stop, last, 2 * most)]


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_of_gaps(client: Client, rows: Rows, limit: int) -> None:
    with rows.together():
        keys = [rows.charge_point(f"CB-{number}") for number in range(3)]
        for day, key in itertools.product(range(8), keys):
            charge(rows, key, day, day * 100, day * 100 + 90)
    found = pages(client, limit, "unrecorded-energy")
    assert [row["energy_wh"] for row in found] == [10] * 21
    places = [(row["gap_to"], row["transaction_id"]) for row in found]
    assert places == sorted(set(places))
