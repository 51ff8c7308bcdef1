"""The scriptable fake charge point of `tests.charge_point`, against the fake central system."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http import HTTPStatus
from typing import Any

import pytest

from tests.charge_point import ABSENT, CallRefused, Closed, Day, HandshakeRefused, connect
from tests.servers import PROJECT, wait_until
from tests.simulator.central_system import FakeCentralSystem, Refuse
from tests.simulator.schemas import faults


def test_a_whole_day(central_system: FakeCentralSystem) -> None:
    with connect(central_system.url, "CP-1") as charge_point:
        assert Day(charge_point).whole() == 1
        assert charge_point.subprotocol == "ocpp1.6"
    assert all(faults(heard.action, heard.payload) == [] for heard in central_system.heard)
    stop = central_system.of("StopTransaction")[0].payload
    assert stop == {
        "transactionId": 1,
        "idTag": "0fc673",
        "meterStop": 15000,
        "timestamp": "2021-11-10T15:15:00.000Z",
        "reason": "Local",
    }


def test_steps_take_changes(central_system: FakeCentralSystem) -> None:
    with connect(central_system.url, "CP-1") as charge_point:
        day = Day(charge_point, connector_id=2)
        day.start(idTag="OTHER")
        day.stop(reason=ABSENT, transactionId=-1)
    start, stop = (heard.payload for heard in central_system.heard)
    assert (start["connectorId"], start["idTag"]) == (2, "OTHER")
    assert stop["transactionId"] == -1
    assert "reason" not in stop


def test_chosen_message_id_and_refusal(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: Refuse("SecurityError", heard.message_id)
    with (
        connect(central_system.url, "CP-1") as charge_point,
        pytest.raises(CallRefused) as refused,
    ):
        charge_point.call("Heartbeat", message_id="mine")
    assert (refused.value.code, refused.value.description) == ("SecurityError", "mine")


def test_silence_and_cut(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: "CUT" if heard.action == "Cut" else "SILENCE"
    with connect(central_system.url, "CP-1") as charge_point:
        with pytest.raises(TimeoutError, match="no answer to Heartbeat"):
            charge_point.call("Heartbeat", timeout=0.1)
        with pytest.raises(Closed) as closed:
            charge_point.call("Cut")
        assert closed.value.code == 1006
        with pytest.raises(Closed):
            charge_point.receive_raw()
        with pytest.raises(Closed):
            charge_point.send_raw("[]")


def test_raw_frames(central_system: FakeCentralSystem) -> None:
    with connect(central_system.url, "CP-1") as charge_point:
        charge_point.send_raw('[2,"r","Heartbeat",{}]')
        assert json.loads(charge_point.receive_raw())[:2] == [3, "r"]
        with pytest.raises(TimeoutError):
            charge_point.receive_raw(timeout=0.05)


def test_answers_by_table(central_system: FakeCentralSystem) -> None:
    def refuse(payload: dict[str, Any]) -> None:
        raise CallRefused("InternalError", "broken")

    answers = {"Reset": lambda payload: {"status": "Accepted"}, "UnlockConnector": refuse}
    with connect(central_system.url, "CP-1", answers=answers) as charge_point:
        assert central_system.call("CP-1", "Reset", {"type": "Soft"}) == {"status": "Accepted"}
        assert charge_point.wait_for_call("Reset") == {"type": "Soft"}
        assert central_system.refused_call("CP-1", "UnlockConnector", {})[2:4] == [
            "InternalError",
            "broken",
        ]
        assert central_system.refused_call("CP-1", "ClearCache", {})[2] == "NotImplemented"
        with pytest.raises(TimeoutError):
            charge_point.wait_for_call("Reset", timeout=0.05, count=2)


def test_without_a_table_calls_are_left_to_the_test(central_system: FakeCentralSystem) -> None:
    with connect(central_system.url, "CP-1") as charge_point:
        answers: list[Any] = []
        asking = threading.Thread(
            target=lambda: answers.append(central_system.call("CP-1", "ClearCache", {}))
        )
        asking.start()
        frame = json.loads(charge_point.receive_raw())
        charge_point.send_raw(json.dumps([3, frame[1], {"status": "Rejected"}]))
        asking.join(5)
        assert answers == [{"status": "Rejected"}]


def test_handshake_details(central_system: FakeCentralSystem) -> None:
    connect(central_system.url, "A 1", subprotocols=(), password=b"\x00\xff").close()
    request = central_system.handshakes[0]
    assert request.path == "/ocpp/A%201"
    assert request.headers["Authorization"] == "Basic QSAxOgD/"
    assert "Sec-WebSocket-Protocol" not in request.headers


def test_refused_handshake(central_system: FakeCentralSystem) -> None:
    central_system.admit = lambda identity: HTTPStatus.NOT_FOUND
    with pytest.raises(HandshakeRefused) as refused:
        connect(central_system.url, "CP-1")
    assert refused.value.status == 404


def test_both_ways_to_leave(central_system: FakeCentralSystem) -> None:
    charge_point = connect(central_system.url, "CP-1")
    charge_point.call("Heartbeat")
    charge_point.cut()
    wait_until(lambda: not central_system.connected("CP-1"))
    charge_point = connect(central_system.url, "CP-1")
    charge_point.call("Heartbeat")
    central_system.cut("CP-1")
    assert charge_point.wait_closed().code == 1006


def test_runs_by_itself(central_system: FakeCentralSystem) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.charge_point", central_system.url, "CP-1"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "boot",
        "authorize",
        "start",
        "meter",
        "meter",
        "stop",
        "heartbeat",
    ]
