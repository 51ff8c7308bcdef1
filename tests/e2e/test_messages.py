"""The archive of frames over real sockets: what came and went is there, with its answers."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from websockets.sync.client import ClientConnection

from tests.conftest import StartServer
from tests.e2e.commands import Rest
from tests.e2e.conftest import ask, items, plain_client, plain_sql
from tests.servers import Server, wait_until

PATH = "/api/v1/messages?sort=sent_at&limit=1000"
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-03-01T11:00:00Z"}
SECRET = "0123456789abcdef0123"
CONFIGURATION = {
    "configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": SECRET}]
}


def call(message_id: str, action: str, payload: object) -> str:
    return json.dumps([2, message_id, action, payload])


def stop(transaction_id: int) -> dict[str, Any]:
    at = "2026-03-01T11:30:00Z"
    return {"transactionId": transaction_id, "meterStop": 500, "timestamp": at}


def samples(transaction_id: int) -> dict[str, Any]:
    value = {"timestamp": "2026-03-01T11:15:00Z", "sampledValue": [{"value": "17"}]}
    return {"connectorId": 1, "transactionId": transaction_id, "meterValue": [value]}


def a_session(client: ClientConnection) -> list[tuple[str, Any]]:
    """What was sent, and what was answered to it."""
    exchanged: list[tuple[str, Any]] = []

    def exchange(frame: str) -> Any:
        answer = ask(client, frame)
        exchanged.append((frame, answer))
        return answer

    exchange(call("boot", "BootNotification", BOOT))
    exchange(call("beat", "Heartbeat", {}))
    transaction_id = exchange(call("start", "StartTransaction", START))[2]["transactionId"]
    exchange(call("again", "StartTransaction", START))
    exchange(call("again", "StartTransaction", START))
    exchange(call("values", "MeterValues", samples(transaction_id)))
    exchange(call("stop", "StopTransaction", stop(transaction_id)))
    exchange(call("unknown", "Teleport", {"to": "Mars"}))
    exchange(call("bad", "Authorize", {"idTag": 17}))
    exchange(call("unreadable", "MeterValues", {"connectorId": 1}))
    exchange('[2,"data","DataTransfer",{"vendorId":"\\u0000\\ud800 é"}]')
    exchange('[2,"nul","StartTransaction",{"idTag":"\\u0000"}]')
    exchange('[2, 17, "Heartbeat", {}]')
    exchange(" " * 2000 + call("padded", "Heartbeat", {}))
    return exchanged


def answer_commands(client: ClientConnection, answers: Mapping[str, Any]) -> threading.Thread:
    """Answers each of so many calls with the frame's rest that is given for its action."""

    def run() -> None:
        for _ in answers:
            _, message_id, action, _ = json.loads(client.recv(20))
            kind, *rest = answers[action]
            client.send(json.dumps([kind, message_id, *rest]))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def archived(server: Server, count: int) -> list[dict[str, Any]]:
    """All rows, once there are so many: what nobody waits for comes a moment later."""
    wait_until(lambda: len(items(server, PATH)) >= count, what=f"{count} rows")
    rows = items(server, PATH)
    assert len(rows) == count
    return rows


def test_all_frames_of_a_session_are_there_with_their_answers(
    server: StartServer, database_url: str
) -> None:
    running = server(database_url)
    with plain_client(running, "CP-1") as client:
        exchanged = a_session(client)
        rows = archived(running, len(exchanged))
    # By the time of the call; those of one millisecond in any order.
    places = {str(answer[1]): place for place, (_, answer) in enumerate(exchanged)}
    assert [row["sent_at"] for row in rows] == sorted(row["sent_at"] for row in rows)
    rows.sort(key=lambda row: (row["sent_at"], places[row["message_id"]]))
    for row, (frame, answer) in zip(rows, exchanged, strict=True):
        # A lone surrogate makes the whole frame a text.
        shown = row["request"] if isinstance(row["request"], list) else json.loads(row["request"])
        assert (shown, row["response"]) == (json.loads(frame), answer)
        assert row["direction"] == "from_charge_point"
        assert row["charge_point_id"] == "CP-1"
        assert row["message_id"] == str(answer[1])
        assert row["action"] == shown[2]
        assert row["error_code"] == (answer[2] if answer[0] == 4 else None)
        assert 0 <= row["duration_s"] < 10
    assert [row["message_id"] for row in rows if row["error_code"]] == [
        *("unknown", "bad", "unreadable"),
        *("nul", "17"),
    ]
    assert len({row["connection_id"] for row in rows}) == 1
    assert f'"connection": "{rows[0]["connection_id"]}"' in running.log_text()


def test_commands_are_there_with_their_answers_and_without_secrets(
    server: StartServer, database_url: str
) -> None:
    running = server(database_url, CALL_TIMEOUT="0.5")
    rest = Rest(running, running.api_key("operator"))
    answers: dict[str, Any] = {
        "Reset": (3, {"status": "Accepted", "more": 1}),
        "ClearCache": (4, "NotSupported", "no cache", {}),
        "GetConfiguration": (3, CONFIGURATION),
        "ChangeConfiguration": (4, "GenericError", f"{SECRET} is too long", {}),
        "UnlockConnector": (3, {"status": "Perhaps"}),
    }
    payloads: dict[str, Any] = {
        "Reset": {"type": "Soft"},
        "ChangeConfiguration": {"key": "AuthorizationKey", "value": SECRET},
        "UnlockConnector": {"connectorId": 1},
    }
    with plain_client(running, "CP-1") as client:
        ask(client, call("boot", "BootNotification", BOOT))
        thread = answer_commands(client, answers)
        for action in answers:
            rest.order("CP-1", action, payloads.get(action, {}))
        thread.join(20)
        late = rest.order("CP-1", "GetLocalListVersion", {})
        assert late.body["status"] == "timeout"
        rows = archived(running, 7)
    assert [row["action"] for row in rows[1:]] == [*answers, "GetLocalListVersion"]
    assert {row["direction"] for row in rows[1:]} == {"from_central_system"}
    assert [row["error_code"] for row in rows[1:]] == [
        None,
        "NotSupported",
        None,
        "GenericError",
        "PropertyConstraintViolation",
        "no_answer",
    ]
    reset, *_, unanswered = rows[1:]
    assert reset["request"] == [2, reset["message_id"], "Reset", {"type": "Soft"}]
    assert reset["response"] == [3, reset["message_id"], {"status": "Accepted", "more": 1}]
    assert (unanswered["response"], unanswered["answered_at"]) == (None, None)
    with plain_sql(database_url) as connection:
        text = str(connection.execute("SELECT * FROM messages").fetchall())
    assert SECRET not in text
    assert text.count("********") == 3


def test_without_an_archive_nothing_is_written(server: StartServer, database_url: str) -> None:
    running = server(database_url, MESSAGE_LOG_DAYS="0")
    rest = Rest(running, running.api_key("operator"))
    with plain_client(running, "CP-1") as client:
        a_session(client)
        answer_commands(client, {"ClearCache": (3, {"status": "Accepted"})})
        assert rest.order("CP-1", "ClearCache", {}).body["status"] == "answered"
    running.stop()  # and what was posted would be written
    with plain_sql(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone()[0] == 0
        assert connection.execute("SELECT count(*) FROM transactions").fetchone()[0] == 1


def test_what_was_answered_is_archived_though_the_server_is_killed(
    server: StartServer, database_url: str
) -> None:
    running = server(database_url)
    answered: list[Any] = []
    with plain_client(running, "CP-1") as client:
        for number in range(20):
            start = {**START, "meterStart": number}
            answered.append(ask(client, call(f"s{number}", "StartTransaction", start)))
        running.kill(signal.SIGKILL)
    running.wait_until_ready()
    assert [row["response"] for row in items(running, PATH)] == answered


def test_an_orderly_end_writes_what_was_posted(server: StartServer, sqlite_url: str) -> None:
    running = server(sqlite_url)
    with plain_client(running, "CP-1") as client:
        for number in range(30):
            ask(client, call(f"{number}", "Heartbeat", {}))
        running.stop()
    with plain_sql(sqlite_url) as connection:
        assert connection.execute("SELECT count(*) FROM messages").fetchone()[0] == 30


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_the_archive_is_streamed(server: StartServer, format: str) -> None:
    running = server()
    with plain_client(running, "CP-1") as client:
        for number in range(700):  # more than one chunk
            client.send(call(f"{number}", "Heartbeat", {}))
        for _ in range(700):
            client.recv(10)
        archived(running, 700)
    url = running.http(f"/api/v1/messages?sort=sent_at&format={format}")
    lines = requests.get(url, timeout=30).text.splitlines()
    assert len(lines) == 700 + (format == "csv")
    assert '"699"' in lines[-1]
