"""`/charge-points`: its fields, presence, and every filter against a list comprehension."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.conftest import Client
from tests.api.rows import START, Rows

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


def ids(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/api/v1/charge-points?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json["items"]]


def test_fields(client: Client, rows: Rows) -> None:
    key = rows.charge_point(
        "CB-4711",
        vendor="ACME",
        model="WALLBOX",
        serial_number="SN-1",
        charge_box_serial_number="BOX-1",
        firmware_version="1.4.2",
        security_profile=1,
        note="level 2",
        call_timeout_s=60,
        connected_at=START,
        last_seen_at=START,
        present_until=NOW + HOUR,
    )
    for connector_id in (0, 1, 2):
        rows.connector(key, connector_id)
    expected = {
        "id": "CB-4711",
        "vendor": "ACME",
        "model": "WALLBOX",
        "serial_number": "SN-1",
        "firmware_version": "1.4.2",
        "registration": "accepted",
        "security_profile": 1,
        "online": True,
        "last_seen_at": "2021-11-10T14:00:00.000Z",
        "offline_since": None,
        "connected_at": "2021-11-10T14:00:00.000Z",
        "connectors_total": 2,  # connector 0 is the charge point itself
        "note": "level 2",
        "call_timeout_s": 60,
        "heartbeat_interval_s": None,
    }
    one = client.get("/api/v1/charge-points/CB-4711")
    assert one.json == expected
    assert list(one.json) == list(expected)
    assert client.get("/api/v1/charge-points").json == {"items": [expected], "next_cursor": None}


def test_serial_number_of_the_box_where_there_is_no_other(client: Client, rows: Rows) -> None:
    rows.charge_point("A", charge_box_serial_number="BOX-1")
    assert client.get("/api/v1/charge-points/A").json["serial_number"] == "BOX-1"


def test_presence(client: Client, rows: Rows) -> None:
    rows.charge_point("a never here")
    rows.charge_point("b here", present_until=NOW + HOUR)
    rows.charge_point("c said goodbye", offline_since=START)
    rows.charge_point("d lost its process", present_until=START)
    items = client.get("/api/v1/charge-points").json["items"]
    assert [(item["online"], item["offline_since"]) for item in items] == [
        (False, None),
        (True, None),
        (False, "2021-11-10T14:00:00.000Z"),
        (False, "2021-11-10T14:00:00.000Z"),
    ]
    assert ids(client, "online=true") == ["b here"]
    assert ids(client, "online=false") == ["a never here", "c said goodbye", "d lost its process"]


def test_every_filter_against_a_naive_model(client: Client, rows: Rows) -> None:
    stored: list[dict[str, Any]] = []
    choices = itertools.product(
        ("ACME", "Volt", None), ("WALLBOX", None), ("accepted", "pending"), (True, False)
    )
    with rows.together():
        for number, (vendor, model, registration, online) in enumerate(choices):
            row: dict[str, Any] = {
                "id": f"CP-{number:02}",
                "vendor": vendor,
                "model": model,
                "registration": registration,
                "online": online,
                "note": "100% lädt_gern" if number % 5 == 0 else None,
            }
            stored.append(row)
            rows.charge_point(
                row["id"],
                vendor=vendor,
                model=model,
                registration=registration,
                note=row["note"],
                present_until=NOW + HOUR if online else NOW - HOUR,
            )

    def expect(query: str, **wanted: Any) -> None:
        found = [row["id"] for row in stored if all(row[k] == v for k, v in wanted.items())]
        assert ids(client, query) == found, query

    expect("vendor=ACME", vendor="ACME")
    expect("model=WALLBOX&registration=pending", model="WALLBOX", registration="pending")
    expect("online=1&vendor=Volt", online=True, vendor="Volt")
    expect("online=FALSE", online=False)
    assert ids(client, "vendor=acme") == []  # exactly

    def texts(row: dict[str, Any]) -> str:
        return " ".join(filter(None, (row["id"], row["vendor"], row["model"], row["note"])))

    for q in ("cp-1", "acme", "wallbox", "100%", "t_g", "%", "_", "lädt", "nowhere", "\\"):
        found = [row["id"] for row in stored if q in texts(row).lower()]
        answer = client.get("/api/v1/charge-points", query_string={"q": q})
        assert [item["id"] for item in answer.json["items"]] == found, q


def test_no_such_charge_point(client: Client) -> None:
    answer = client.get("/api/v1/charge-points/nobody")
    assert answer.status_code == 404
    assert answer.json["detail"] == "There is no charge point 'nobody'."


def test_identity_of_any_letters(client: Client, rows: Rows) -> None:
    rows.charge_point("Säule 1 <b>")
    answer = client.get("/api/v1/charge-points/S%C3%A4ule%201%20%3Cb%3E")
    assert answer.json["id"] == "Säule 1 <b>"
