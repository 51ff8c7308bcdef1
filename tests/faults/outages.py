"""The database away: stopped, frozen, its connections cut, its disk full. None of it may cost data.

The server sends charge points away with 1013 and comes back by itself; nobody restarts it.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.conftest import plain_sql
from tests.faults.fleet import fleet_of, judge
from tests.faults.stage import Outcome, Size, Stage
from tests.ledger_charge_point import LedgerFleet
from tests.servers import Server, wait_until

Outage = Callable[[Server, float], None]

BACK_WITHIN_S = 60.0
_DOWN, _UP = "database unavailable", "database available again"
_DISK_MB = 48


class _Load(NamedTuple):
    charge_points: int
    seconds: tuple[float, ...]  # of each outage


_LOADS: dict[Size, _Load] = {
    "ci": _Load(10, (2.0,)),
    "short": _Load(100, (5.0,)),
    "full": _Load(200, (5.0, 60.0)),
}
_CUT_EVERY_S = 2.0
_READ_EVERY_S = 0.5
_READ_TIMEOUT_S = 20.0
_NO_ANSWER = 0


def stopped(stage: Stage, size: Size) -> Outcome:
    """PostgreSQL is shut down, and started again after a while."""

    def outage(_server: Server, seconds: float) -> None:
        stage.postgresql.halt()
        time.sleep(seconds)
        stage.postgresql.resume()

    return _run(stage, size, stage.new_database(), outage)


def frozen(stage: Stage, size: Size) -> Outcome:
    """PostgreSQL neither answers nor hangs up, as behind a network that swallows packets."""

    def outage(_server: Server, seconds: float) -> None:
        stage.postgresql.signal_all(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            stage.postgresql.signal_all(signal.SIGCONT)

    # The server can't tell it from a slow one: whoever waits long enough leaves by himself, and so
    # do readers.
    return _run(stage, size, stage.new_database(), outage, away=False, reads=_NO_ANSWER)


def cut(stage: Stage, size: Size) -> Outcome:
    """PostgreSQL ends all connections every few seconds; it takes new ones at once."""
    url, ended = stage.new_database(), 0

    def outage(_server: Server, seconds: float) -> None:
        nonlocal ended
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ended += stage.postgresql.cut_connections(url)
            time.sleep(_CUT_EVERY_S)

    outcome = _run(stage, size, url, outage, away=False)
    outcome.figures["database connections cut"] = ended
    return outcome


def disk_full(stage: Stage, size: Size) -> Outcome:
    """No room for the database's files: on a small file system that something else fills.

    Mounting one takes root's rights; without them, on SQLite the server's files may grow no more.
    """
    if os.geteuid() != 0:
        return _no_growth(stage, size)
    with _small_disk(stage.directory / "disk") as disk:
        if stage.engine == "sqlite":
            return _fill(stage, size, f"sqlite:///{disk / 'faults.db'}", disk)
        tables = disk / "tables"
        tables.mkdir()
        disk.chmod(0o755)
        stage.directory.chmod(0o755)
        url = stage.postgresql.create_database(tables)
        try:
            return _fill(stage, size, url, disk)
        finally:
            stage.end()
            stage.postgresql.drop_database(url)
            stage.postgresql.drop_tablespace(url)


def _fill(stage: Stage, size: Size, url: str, disk: Path) -> Outcome:
    def outage(_server: Server, seconds: float) -> None:
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        # What is freed or was reserved meanwhile runs out, too.
        time.sleep(seconds)
        filler.unlink()

    outcome = _run(stage, size, url, outage, reads=200)
    outcome.figures["disk full by"] = f"a tmpfs of {_DISK_MB} MB"
    return outcome


def _no_growth(stage: Stage, size: Size) -> Outcome:
    if stage.engine != "sqlite":
        return Outcome({"not done": "mounting a small disk takes root's rights"})
    url = stage.new_database()

    def outage(server: Server, seconds: float) -> None:
        log = Path(f"{url.removeprefix('sqlite:///')}-wal")
        for pid in server.pids:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
        time.sleep(seconds)
        for pid in server.pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    outcome = _run(stage, size, url, outage, reads=200)
    outcome.figures["disk full by"] = "RLIMIT_FSIZE"
    return outcome


class _Reader(threading.Thread):
    """Reads over REST again and again; `answers` are the statuses, 0 for none in time."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[int] = Counter()
        self._url = server.http("/api/v1/transactions?limit=1")
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(_READ_EVERY_S):
            self.answers[self._read()] += 1

    def _read(self) -> int:
        try:
            with urllib.request.urlopen(self._url, timeout=_READ_TIMEOUT_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return _NO_ANSWER

    def stop(self) -> None:
        self._stopped.set()
        self.join(2 * _READ_TIMEOUT_S)


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    directory.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(directory)]
    subprocess.run(options, check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def _run(
    stage: Stage,
    size: Size,
    url: str,
    outage: Outage,
    *,
    away: bool = True,
    reads: int = 503,
) -> Outcome:
    """Outages under load. `away`: charge points must be sent away. `reads`: what REST answers."""
    load = _LOADS[size]
    server = stage.server(url, MAX_CHARGE_POINTS="1000")
    outcome = Outcome({"outages": len(load.seconds), "charge points": load.charge_points})
    pids = server.pids
    with fleet_of(
        stage, server.ws_url(""), load.charge_points, every_s=0.4, samples=2, timeout_s=10.0
    ) as (fleet, path):
        fleet.wait_for_acknowledgements(3 * load.charge_points, seconds=60)
        for seconds in load.seconds:
            _one(server, fleet, outage, seconds, outcome, reads if away else 200)
        if away:
            _demand(outcome, _DOWN in server.log_text(), "no line in the log of the outage")
            _demand(outcome, _UP in server.log_text(), "no line in the log of its end")
            _demand(outcome, _recorded(url) >= len(load.seconds), "no event of the outage")
            codes = fleet.statistics.close_codes
            _demand(outcome, codes[1013] > 0, f"nobody was sent away with 1013: {codes}")
            outcome.figures["closed with 1013"] = codes[1013]
        _demand(outcome, server.pids == pids, "workers were replaced")
        fleet.finish(120)
        judge(outcome, fleet, path, server, url)
    return outcome


def _one(
    server: Server,
    fleet: LedgerFleet,
    outage: Outage,
    seconds: float,
    outcome: Outcome,
    reads: int,
) -> None:
    reading = _Reader(server)
    began = time.monotonic()
    reading.start()
    outage(server, seconds)
    took = time.monotonic() - began
    back = time.monotonic()
    seen = len(fleet.ledger.entries)
    everybody = {entry.charge_point_id for entry in fleet.ledger.entries}
    wait_until(
        lambda: (
            everybody
            == {
                entry.charge_point_id
                for entry in fleet.ledger.entries[seen:]
                if entry.kind == "acknowledgement"
            }
        ),
        seconds=2 * BACK_WITHIN_S,
        what="every charge point got an answer after the outage",
    )
    wait_s = time.monotonic() - back
    _demand(outcome, wait_s < BACK_WITHIN_S, f"all back only after {wait_s:.0f} s")
    reading.stop()
    unexpected = {answer for answer in reading.answers if answer not in (200, reads)}
    _demand(outcome, not unexpected, f"REST reads answered with {unexpected}")
    outcome.figures[f"outage of {took:.0f} s: all back after s"] = round(wait_s, 1)
    outcome.figures[f"outage of {took:.0f} s: REST reads answered"] = dict(reading.answers)


def _recorded(url: str) -> int:
    """Events of outages in the audit trail."""
    query = "SELECT count(*) FROM audit_events WHERE action = 'database.unavailable'"
    with plain_sql(url) as connection:
        return int(connection.execute(query).fetchone()[0])


def _demand(outcome: Outcome, fine: bool, finding: str) -> None:
    if not fine:
        outcome.findings.append(finding)
