"""The thread that writes the log: nobody waits for who reads it, and what is lost is counted."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ocpp_cs.log_writer import LineHandler
from tests.conftest import StartServer
from tests.gateway.conftest import HEARTBEAT, RawPeer
from tests.servers import PROJECT, Server, wait_until

# A pipe holds 64 KiB, and so many lines of this length do not fit into it and the queue.
_LONG = "x" * 1000


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("ocpp_cs.test", logging.INFO, "file.py", 1, text, (), None)


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """An end to read that nobody reads, and a stream to write to."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
        os.close(reading)


def test_a_log_that_nobody_reads_stops_nobody_and_says_what_it_lost(
    pipe: tuple[int, io.TextIOWrapper],
) -> None:
    reading, stream = pipe
    handler = LineHandler(stream, longest_queue=50)
    for number in range(500):
        handler.emit(record(f"{number} {_LONG}"))
    text = ""

    def read_all() -> bool:
        nonlocal text
        text += os.read(reading, 65536).decode()
        return f"{_LONG}\n" in text and handler._lines.qsize() == 0

    wait_until(read_all, what="the queue is empty")
    handler.emit(record("the last one"))
    while "the last one" not in text:
        text += os.read(reading, 65536).decode()
    handler.close()
    *kept, loss, last = text.splitlines()
    assert last == "the last one"
    assert [int(line.split()[0]) for line in kept] == list(range(len(kept)))
    assert loss == f"{500 - len(kept)} lines are missing here: nobody read the log fast enough"
    assert 50 <= len(kept) < 500


def test_lines_keep_their_order_and_the_end_waits_for_them() -> None:
    output = io.StringIO()
    handler = LineHandler(output)
    for number in range(1000):
        handler.emit(record(str(number)))
    handler.close()
    assert output.getvalue() == "".join(f"{number}\n" for number in range(1000))


def test_a_stream_that_is_closed_is_no_reason_to_fail() -> None:
    output = io.StringIO()
    output.close()
    handler = LineHandler(output)
    handler.emit(record("nobody hears it"))
    handler.close()


def test_a_forked_process_has_a_thread_of_its_own(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reading, stream = pipe
    handler = LineHandler(stream)
    handler.emit(record("parent"))
    handler.flush()
    if (child := os.fork()) == 0:
        handler.emit(record("child"))
        handler.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    handler.emit(record("parent again"))
    handler.close()
    assert os.read(reading, 1000) == b"parent\nchild\nparent again\n"


def test_the_server_serves_on_while_nobody_reads_its_log(server: StartServer) -> None:
    """Each broken frame is a line of the log: they fill the pipe many times over."""
    running = server()
    running.stop()
    with unread(running) as process, killed(running):
        wait_until(running._healthy, seconds=30, what="/healthz")
        with RawPeer(running.port) as peer, RawPeer(running.port) as bystander:
            peer.upgraded("CP1")
            bystander.upgraded("CP2")
            for _ in range(20):
                for _ in range(50):
                    peer.send("no frame")
                assert peer.exchange(HEARTBEAT)[0] == 3
                assert bystander.exchange(HEARTBEAT)[0] == 3
        process.terminate()
        assert process.wait(20) == 0


@contextmanager
def killed(server: Server) -> Iterator[None]:
    """Whatever happens, it ends: also where it stands still."""
    try:
        yield
    finally:
        server.crash()


def unread(server: Server) -> subprocess.Popen[bytes]:
    """The server once more on its port, with a standard error that is a pipe."""
    command = [sys.executable, "-m", "gunicorn", "-c", str(PROJECT / "config" / "gunicorn.py")]
    environment = {**server.environment, "UNREADABLE_FRAME_LIMIT": "1000000"}
    process = subprocess.Popen(
        [*command, "wsgi:app"],
        cwd=PROJECT,
        env=environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    server._process = process
    return process
