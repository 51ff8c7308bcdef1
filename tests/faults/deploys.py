"""Deploys under load: a new release beside the old one on one database, then the old one drained.

Each release is a copy of the code with a migration more, which its release phase applies while the
old one works on.
"""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path
from typing import NamedTuple

import requests

from tests.faults.fleet import fleet_of, judge, tracebacks
from tests.faults.router import Router
from tests.faults.stage import Outcome, Size, Stage
from tests.ledger_charge_point import LedgerFleet
from tests.servers import PROJECT, Server, wait_until

_EXIT_WITHIN_S = 20.0
_MIGRATION = """\
from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:
    db.execute_sql("ALTER TABLE transactions ADD COLUMN rehearsal_{number} text")
"""


class _Load(NamedTuple):
    deploys: int
    charge_points: int
    every_s: float


_LOADS: dict[Size, _Load] = {
    "ci": _Load(3, 20, 0.1),
    "short": _Load(6, 150, 0.5),
    "full": _Load(30, 300, 1.0),
}


def run(stage: Stage, size: Size) -> Outcome:
    load = _LOADS[size]
    url = stage.new_database()
    old = stage.server(url, MAX_CHARGE_POINTS="1000")
    releases = [old]
    outcome = Outcome({"deploys": load.deploys, "charge points": load.charge_points})
    with (
        Router(old.port) as router,
        fleet_of(
            stage,
            f"ws://127.0.0.1:{router.port}/ocpp",
            load.charge_points,
            every_s=load.every_s,
            samples=2,
            timeout_s=5.0,
        ) as (fleet, path),
    ):
        fleet.wait_for_acknowledgements(2 * load.charge_points, seconds=120)
        for number in range(load.deploys):
            old = _deploy(stage, number, url, old, router, fleet, outcome)
            releases.append(old)
            before = fleet.ledger.totals["acknowledgement"]
            fleet.wait_for_acknowledgements(before + 2 * load.charge_points, seconds=120)
        fleet.finish(120)
        judge(outcome, fleet, path, old, url)
        outcome.findings += [each for server in releases[:-1] for each in _faults(server)]
        outcome.figures["close codes"] = dict(fleet.statistics.close_codes)
        if cut := fleet.statistics.close_codes[1006]:
            outcome.findings.append(f"{cut} connections ended without a Close frame")
    return outcome


def _deploy(
    stage: Stage,
    number: int,
    url: str,
    old: Server,
    router: Router,
    fleet: LedgerFleet,
    outcome: Outcome,
) -> Server:
    """Puts a release in the place of `old`; the new one."""
    release = _release(stage.directory / f"release-{number}", number)
    new = stage.server(url, directory=release, MAX_CHARGE_POINTS="1000")
    wait_until(lambda: _ready(new), seconds=60, what="the new release is ready")
    if not _ready(old):
        outcome.findings.append(f"deploy {number}: the old release is not ready any more")
    before = fleet.ledger.totals["acknowledgement"]
    fleet.wait_for_acknowledgements(before + 5, seconds=120)  # over the schema of the new one
    router.target = new.port
    # Every other one like a terminal's Ctrl-C, as Fly stops its machines.
    began = time.monotonic()
    status = old.stop(signal.SIGINT if number % 2 else signal.SIGTERM)
    took = time.monotonic() - began
    if status != 0 or took > _EXIT_WITHIN_S:
        outcome.findings.append(f"deploy {number}: exit status {status} after {took:.1f} s")
    return new


def _release(directory: Path, number: int) -> Path:
    """The code with all migrations of the releases before, and one more."""
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("config", "ocpp_cs"):
        shutil.copytree(PROJECT / name, directory / name, ignore=skipped)
    shutil.copy(PROJECT / "wsgi.py", directory)
    for each in range(number + 1):
        path = directory / "ocpp_cs" / "db" / "migrations" / f"{9000 + each}_rehearsal.py"
        path.write_text(_MIGRATION.format(number=each), encoding="utf-8")
    return directory


def _ready(server: Server) -> bool:
    return requests.get(server.http("/readyz"), timeout=10).status_code == 200


def _faults(server: Server) -> list[str]:
    return tracebacks(server.log_text())
