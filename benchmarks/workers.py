"""Two workers on one PostgreSQL: whether they hold twice the charge points of one, and how these
spread over them. Each is limited, so that a full one shows.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.crowd import Crowd
from benchmarks.processes import cpu_seconds, open_sockets, resident_kib
from benchmarks.server import serving_process
from tests.servers import Postgresql, postgresql_programs

_SETTLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Filled:
    """A server that was filled to its limit and stayed so; by worker: sockets, KiB for each socket,
    and the share of a core."""

    workers: int
    asked: int
    booted: int
    refused: Counter[str]
    per_second: float
    sockets: list[int]
    kib_each: list[float]
    cpu_shares: list[float]


def measure(limit: int, seconds: float, rounds: int) -> list[Filled]:
    """One worker with `limit` charge points, then two with twice as many, so many times."""
    if (programs := postgresql_programs()) is None:
        print("Workers: not measured, PostgreSQL's programs were not found", file=sys.stderr)
        return []
    found = []
    with ExitStack() as stack:
        postgresql = Postgresql(programs)
        stack.callback(postgresql.stop)
        for round_ in range(rounds):
            for workers in (1, 2):
                print(f"round {round_ + 1} of {rounds}: {workers} workers", file=sys.stderr)
                url = postgresql.create_database()
                found.append(_fill(url, workers, limit, seconds))
    return found


def _fill(url: str, workers: int, limit: int, seconds: float) -> Filled:
    with serving_process(
        url, WEB_CONCURRENCY=str(workers), MAX_CHARGE_POINTS=str(limit), PING_INTERVAL="25"
    ) as running:
        pids = running.pids
        empty = [(open_sockets(pid), resident_kib(pid)) for pid in pids]
        crowd = Crowd(running.port, "FILL")
        try:
            arrival = crowd.arrive(workers * limit, boot=True)
            crowd.stay(_SETTLE_S)
            began, used = time.perf_counter(), [cpu_seconds(pid) for pid in pids]
            crowd.stay(seconds)
            elapsed = time.perf_counter() - began
            shares = [
                (cpu_seconds(pid) - before) / elapsed
                for pid, before in zip(pids, used, strict=True)
            ]
            sockets = [
                open_sockets(pid) - before for pid, (before, _) in zip(pids, empty, strict=True)
            ]
            each = [
                (resident_kib(pid) - before) / max(count, 1)
                for pid, (_, before), count in zip(pids, empty, sockets, strict=True)
            ]
        finally:
            crowd.leave()
    return Filled(
        workers,
        workers * limit,
        arrival.booted,
        arrival.refused,
        arrival.per_second,
        sockets,
        each,
        shares,
    )


def print_figures(found: list[Filled]) -> None:
    for workers in sorted({each.workers for each in found}):
        rounds = [each for each in found if each.workers == workers]
        kib, cpu, rate = (
            statistics.median(values)
            for values in (
                [kib for each in rounds for kib in each.kib_each],
                [100 * share for each in rounds for share in each.cpu_shares],
                [each.per_second for each in rounds],
            )
        )
        spread = "; ".join(" and ".join(map(str, each.sockets)) for each in rounds)
        print(
            f"PostgreSQL, {workers} worker{'s' * (workers > 1)}: "
            f"{sum(each.booted for each in rounds)} of {sum(each.asked for each in rounds)} "
            f"charge points booted, {rate:.0f}/s, "
            f"{sum(each.refused.total() for each in rounds)} refused; sockets {spread}; "
            f"{kib:.1f} KiB each, {cpu:.1f} % of a core per worker"
        )
