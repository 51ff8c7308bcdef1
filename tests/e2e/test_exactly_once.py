"""The same message many times over, in every way a network can double it: one event (F1, F2, F4).

On PostgreSQL two workers share the charge point.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.conftest import StartServer
from tests.e2e.conftest import ask, items, plain_client
from tests.servers import Server

IDENTITY = "CP-TWICE"


@pytest.fixture
def running(server: StartServer, database_url: str) -> Server:
    return server(database_url, WEB_CONCURRENCY="2", MAX_CHARGE_POINTS="100")


def send_ten_times(server: Server, action: str, payload: dict[str, Any]) -> list[Any]:
    """The answers to a message sent ten times and more: same id, new ids, new sockets, and
    sockets that are cut before the answer could be read."""
    answers = []

    def frame(message_id: str) -> str:
        return json.dumps([2, message_id, action, payload])

    with plain_client(server, IDENTITY) as client:
        answers += [ask(client, frame("same"))[2] for _ in range(3)]
        answers += [ask(client, frame(f"new-{number}"))[2] for number in range(3)]
    for number in range(8):
        cut = connect(server.ws_url(IDENTITY), compression=None, legacy=True)
        cut.send(frame(f"cut-{number}"))
        cut.socket.close()
    for number in range(8):  # enough new sockets to meet both workers
        with plain_client(server, IDENTITY) as client:
            answers.append(ask(client, frame("same" if number % 2 else f"socket-{number}"))[2])
    return answers


def test_one_start_one_sample_one_stop(running: Server) -> None:
    start = {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 100,
        "timestamp": "2026-03-01T11:00:00Z",
    }
    started = send_ten_times(running, "StartTransaction", start)
    assert len(started) == 14
    assert all(answer == started[0] for answer in started)
    (row,) = items(running, "/api/v1/transactions")
    transaction_id = started[0]["transactionId"]
    assert (row["id"], row["status"]) == (transaction_id, "active")

    metered = send_ten_times(
        running,
        "MeterValues",
        {
            "connectorId": 1,
            "transactionId": transaction_id,
            "meterValue": [
                {
                    "timestamp": "2026-03-01T11:10:00Z",
                    "sampledValue": [
                        {"value": "600"},
                        {"value": "11000", "measurand": "Power.Active.Import", "unit": "W"},
                    ],
                }
            ],
        },
    )
    assert metered == [{}] * 14
    samples = items(running, f"/api/v1/transactions/{transaction_id}/meter-values")
    assert sorted(row["raw_value"] for row in samples) == ["11000", "600"]

    stop = {
        "transactionId": transaction_id,
        "idTag": "TAG",
        "meterStop": 1100,
        "timestamp": "2026-03-01T11:30:00Z",
    }
    stopped = send_ten_times(running, "StopTransaction", stop)
    assert all(answer == stopped[0] for answer in stopped)
    (row,) = items(running, "/api/v1/transactions")
    assert (row["id"], row["energy_wh"], row["status"]) == (transaction_id, 1000, "completed")
    assert row["flags"] == []
    # And the start once more, after the stop.
    assert send_ten_times(running, "StartTransaction", start)[-1] == started[0]
    assert len(items(running, "/api/v1/transactions")) == 1
    assert len(running.pids) == (2 if "postgresql" in running.environment["DATABASE_URL"] else 1)
    assert "Traceback" not in running.log_text()
