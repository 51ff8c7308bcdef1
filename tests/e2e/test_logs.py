"""The log of a real server: JSON where there is no terminal, and each line says of whom."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from tests.charge_point import connect
from tests.conftest import StartServer
from tests.servers import PROJECT, Server, wait_until

VENDOR = {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"}


def lines(server: Server) -> list[dict[str, Any]]:
    """All of the log: a line that is not JSON fails the test."""
    return [json.loads(line) for line in server.log_text().splitlines()]


def test_lines_about_a_connection_name_it(server: StartServer) -> None:
    running = server(CALL_TIMEOUT="0.5", UNREADABLE_FRAME_LIMIT="2", COMMAND_SETTLE_TIME="0")
    key = {"Authorization": f"Bearer {running.api_key('operator')}"}
    with connect(running.ws_url(""), "CB-1") as charge_point:
        charge_point.call("BootNotification", VENDOR)
        charge_point.send_raw('[3,"unasked",{}]')  # an answer to no call
        command = requests.post(
            running.http("/api/v1/charge-points/CB-1/commands/ClearCache?wait=5"),
            headers=key,
            json={},
            timeout=30,
        ).json()
        assert command["status"] == "timeout"
        charge_point.send_raw("no JSON")
        charge_point.send_raw("no JSON either")
        charge_point.wait_closed()
    wait_until(lambda: any("disconnected" in line["message"] for line in lines(running)))
    told = [line for line in lines(running) if line.get("charge_point") == "CB-1"]
    assert {line["connection"] for line in told} == {"1-1"}
    by_message = {line["message"].split(":")[0].split(" from")[0]: line for line in told}
    assert by_message.keys() >= {"connected", "disconnected", "unreadable frame"}
    (unasked,) = [line for line in told if "dropped an answer" in line["message"]]
    assert unasked["message_id"] == "unasked"
    (ended,) = [line for line in told if "ClearCache ended as timeout" in line["message"]]
    sent = [json.loads(frame) for frame in received(charge_point)]
    assert ended["message_id"] in {frame[1] for frame in sent}


def received(charge_point: Any) -> list[str]:
    frames = []
    while True:
        try:
            frames.append(charge_point.receive_raw(timeout=0.5))
        except Exception:
            return frames


def test_every_line_is_json_also_when_the_start_is_told(server: StartServer) -> None:
    running = server(UNKNOWN_ID_TAGS="open")
    assert running.stop() == 0
    told = lines(running)
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(t) for t in told))
    assert any("Open policy" in line["message"] for line in told)
    assert any("Listening at" in line["message"] for line in told)


def test_a_terminal_gets_text(tmp_path: Path) -> None:
    """In the same words, with the fields behind them."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path / 'x.db'}"}
    environment |= {"PORT": "0", "HOST": "127.0.0.1", "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    try:
        while b"Listening at" not in shown:
            shown += os.read(ours, 4096)
    finally:
        process.terminate()
        process.wait(30)
        os.close(ours)
    first = shown.decode().splitlines()[0]
    assert " info    " in first
    assert not first.startswith("{")
