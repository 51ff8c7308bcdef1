"""Our gunicorn configuration under a real gunicorn: who starts, how many, and how they end.

The app behind it is a small one that tells what happens to it; ours is tested elsewhere.
"""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.http.unreader import SocketUnreader

from config.settings import Settings
from tests.servers import PROJECT, Server, wait_until

# It answers with what its worker looks like; /hold keeps its connection until the drain ends it.
APPLICATION = """
import gc, json, threading

class Application:
    def __init__(self):
        self.extensions = {"ocpp_cs": self}
        self.monitor = self
        self.draining = threading.Event()

    def share(self, places, place):
        pass

    def start(self):
        print("the app starts", flush=True)

    def drain(self):
        print("the app drains", flush=True)
        self.draining.set()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/stray":
            import gevent
            gevent.spawn(lambda: 1 / 0)
            threading.Thread(target=lambda: {}["x"], name="stray-thread").start()
        if environ["PATH_INFO"] == "/hold":
            print("a connection is held", flush=True)
            self.draining.wait()
            print("a connection was closed", flush=True)
        start_response("200 OK", [("Content-Type", "application/json")])
        state = {
            "green": threading.get_ident.__module__,
            "frozen": gc.get_freeze_count(),
            "thresholds": gc.get_threshold(),
        }
        return [json.dumps(state).encode()]

app = Application()
"""
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts gunicorn with the small app: `start("--workers", "3", LOG_LEVEL="debug")`."""
    (tmp_path / "small.py").write_text(APPLICATION, encoding="utf-8")
    started: list[Server] = []

    def start_small(*arguments: str, **settings: str) -> Server:
        environment = {"HOME": str(tmp_path), "DATABASE_URL": "sqlite:///small.db", **settings}
        server = Server(
            tmp_path / "log",
            environment,
            application="small:app",
            directory=tmp_path,
            arguments=arguments,
        )
        started.append(server)
        server.start()
        return server

    try:
        yield start_small
    finally:
        for server in started:
            server.crash()
            print(server.log_text())


def state(server: Server) -> dict[str, object]:
    with urllib.request.urlopen(server.http("/state"), timeout=10) as response:
        return dict(json.load(response))


def hold(server: Server) -> socket.socket:
    """A connection whose request does not end before the server drains."""
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    wait_until(lambda: "a connection is held" in server.log_text())
    return client


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signal_drains_the_app_and_ends_cleanly(start: Start, sig: signal.Signals) -> None:
    server = start()
    with hold(server):
        begun = time.monotonic()
        assert server.stop(sig) == 0
        seconds = time.monotonic() - begun
    log = server.log_text()
    assert log.count("the app drains") == 1
    assert log.count("a connection was closed") == 1
    assert "Traceback" not in log
    assert "graceful timeout" not in log
    assert seconds < 8  # and not the 17 s that gunicorn waits for sockets that nobody closes


def test_worker_whose_master_died_drains(start: Start) -> None:
    server = start()
    with hold(server):
        server.process.kill()
        wait_until(lambda: "a connection was closed" in server.log_text())
    assert server.log_text().count("the app drains") == 1


def test_second_sigterm_changes_nothing(start: Start) -> None:
    # Platforms signal every process of a container, so a worker hears it twice.
    server = start()
    with hold(server):
        server.kill(signal.SIGTERM)
        assert server.stop(signal.SIGTERM) == 0
    assert server.log_text().count("the app drains") == 1


def test_signal_during_the_start_is_not_lost(start: Start) -> None:
    server = start()
    server.stop()
    booted = server.log_text().count("Booting worker")
    server.launch()
    wait_until(lambda: server.log_text().count("Booting worker") > booted)
    begun = time.monotonic()
    server.stop(signal.SIGINT)
    assert time.monotonic() - begun < 8


def test_worker_is_replaced_when_it_is_killed(start: Start) -> None:
    server = start()
    killed = server.kill(signal.SIGKILL)
    wait_until(lambda: server.pids and server.pids != killed)
    server.wait_until_ready()


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [((), {"WEB_CONCURRENCY": "4"}), (("--workers", "3"), {})],
    ids=["WEB_CONCURRENCY", "--workers"],
)
def test_sqlite_has_one_worker(
    start: Start, arguments: tuple[str, ...], settings: dict[str, str]
) -> None:
    server = start(*arguments, **settings)
    server.process.send_signal(signal.SIGTTIN)  # "one worker more"
    wait_until(lambda: "Handling signal: ttin" in server.log_text())
    server.process.send_signal(signal.SIGTTIN)
    wait_until(lambda: server.log_text().count("SQLite has one writer") >= 3)
    assert len(server.pids) == 1
    assert server.log_text().count("Booting worker") == 1


def test_postgresql_has_as_many_workers_as_asked_for(start: Start) -> None:
    server = start(DATABASE_URL="postgresql://nowhere/none", WEB_CONCURRENCY="3")
    wait_until(lambda: len(server.pids) == 3)


def test_bad_setting_stops_the_start_with_a_sentence(start: Start) -> None:
    with pytest.raises(AssertionError, match="gunicorn ended") as failed:
        start(WRITE_TIMEOUT="soon")
    log = str(failed.value).partition("\n")[2]
    assert log == (
        "Cannot start: WRITE_TIMEOUT is 'soon'; it must be a number of seconds from 0.1 to 600.\n"
    )


def test_open_doors_and_misspelt_settings_are_said_in_plain_words(start: Start) -> None:
    log = start(WEB_CONCURRENCY="2").log_text()
    assert "Open policy: charge points that nobody registered are accepted." in log
    assert "Open policy: id tags that nobody registered may charge." in log
    assert "The REST API can be read without a key." in log
    assert "SQLite has one writer: one worker process starts, whatever WEB_CONCURRENCY=2" in log


def test_closed_doors_are_not_worth_a_word(start: Start) -> None:
    closed = {"UNKNOWN_CHARGE_POINTS": "closed", "UNKNOWN_ID_TAGS": "closed"}
    log = start(**closed, API_WITHOUT_KEY="0").log_text()
    assert "WARNING" not in log


def test_worker_is_green_and_its_collector_quiet(start: Start) -> None:
    seen = state(start())
    assert str(seen["green"]).startswith("gevent")
    assert seen["thresholds"] == [50_000, 20, 50]
    assert int(str(seen["frozen"])) > 1000


def test_no_control_socket_is_opened(start: Start, tmp_path: Path) -> None:
    start()
    assert not (tmp_path / ".gunicorn").exists()


def limited(files: int) -> subprocess.CompletedProcess[str]:
    """What our configuration says where a process may open so many files."""
    code = "import config.gunicorn as g; print(g.worker_connections, g.raw_env)"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env={"DATABASE_URL": "sqlite:///small.db"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, files)),
    )


def test_soft_limit_of_files_is_raised_as_far_as_needed() -> None:
    assert limited(20_000).stdout == "10512 []\n"


def test_admits_only_as_many_charge_points_as_there_are_files() -> None:
    # 1000 files less 512 for REST, 128 for other things and 10 for the database
    assert limited(1000).stdout == "862 ['MAX_CHARGE_POINTS=350']\n"


def test_refuses_to_start_with_files_for_no_charge_point() -> None:
    done = limited(650)
    assert done.returncode == 1
    assert done.stderr == (
        "Cannot start: this process may open 650 files (`ulimit -n`), which leaves none for charge "
        "points; it needs 10650 for MAX_CHARGE_POINTS=10000.\n"
    )


def test_graceful_timeout_outlasts_the_drain() -> None:
    code = "import config.gunicorn as g; print(g.graceful_timeout)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
        env={"SHUTDOWN_TIMEOUT": "7.5"},
    )
    assert float(done.stdout) > 7.5 > Settings().shutdown_spread


def test_a_body_that_never_ends_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    from config import gunicorn

    monkeypatch.setattr(gunicorn, "BODY_S", 0.3)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        request = SimpleNamespace(unreader=SocketUnreader(ours))
        gunicorn.pre_request(None, request)
        read, began = b"", time.monotonic()
        theirs.sendall(b"x")
        while piece := request.unreader.chunk():  # a byte now and then does not put it off
            read += piece
            time.sleep(0.05)
            theirs.sendall(b"x")
        assert 1 < len(read) < 20
        assert time.monotonic() - began >= 0.3
        gunicorn.post_request(None, request, {}, None)
        theirs.sendall(b"GET /")  # the next request of the connection
        assert request.unreader.chunk().endswith(b"GET /")
        assert ours.gettimeout() is None


def test_what_ends_a_thread_is_one_line_of_the_log(start: Start) -> None:
    server = start()
    urllib.request.urlopen(server.http("/stray"), timeout=10).close()
    wait_until(lambda: server.log_text().count('"level": "error"') == 2)
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
    errors = [line for line in lines if line["level"] == "error"]
    told = " ".join(line["exception"].splitlines()[-1] for line in errors)
    assert "ZeroDivisionError" in told
    assert "KeyError" in told
    assert any(line["message"] == "stray-thread ended with an error" for line in errors)
    assert not [line for line in server.log_text().splitlines() if line.startswith("Traceback")]
