"""Who tried to connect, as operators read it: the latest first, each with what to do."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ocpp_cs.hints import HINTS, hint_of
from ocpp_cs.ocpp16.times import format_time
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows
from tests.api.test_lists import pages

PATH = "/api/v1/connection-attempts"
MINUTE = timedelta(minutes=1)


def test_fields(client: Client, rows: Rows) -> None:
    id = rows.connection_attempt(
        "no:identity",
        remote_address="192.0.2.17",
        outcome="wrong_password",
        http_status=401,
        attempts=12,
        last_attempted_at=START + MINUTE,
        subprotocols="ocpp1.6, ocpp2.0.1",
        user_agent="WALLBOX",
    )
    assert client.get(PATH).json["items"] == [
        {
            "id": id,
            "charge_point_id": "no:identity",
            "remote_address": "192.0.2.17",
            "outcome": "wrong_password",
            "accepted": False,
            "http_status": 401,
            "attempts": 12,
            "first_attempted_at": "2021-11-10T14:00:00.000Z",
            "last_attempted_at": "2021-11-10T14:01:00.000Z",
            "subprotocols": "ocpp1.6, ocpp2.0.1",
            "user_agent": "WALLBOX",
            "hint": "Enter the right password, or set a new one with charge-point set-password",
        }
    ]


@on_sqlite
@pytest.mark.parametrize("outcome", HINTS)
def test_each_outcome_has_a_hint_of_one_line(client: Client, rows: Rows, outcome: str) -> None:
    rows.connection_attempt(outcome=outcome)
    rows.connection_attempt(outcome="of_another_version")
    [item] = client.get(f"{PATH}?outcome={outcome}").json["items"]
    assert item["hint"] == hint_of(outcome)
    assert 10 < len(item["hint"]) < 130
    assert "`" not in item["hint"]
    assert item["accepted"] == (outcome == "accepted")
    assert client.get(f"{PATH}?outcome=of_another_version").status_code == 422


def test_every_filter_against_a_naive_model(client: Client, rows: Rows) -> None:
    dice = random.Random(1)
    stored: list[dict[str, Any]] = []
    with rows.together():
        for number in range(60):
            row: dict[str, Any] = {
                "identity": dice.choice(("CB-1", "cb-1", "")),
                "remote_address": f"192.0.2.{number}",
                "outcome": dice.choice(("accepted", "wrong_path", "no_password")),
                "last_attempted_at": START + dice.randrange(8) * MINUTE,
            }
            stored.append({"id": rows.connection_attempt(**row), **row})
    stored.sort(key=lambda row: (row["last_attempted_at"], row["id"]), reverse=True)

    def expect(query: dict[str, str], holds: Callable[[dict[str, Any]], bool]) -> None:
        expected = [row["id"] for row in stored if holds(row)]
        assert expected
        assert [item["id"] for item in pages(client, PATH, **query, limit=7)] == expected, query

    expect({}, lambda row: True)
    expect({"charge_point_id": "CB-1"}, lambda row: row["identity"] == "CB-1")
    expect({"remote_address": "192.0.2.7"}, lambda row: row["remote_address"] == "192.0.2.7")
    expect({"outcome": "wrong_path"}, lambda row: row["outcome"] == "wrong_path")
    expect({"accepted": "true"}, lambda row: row["outcome"] == "accepted")
    expect({"accepted": "false"}, lambda row: row["outcome"] != "accepted")
    since, until = START + 2 * MINUTE, START + 5 * MINUTE
    expect(
        {"from": format_time(since), "to": format_time(until), "accepted": "false"},
        lambda row: since <= row["last_attempted_at"] < until and row["outcome"] != "accepted",
    )
