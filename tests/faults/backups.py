"""A backup while charge points charge, restored into an empty place, compared, and worked on.

The commands are those of docs/operators.md. What is in the copy must be what was there: all that
was acknowledged before, nothing that never happened, each row as it stands in the original.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from tests.charge_point import connect
from tests.e2e.conftest import plain_sql
from tests.faults.checker import Ledger, read_database, read_ledger
from tests.faults.fleet import fleet_of, tracebacks
from tests.faults.stage import Outcome, Size, Stage
from tests.servers import Server, postgresql_programs

# (charge points, backups)
_LOADS: dict[Size, tuple[int, int]] = {"ci": (15, 2), "short": (100, 5), "full": (200, 20)}
_IDENTITY = "GOES-ON"
_BEGUN, _STOPPED = "2024-05-01T10:00:00Z", "2024-05-01T12:00:00Z"
# Rows that are never changed once they are written, and all of their columns.
_LASTING = ("transaction_evidence", "meter_values", "meter_series")


def run(stage: Stage, size: Size) -> Outcome:
    charge_points, backups = _LOADS[size]
    url = stage.new_database()
    server = stage.server(url)
    outcome = Outcome({"charge points": charge_points, "backups": backups})
    transaction_id = _begin(server)
    copies = []
    with fleet_of(stage, server.ws_url(""), charge_points, every_s=0.05, samples=2) as (
        fleet,
        path,
    ):
        for number in range(backups):
            done = fleet.ledger.totals["acknowledgement"]
            fleet.wait_for_acknowledgements(done + 5 * charge_points, seconds=120)
            before = _ledger_of(stage, path, f"before-{number}")
            copy = _backup(stage, server, url, number)
            copies.append((copy, before, _ledger_of(stage, path, f"after-{number}")))
        fleet.finish(120)
    server.stop()
    for number, (copy, before, after) in enumerate(copies):
        restored = _restore(stage, copy, number)
        outcome.findings += _compare(restored, url, before, after)
        outcome.figures[f"transactions in copy {number}"] = _count(restored)
    again = stage.server(_restore(stage, copies[-1][0], backups))
    outcome.findings += _goes_on(again, transaction_id)
    outcome.findings += tracebacks(server.log_text()) + tracebacks(again.log_text())
    return outcome


# --- The charge point that goes on --------------------------------------------------------------


def _begin(server: Server) -> int:
    """Starts a transaction and tells a sample; its id."""
    with connect(server.ws_url(""), _IDENTITY) as charge_point:
        vendor = {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"}
        charge_point.call("BootNotification", vendor)
        started = charge_point.call(
            "StartTransaction",
            {"connectorId": 1, "idTag": "T", "meterStart": 1000, "timestamp": _BEGUN},
        )
        transaction_id = int(started["transactionId"])
        charge_point.call("MeterValues", _sample(transaction_id, "11:00", 3000))
    return transaction_id


def _goes_on(server: Server, transaction_id: int) -> list[str]:
    """It knows nothing of the restore: tells its samples, one again, and stops."""
    with connect(server.ws_url(""), _IDENTITY) as charge_point:
        for at, register in (("11:00", 3000), ("11:30", 4000)):
            charge_point.call("MeterValues", _sample(transaction_id, at, register))
        charge_point.call(
            "StopTransaction",
            {"transactionId": transaction_id, "meterStop": 5000, "timestamp": _STOPPED},
        )
    with plain_sql(server.environment["DATABASE_URL"]) as connection:
        told, findings = read_database(connection)
    (charge,) = [each for each in told.charges if each.charge_point_id == _IDENTITY]
    samples = [each for each in told.samples.elements() if each.charge_point_id == _IDENTITY]
    seen = (charge.id, charge.meter_start_wh, charge.meter_stop_wh, len(samples))
    if seen != (transaction_id, 1000, 5000, 2):
        findings.append(f"the charge point that goes on: {charge} with {len(samples)} samples")
    return findings


def _sample(transaction_id: int, time: str, register_wh: int) -> dict[str, Any]:
    meter_value = {
        "timestamp": f"2024-05-01T{time}:00Z",
        "sampledValue": [{"value": str(register_wh)}],
    }
    return {"connectorId": 1, "transactionId": transaction_id, "meterValue": [meter_value]}


# --- Backup and restore -------------------------------------------------------------------------


def _backup(stage: Stage, server: Server, url: str, number: int) -> Path:
    target = stage.directory / f"backup-{number}"
    if stage.engine == "sqlite":
        server.flask("backup", str(target))
    else:
        _run("pg_dump", "--format=custom", f"--file={target}", url)
    return target


def _restore(stage: Stage, copy: Path, number: int) -> str:
    """Into an empty place; the URL of that."""
    if stage.engine == "sqlite":
        target = stage.directory / f"restored-{number}.db"
        shutil.copy(copy, target)
        return f"sqlite:///{target}"
    url = stage.new_database()
    _run("pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={url}", str(copy))
    return url


def _run(program: str, *arguments: str) -> None:
    programs = postgresql_programs()
    assert programs is not None
    path = programs / program
    command = [str(path) if path.exists() else program, *arguments]
    environment = {**os.environ, "PGTZ": "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


# --- Comparison ---------------------------------------------------------------------------------


def _ledger_of(stage: Stage, path: Path, name: str) -> Ledger:
    """The ledger as it is at this moment, without a line that is being written."""
    copy = stage.directory / f"{name}.jsonl"
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    copy.write_bytes(whole + b"\n")
    return read_ledger(copy)


def _compare(restored: str, original: str, before: Ledger, after: Ledger) -> list[str]:
    with plain_sql(restored) as connection:
        told, findings = read_database(connection)
        lasting = _rows(connection)
    with plain_sql(original) as connection:
        findings += [
            f"restored: {count} rows of {table} are not those of the original"
            for table, rows in _rows(connection).items()
            if (count := (lasting[table] - rows).total())
        ]
    stored = {charge.id: charge for charge in told.charges}
    for charge in before.told.charges:
        found = stored.get(charge.id)
        stopped = charge.stopped_at is not None
        if found is None or found.start != charge.start or (stopped and found != charge):
            findings.append(f"lost in the copy: {charge}, there is {found}")
    findings += [f"lost in the copy: {each}" for each in before.told.samples - told.samples]
    findings += [f"lost in the copy: {each}" for each in before.told.proofs - told.proofs]
    begun = {charge.id for charge in after.told.charges} | {
        charge.id for charge in told.charges if charge.charge_point_id == _IDENTITY
    }
    # A start that was stored and whose answer was still on its way is no invention.
    unknown = [each for each in told.charges if each.id not in begun and each.stopped_at]
    findings += [f"invented in the copy: {each}" for each in unknown]
    return findings


def _rows(connection: Any) -> dict[str, Counter[Any]]:
    return {
        table: Counter(map(tuple, connection.execute(f"SELECT * FROM {table}").fetchall()))
        for table in _LASTING
    }


def _count(url: str) -> int:
    with plain_sql(url) as connection:
        return int(connection.execute("SELECT count(*) FROM transactions").fetchone()[0])
