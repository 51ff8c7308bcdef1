"""Our server beside other central systems: the same frames, the same load, in turn in one run.

Ratios only: each figure of ours is divided by the peer's of the same round.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks import closed_loop
from benchmarks.processes import cpu_seconds
from benchmarks.server import (
    NODE,
    STORING,
    STORING_NOTHING,
    Running,
    node_is_there,
    peer_serving,
    serving_process,
)

OURS = "ours, every answer on disk"
HEARTBEAT = "Heartbeat"
METER_VALUES = "MeterValues of 4 samples"
SESSIONS = "Start, 3 MeterValues, Stop"
_WORK: dict[str, closed_loop.MakeScript] = {
    HEARTBEAT: closed_loop.heartbeats,
    METER_VALUES: closed_loop.meter_values,
    SESSIONS: closed_loop.sessions,
}


class Figure(NamedTuple):
    """One measurement: messages per second, and processor time of the server for each, in µs."""

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    load_busy: float


class Bar(NamedTuple):
    """A ratio that is asked for: ours doing `work` beside `other` doing `than`."""

    work: str
    other: str
    than: str
    least: float


BARS = (
    Bar(METER_VALUES, STORING_NOTHING, METER_VALUES, 5.0),
    Bar(METER_VALUES, STORING, METER_VALUES, 8.0),
    Bar(METER_VALUES, OURS, HEARTBEAT, 0.55),
    Bar(SESSIONS, STORING_NOTHING, SESSIONS, 4.5),
)
BARS_ON_POSTGRESQL = (
    Bar(METER_VALUES, STORING_NOTHING, METER_VALUES, 3.0),
    Bar(SESSIONS, STORING_NOTHING, SESSIONS, 2.0),
)

Figures = dict[tuple[str, str], list[Figure]]


@dataclass(frozen=True)
class Options:
    sockets: int = 500
    seconds: float = 5.0
    rounds: int = 3
    database_url: str | None = None
    peers: tuple[str, ...] = (STORING_NOTHING, STORING, NODE)


def measure(options: Options) -> Figures:
    """Every system does all work in each round; nothing else runs meanwhile."""
    figures: Figures = {}
    systems = [OURS, *(peer for peer in options.peers if peer != NODE or node_is_there())]
    for round_ in range(options.rounds):
        for system in systems:
            print(f"round {round_ + 1} of {options.rounds}: {system}", file=sys.stderr)
            with _running(system, options.database_url) as running:
                identities = [f"BENCH-{round_}-{n}" for n in range(options.sockets)]
                peers = [closed_loop.connect(running.port, each) for each in identities]
                for name, make in _WORK.items():
                    figure = _one(running.pid, peers, make, options.seconds)
                    figures.setdefault((system, name), []).append(figure)
                for peer in peers:
                    peer.socket.close()
    return figures


@contextmanager
def _running(system: str, database_url: str | None) -> Iterator[Running]:
    with ExitStack() as stack:
        if system == OURS:
            yield stack.enter_context(serving_process(database_url))
        else:
            yield stack.enter_context(peer_serving(system))


def _one(
    pid: int, peers: list[closed_loop.Peer], make: closed_loop.MakeScript, seconds: float
) -> Figure:
    before = cpu_seconds(pid)
    result = closed_loop.run(peers, make, seconds)
    cpu = cpu_seconds(pid) - before
    return Figure(
        result.rate,
        cpu / len(result.latencies) * 1e6,
        result.percentile(0.5) * 1000,
        result.percentile(0.99) * 1000,
        result.busy,
    )


def ratios(figures: Figures, bar: Bar) -> list[float]:
    """Of each round, ours by the other's."""
    own, other = figures[OURS, bar.work], figures.get((bar.other, bar.than), [])
    return [mine.rate / theirs.rate for mine, theirs in zip(own, other, strict=False)]


def print_figures(figures: Figures, options: Options) -> None:
    print(f"Closed loop, {options.sockets} sockets, medians of {options.rounds} rounds:")
    head = ("messages/s", "CPU µs", "p50 ms", "p99 ms", "load busy")
    print(f"{'':36}{'':28}" + "".join(f"{name:>12}" for name in head))
    for (system, work), runs in figures.items():
        columns = [statistics.median(values) for values in zip(*runs, strict=True)]
        told = [f"{columns[0]:12.0f}", *(f"{value:12.1f}" for value in columns[1:4])]
        print(f"{system:36}{work:28}{''.join(told)}{columns[4]:12.2f}")


def print_bars(figures: Figures, bars: tuple[Bar, ...]) -> None:
    print(f"\n{'ours by':64}{'least':>8}{'median':>8}{'asked':>8}")
    for bar in bars:
        found = ratios(figures, bar)
        if found:
            name = f"{bar.work} / {bar.other}" + (f", {bar.than}" * (bar.than != bar.work))
            told = f"{min(found):8.2f}{statistics.median(found):8.2f}{bar.least:8.2f}"
            print(f"{name:64}{told}")
