"""What charge points feel while events are sent to webhooks: none, one that takes all, ones that
hang.

Receivers are processes of their own, on the load's core: run as a program, this is one of them.
"""

from __future__ import annotations

import json
import select
import socket
import statistics
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import closed_loop, open_loop
from benchmarks.processes import cpu_seconds
from benchmarks.server import PROJECT, Running, api_key, serving_process
from benchmarks.under_load import POSTGRESQL, SQLITE, database

NONE = "no webhook"
GOOD = "one that takes all"
# As many as there are threads, so that each is held.
HANGING = "four that hang"
COMPANY: dict[str, tuple[str, int]] = {NONE: ("", 0), GOOD: ("take", 1), HANGING: ("hang", 4)}
BAR_P99_MS = 100.0


@dataclass(frozen=True)
class Options:
    charge_points: int = 1000
    per_second: float = 500.0
    seconds: float = 10.0
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One round: messages per second, latencies in milliseconds, the server's share of a core, and
    what the receivers were sent: events, or requests where they hang."""

    rate: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    server_busy: float
    sent: int


Figures = dict[tuple[str, str], list[Figure]]


def measure(options: Options) -> Figures:
    figures: Figures = {}
    for engine in (SQLITE, POSTGRESQL):
        with database(engine) as url:
            if url is None:
                print(f"{engine}: not measured, its programs were not found", file=sys.stderr)
                continue
            with (
                select.epoll() as poll,
                serving_process(
                    url, WEBHOOK_NETWORKS="127.0.0.0/8", WEBHOOK_PLAIN_HTTP="1"
                ) as running,
            ):
                key = api_key(url, "admin")
                names = [f"LOAD-{n}" for n in range(options.charge_points)]
                peers = [closed_loop.connect(running.port, name) for name in names]
                for round_ in range(options.rounds):
                    for company in COMPANY:
                        print(f"{engine}, round {round_ + 1}: {company}", file=sys.stderr)
                        figure = _measure_one(running, key, company, peers, options, poll)
                        figures.setdefault((engine, company), []).append(figure)
                for peer in peers:
                    peer.socket.close()
    return figures


def _measure_one(
    running: Running,
    key: str,
    company: str,
    peers: list[closed_loop.Peer],
    options: Options,
    poll: select.epoll,
) -> Figure:
    kind, count = COMPANY[company]
    with ExitStack() as stack:
        receivers = [stack.enter_context(_receiver(kind)) for _ in range(count)]
        for each in receivers:
            stack.enter_context(_webhook(running.port, key, each.port))
        used = cpu_seconds(running.pid)
        result = open_loop.run(peers, closed_loop.days, options.per_second, options.seconds, poll)
        used = cpu_seconds(running.pid) - used
        sent = sum(each.ask() for each in receivers)
    return Figure(
        result.rate,
        result.percentile(0.5) * 1000,
        result.percentile(0.99) * 1000,
        result.latencies[-1] * 1000,
        used * result.rate / len(result.latencies),
        sent,
    )


def print_figures(figures: Figures, options: Options) -> None:
    print(
        f"Open loop, {options.charge_points} charge points, {options.per_second:g} messages/s, "
        f"medians of {options.rounds} rounds; times in ms, bar of the p99 {BAR_P99_MS:g}:"
    )
    columns = ("msg/s", "p50", "p99", "max", "server", "sent")
    print(f"{'':11}{'':20}" + "".join(f"{name:>9}" for name in columns))
    for (engine, company), rounds in figures.items():
        rate, p50, p99, most, busy, sent = (
            statistics.median(getattr(each, name) for each in rounds) for name in Figure.__slots__
        )
        told = f"{rate:9.0f}{p50:9.1f}{p99:9.1f}{most:9.1f}{busy:9.2f}{sent:9.0f}"
        print(f"{engine:11}{company:20}{told}")


@contextmanager
def _webhook(port: int, key: str, receiver_port: int) -> Iterator[None]:
    """A webhook for all events, while it is measured."""
    url = f"http://127.0.0.1:{port}/api/v1/webhooks"
    body = json.dumps({"url": f"http://127.0.0.1:{receiver_port}/"}).encode()
    made = json.loads(_request(url, key, "POST", body))
    try:
        yield
    finally:
        _request(f"{url}/{made['id']}", key, "DELETE")


def _request(url: str, key: str, method: str, body: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content: bytes = answer.read()
    return content


class _Receiver:
    """A process that takes or lets hang what it is sent."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def ask(self) -> int:
        """What it was sent so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@contextmanager
def _receiver(kind: str) -> Iterator[_Receiver]:
    command = [sys.executable, "-m", "benchmarks.webhooks", kind]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield _Receiver(process)
    finally:
        process.kill()
        process.wait()


def receive(kind: str) -> None:
    """The process: prints its port, and what it was sent at each line that it reads."""
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    held: list[socket.socket] = []
    sent = 0

    def serve() -> None:
        nonlocal sent
        while True:
            connection, _ = server.accept()
            head, _, body = connection.recv(1 << 20).partition(b"\r\n\r\n")
            if kind == "hang":
                held.append(connection)
                sent += 1
                continue
            [length] = [
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ]
            while len(body) < length:
                body += connection.recv(1 << 20)
            sent += len(json.loads(body)["events"])
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    for _ in sys.stdin:
        print(sent, flush=True)


def main(arguments: Sequence[str]) -> None:
    receive(arguments[0])


if __name__ == "__main__":
    main(sys.argv[1:])
