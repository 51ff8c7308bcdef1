"""A fleet with a ledger on disk, on a stage; and what the checker says of it at the end.

The charge points themselves are those of `tests.ledger_charge_point`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.conftest import plain_sql
from tests.faults.checker import Ledger as LedgerRead
from tests.faults.checker import compare, read_database, read_ledger, read_rest
from tests.faults.stage import Outcome, Stage
from tests.ledger_charge_point import Ledger, LedgerFleet
from tests.servers import Server

TRANSACTION_ACTIONS = ("StartTransaction", "MeterValues", "StopTransaction")


@contextmanager
def fleet_of(
    stage: Stage, url: str, count: int, **options: Any
) -> Iterator[tuple[LedgerFleet, Path]]:
    """A running fleet and the file of its ledger; see `LedgerFleet` for the options."""
    path = stage.directory / f"ledger-{len(list(stage.directory.glob('ledger-*')))}.jsonl"
    with LedgerFleet(url.rstrip("/"), count, ledger=Ledger(path), **options) as fleet:
        yield fleet, path


def judge(
    outcome: Outcome, fleet: LedgerFleet, path: Path, server: Server, database_url: str
) -> LedgerRead:
    """Adds to the outcome what the checker says of database and REST, and what the fleet saw."""
    ledger = read_ledger(path)
    with plain_sql(database_url) as connection:
        told, findings = read_database(connection)
    outcome.findings += findings + compare(ledger, told, "sql")
    told, findings = read_rest(server.http(""))
    outcome.findings += findings + compare(ledger, told, "rest")
    if ledger.unacknowledged:
        outcome.findings.append(f"{ledger.unacknowledged} events were never acknowledged")
    refusals = {
        refusal: count
        for refusal, count in fleet.statistics.call_errors.items()
        if refusal[0] in TRANSACTION_ACTIONS
    }
    outcome.findings += [
        f"CALLERROR {refusal}, {count} times" for refusal, count in refusals.items()
    ]
    outcome.findings += tracebacks(server.log_text())
    outcome.figures |= {
        "transactions": len(ledger.told.charges),
        "events": ledger.events,
        "samples": ledger.told.samples.total(),
        "reconnects": fleet.statistics.reconnects,
        **verdict(outcome.findings),
        "CALLERRORs to transaction messages": sum(refusals.values()),
    }
    return ledger


def tracebacks(log: str) -> list[str]:
    """Errors that nobody had expected: those come with a traceback. At most three."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    errors = [line for line in lines if line["level"] == "error" and "exception" in line]
    return [f"{line['message']}: {line['exception'][-1500:]}" for line in errors[:3]]


def verdict(findings: list[str]) -> dict[str, int]:
    """How many findings are of the kinds that must not be."""
    kinds = {
        "lost": ("lost", "never acknowledged"),
        "doubled": ("doubled", "invented"),
        "wrong owner": ("wrong owner",),
        "wrong energy": ("wrong energy", "energy_wh"),
    }
    return {
        kind: sum(any(word in finding for word in words) for finding in findings)
        for kind, words in kinds.items()
    }
