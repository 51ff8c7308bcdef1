"""Charge points from a CSV file: new ones are registered, those that are there changed.

None is removed. A password is made where one is needed and none is given; who imports has to keep
it, as only a hash of it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs import audit, credentials
from ocpp_cs.audit import Actor
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.db.statement import Statement
from ocpp_cs.imports.csv_files import Faults, Line, Progress, Report, decode, parts, read_lines
from ocpp_cs.inventory import InventoryError
from ocpp_cs.ocpp16.identity import check_identity

COLUMNS = ("id", "security_profile", "password", "note")
_PROFILES = {"": None, "0": 0, "1": 1, "2": 2, "3": 3}

_INSERT = Statement(
    lambda p: ChargePoint.insert(
        identity=p.identity,
        registration="accepted",
        accepted_at=p.now,
        security_profile=p.security_profile,
        key_hash=p.key_hash,
        note=p.note,
        created_at=p.now,
    ).on_conflict(action="nothing", conflict_target=[ChargePoint.identity])
)
_CHANGE = Statement(
    lambda p: ChargePoint.update(
        security_profile=p.security_profile,
        key_hash=p.key_hash,
        next_key_hash=p.next_key_hash,
        note=p.note,
    ).where(ChargePoint.identity == p.identity)
)


class _Wish(NamedTuple):
    """A line that was read; None: the file says nothing of it."""

    line: int
    identity: str
    security_profile: int | None
    password: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ChargePointFile:
    """A file without faults. Without a column `note` notes stay as they are."""

    has_notes: bool
    wishes: Sequence[_Wish]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file would change: rows as they are to be, and the passwords that were made."""

    new: Sequence[dict[str, Any]]
    changed: Sequence[dict[str, Any]]
    passwords: Sequence[tuple[str, str]]
    report: Report


def read(content: bytes) -> ChargePointFile:
    """Reads a whole file. Raises ImportRefused."""
    faults = Faults()
    columns, lines = read_lines(decode(content), COLUMNS, faults)
    wishes: list[_Wish] = []
    places: dict[str, int] = {}
    for line in lines:
        wish = _wish(line, faults)
        if wish.identity in places:
            told = f"The same charge point as in line {places[wish.identity]}."
            faults.add(line.number, "id", told)
        places[wish.identity] = line.number
        wishes.append(wish)
    faults.end()
    return ChargePointFile("note" in columns, wishes)


def plan(
    engine: Engine,
    file: ChargePointFile,
    *,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> Plan:
    """Compares the file with what is there, beside the writer, and makes and hashes passwords.

    That takes 50 ms for each password that a person chose.
    """
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    passwords: list[tuple[str, str]] = []
    for part in parts(file.wishes):
        found = _there(engine, [wish.identity for wish in part])
        for wish in part:
            there = found.get(wish.identity)
            row = _row(wish, there, file.has_notes, passwords)
            if there is None:
                new.append(row)
            elif row != there:
                changed.append(row)
            progress(1)
    unchanged = len(file.wishes) - len(new) - len(changed)
    report = Report(dry_run, len(file.wishes), len(new), len(changed), unchanged)
    return Plan(new, changed, passwords, report)


def carry_out(tx: Tx, plan: Plan, *, actor: Actor, now: datetime) -> Report:
    """Writes all of it, with a line in the audit trail for each charge point.

    Raises InventoryError if somebody else was faster.
    """
    for row in plan.new:
        if not tx.execute(_INSERT, **row, now=now).rowcount:
            raise InventoryError(
                f"charge point {row['identity']!r} was registered meanwhile: nothing is imported"
            )
    if plan.changed:
        tx.execute_many(_CHANGE, plan.changed)
    for action, rows in (("create", plan.new), ("import", plan.changed)):
        for row in rows:
            told = {"security_profile": row["security_profile"]}
            target = f"charge-points/{row['identity']}"
            audit.record(tx, actor, f"charge_point.{action}", target, now, told)
    return plan.report


def _there(engine: Engine, identities: list[str]) -> dict[str, dict[str, Any]]:
    columns = (
        ChargePoint.identity,
        ChargePoint.security_profile,
        ChargePoint.key_hash,
        ChargePoint.next_key_hash,
        ChargePoint.note,
    )
    query = ChargePoint.select(*columns).where(ChargePoint.identity.in_(identities))
    rows: list[Any] = engine.read(lambda: list(query.dicts()))
    return {row["identity"]: row for row in rows}


def _row(
    wish: _Wish,
    there: dict[str, Any] | None,
    has_notes: bool,
    passwords: list[tuple[str, str]],
) -> dict[str, Any]:
    """The charge point as it is to be. What the file does not say stays as it is."""
    row = dict(
        there
        or {
            "identity": wish.identity,
            "security_profile": 1,
            "key_hash": None,
            "next_key_hash": None,
            "note": None,
        }
    )
    if has_notes and (row["note"] or None) != wish.note:
        row["note"] = wish.note
    if wish.security_profile is not None:
        row["security_profile"] = wish.security_profile
    elif wish.password is not None:
        row["security_profile"] = max(row["security_profile"], 1)
    if row["security_profile"] == 0:
        return {**row, "key_hash": None, "next_key_hash": None}
    if wish.password is not None:
        if row["key_hash"] is None or not credentials.verify(
            row["key_hash"], wish.password.encode()
        ):
            hashed = credentials.hash_key(wish.password.encode(), generated=False)
            row.update(key_hash=hashed, next_key_hash=None)
    elif row["key_hash"] is None and row["security_profile"] < 3:
        made = credentials.generate_key()
        passwords.append((wish.identity, made))
        hashed = credentials.hash_key(made.encode(), generated=True)
        row.update(key_hash=hashed, next_key_hash=None)
    return row


def _wish(line: Line, faults: Faults) -> _Wish:
    cells = line.cells
    identity = cells["id"]
    fault = check_identity(identity)
    if fault is not None:
        faults.add(line.number, "id", f"It cannot be a charge point's identity: {fault}.")
    profile_text = cells.get("security_profile", "").strip()
    if profile_text not in _PROFILES:
        faults.add(line.number, "security_profile", "Must be 0 to 3; empty: 1, or as it is.")
    security_profile = _PROFILES.get(profile_text)
    password = cells.get("password") or None
    if password is not None:
        size = len(password.encode())
        if not credentials.SHORTEST_KEY <= size <= credentials.LONGEST_KEY:
            told = "Must have 16 to 40 characters; empty: one is made where there is none."
            faults.add(line.number, "password", told)
        elif security_profile == 0:
            faults.add(line.number, "password", "Must be empty with security profile 0.")
    return _Wish(line.number, identity, security_profile, password, cells.get("note") or None)
