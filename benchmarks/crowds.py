"""What thousands of connections cost: their arrival all at once, and their mere presence."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.crowd import Arrival, Crowd
from benchmarks.processes import cpu_seconds, resident_kib
from benchmarks.server import serving_process

_SETTLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Idle:
    """Connections that only answer pings: KiB of memory each, and the share of a core of all."""

    count: int
    kib_each: float
    cpu_share: float
    server_kib: int  # of the server before they came


def measure_arrival(count: int) -> Arrival:
    """Charge points connect and boot as fast as they can, as after a restart."""
    with serving_process() as running:
        crowd = Crowd(running.port, "ARRIVAL")
        try:
            return crowd.arrive(count, boot=True)
        finally:
            crowd.leave()


def measure_idle(count: int, seconds: float) -> Idle:
    """Over `seconds`; pings go every 25 s."""
    with serving_process(PING_INTERVAL="25", MAX_CHARGE_POINTS=str(max(count, 10_000))) as running:
        before = resident_kib(running.pid)
        crowd = Crowd(running.port, "IDLE")
        try:
            crowd.arrive(count, boot=False)
            crowd.stay(_SETTLE_S)
            began, used = time.perf_counter(), cpu_seconds(running.pid)
            crowd.stay(seconds)
            share = (cpu_seconds(running.pid) - used) / (time.perf_counter() - began)
            each = (resident_kib(running.pid) - before) / count
        finally:
            crowd.leave()
    return Idle(count, each, share, before)


def print_arrival(arrival: Arrival) -> None:
    print(
        f"{arrival.booted} charge points connect and boot at once: {arrival.per_second:.0f}/s, "
        f"{arrival.refused.total()} refused"
    )


def print_idle(idle: Idle) -> None:
    print(
        f"{idle.count} idle connections: {idle.kib_each:.1f} KiB each, "
        f"{100 * idle.cpu_share:.1f} % of a core; the server alone {idle.server_kib / 1024:.0f} MiB"
    )
