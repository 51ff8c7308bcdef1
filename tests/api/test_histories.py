"""What a charge point told: connectors, histories and the conformance card, page by page."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine
from ocpp_cs.ocpp16.deviations import DEVIATIONS, rule_of
from ocpp_cs.ocpp16.errors import CallErrorCode
from ocpp_cs.ocpp16.times import format_time
from tests.api.conftest import Client, client_of, on_sqlite
from tests.api.rows import START, Rows
from tests.api.test_lists import pages

BASE = "/api/v1/charge-points/CB-4711"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class History:
    """A list, how its rows are made, and the values that its filters are tried with."""

    name: str
    insert: Callable[..., int]
    filters: dict[str, list[Any]]
    time: str = "received_at"


HISTORIES = [
    History(
        "status-events",
        Rows.status_event,
        {"connector_id": [0, 1, 2], "status": ["Available", "Faulted"]},
        "occurred_at",
    ),
    History(
        "security-events",
        Rows.security_event,
        {
            "type": ["TamperDetectionActivated", "StartupOfTheDevice"],
            "critical": [True, False],
            "source": ["charge_point", "central_system"],
        },
        "occurred_at",
    ),
    History(
        "firmware-events",
        Rows.firmware_event,
        {"status": ["Downloading", "Installed"], "signed": [True, False]},
    ),
    History(
        "diagnostics-events",
        Rows.diagnostics_event,
        {"status": ["Uploading", "Uploaded"], "log": [True, False]},
    ),
    History(
        "data-transfers",
        Rows.data_transfer,
        {"vendor_id": ["com.example", "org.example"], "answer_status": ["Accepted", "Rejected"]},
    ),
    History("certificate-requests", Rows.certificate_request, {"status": ["pending", "signed"]}),
]


def has(name: str, value: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda row: bool(row[name] == value)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
def test_every_filter_against_a_naive_model(client: Client, rows: Rows, history: History) -> None:
    dice = random.Random(history.name)
    key, other = rows.charge_point(), rows.charge_point("CB-other")
    stored: list[dict[str, Any]] = []
    with rows.together():
        for _ in range(40):
            row: dict[str, Any] = {name: dice.choice(v) for name, v in history.filters.items()}
            row["received_at"] = START + dice.randrange(8) * MINUTE
            row[history.time] = START + dice.randrange(8) * MINUTE
            stored.append({"id": history.insert(rows, key, **row), **row})
            history.insert(rows, other, **row)
    stored.sort(key=lambda row: (row["received_at"], row["id"]), reverse=True)
    path = f"{BASE}/{history.name}"

    def expect(query: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> None:
        expected = [row["id"] for row in stored if holds(row)]
        assert 0 < len(expected) <= len(stored)
        found = pages(client, path, **query, limit=7)
        assert [item["id"] for item in found] == expected, query

    expect({}, lambda row: True)
    for name, values in history.filters.items():
        for value in values:
            expect({name: str(value)}, has(name, value))
    since, until = START + 2 * MINUTE, START + 5 * MINUTE
    period = {"from": format_time(since), "to": format_time(until)}
    expect(period, lambda row: since <= row[history.time] < until)
    name, values = next(iter(history.filters.items()))
    expect(
        {**period, name: values[-1]},
        lambda row: row[name] == values[-1] and since <= row[history.time] < until,
    )
    shown = client.get(f"{path}?limit=1").json["items"][0]
    assert all(shown[each] == stored[0][each] for each in history.filters)
    assert shown["received_at"] == format_time(stored[0]["received_at"])
    assert shown[history.time] == format_time(stored[0][history.time])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    minutes=st.lists(st.integers(0, 4), max_size=25),
    arrivals=st.lists(st.integers(-2, 6), max_size=6),
    limit=st.integers(1, 6),
)
def test_no_event_twice_and_none_missing_while_events_arrive(
    engine: Engine, rows: Rows, minutes: list[int], arrivals: list[int], limit: int
) -> None:
    rows.clear(models.StatusEvent, models.ChargePoint)
    key = rows.charge_point()
    with rows.together():
        before = [
            (minute, rows.status_event(key, received_at=START + minute * MINUTE))
            for minute in minutes
        ]
    waiting = list(arrivals)

    def arrive() -> None:
        if waiting:
            rows.status_event(key, received_at=START + waiting.pop() * MINUTE)

    items = pages(client_of(engine), f"{BASE}/status-events", arrive, limit=limit)
    found = [item["id"] for item in items]
    assert len(found) == len(set(found))
    known = {id for _, id in before}
    expected = [id for _, id in sorted(before, reverse=True)]
    assert [id for id in found if id in known] == expected


@on_sqlite
@pytest.mark.parametrize("name", [*(each.name for each in HISTORIES), "connectors", "deviations"])
def test_of_a_charge_point_that_is_there(client: Client, rows: Rows, name: str) -> None:
    assert client.get(f"{BASE}/{name}").status_code == 404
    rows.charge_point()
    assert client.get(f"{BASE}/{name}").json == {"items": [], "next_cursor": None}


def test_fields_of_a_status(client: Client, rows: Rows) -> None:
    id = rows.status_event(
        rows.charge_point(),
        status="Faulted",
        error_code="OtherError",
        info="door open",
        vendor_id="com.example",
        vendor_error_code="E17",
        received_at=START + MINUTE,
    )
    assert client.get(f"{BASE}/status-events").json["items"] == [
        {
            "id": id,
            "connector_id": 1,
            "status": "Faulted",
            "error_code": "OtherError",
            "info": "door open",
            "vendor_id": "com.example",
            "vendor_error_code": "E17",
            "occurred_at": "2021-11-10T14:00:00.000Z",
            "received_at": "2021-11-10T14:01:00.000Z",
        }
    ]


# --- Connectors ---------------------------------------------------------------------------------


def test_connectors_with_their_open_transaction(client: Client, rows: Rows) -> None:
    key, other = rows.charge_point(), rows.charge_point("CB-other")
    for number in (3, 0, 1, 2):
        rows.connector(key, number)
        rows.connector(other, number)
    rows.transaction(key, connector_id=2)  # forgotten, and begun anew
    latest = rows.transaction(key, connector_id=2)
    rows.stopped(key, connector_id=1)
    rows.transaction(other, connector_id=1)
    items = pages(client, f"{BASE}/connectors", limit=3)
    assert [(item["connector_id"], item["transaction_id"]) for item in items] == [
        (0, None),
        (1, None),
        (2, latest),
        (3, None),
    ]
    assert items[0] == {
        "connector_id": 0,
        "status": "Available",
        "error_code": "NoError",
        "info": None,
        "vendor_id": None,
        "vendor_error_code": None,
        "since": "2021-11-10T14:00:00.000Z",
        "transaction_id": None,
    }


# --- The conformance card -----------------------------------------------------------------------


def test_deviations_in_words(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    rows.deviation(key, seen=12, last_seen_at=START + MINUTE)
    rows.deviation(key, code="null_value", detail="")
    rows.deviation(key, code="ProtocolError", firmware_version="")
    rows.deviation(key, code="of_another_version")
    items = pages(client, f"{BASE}/deviations", limit=1)
    assert [(item["firmware_version"], item["code"], item["rule"]) for item in items] == [
        ("", "ProtocolError", "A message that was refused with the CALLERROR ProtocolError"),
        ("1.4.2", "null_value", "null for an optional property; read as absent"),
        ("1.4.2", "of_another_version", None),
        ("1.4.2", "too_long", "A text that is longer than OCPP allows; kept whole"),
    ]
    assert items[3] == {
        "firmware_version": "1.4.2",
        "code": "too_long",
        "rule": DEVIATIONS["too_long"],
        "detail": "StatusNotification.info",
        "seen": 12,
        "first_seen_at": "2021-11-10T14:00:00.000Z",
        "last_seen_at": "2021-11-10T14:01:00.000Z",
    }


def test_every_code_has_a_sentence() -> None:
    for code in (*DEVIATIONS, *CallErrorCode):
        rule = rule_of(str(code))
        assert rule is not None
        assert "`" not in rule


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.sets(st.tuples(*[st.sampled_from(["", "a", "b", "é", "Z"])] * 3), max_size=30),
    limit=st.integers(1, 6),
)
def test_no_deviation_twice_and_none_missing(
    engine: Engine, rows: Rows, lines: set[tuple[str, str, str]], limit: int
) -> None:
    """A place has three parts, and pages end within equal ones of each."""
    rows.clear(models.Deviation, models.ChargePoint)
    key = rows.charge_point()
    with rows.together():
        for firmware_version, code, detail in lines:
            rows.deviation(key, firmware_version=firmware_version, code=code, detail=detail)
    items = pages(client_of(engine), f"{BASE}/deviations", limit=limit)
    found = [(item["firmware_version"], item["code"], item["detail"]) for item in items]
    assert len(found) == len(lines)
    assert set(found) == lines


def test_filters_of_deviations(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    seen: list[tuple[str, str, datetime]] = []
    for firmware_version in ("1", "2"):
        for number, code in enumerate(("a", "b", "c")):
            at = START + number * MINUTE
            seen.append((firmware_version, code, at))
            rows.deviation(key, firmware_version=firmware_version, code=code, last_seen_at=at)

    def expect(query: dict[str, str], holds: Callable[[tuple[str, str, datetime]], bool]) -> None:
        items = client.get(f"{BASE}/deviations", query_string=query).json["items"]
        found = [(item["firmware_version"], item["code"]) for item in items]
        assert found == [line[:2] for line in seen if holds(line)]

    expect({"firmware_version": "2"}, lambda line: line[0] == "2")
    expect({"code": "b"}, lambda line: line[1] == "b")
    expect({"from": format_time(START + MINUTE)}, lambda line: line[2] >= START + MINUTE)
    expect({"to": format_time(START + MINUTE)}, lambda line: line[2] < START + MINUTE)
