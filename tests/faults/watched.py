"""A server whose inside can be looked at: its green threads, descriptors and memory.

`python -m gunicorn tests.faults.watched:app` serves ours with one route more. It changes nothing
of what is looked at, but for a collection of garbage before the count.
"""

from __future__ import annotations

import gc
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from benchmarks.processes import resident_kib
from tests.gateway.conftest import HEARTBEAT, RawPeer, call
from tests.servers import Server

if TYPE_CHECKING:
    from flask import Flask

WATCHED = "tests.faults.watched:app"
_PATH = "/faults/threads"
_PATIENCE_S = 30.0
# Where green threads begin that native threads have: their own work, and what waits for them.
_OF_NATIVE_THREADS = ("gevent/threadpool.py", "gevent/hub.py")
# Descriptors of connections to the database that reading keeps, not all made in a warm-up.
READERS = 24
# Threads that write to PostgreSQL, each made with the first work of its lane.
WRITERS = 4
# What a worker may keep beyond its base, in KiB: what its allocator needed once, and on SQLite the
# pages that its writer (16 MiB) and each thread that reads (8 MiB) cache.
MEMORY_SLACK_KIB = 48 * 1024


def __getattr__(name: str) -> Flask:
    """`app`, made when gunicorn asks for it: whoever imports this module otherwise wants none."""
    if name != "app":
        raise AttributeError(name)
    from wsgi import app

    app.add_url_rule(_PATH, view_func=_threads)
    return app


def _threads() -> dict[str, Any]:
    """A view: where each green thread stands, by the functions of its stack."""
    green = import_module("greenlet").greenlet
    gc.collect()
    found = [each for each in gc.get_objects() if isinstance(each, green) and not each.dead]
    return {"threads": dict(Counter(_where(each) for each in found if _is_waiting(each)))}


def _is_waiting(thread: Any) -> bool:
    """Whether it is a green thread of ours: native ones, which are few and stay, have some too."""
    frame = thread.gr_frame
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame is not None and not frame.f_code.co_filename.endswith(_OF_NATIVE_THREADS)


def _where(thread: Any) -> str:
    names = []
    frame = thread.gr_frame
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return " < ".join(names[:6])


class Held(NamedTuple):
    """What a worker holds: memory in KiB, its own share of what is shared."""

    threads: int
    descriptors: int
    pss_kib: int


def held(server: Server) -> Held:
    """Of the only worker."""
    (pid,) = server.pids
    threads = sum(_counted(server).values())
    return Held(threads, len(os.listdir(f"/proc/{pid}/fd")), resident_kib(pid))


def _counted(server: Server) -> dict[str, int]:
    with requests.get(
        server.http(_PATH), headers={"Connection": "close"}, timeout=_PATIENCE_S
    ) as answer:
        counts: dict[str, int] = answer.json()["threads"]
    return counts


def at_rest(server: Server) -> Held:
    """As `held`, once what has ended is gone."""
    until = time.monotonic() + _PATIENCE_S
    before = held(server)
    while time.monotonic() < until:
        time.sleep(1)
        now = held(server)
        if now[:2] == before[:2]:
            return now
        before = now
    return before


def not_given_back(
    server: Server, base: Held, *, memory_kib: int, descriptors: int = 0
) -> list[str]:
    """What is held above `base` when nobody comes any more, after some patience; with slack."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        now = held(server)
        left = [
            f"{name}: {now_held} after {base_held}"
            for name, now_held, base_held, slack in zip(
                Held._fields, now, base, (WRITERS, descriptors, memory_kib), strict=True
            )
            if now_held > base_held + slack
        ]
        if not left or time.monotonic() > until:
            return left + ([f"they stand at {_counted(server)}"] if left else [])
        time.sleep(0.5)


def faults_in_log(server: Server) -> list[str]:
    """Lines of the log that no peer may cause."""
    pattern = re.compile(r'Traceback|"level": "(error|critical)"|"exception"')
    return [line[:2000] for line in server.log_text().splitlines() if pattern.search(line)]


class Bystander:
    """A charge point that does its work beside; `waits` in seconds, for each of its answers."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.findings: list[str] = []

    def longest(self) -> float:
        return max(self.waits, default=0.0)


@contextmanager
def bystander(
    server: Server, identity: str = "BYSTANDER", pause: float = 0.02
) -> Iterator[Bystander]:
    """Asks again and again, half of it what has to be stored, until the block is left."""
    seen, left = Bystander(), threading.Event()

    def ask() -> None:
        started = {"connectorId": 1, "idTag": "T", "timestamp": "2026-03-01T11:00:00Z"}
        with RawPeer(server.port) as peer:
            peer.socket.settimeout(60)
            peer.upgraded(identity)
            while not left.is_set():
                number = len(seen.waits)
                asked = call("StartTransaction", {**started, "meterStart": number}, str(number))
                began = time.monotonic()
                answer = peer.exchange(asked if number % 2 else HEARTBEAT)
                while answer[0] == 2:  # a command to all charge points, from elsewhere in the run
                    answer = peer.receive_text()
                seen.waits.append(time.monotonic() - began)
                if answer[0] != 3:
                    seen.findings.append(f"the bystander was answered {answer}")
                left.wait(pause)

    def watch() -> None:
        try:
            ask()
        except Exception as error:
            seen.findings.append(f"the bystander was left alone: {error!r}")

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        left.set()
        thread.join()
