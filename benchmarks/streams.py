"""`make bench ARGS="--only streams"`: CSV downloads of a million rows beside the database's own.

The rows are made by the database itself. The database's own program writes the same columns of the
same rows, in turn with the server in one run; then a charge point's Heartbeats are timed meanwhile.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import closed_loop
from benchmarks.rows import fill
from benchmarks.server import Running, pin, serving_process
from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from tests.servers import Postgresql, postgresql_programs

_BLOCK = 65536
_TRANSACTIONS = "/api/v1/transactions?format=csv&sort=started_at"
_JSON_LINES = "/api/v1/transactions?format=jsonl&sort=started_at"
_METER_VALUES = "/api/v1/meter-values?format=csv"
_HEARTBEAT_EVERY_S = 0.02

# The columns of the list, as somebody with a shell would ask for them.
_SELECT = """
SELECT t.id, c.identity AS charge_point_id, t.connector_id, t.id_tag, t.parent_id_tag,
  t.id_tag_status, {started_at} AS started_at, {stopped_at} AS stopped_at,
  {received_at} AS received_at, t.meter_start_wh, t.meter_stop_wh,
  COALESCE(t.meter_stop_wh, t.last_register_wh) - t.meter_start_wh AS energy_wh,
  {duration_s} AS duration_s,
  ROUND((COALESCE(t.meter_stop_wh, t.last_register_wh) - t.meter_start_wh) * 3600
    / {duration_s}, 1) AS average_power_w,
  t.max_power_w, t.stop_reason, t.stop_id_tag, t.reservation_id,
  CASE WHEN t.stopped_at IS NULL THEN 'active' ELSE 'completed' END AS status, t.flags
FROM transactions t LEFT JOIN charge_points c ON c.id = t.charge_point_id
ORDER BY t.started_at, t.id
"""
_TIMES = ("started_at", "stopped_at", "received_at")
_SHELL_DURATION = "((t.stopped_at - t.started_at) / 1000.0)"
_AS_STORED = _SELECT.format(duration_s=_SHELL_DURATION, **{name: f"t.{name}" for name in _TIMES})
_TIMES_AS_TEXT = _SELECT.format(
    duration_s=_SHELL_DURATION,
    **{name: f"strftime('%Y-%m-%dT%H:%M:%fZ', t.{name} / 1000.0, 'unixepoch')" for name in _TIMES},
)
_COPY = "COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER)".format(
    _SELECT.format(
        duration_s="EXTRACT(EPOCH FROM t.stopped_at - t.started_at)",
        **{name: f"t.{name}" for name in _TIMES},
    )
)


@dataclass(frozen=True, slots=True)
class Download:
    """Rows without the head; seconds; MiB by which the worker grew at most while it streamed.

    `mapped_mib` are pages of files, such as SQLite's, which the system takes back when it likes.
    """

    rows: int
    first_byte_s: float
    total_s: float
    grown_mib: float
    mapped_mib: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of each download by its name, and of each form of the database's own dump in seconds."""

    downloads: dict[str, list[Download]]
    dumps: dict[str, list[float]]
    heartbeats_s: list[float]  # in ascending order, while transactions are downloaded


def measure(database_url: str, transactions: int, rounds: int) -> Figures:
    """Fills the database, which must be empty, and downloads what is in it."""
    engine = Engine(database_url)
    migrate.upgrade(engine)
    fill(engine, transactions, 1)
    engine.close()
    dumps: dict[str, list[float]] = {}
    downloads: dict[str, list[Download]] = {}
    with serving_process(database_url, API_WITHOUT_KEY="1") as running:
        paths = {
            "CSV of transactions": _TRANSACTIONS,
            "JSON Lines of transactions": _JSON_LINES,
            "CSV of meter values": _METER_VALUES,
        }
        for path in paths.values():
            with urllib.request.urlopen(_url(running, path), timeout=60) as first:
                first.read(_BLOCK)  # this one imports, compiles and fills caches
        for round_ in range(rounds):
            print(f"round {round_ + 1} of {rounds}: {running.database_url}", file=sys.stderr)
            for name, dump in _dumps(database_url):
                began = time.monotonic()
                dump()
                dumps.setdefault(name, []).append(time.monotonic() - began)
            for name, path in paths.items():
                taken = download(_url(running, path), running.pid)
                downloads.setdefault(name, []).append(taken)
        return Figures(downloads, dumps, _heartbeats(running))


def download(url: str, pid: int) -> Download:
    own, mapped = own_before, mapped_before = memory_mib(pid)
    lines, first = 0, 0.0
    began = time.monotonic()
    with urllib.request.urlopen(url, timeout=600) as answer:
        while block := answer.read1(_BLOCK):
            first = first or time.monotonic() - began
            lines += block.count(b"\n")
            own, mapped = map(max, (own, mapped), memory_mib(pid))
    took = time.monotonic() - began
    rows = lines - ("format=csv" in url)
    return Download(rows, first, took, own - own_before, mapped - mapped_before)


def memory_mib(pid: int) -> tuple[float, float]:
    """The memory that a process has at this moment: its own, and mapped from files or shared."""
    words = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    resident, shared = (int(word) * os.sysconf("SC_PAGE_SIZE") / 2**20 for word in words[1:3])
    return resident - shared, shared


def _url(running: Running, path: str) -> str:
    return f"http://127.0.0.1:{running.port}{path}"


def _dumps(database_url: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """What the database's own programs do, by name."""
    if database_url.startswith("sqlite:"):
        path = database_url.removeprefix("sqlite:///")
        yield "sqlite3, times as they are stored", lambda: _shell(path, _AS_STORED)
        yield "sqlite3, times as texts", lambda: _shell(path, _TIMES_AS_TEXT)
    else:
        yield "COPY ... TO STDOUT WITH CSV", lambda: _copy(database_url)


def _shell(path: str, query: str) -> None:
    """On the core that the server has, as another one may be busier."""
    command = ["sqlite3", "-readonly", path]
    text = f".headers on\n.mode csv\n{query};\n"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as shell:
        pin(shell.pid, 0)
        shell.communicate(text.encode())
    if shell.returncode:
        raise RuntimeError("sqlite3 failed")


def _copy(database_url: str) -> None:
    with psycopg.connect(database_url) as connection, connection.cursor().copy(_COPY) as copy:
        for _ in copy:
            pass


def _heartbeats(running: Running) -> list[float]:
    """Round trips of one every 20 ms while a client downloads all transactions, which runs in a
    process of its own so that only the server can delay them."""
    fetch = (
        "import sys, urllib.request as u\nwith u.urlopen(sys.argv[1]) as a:\n while a.read1(): 0"
    )
    peer = closed_loop.connect(running.port, "CP-1", in_transaction=False)
    command = [sys.executable, "-c", fetch, _url(running, _TRANSACTIONS)]
    found = []
    with subprocess.Popen(command) as client:
        due = time.perf_counter()
        while client.poll() is None:
            due += _HEARTBEAT_EVERY_S
            time.sleep(max(0.0, due - time.perf_counter()))
            closed_loop.run([peer], closed_loop.heartbeats, 0.0)
            found.append(time.perf_counter() - due)  # from when it was due: a late one counts
    peer.socket.close()
    if client.returncode:
        raise RuntimeError("the download failed")
    return sorted(found)


def print_figures(figures: Figures) -> None:
    print(f"{'':36}{'rows':>12}{'first, ms':>11}{'all, s':>8}{'MiB':>6}{'mapped':>8}")
    taken = {name: statistics.median(times) for name, times in figures.dumps.items()}
    for name, seconds in taken.items():
        print(f"{name:36}{'':12}{'':11}{seconds:8.2f}")
    for name, runs in figures.downloads.items():
        first, total = (
            statistics.median(values)
            for values in zip(*((run.first_byte_s, run.total_s) for run in runs), strict=True)
        )
        own, mapped = max(run.grown_mib for run in runs), max(run.mapped_mib for run in runs)
        told = f"{runs[0].rows:12,}{1000 * first:11.0f}{total:8.2f}{own:6.1f}{mapped:8.1f}"
        print(f"{name:36}{told}")
    ours = statistics.median(run.total_s for run in figures.downloads["CSV of transactions"])
    for name, seconds in taken.items():
        print(f"speed of the CSV of transactions by that of {name}: {seconds / ours:.2f}")
    beats = figures.heartbeats_s
    p50, p99 = (1000 * beats[int(share * len(beats))] for share in (0.5, 0.99))
    print(
        f"{len(beats)} Heartbeats during a download: p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
        f"longest {1000 * beats[-1]:.1f} ms"
    )


@contextmanager
def databases(given: str | None) -> Iterator[dict[str, str]]:
    """Empty databases by the names of their engines: the given one, or one of each engine."""
    with ExitStack() as stack:
        if given is not None:
            yield {given.partition(":")[0]: given}
            return
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-"))
        found = {"SQLite": f"sqlite:///{directory}/bench.db"}
        if (programs := postgresql_programs()) is not None:
            postgresql = Postgresql(programs)
            stack.callback(postgresql.stop)
            found["PostgreSQL"] = postgresql.create_database()
        yield found
