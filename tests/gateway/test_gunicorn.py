"""The same gateway where it really runs: green threads under gunicorn, with the project's config.

Not a repetition of the other tests: only what depends on gevent's sockets and gunicorn's manners.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.frames import Opcode

from tests.conftest import StartServer
from tests.gateway.conftest import HEARTBEAT, PATH, UPGRADE, RawPeer, basic, call
from tests.servers import PROJECT, Server, wait_until

START = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-03-01T11:00:00Z"}


def raw(server: Server, identity: str = "CP1") -> RawPeer:
    return RawPeer(server.port).upgraded(identity)


def assert_clean(server: Server) -> None:
    """No traceback and no error stands in the log."""
    text = server.log_text()
    assert "Traceback" not in text
    assert '"level": "error"' not in text


def present(server: Server) -> int:
    """Charge points that the database believes to be connected."""
    path = server.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        query = "SELECT count(*) FROM charge_points WHERE present_until IS NOT NULL"
        return int(database.execute(query).fetchone()[0])


def test_handshake_refusals_and_an_exchange(server: StartServer) -> None:
    running = server(UNKNOWN_CHARGE_POINTS="open")
    with RawPeer(running.port) as peer:
        status, answered, _ = peer.request(f"{PATH}CP1", {"Host": "localhost"})
        assert (status, answered["upgrade"]) == (426, "websocket")
    for path, headers, expected in (
        ("a%2Fb", {}, 400),
        ("a%00b", {}, 400),
        ("%FF", {}, 400),
        ("CP1", {"Sec-WebSocket-Protocol": "ocpp2.0.1"}, 400),
        ("CP1", {"Sec-WebSocket-Version": "8"}, 426),
        ("CP1", {"Sec-WebSocket-Key": "x"}, 400),
    ):
        with RawPeer(running.port) as peer:
            assert peer.request(PATH + path, {**UPGRADE, **headers})[0] == expected
    with raw(running) as peer:
        assert peer.exchange(call("StartTransaction", START))[:2] == [3, "1"]
        peer.send(b"\x03\xe8", Opcode.CLOSE)
        assert peer.receive_close().code == 1000
        assert peer.ended()
    wait_until(lambda: present(running) == 0)
    assert_clean(running)


def test_password_that_an_operator_set(server: StartServer) -> None:
    running = server(UNKNOWN_CHARGE_POINTS="closed", HIDE_UNKNOWN="1")
    password = "correct-horse-battery"
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "charge-point", "add", "CP1"]
    subprocess.run(
        [*command, "--password", password], check=True, cwd=PROJECT, env=running.environment
    )
    for identity, shown, expected in (
        ("CP1", password, 101),
        ("CP1", "wrong-horse-battery", 401),
        ("CP2", password, 401),
    ):
        with RawPeer(running.port) as peer:
            headers = {**UPGRADE, **basic(identity, shown.encode())}
            assert peer.request(PATH + identity, headers)[0] == expected
    assert password not in running.log_text()
    assert_clean(running)


def test_newest_connection_wins(server: StartServer) -> None:
    running = server()
    with raw(running) as older, raw(running) as newer:
        assert older.receive_close().code == 1008
        older.socket.close()
        assert newer.exchange(HEARTBEAT)[0] == 3
        assert present(running) == 1
    assert_clean(running)


def test_newest_connection_wins_across_processes(server: StartServer, postgresql_url: str) -> None:
    """Each process closes what it replaced itself, and learns of the others from the database."""
    running = server(postgresql_url, WEB_CONCURRENCY="2", PRESENCE_INTERVAL="0.2")
    peers = [raw(running) for _ in range(12)]
    for older in peers[:-1]:
        close = older.receive_close()
        assert (close.code, close.reason) == (1008, "replaced by a newer connection")
        older.socket.close()
    for _ in range(3):
        assert peers[-1].exchange(HEARTBEAT)[0] == 3
    peers[-1].socket.close()
    assert_clean(running)


def test_silent_and_stuck_peers_are_removed_and_harm_nobody(server: StartServer) -> None:
    running = server(WRITE_TIMEOUT="2", PING_INTERVAL="0.5", PONG_TIMEOUT="2")
    with RawPeer(running.port, receive_buffer=4096) as stuck, raw(running, "CP2") as silent:
        stuck.upgraded("CP1")
        with raw(running, "CP3") as other:
            stuck.fill()
            slowest = 0.0
            while present(running) > 1:
                began = time.monotonic()
                assert other.exchange(HEARTBEAT)[0] == 3
                slowest = max(slowest, time.monotonic() - began)
            assert slowest < 1.5  # it did not wait for the other's deadline
        assert silent.receive_close().code == 1011
    wait_until(lambda: "disconnected: write timeout" in running.log_text())
    wait_until(lambda: "disconnected: no pong" in running.log_text())
    assert_clean(running)


@pytest.mark.skipif(not Path("/proc").exists(), reason="counts descriptors of another process")
def test_nothing_is_left_of_connections(server: StartServer) -> None:
    running = server()
    (pid,) = running.pids

    def one_round() -> None:
        with ExitStack() as peers:
            for number in range(20):
                peer = peers.enter_context(raw(running, f"CP{number % 15}"))
                peer.send(HEARTBEAT)
            peers.enter_context(RawPeer(running.port)).request(PATH + "a:b", UPGRADE)
            binary = peers.enter_context(raw(running, "binary"))
            binary.send(b"", Opcode.BINARY)
            assert binary.receive_close().code == 1003
        wait_until(lambda: present(running) == 0)

    def left() -> tuple[int, int]:
        return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))

    one_round()
    before = left()
    for _ in range(3):
        one_round()
    wait_until(lambda: left() <= before, what=f"descriptors and threads return to {before}")
    assert_clean(running)


def test_sigterm_closes_every_socket_with_1012(server: StartServer) -> None:
    running = server(SHUTDOWN_SPREAD="0.5")
    peers = [raw(running, f"CP{number}") for number in range(30)]
    codes: list[int] = []

    def charge(peer: RawPeer) -> None:
        """Sends messages until it is told to go, and then goes."""
        number = 0
        while True:
            number += 1
            peer.send(call("StartTransaction", {**START, "meterStart": number}, str(number)))
            opcode, payload = peer.receive()
            if opcode is Opcode.CLOSE:
                codes.append(int.from_bytes(payload[:2], "big"))
                peer.send(payload, Opcode.CLOSE)
                return
            assert payload.startswith(b'[3,"%d",' % number)

    threads = [threading.Thread(target=charge, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    assert running.stop(signal.SIGTERM) == 0
    for thread in threads:
        thread.join()
    assert codes == [1012] * 30
    assert present(running) == 0
    assert_clean(running)
    for peer in peers:
        peer.socket.close()


def test_a_message_that_takes_long_to_read_holds_nobody_up(server: StartServer) -> None:
    """Compared within one run: how long a bad message took, and a bystander's longest wait."""
    running = server(UNKNOWN_CHARGE_POINTS="open")
    bad = ",".join(["0"] * 400_000)
    values = f'[{{"timestamp":"2026-03-01T11:00:00Z","sampledValue":[{bad}]}}]'
    frame = f'[2,"big","MeterValues",{{"connectorId":1,"meterValue":{values}}}]'
    took = 0.0
    done = threading.Event()

    def send_hostile() -> None:
        nonlocal took
        with raw(running, "HOSTILE") as peer:
            began = time.monotonic()
            assert peer.exchange(frame)[:2] == [4, "big"]
            took = time.monotonic() - began
        done.set()

    longest = 0.0
    with raw(running, "BYSTANDER") as bystander:
        hostile = threading.Thread(target=send_hostile)
        hostile.start()
        while not done.is_set():
            began = time.monotonic()
            assert bystander.exchange(HEARTBEAT)[0] == 3
            longest = max(longest, time.monotonic() - began)
        hostile.join()
    print(f"bad message {took:.3f} s, longest wait {longest:.3f} s")
    assert longest < took * 3 / 4
    assert_clean(running)


def test_ctrl_c_ends_without_a_traceback(server: StartServer) -> None:
    """A terminal sends SIGINT to master and worker alike, and the master sends SIGQUIT on top."""
    running = server(UNKNOWN_CHARGE_POINTS="open")
    with raw(running) as peer:
        assert peer.exchange(HEARTBEAT)[0] == 3
        os.killpg(running.process.pid, signal.SIGINT)
        assert peer.receive_close().code == 1012
    assert running.process.wait(20) == 0
    assert_clean(running)
    assert "SystemExit" not in running.log_text()


def test_a_header_that_never_ends_has_a_deadline(server: StartServer) -> None:
    """A7: drop by drop, so that no single wait is long."""
    running = server()
    with RawPeer(running.port) as slow:
        slow.socket.sendall(b"GET /ocpp/CP1 HTTP/1.1\r\n")

        def dropped() -> bool:
            try:
                slow.socket.sendall(b"X")
            except OSError:
                return True
            return False

        wait_until(dropped, seconds=30, what="the end of the slow peer")
    with raw(running) as other:
        assert other.exchange(HEARTBEAT)[0] == 3
    assert_clean(running)
