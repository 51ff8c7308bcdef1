"""Holds what a database and REST say against a ledger: nothing lost, doubled, or changed.

It knows SQL, HTTP and the ledger's lines, and nothing of the server's code.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

_MOST_SHOWN = 5
_PAGE = 1000


class Charge(NamedTuple):
    """A transaction: what must be stored of it exactly once. Times are milliseconds since 1970."""

    id: int
    charge_point_id: str
    connector_id: int
    id_tag: str
    started_at: int
    meter_start_wh: int
    stopped_at: int | None
    meter_stop_wh: int | None
    stop_id_tag: str | None

    @property
    def start(self) -> tuple[object, ...]:
        """The physical event that began it."""
        return self[1:6]


class Sample(NamedTuple):
    """A sampled value of a transaction."""

    charge_point_id: str
    transaction_id: int
    connector_id: int
    sampled_at: int
    measurand: str
    raw_value: str
    value: float


class Proof(NamedTuple):
    """A Start or a Stop as it was received; `payload` is JSON with sorted names."""

    transaction_id: int
    charge_point_id: str
    kind: str
    payload: str


@dataclass
class Told:
    """What somebody says has happened: the ledger, the database, or REST (which has no proofs)."""

    charges: list[Charge] = field(default_factory=list)
    samples: Counter[Sample] = field(default_factory=Counter)
    proofs: Counter[Proof] = field(default_factory=Counter)
    charge_points: Counter[str] = field(default_factory=Counter)


@dataclass
class Ledger:
    """A ledger as it was read back. `unacknowledged` counts events without an acknowledgement,
    `faults` says where the ledger contradicts itself."""

    told: Told = field(default_factory=Told)
    events: int = 0
    unacknowledged: int = 0
    faults: list[str] = field(default_factory=list)


def read_ledger(path: Path) -> Ledger:
    """What physically happened, with the ids that the central system gave.

    An event whose acknowledgement never came is counted, and the transaction is left out: whether
    it was stored nobody knows.
    """
    events: dict[str, dict[int, Any]] = defaultdict(dict)
    answers: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        key = entry["charge_point_id"], entry["number"]
        if entry["kind"] == "event":
            events[key[0]][key[1]] = entry
        else:
            answers[key].append(entry)
    ledger = Ledger()
    for identity, numbered in events.items():
        ledger.told.charge_points[identity] += 1
        session: list[tuple[Any, Any]] = []
        for number in sorted(numbered):
            event, acknowledged = numbered[number], answers[identity, number]
            ledger.events += 1
            ledger.unacknowledged += not acknowledged
            if len(acknowledged) > 1:
                ledger.faults.append(f"{identity}: event {number} was acknowledged more than once")
            session.append((event, acknowledged[0] if acknowledged else None))
            if event["action"] == "StopTransaction":
                _add_session(ledger, identity, session)
                session = []
        if session:
            _add_session(ledger, identity, session)
    return ledger


def _add_session(ledger: Ledger, identity: str, session: list[tuple[Any, Any]]) -> None:
    (start, started), *rest = session
    if started is None:
        return
    told, payload = ledger.told, start["payload"]
    transaction_id = int(started["answer"]["transactionId"])
    stop: dict[str, Any] = {}
    for event, acknowledged in rest:
        if acknowledged is None:
            continue
        sent = acknowledged["payload"]
        if sent.get("transactionId") != transaction_id:
            ledger.faults.append(f"{identity}: sent {sent} for transaction {transaction_id}")
        if event["action"] == "StopTransaction":
            stop = event["payload"]
            told.proofs[Proof(transaction_id, identity, "stop", _text(sent))] += 1
        else:
            _add_samples(told, identity, transaction_id, event["payload"])
    told.proofs[Proof(transaction_id, identity, "start", _text(payload))] += 1
    told.charges.append(
        Charge(
            transaction_id,
            identity,
            payload["connectorId"],
            payload["idTag"],
            milliseconds(payload["timestamp"]),
            payload["meterStart"],
            milliseconds(stop["timestamp"]) if stop else None,
            stop.get("meterStop"),
            stop.get("idTag"),
        )
    )


def _add_samples(told: Told, identity: str, transaction_id: int, payload: Any) -> None:
    for meter_value in payload["meterValue"]:
        for sampled in meter_value["sampledValue"]:
            told.samples[
                Sample(
                    identity,
                    transaction_id,
                    payload["connectorId"],
                    milliseconds(meter_value["timestamp"]),
                    sampled["measurand"],
                    sampled["value"],
                    float(sampled["value"]),
                )
            ] += 1


_CHARGES = """
SELECT t.id, c.identity, t.connector_id, t.id_tag, t.started_at, t.meter_start_wh, t.stopped_at,
       t.meter_stop_wh, t.stop_id_tag
FROM transactions t LEFT JOIN charge_points c ON c.id = t.charge_point_id
"""
_SAMPLES = """
SELECT c.identity, v.transaction_id, v.connector_id, v.sampled_at, s.measurand, v.raw_value, v.value
FROM meter_values v LEFT JOIN charge_points c ON c.id = v.charge_point_id
LEFT JOIN meter_series s ON s.id = v.series_id
"""
_PROOFS = """
SELECT e.transaction_id, c.identity, e.kind, e.frame
FROM transaction_evidence e LEFT JOIN charge_points c ON c.id = e.charge_point_id
"""
# What an honest fleet never gives a reason for.
_NEVER = ("orphan_stops", "quarantine")


def read_database(connection: Any) -> tuple[Told, list[str]]:
    """What the tables say, over any DB-API connection; and what should not be there at all."""

    def rows(query: str) -> Any:
        return connection.execute(query).fetchall()

    told = Told()
    for *what, started, register, stopped, stop_register, stop_tag in rows(_CHARGES):
        ended = None if stopped is None else milliseconds(stopped)
        charge = (*what, milliseconds(started), register, ended, stop_register, stop_tag)
        told.charges.append(Charge._make(charge))
    for *what, at, measurand, raw_value, value in rows(_SAMPLES):
        told.samples[Sample._make((*what, milliseconds(at), measurand, raw_value, value))] += 1
    for transaction_id, identity, kind, frame in rows(_PROOFS):
        told.proofs[Proof(transaction_id, identity, kind, _text(json.loads(frame)[3]))] += 1
    told.charge_points.update(row[0] for row in rows("SELECT identity FROM charge_points"))
    findings = []
    for table in _NEVER:
        if count := rows(f"SELECT count(*) FROM {table}")[0][0]:
            findings.append(f"sql: {count} rows in {table}")
    return told, findings


def read_rest(base: str) -> tuple[Told, list[str]]:
    """What REST says at `base`, such as http://127.0.0.1:8081; and where it contradicts itself."""
    told, findings = Told(), []
    for row in _pages(f"{base}/api/v1/transactions?limit={_PAGE}"):
        stopped = row["stopped_at"] is not None
        told.charges.append(
            Charge(
                row["id"],
                row["charge_point_id"],
                row["connector_id"],
                row["id_tag"],
                milliseconds(row["started_at"]),
                row["meter_start_wh"],
                milliseconds(row["stopped_at"]) if stopped else None,
                row["meter_stop_wh"],
                row["stop_id_tag"],
            )
        )
        if stopped and row["energy_wh"] != row["meter_stop_wh"] - row["meter_start_wh"]:
            findings.append(f"rest: energy_wh of transaction {row['id']} is {row['energy_wh']}")
    with urllib.request.urlopen(f"{base}/api/v1/meter-values?format=jsonl", timeout=120) as lines:
        for line in lines:
            row = json.loads(line)
            told.samples[
                Sample(
                    row["charge_point_id"],
                    row["transaction_id"],
                    row["connector_id"],
                    milliseconds(row["sampled_at"]),
                    row["measurand"],
                    row["raw_value"],
                    row["value"],
                )
            ] += 1
    return told, findings


def _pages(url: str) -> Iterator[Any]:
    cursor = ""
    while True:
        with urllib.request.urlopen(url + cursor, timeout=60) as answer:
            page = json.load(answer)
        yield from page["items"]
        if not page.get("next_cursor"):
            return
        cursor = f"&cursor={page['next_cursor']}"


def compare(ledger: Ledger, told: Told, whose: str) -> list[str]:
    """Everything in which `told` differs from what happened; `whose` is "sql" or "rest"."""
    findings = [f"ledger: {fault}" for fault in ledger.faults]
    findings += _compare_charges(ledger.told.charges, told.charges)
    findings += _compare_counts("sample", ledger.told.samples, told.samples)
    if whose == "sql":
        findings += _compare_counts("evidence", ledger.told.proofs, told.proofs)
        # One that had nothing to tell yet stands in no ledger.
        silent = dict.fromkeys(told.charge_points.keys() - ledger.told.charge_points.keys(), 1)
        known = told.charge_points - Counter(silent)
        findings += _compare_counts("charge point", ledger.told.charge_points, known)
    return [f"{whose}: {finding}" for finding in findings]


def _compare_charges(happened: list[Charge], told: list[Charge]) -> list[str]:
    findings = []
    rows: dict[int, list[Charge]] = defaultdict(list)
    for charge in told:
        rows[charge.id].append(charge)
    starts = {charge.start for charge in happened}
    for charge in happened:
        found = rows.pop(charge.id, [])
        if not found:
            findings.append(f"lost: {charge}")
        for row in found:
            if differences := _differences(charge, row):
                findings.append(f"{differences}: {charge} is told as {row}")
        findings += [f"doubled: {row}" for row in found[1:]]
    for row in (row for left in rows.values() for row in left):
        findings.append(f"{'doubled' if row.start in starts else 'invented'}: {row}")
    return findings


_KINDS = {
    "charge_point_id": "wrong owner",
    "connector_id": "wrong owner",
    "id_tag": "wrong owner",
    "meter_start_wh": "wrong energy",
    "meter_stop_wh": "wrong energy",
    "started_at": "wrong time",
    "stopped_at": "wrong time",
    "stop_id_tag": "wrong owner",
}


def _differences(charge: Charge, row: Charge) -> str:
    if charge.stopped_at is not None and row.stopped_at is None:
        return "lost stop"
    kinds = [kind for name, kind in _KINDS.items() if getattr(charge, name) != getattr(row, name)]
    return ", ".join(dict.fromkeys(kinds))


def _compare_counts(what: str, happened: Counter[Any], told: Counter[Any]) -> list[str]:
    lost, more = happened - told, told - happened
    return [
        *_some(f"lost {what}", lost),
        *_some(f"doubled or invented {what}", more),
    ]


def _some(what: str, rows: Counter[Any]) -> list[str]:
    shown = [f"{what}: {row}" for row in list(rows.elements())[:_MOST_SHOWN]]
    if rows.total() > _MOST_SHOWN:
        shown.append(f"{what}: {rows.total()} in all")
    return shown


def milliseconds(value: Any) -> int:
    """A stored or a sent time, as milliseconds since 1970."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return round(value.astimezone(UTC).timestamp() * 1000)


def _text(payload: Any) -> str:
    return json.dumps(payload, sort_keys=True)
