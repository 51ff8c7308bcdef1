"""`kill -9` of workers and of gunicorn's master, at random, under load.

The run starts the master again, as a service manager does; a killed worker the master replaces.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from random import Random
from typing import NamedTuple

from tests.faults.fleet import fleet_of, judge
from tests.faults.stage import Outcome, Size, Stage
from tests.servers import Server, wait_until


class _Load(NamedTuple):
    kills: int
    charge_points: int
    transactions: int
    every_s: float


_LOADS: dict[Size, _Load] = {
    "ci": _Load(2, 20, 60, 0.1),
    "short": _Load(15, 150, 1500, 0.5),
    "full": _Load(200, 300, 20_000, 3.0),
}
# "all" is a kill of the whole service, as by a machine that is out of memory; of "master" the
# workers live on for the moment that they take to see it.
_VICTIMS = (*("worker",) * 5, *("workers",) * 2, "master", "all")


def run(stage: Stage, size: Size) -> Outcome:
    load, rng = _LOADS[size], Random(1)
    url = stage.new_database()
    server = stage.server(url, MAX_CHARGE_POINTS="1000")
    killed: Counter[str] = Counter()
    outcome = Outcome({"kills": load.kills, "charge points": load.charge_points})
    with fleet_of(
        stage, server.ws_url(""), load.charge_points, every_s=load.every_s, samples=2, timeout_s=5.0
    ) as (fleet, path):
        fleet.wait_for_acknowledgements(load.charge_points, seconds=60)
        for _ in range(load.kills):
            before = fleet.ledger.totals["acknowledgement"]
            fleet.wait_for_acknowledgements(before + load.charge_points // 4, seconds=60)
            time.sleep(rng.uniform(0.0, 0.8))
            victim = rng.choice(_VICTIMS)
            killed[victim] += 1
            _kill(server, victim, rng)
        wait_until(
            lambda: fleet.ledger.counts["acknowledgement", "StopTransaction"] >= load.transactions,
            seconds=900,
            what="so many transactions",
        )
        fleet.finish(120)
        outcome.figures |= {f"kills of {victim}": count for victim, count in killed.items()}
        judge(outcome, fleet, path, server, url)
    return outcome


def _kill(server: Server, victim: str, rng: Random) -> None:
    """Kills, and returns when the server answers again."""
    if victim == "worker":
        os.kill(rng.choice(server.pids), signal.SIGKILL)
    elif victim == "workers":
        server.kill(signal.SIGKILL)
    elif victim == "all":
        server.crash()
        server.start()
        return
    else:
        _kill_master(server)
        return
    server.wait_until_ready()


def _kill_master(server: Server) -> None:
    """Its workers see that it died, and drain; until they have left, a new one finds the port taken
    and gives up after some seconds: a service manager would try again."""
    orphans = server.pids
    server.process.kill()
    server.process.wait(30)
    server.launch()
    wait_until(lambda: not any(_lives(pid) for pid in orphans), seconds=30, what="they leave")
    while True:
        try:
            server.wait_until_ready()
            return
        except AssertionError:
            if server.process.poll() is None:
                raise
            server.launch()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
