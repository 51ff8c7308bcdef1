"""`simulate` on the command line: what it prints, and its exit status."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ocpp_cs.simulator.command import simulate
from tests.servers import PROJECT, wait_until
from tests.simulator.central_system import FakeCentralSystem, Heard, Reaction, Refuse


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(simulate, arguments)


def test_a_day_in_a_table(central_system: FakeCentralSystem) -> None:
    result = invoke("--url", central_system.url, "--speed", "0", "--start", "2026-03-02")
    assert result.exit_code == 0, result.output
    lines = {line[:14].strip(): line[15:] for line in result.output.splitlines()}
    assert lines["Charge points"] == "5"
    assert lines["Simulated"].startswith("24.0 h in ")
    starts = len(central_system.of("StartTransaction"))
    assert lines["Sessions"] == f"{starts} started, {starts} finished"
    assert lines["Energy"].endswith(" kWh")
    assert f"{len(central_system.heard):,} answered" in lines["Messages"]
    assert (lines["CALLERRORs"], lines["Timeouts"]) == ("0", "0")
    assert lines["Latency"].startswith("p50 ")
    assert "p99 " in lines["Latency"]


def test_load_in_a_table(central_system: FakeCentralSystem) -> None:
    options = ["--load", "--charge-points", "5", "--every", "0.1", "--for", "0.5"]
    result = invoke("--url", central_system.url, *options)
    assert result.exit_code == 0, result.output
    assert "5 of 5 charging" in result.output
    assert "MeterValues 25" in result.output


def test_nobody_there_is_one_sentence() -> None:
    result = invoke("--url", "ws://127.0.0.1:1/ocpp")
    assert result.exit_code == 1
    last = result.output.splitlines()[-1]
    assert last == (
        "Error: No charge point could connect to ws://127.0.0.1:1/ocpp: nothing listens there."
    )


@pytest.mark.parametrize("load", [[], ["--load", "--every", "0.1", "--for", "0.3"]])
def test_call_error_is_exit_status_1(central_system: FakeCentralSystem, load: list[str]) -> None:
    refused: list[Heard] = []

    def refuse_once(heard: Heard) -> Reaction | None:
        if heard.action != "MeterValues" or refused:
            return None
        refused.append(heard)
        return Refuse("InternalError", "the disk is full")

    central_system.script = refuse_once
    result = invoke("--url", central_system.url, "--speed", "0", "--hours", "12", *load)
    assert result.exit_code == 1
    assert "1 x MeterValues: InternalError the disk is full" in result.output


def test_password_file(central_system: FakeCentralSystem, tmp_path: Path) -> None:
    path = tmp_path / "passwords.csv"
    path.write_text("# id,password\n\nSIM-0001,geheim\n", encoding="utf-8")
    options = ["--charge-points", "1", "--speed", "0", "--hours", "0.1"]
    result = invoke("--url", central_system.url, "--password-file", str(path), *options)
    assert result.exit_code == 0, result.output
    assert central_system.handshakes[0].headers["Authorization"] == "Basic U0lNLTAwMDE6Z2VoZWlt"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--url", "http://localhost/ocpp"], "is no ws:// or wss:// address"),
        (["--start", "yesterday"], "is no ISO 8601 time"),
        (["--charge-points", "0"], "is not in the range"),
        (["--speed", "-1"], "is not in the range"),
    ],
)
def test_wrong_options(arguments: list[str], complaint: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert complaint in result.output


def test_faulty_password_file(tmp_path: Path) -> None:
    path = tmp_path / "passwords.csv"
    path.write_text("SIM-0001;geheim\n", encoding="utf-8")
    result = invoke("--password-file", str(path))
    assert result.exit_code == 2
    assert "'SIM-0001;geheim' is not id,password" in result.output


@pytest.mark.parametrize(
    "arguments", [["--speed", "1200"], ["--load", "--for", "600", "--every", "0.3"]]
)
def test_interrupt_ends_cleanly(central_system: FakeCentralSystem, arguments: list[str]) -> None:
    code = "from ocpp_cs.simulator.command import simulate; simulate()"
    command = [sys.executable, "-c", code, "--url", central_system.url, *arguments]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        action = "MeterValues" if "--load" in arguments else "StatusNotification"
        wait_until(lambda: len(central_system.of(action)) > 5, seconds=30)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert "ended early by Ctrl-C" in output
    assert "Traceback" not in output
    starts, stops = (len(central_system.of(f"{verb}Transaction")) for verb in ("Start", "Stop"))
    assert starts == stops


def test_live_and_load_exclude_each_other() -> None:
    result = invoke("--live", "--load")
    assert result.exit_code == 2
    assert "--live and --load exclude each other." in result.output
