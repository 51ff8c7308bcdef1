"""Runs: half of the charge points freeze; peers that read or write next to nothing (A7, F6, F9).

The others and the REST API go on as before, and who is gone is shown so.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import requests

from tests.faults.stage import Outcome, Size, Stage
from tests.faults.steady import Steady, percentile
from tests.faults.watched import (
    MEMORY_SLACK_KIB,
    READERS,
    WATCHED,
    at_rest,
    faults_in_log,
    not_given_back,
)
from tests.gateway.conftest import PATH
from tests.servers import Server

CHARGE_POINTS: dict[Size, int] = {"ci": 20, "short": 200, "full": 500}
_EVERY_S = 2.0
_BEFORE_S: dict[Size, float] = {"ci": 3, "short": 10, "full": 30}
# Until after the frozen ones have been given up, in the full run.
_MEANWHILE_S: dict[Size, float] = {"ci": 3, "short": 10, "full": 45}
_OFFLINE_S = 60.0
_REST_PAUSE_S = 0.1
_REST_P99_S = 0.5
_SLOW: dict[Size, int] = {"ci": 10, "short": 100, "full": 300}
# Longer than any deadline that the server is shipped with.
_PATIENCE_S = 100.0


class Rest:
    """Somebody looks at the list of charge points again and again; latencies in seconds."""

    def __init__(self, server: Server) -> None:
        self.latencies: list[float] = []
        self.findings: list[str] = []
        self.online: set[str] = set()
        self._url = server.http("/api/v1/charge-points?online=true&limit=1000")
        self._left = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._left.set()
            thread.join()

    def _work(self) -> None:
        session = requests.Session()
        while not self._left.wait(_REST_PAUSE_S):
            began = time.monotonic()
            answer = session.get(self._url, timeout=30)
            self.latencies.append(time.monotonic() - began)
            if answer.status_code == 200:
                self.online = {each["id"] for each in answer.json()["items"]}
            else:
                self.findings.append(f"REST: {answer.status_code} {answer.text[:200]}")


def half_freezes(stage: Stage, size: Size) -> Outcome:
    """At one worker with the deadlines that it is shipped with."""
    server = stage.server(stage.new_database(), WEB_CONCURRENCY="1")
    fleet, rest = Steady(server.port, CHARGE_POINTS[size], _EVERY_S), Rest(server)
    frozen = fleet.identities[::2]
    with fleet.at_work(), rest.at_work():
        time.sleep(_EVERY_S)
        before = fleet.latencies(_BEFORE_S[size])
        rest.latencies.clear()
        began = time.monotonic()
        fleet.freeze(frozen)
        meanwhile, shown_after = fleet.latencies(_MEANWHILE_S[size]), None
        while time.monotonic() - began < _OFFLINE_S + 10 and shown_after is None:
            if not rest.online & set(frozen):
                shown_after = time.monotonic() - began
            time.sleep(0.1)
        online = len(rest.online)
    findings = fleet.findings + rest.findings + faults_in_log(server)
    if shown_after is None or shown_after > _OFFLINE_S:
        findings.append(f"offline after {shown_after} s")
    if online != CHARGE_POINTS[size] - len(frozen):
        findings.append(f"{online} are shown online in the end")
    return Outcome(
        {
            "charge points": CHARGE_POINTS[size],
            "frozen": len(frozen),
            "all shown offline after": f"{shown_after or 0:.1f} s",
            **_compared(before, meanwhile, rest.latencies, findings, size),
        },
        findings,
    )


def slow_peers(stage: Stage, size: Size) -> Outcome:
    """Heads and bodies that never end, a byte now and then."""
    server = stage.server(stage.new_database(), application=WATCHED, WEB_CONCURRENCY="1")
    key = server.api_key("admin")
    base = at_rest(server)
    fleet, rest = Steady(server.port, CHARGE_POINTS[size] // 2, _EVERY_S), Rest(server)
    slow: list[tuple[str, socket.socket]] = []
    with ExitStack() as opened:
        opened.enter_context(fleet.at_work())
        opened.enter_context(rest.at_work())
        time.sleep(_EVERY_S)
        before = fleet.latencies(_BEFORE_S[size])
        rest.latencies.clear()
        for kind, begin in _beginnings(key).items():
            for number in range(_SLOW[size]):
                slow.append((kind, opened.enter_context(begin(server.port, number))))
        ended = _dribble(slow, fleet, _BEFORE_S[size])
        meanwhile = ended.pop("meanwhile")
    findings = fleet.findings + rest.findings + faults_in_log(server)
    findings += not_given_back(server, base, memory_kib=MEMORY_SLACK_KIB, descriptors=READERS)
    ends = {kind: f"{max(times):.0f} s" for kind, times in ended.items() if times}
    for kind in _beginnings(key):
        if len(ended.get(kind, ())) < _SLOW[size]:
            findings.append(f"{_SLOW[size] - len(ended.get(kind, ()))} of {kind} hold on")
    return Outcome(
        {
            "charge points": CHARGE_POINTS[size] // 2,
            "slow peers of each kind": _SLOW[size],
            "ended after": ends,
            **_compared(before, meanwhile, rest.latencies, findings, size),
        },
        findings,
    )


def _beginnings(key: str) -> dict[str, Callable[[int, int], socket.socket]]:
    head = b"GET /api/v1/charge-points HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    upgrade = b"GET %s HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Slow: "
    post = (
        b"POST /api/v1/id-tags HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
        b'Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"id": "'
    ) % key.encode()
    return {
        "nothing": lambda port, _: _opened(port, b""),
        "heads": lambda port, _: _opened(port, head),
        "upgrades": lambda port, n: _opened(port, upgrade % f"{PATH}SLOW-{n}".encode()),
        "bodies": lambda port, _: _opened(port, post),
    }


def _opened(port: int, data: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 30)
    sock.sendall(data)
    return sock


def _dribble(
    slow: list[tuple[str, socket.socket]], fleet: Steady, seconds: float
) -> dict[str, list[float]]:
    """A byte a second to each; when each was ended, and the others' latencies meanwhile."""
    ended: dict[str, list[float]] = {}
    began = time.monotonic()
    measured: list[list[float]] = []
    measuring = threading.Thread(target=lambda: measured.append(fleet.latencies(seconds)))
    measuring.start()
    left = list(slow)
    while left and time.monotonic() - began < max(seconds, _PATIENCE_S):
        time.sleep(1)
        still = []
        for kind, sock in left:
            if _has_ended(kind, sock):
                ended.setdefault(kind, []).append(time.monotonic() - began)
            else:
                still.append((kind, sock))
        left = still
    measuring.join()
    return {**ended, "meanwhile": measured[0]}


def _has_ended(kind: str, sock: socket.socket) -> bool:
    """Sends the next byte, unless it is to be silent."""
    try:
        sock.setblocking(False)
        if kind != "nothing":
            sock.send(b"x")
        return sock.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _compared(
    before: list[float],
    meanwhile: list[float],
    rest: list[float],
    findings: list[str],
    size: Size,
) -> dict[str, object]:
    """The figures of the others; on a machine that is shared only the full run judges them."""
    rest_p99 = percentile(sorted(rest), 0.99)
    p99, p99_meanwhile = percentile(before, 0.99), percentile(meanwhile, 0.99)
    if size == "full" and p99_meanwhile > 1.2 * p99:
        findings.append("the others' p99 rose by more than 20 %")
    if size == "full" and rest_p99 > _REST_P99_S:
        findings.append(f"REST's p99 is {rest_p99:.2f} s")
    return {
        "others' answers before and meanwhile": f"{len(before)} and {len(meanwhile)}",
        "their p99": f"{p99 * 1000:.1f} -> {p99_meanwhile * 1000:.1f} ms",
        "REST calls": len(rest),
        "their p99 meanwhile": f"{rest_p99 * 1000:.0f} ms",
    }
