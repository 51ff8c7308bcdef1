"""What a large database costs: pages, the energy report, samples on top of many, disk, a start.

A million transactions with twenty million samples, on SQLite and on a PostgreSQL of its own. The
server is on one core, its client on another.
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import psycopg

from benchmarks import closed_loop, console, pages
from benchmarks.rows import SAMPLES_OF_A_METER_VALUE, Fleet, fill
from benchmarks.server import gunicorn, serving_process, type_command
from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from tests.servers import Postgresql, postgresql_programs

_METER_VALUES = 5  # of a transaction
# More than a charge point sends in one: none is sent twice.
_MESSAGES_OF_A_ROUND = 10_000
_PAGE_MS, _LONG_TRANSACTION_MS, _CONSOLE_MS = 20.0, 30.0, 200.0
_REPORT_RATIO, _RATE_RATIO, _START_S = 3.0, 0.9, 1.5
_BYTES = {"sqlite": 70.0, "postgresql": 110.0}
_REPORT = {"group_by": "charge_point_id,month", "format": "csv"}
# The same sums over the same rows, each session in the month of its start.
_GROUP_BY = """
SELECT charge_point_id, {month}, SUM(meter_stop_wh - meter_start_wh), COUNT(*),
    SUM(stopped_at - started_at)
FROM transactions GROUP BY 1, 2
"""
_MONTH = {
    "sqlite": "strftime('%Y-%m', started_at / 1000, 'unixepoch')",
    "postgresql": "date_trunc('month', started_at)",
}
_DISK = {
    "sqlite": (
        "SELECT SUM(pgsize) FROM dbstat WHERE aggregate = TRUE AND name = 'meter_values'",
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    ),
    "postgresql": (
        "SELECT pg_total_relation_size('meter_values')",
        "SELECT pg_database_size(current_database())",
    ),
}


class Figure(NamedTuple):
    """What was measured; `most` or `least` is the bar, if there is one."""

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None
    detail: str = ""

    @property
    def held(self) -> bool:
        too_much = self.most is not None and self.value > self.most
        return not too_much and (self.least is None or self.value >= self.least)


class Databases(NamedTuple):
    """The URLs of one that is full and one that is empty."""

    dialect: str
    full: str
    empty: str


def measure(options: argparse.Namespace, databases: Databases) -> Iterator[Figure]:
    """All figures of one engine; what writes into the full database comes last."""
    began = time.monotonic()
    engine = Engine(databases.full)
    migrate.upgrade(engine)
    fleet = fill(engine, options.transactions, _METER_VALUES)
    engine.close()
    print(f"{databases.dialect}: filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
    yield from _disk(databases)
    yield from _start(databases, options.rounds)
    yield from _reading(databases, fleet, options)
    yield from _console(databases, fleet, options)
    yield _rate(databases, fleet, options)


@contextmanager
def both_engines() -> Iterator[list[Databases]]:
    """SQLite files of our own, and a PostgreSQL where its programs are found."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-"))
        files = [f"sqlite:///{directory}/{name}.db" for name in ("full", "empty")]
        found = [Databases("sqlite", *files)]
        if (programs := postgresql_programs()) is not None:
            postgresql = Postgresql(programs)
            stack.callback(postgresql.stop)
            full, empty = (postgresql.create_database() for _ in range(2))
            found.append(Databases("postgresql", full, empty))
        yield found


def _disk(databases: Databases) -> Iterator[Figure]:
    table, whole = _DISK[databases.dialect]
    [[samples]] = _select(databases, "SELECT COUNT(*) FROM meter_values")
    [[of_table]], [[of_all]] = _select(databases, table), _select(databases, whole)
    most = _BYTES[databases.dialect]
    yield Figure("disk per sample: table and index", of_table / samples, "bytes", most)
    yield Figure("disk per sample: the whole database", of_all / samples, "bytes")


def _start(databases: Databases, rounds: int) -> Iterator[Figure]:
    took = [_seconds_to_first_connection(databases.full) for _ in range(rounds)]
    yield Figure("start to the first connection", statistics.median(took), "s", _START_S)


def _seconds_to_first_connection(database_url: str) -> float:
    """From the start of gunicorn to a charge point's accepted handshake."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        process = gunicorn(database_url, log, PORT=str(port))
        try:
            while True:
                try:
                    closed_loop.open_websocket(port, "CP-1").close()
                except OSError:
                    if process.poll() is not None:
                        raise RuntimeError("the server ended") from None
                    time.sleep(0.005)
                else:
                    return time.monotonic() - began
        finally:
            process.terminate()
            process.wait(60)


def _reading(databases: Databases, fleet: Fleet, options: argparse.Namespace) -> Iterator[Figure]:
    made = type_command(databases.full, "api-key", "create", "bench", "--role", "analyst")
    [key] = [word for word in made.split() if word.startswith("ocs_")]
    with serving_process(databases.full) as running:
        client = pages.Client(running.port, key)
        try:
            for kind in pages.transactions(client, fleet, options.requests):
                yield _page("/transactions: " + kind.name, kind, _PAGE_MS)
            for kind in pages.long_transactions(client, fleet, options.requests):
                yield _page("a long transaction: " + kind.name, kind, _LONG_TRANSACTION_MS)
            for kind in pages.others(client, fleet, options.requests):
                yield _page(kind.name, kind, None)
            yield _report(databases, client, options.rounds)
        finally:
            client.close()


def _console(databases: Databases, fleet: Fleet, options: argparse.Namespace) -> Iterator[Figure]:
    """Its overview, of a server that has just started: nothing of it has been read before."""
    console.populate(databases.full, fleet)
    with serving_process(databases.full, API_WITHOUT_KEY="1") as running:
        for kind in console.overview(running.port, options.requests):
            yield _page(
                f"console, {console.CHARGE_POINTS:,} charge points: {kind.name}", kind, _CONSOLE_MS
            )


def _page(name: str, kind: pages.Kind, most: float | None) -> Figure:
    p50, worst = 1000 * kind.percentile(0.5), 1000 * kind.latencies[-1]
    detail = f"p50 {p50:.1f}, worst {worst:.1f}, up to {kind.rows} rows"
    return Figure(f"{name}, p95", 1000 * kind.percentile(0.95), "ms", most, detail=detail)


def _report(databases: Databases, client: pages.Client, rounds: int) -> Figure:
    """The report, whole, by the time of a plain GROUP BY that is measured in turn with it."""
    plain = _GROUP_BY.format(month=_MONTH[databases.dialect])
    reports, sums = [], []
    for _ in range(rounds):
        took, body = client.get("/reports/energy", **_REPORT)
        reports.append(took)
        began = time.perf_counter()
        _select(databases, plain)
        sums.append(time.perf_counter() - began)
    report, sum = statistics.median(reports), statistics.median(sums)
    rows = body.count(b"\n") - 1
    detail = f"{report:.2f} s for {rows} rows, GROUP BY {sum:.2f} s"
    name = "energy by month and charge point: by GROUP BY"
    return Figure(name, report / sum, "", _REPORT_RATIO, detail=detail)


def _rate(databases: Databases, fleet: Fleet, options: argparse.Namespace) -> Figure:
    """MeterValues of charge points that are charging, into the full and the empty database."""
    rates: dict[str, list[float]] = {databases.empty: [], databases.full: []}
    for round_ in range(options.rounds):
        for url, found in rates.items():
            found.append(_messages_per_second(url, fleet, options, round_))
    empty, full = (statistics.median(found) for found in rates.values())
    detail = f"{full:.0f}/s, empty {empty:.0f}/s, {options.sockets} sockets"
    return Figure(
        "MeterValues: by the empty database", full / empty, "", least=_RATE_RATIO, detail=detail
    )


def _messages_per_second(url: str, fleet: Fleet, options: argparse.Namespace, round_: int) -> float:
    with serving_process(url) as running:
        # Those that have samples already, spread over all of them.
        step = max(fleet.charge_points // options.sockets, 1)
        identities = [f"CP-{1 + n * step}" for n in range(options.sockets)]
        peers = [closed_loop.connect(running.port, identity) for identity in identities]
        for peer in peers:
            peer.number += round_ * _MESSAGES_OF_A_ROUND
        result = closed_loop.run(peers, closed_loop.meter_values, options.seconds)
        for peer in peers:
            peer.socket.close()
    return result.rate


def _select(databases: Databases, statement: str) -> list[Any]:
    if databases.dialect == "sqlite":
        connection: Any = sqlite3.connect(databases.full.removeprefix("sqlite:///"))
    else:
        connection = psycopg.connect(databases.full)
    try:
        rows: list[Any] = connection.execute(statement).fetchall()
        return rows
    finally:
        connection.close()


def print_figures(dialect: str, fleet_size: int, figures: list[Figure]) -> None:
    samples = fleet_size * _METER_VALUES * SAMPLES_OF_A_METER_VALUE
    print(f"\n{dialect}, {fleet_size:,} transactions, {samples:,} samples and a few more:")
    for figure in figures:
        bar = "" if figure.most is None else f"at most {figure.most:g}"
        bar = bar if figure.least is None else f"at least {figure.least:g}"
        told = f"{figure.value:9.2f} {figure.unit:6}{bar:14}"
        missed = "" if figure.held else "MISSED "
        print(f"{figure.name:66}{told}{missed}{figure.detail}")
