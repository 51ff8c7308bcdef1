"""Run: handshakes and REST calls that are nearly right, at a real server (A4, A5, A8, F17).

Each is answered, and never as our fault; or the connection ends. `SEED=7` repeats a run.
"""

from __future__ import annotations

import errno
import random
import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.faults import fuzz_http
from tests.faults.fuzz_frames import Seen, seed
from tests.faults.fuzz_wire import pieces
from tests.faults.stage import Outcome, Size, Stage
from tests.faults.watched import (
    MEMORY_SLACK_KIB,
    READERS,
    WATCHED,
    at_rest,
    bystander,
    faults_in_log,
    held,
    not_given_back,
)

REQUESTS: dict[Size, int] = {"ci": 600, "short": 4_000, "full": 20_000}
_CLIENTS = 12
_WARM_UP = 300
_DEADLINE_S = 30.0
_LONGEST_WAIT_S = 5.0
_CUT_OFF = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
# What is no defect: a method, a coding or a version that nobody here knows.
_OTHERS_FAULT = {501, 505}
# Who keeps its own key, and the bystander.
_LEFT_ALONE = ("/api/v1/api-keys/{api_key_id}", "/api/v1/charge-points/{charge_point_id}")


class Client:
    """Sends one request per connection, in whatever pieces, and reads the status."""

    def __init__(self, port: int, name: str, run_seed: int, document: Any, key: str) -> None:
        self._port = port
        self._rng = random.Random(f"{run_seed} {name}")
        self._document = document
        self._key = key
        self.seen = Seen()

    def run(self, count: int) -> Seen:
        for number in range(count):
            handshake = number % 2 == 0
            if handshake:
                data = fuzz_http.handshake(self._rng)
            else:
                data = fuzz_http.rest_call(self._rng, self._document, self._key)
            kind = "handshakes" if handshake else "calls"
            self.seen.counts[kind] += 1
            try:
                status = self._status_of(data)
            except OSError as error:
                self.seen.findings.append(f"{error!r} after {data[:800]!r}")
                continue
            self.seen.counts[f"{kind}: {status // 100}xx" if status else "no answer"] += 1
            if status >= 500 and status not in _OTHERS_FAULT:
                self.seen.findings.append(f"{status} for {data[:1500]!r}")
        return self.seen

    def _status_of(self, data: bytes) -> int:
        """0 if the connection ended without an answer; what asked for one and got none hangs."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self._port), _DEADLINE_S) as sock:
            try:
                for piece in pieces(self._rng, data):
                    sock.sendall(piece)
                sock.shutdown(socket.SHUT_WR)  # who sent half a request sends no more
                while len(answer) < 16 and (more := sock.recv(4096)):
                    answer += more
                if self._rng.random() < 0.9:
                    while sock.recv(65536):
                        pass
            except OSError as error:  # whoever was refused in the middle of it may be cut off
                if error.errno not in _CUT_OFF:
                    raise
        found = _STATUS.match(answer)
        return int(found[1]) if found else 0


def _without_what_is_needed(document: dict[str, Any]) -> dict[str, Any]:
    paths = {
        path: {name: of for name, of in operations.items() if not _saws(path, name)}
        for path, operations in document["paths"].items()
    }
    return {**document, "paths": paths}


def _saws(path: str, method: str) -> bool:
    """Whether it could take away what all the others need."""
    return path in _LEFT_ALONE and method in ("delete", "patch")


def fuzz_requests(stage: Stage, size: Size) -> Outcome:
    """Half of them handshakes, half calls, twelve at a time, at one worker; with a bystander."""
    run_seed = seed()
    print(f"SEED={run_seed}", flush=True)
    server = stage.server(
        stage.new_database(),
        application=WATCHED,
        WEB_CONCURRENCY="1",
        LOGIN_ATTEMPTS_PER_ADDRESS="1000000",
    )
    server.flask("charge-point", "add", "CP-1", "--password", "correct-horse-battery")
    key = server.api_key("admin")
    document = requests.get(server.http("/openapi.json"), timeout=30).json()
    document = _without_what_is_needed(document)

    def all_of(count: int, round_name: str) -> Seen:
        clients = [
            Client(server.port, f"{round_name}-{n}", run_seed, document, key)
            for n in range(_CLIENTS)
        ]
        total = Seen()
        with ThreadPoolExecutor(_CLIENTS) as threads:
            for seen in threads.map(lambda each: each.run(count // _CLIENTS), clients):
                total.counts += seen.counts
                total.findings += seen.findings
        return total

    all_of(_WARM_UP, "first")
    base = at_rest(server)
    pids = server.pids
    with bystander(server) as watched:
        total = all_of(REQUESTS[size], "then")
    findings = [*total.findings, *watched.findings]
    if watched.longest() > _LONGEST_WAIT_S:
        findings.append(f"the bystander waited for {watched.longest():.1f} s")
    if server.pids != pids:
        findings.append("the worker died")
    findings += not_given_back(server, base, memory_kib=MEMORY_SLACK_KIB, descriptors=READERS)
    after = held(server)
    findings += faults_in_log(server)
    counts: Counter[str] = total.counts
    figures: dict[str, object] = {
        "seed": run_seed,
        **dict(sorted(counts.items())),
        "bystander's answers": len(watched.waits),
        "its longest wait": f"{watched.longest():.3f} s",
        "threads": f"{base.threads} -> {after.threads}",
        "descriptors": f"{base.descriptors} -> {after.descriptors}",
        "Pss": f"{base.pss_kib // 1024} -> {after.pss_kib // 1024} MiB",
    }
    return Outcome(figures, findings)
