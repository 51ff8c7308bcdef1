"""What charge points feel at a steady load: alone, and while analysts read as much as they can.

One server per engine, with a database of many transactions; its latencies beside the bars.
"""

from __future__ import annotations

import select
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import analysts, closed_loop, open_loop
from benchmarks.analysts import EXPORT, OVERVIEW, PAGES, REPORT
from benchmarks.processes import cpu_seconds
from benchmarks.rows import fill
from benchmarks.server import api_key, serving_process
from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from tests.servers import Postgresql, postgresql_programs

SQLITE = "SQLite"
POSTGRESQL = "PostgreSQL"
ALONE = "nobody reads"
EVERYTHING = "all three at once"
COMPANY: dict[str, tuple[str, ...]] = {
    ALONE: (),
    EXPORT: (EXPORT,),
    REPORT: (REPORT,),
    PAGES: (PAGES,),
    EVERYTHING: (EXPORT, REPORT, PAGES),
    OVERVIEW: (OVERVIEW,),
}
# p50 and p99 in milliseconds.
BARS: dict[tuple[str, str], tuple[float | None, float]] = {
    (SQLITE, ALONE): (5.0, 50.0),
    **{
        (engine, company): (None, 100.0)
        for engine in (SQLITE, POSTGRESQL)
        for company in COMPANY
        if company != ALONE
    },
}


@dataclass(frozen=True)
class Options:
    charge_points: int = 2000
    per_second: float = 1000.0
    seconds: float = 10.0
    rounds: int = 3
    transactions: int = 1_000_000
    engines: tuple[str, ...] = (SQLITE, POSTGRESQL)


@dataclass(frozen=True, slots=True)
class Figure:
    """One round: messages per second; latencies and `late`, the p99 of what the load itself was
    too late by, in milliseconds; busy, shares of a core; what analysts read, in MB/s."""

    rate: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    late_ms: float
    load_busy: float
    server_busy: float
    read_mb_s: float


Figures = dict[tuple[str, str], list[Figure]]


def measure(options: Options) -> Figures:
    figures: Figures = {}
    for engine in options.engines:
        with database(engine) as url:
            if url is None:
                print(f"{engine}: not measured, its programs were not found", file=sys.stderr)
                continue
            print(f"{engine}: {options.transactions:,} transactions are made", file=sys.stderr)
            _fill(url, options.transactions)
            _measure_on(engine, url, options, figures)
    return figures


def _measure_on(engine: str, url: str, options: Options, figures: Figures) -> None:
    key = api_key(url, "analyst")
    # The console is open without a key then.
    with select.epoll() as poll, serving_process(url, API_WITHOUT_KEY="1") as running:
        identities = [f"LOAD-{n}" for n in range(options.charge_points)]
        peers = [closed_loop.connect(running.port, identity) for identity in identities]
        for round_ in range(options.rounds):
            for company, kinds in COMPANY.items():
                print(f"{engine}, round {round_ + 1}: {company}", file=sys.stderr)
                with ExitStack() as stack:
                    asking = [
                        stack.enter_context(analysts.analyst(kind, running.port, key))
                        for kind in kinds
                    ]
                    used = cpu_seconds(running.pid)
                    result = open_loop.run(
                        peers, closed_loop.days, options.per_second, options.seconds, poll
                    )
                    used = cpu_seconds(running.pid) - used
                read = sum(analysts.said(each).bytes for each in asking)
                figures.setdefault((engine, company), []).append(_figure(result, used, read))
        for peer in peers:
            peer.socket.close()


def _figure(result: open_loop.OpenResult, used: float, read: int) -> Figure:
    elapsed = len(result.latencies) / result.rate
    late = result.late[min(len(result.late) - 1, int(0.99 * len(result.late)))]
    return Figure(
        result.rate,
        result.percentile(0.5) * 1000,
        result.percentile(0.99) * 1000,
        result.latencies[-1] * 1000,
        late * 1000,
        result.busy,
        used / elapsed,
        read / elapsed / 1e6,
    )


def print_figures(figures: Figures, options: Options) -> None:
    print(
        f"Open loop, {options.charge_points} charge points, {options.per_second:g} messages/s, "
        f"{options.transactions:,} transactions in the database, medians of {options.rounds} "
        "rounds; times in ms:"
    )
    columns = ("msg/s", "p50", "bar", "p99", "bar", "max", "late p99", "load", "server", "MB/s")
    print(f"{'':11}{'':28}" + "".join(f"{name:>9}" for name in columns))
    for (engine, company), rounds in figures.items():
        middle = _median(rounds)
        bars = [f"{bar:g}" if bar else "" for bar in BARS.get((engine, company), (None, None))]
        told = (
            f"{middle.rate:9.0f}{middle.p50_ms:9.1f}{bars[0]:>9}{middle.p99_ms:9.1f}{bars[1]:>9}"
            f"{middle.most_ms:9.1f}{middle.late_ms:9.1f}{middle.load_busy:9.2f}"
            f"{middle.server_busy:9.2f}{middle.read_mb_s:9.1f}"
        )
        print(f"{engine:11}{company:28}{told}")


def _median(rounds: Sequence[Figure]) -> Figure:
    names = Figure.__slots__
    return Figure(*(statistics.median(getattr(each, name) for each in rounds) for name in names))


@contextmanager
def database(engine: str) -> Iterator[str | None]:
    """The URL of an empty one; None where the engine is not there."""
    with ExitStack() as stack:
        if engine == SQLITE:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-"))
            yield f"sqlite:///{directory}/bench.db"
        elif (programs := postgresql_programs()) is None:
            yield None
        else:
            postgresql = Postgresql(programs)
            stack.callback(postgresql.stop)
            yield postgresql.create_database()


def _fill(url: str, transactions: int) -> None:
    engine = Engine(url)
    migrate.upgrade(engine)
    fill(engine, transactions, 2)
    engine.close()
