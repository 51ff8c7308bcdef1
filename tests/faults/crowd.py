"""Many at once: an orderly end under 500 sockets, a reconnect storm, a long queue, wrong clocks."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta

from tests.faults.fleet import fleet_of, judge
from tests.faults.stage import Outcome, Size, Stage
from tests.servers import wait_until

_EXIT_WITHIN_S = 20.0
_SOCKETS: dict[Size, int] = {"ci": 60, "short": 500, "full": 500}
_STORM: dict[Size, int] = {"ci": 100, "short": 500, "full": 1000}
_QUEUE: dict[Size, int] = {"ci": 1000, "short": 10_000, "full": 10_000}
_CLOCKS: dict[Size, tuple[int, int]] = {"ci": (9, 18), "short": (25, 500), "full": (25, 2000)}


def terminate(stage: Stage, size: Size) -> Outcome:
    """SIGTERM to a server full of busy charge points: all are told to go, and lose nothing."""
    count = _SOCKETS[size]
    url = stage.new_database()
    server = stage.server(url, MAX_CHARGE_POINTS="2000")
    outcome = Outcome({"sockets": count})
    with fleet_of(stage, server.ws_url(""), count, every_s=2.0, samples=2, timeout_s=15.0) as (
        fleet,
        path,
    ):
        wait_until(lambda: fleet.statistics.connections >= count, seconds=120)
        fleet.wait_for_acknowledgements(2 * count, seconds=120)
        codes, reconnects = fleet.statistics.close_codes.copy(), fleet.statistics.reconnects
        began = time.monotonic()
        status = server.stop(signal.SIGTERM)
        took = time.monotonic() - began
        wait_until(
            lambda: (fleet.statistics.close_codes - codes).total() >= count,
            seconds=30,
            what="all connections ended",
        )
        codes = fleet.statistics.close_codes - codes
        outcome.figures |= {
            "exit status": status,
            "exit after s": round(took, 1),
            "close codes": dict(codes),
            "came back before the end": fleet.statistics.reconnects - reconnects,
        }
        if took > _EXIT_WITHIN_S or status != 0:
            outcome.findings.append(f"exit status {status} after {took:.1f} s")
        if codes[1006]:
            outcome.findings.append(f"{codes[1006]} sockets ended without a Close frame")
        server.start()
        fleet.finish(180)
        judge(outcome, fleet, path, server, url)
    return outcome


def storm(stage: Stage, size: Size) -> Outcome:
    """Everything is killed at once, and everybody comes back at once."""
    count = _STORM[size]
    url = stage.new_database()
    server = stage.server(url, MAX_CHARGE_POINTS="3000")
    outcome = Outcome({"charge points": count})
    with fleet_of(stage, server.ws_url(""), count, every_s=3.0, samples=2, timeout_s=20.0) as (
        fleet,
        path,
    ):
        fleet.wait_for_acknowledgements(2 * count, seconds=180)
        before = fleet.statistics.connections
        server.crash()
        server.start()
        began = time.monotonic()
        wait_until(
            lambda: fleet.statistics.connections >= before + count,
            seconds=180,
            what="everybody is back",
        )
        outcome.figures["all back after s"] = round(time.monotonic() - began, 1)
        fleet.finish(240)
        judge(outcome, fleet, path, server, url)
    return outcome


def queue(stage: Stage, size: Size) -> Outcome:
    """One charge point was offline for long: all of it comes at once, in order."""
    count = _QUEUE[size]
    url = stage.new_database()
    server = stage.server(url)
    outcome = Outcome({})
    with fleet_of(stage, server.ws_url(""), 1, every_s=0.0001, samples=8) as (fleet, path):
        fleet.wait_for_acknowledgements(10)
        server.crash()
        ledger = fleet.ledger
        wait_until(
            lambda: ledger.totals["event"] - ledger.totals["acknowledgement"] >= count,
            seconds=120,
            what="a long queue",
        )
        fleet.end_sessions()
        outcome.figures["queued"] = ledger.totals["event"] - ledger.totals["acknowledgement"]
        server.start()
        began = time.monotonic()
        fleet.finish(300)
        outcome.figures["taken in within s"] = round(time.monotonic() - began, 1)
        judge(outcome, fleet, path, server, url)
    return outcome


def clocks(stage: Stage, size: Size) -> Outcome:
    """Clocks that are hours off, to both sides, and a worker is killed meanwhile."""
    count, transactions = _CLOCKS[size]
    url = stage.new_database()
    server = stage.server(url)
    outcome = Outcome({"charge points": count, "clocks off by up to h": count // 2})
    with fleet_of(
        stage,
        server.ws_url(""),
        count,
        every_s=0.1,
        samples=2,
        timeout_s=5.0,
        begins_at=datetime.now(UTC).replace(microsecond=0),
        clocks_apart=timedelta(hours=1),
    ) as (fleet, path):
        fleet.wait_for_acknowledgements(5 * count)
        server.kill(signal.SIGKILL)
        server.wait_until_ready()
        wait_until(
            lambda: fleet.ledger.counts["acknowledgement", "StopTransaction"] >= transactions,
            seconds=300,
            what="so many transactions",
        )
        fleet.finish(60)
        judge(outcome, fleet, path, server, url)
    return outcome
