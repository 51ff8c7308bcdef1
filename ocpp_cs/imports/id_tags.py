"""Id tags from a CSV file with the columns of their export: an export that is imported changes
nothing.

A tag that is there is changed, a new one added; none is removed. A column that the file lacks stays
as it is, of a new tag it has its default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs import audit, rules
from ocpp_cs.audit import Actor
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.id_tags import StoredIdTag, upsert_id_tags
from ocpp_cs.db.offload import offload
from ocpp_cs.imports.csv_files import (
    Faults,
    Line,
    Progress,
    Report,
    decode,
    parts,
    read_lines,
)
from ocpp_cs.ocpp16.times import parse_time

COLUMNS = ("id_tag", "parent_id_tag", "status", "expires_at", "max_active_transactions", "note")
_STATUSES = ("accepted", "blocked")
_DEFAULTS: dict[str, Any] = {
    "parent_id_tag": None,
    "status": "accepted",
    "expires_at": None,
    "max_active_transactions": 1,
    "note": None,
}
_INT32_MAX = 2**31 - 1
_BAD_TAG = "Must be 1 to 20 characters (§7.28), without a blank at its ends."


class _Tag(NamedTuple):
    """A line that was read: what tags are compared by, and its columns."""

    key: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IdTagFile:
    """A file without faults."""

    columns: tuple[str, ...]
    tags: Sequence[_Tag]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file would change now."""

    columns: tuple[str, ...]
    rows: Sequence[StoredIdTag]
    report: Report


def read(content: bytes) -> IdTagFile:
    """Reads a whole file; some seconds for a long one. Raises ImportRefused."""
    faults = Faults()
    columns, lines = read_lines(decode(content), COLUMNS, faults)
    tags: list[_Tag] = []
    places: dict[str, int] = {}
    for line in lines:
        before = faults.total
        values: dict[str, Any] = {
            name: _READ[name](line, cell, faults) for name, cell in line.cells.items()
        }
        if faults.total > before:
            continue
        key = rules.id_tag_key(values["id_tag"])
        if key in places:
            faults.add(line.number, "id_tag", f"The same id tag as in line {places[key]}.")
        places[key] = line.number
        tags.append(_Tag(key, values))
    faults.end()
    return IdTagFile(columns, tags)


def plan(
    engine: Engine, file: IdTagFile, *, dry_run: bool = False, progress: Progress = lambda _: None
) -> Plan:
    """Compares the file with what is there, beside the writer.

    What somebody else changes between this and `carry_out` is overwritten in the columns that the
    file has, as if it had been changed before.
    """
    rows: list[StoredIdTag] = []
    added = 0
    for part in parts(file.tags):
        found = _there(engine, [tag.key for tag in part])
        for tag in part:
            there = found.get(tag.key)
            if there is None:
                added += 1
            elif all(there[name] == value for name, value in tag.values.items()):
                continue
            rows.append(_row(tag))
        progress(len(part))
    report = Report(dry_run, len(file.tags), added, len(rows) - added, len(file.tags) - len(rows))
    return Plan(file.columns, offload(lambda: sorted(rows)), report)


def carry_out(tx: Tx, plan: Plan, *, actor: Actor, now: datetime) -> Report:
    """Writes all of it, with one line in the audit trail."""
    if plan.rows:
        upsert_id_tags(tx, plan.rows, plan.columns, now)
    told = {"added": plan.report.added, "changed": plan.report.changed}
    audit.record(tx, actor, "id_tag.import", "id-tags", now, told)
    return plan.report


def _there(engine: Engine, keys: list[str]) -> dict[str, dict[str, Any]]:
    """The tags of these keys as the file would have them: an empty text is as none."""
    rows = engine.read(lambda: queries.id_tags_of(keys))
    return {
        row.key: {
            **row._asdict(),
            "parent_id_tag": row.parent_id_tag or None,
            "note": row.note or None,
        }
        for row in rows
    }


def _row(tag: _Tag) -> StoredIdTag:
    values = {**_DEFAULTS, **tag.values}
    parent = values["parent_id_tag"]
    return StoredIdTag(
        tag.key,
        values["id_tag"],
        parent,
        None if parent is None else rules.id_tag_key(parent),
        values["status"],
        values["expires_at"],
        values["max_active_transactions"],
        values["note"],
    )


# --- Cells ----------------------------------------------------------------------------------------


def _id_tag(line: Line, cell: str, faults: Faults) -> str:
    if not rules.is_id_tag(cell):
        faults.add(line.number, "id_tag", _BAD_TAG)
    return cell


def _parent_id_tag(line: Line, cell: str, faults: Faults) -> str | None:
    if cell and not rules.is_id_tag(cell):
        faults.add(line.number, "parent_id_tag", _BAD_TAG)
    return cell or None


def _status(line: Line, cell: str, faults: Faults) -> str:
    status = cell.strip().lower() or "accepted"
    if status not in _STATUSES:
        faults.add(line.number, "status", f"Must be one of: {', '.join(_STATUSES)}.")
    return status


def _expires_at(line: Line, cell: str, faults: Faults) -> datetime | None:
    if not cell.strip():
        return None
    at, deviation = parse_time(cell)
    if at is None or deviation == "naive_time":
        told = "Must be a time with its offset, such as 2027-01-01T00:00:00Z."
        faults.add(line.number, "expires_at", told)
    return at


def _max_active_transactions(line: Line, cell: str, faults: Faults) -> int | None:
    text = cell.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= _INT32_MAX:
        return int(text)
    told = "Must be a whole number from 1 on; empty: no limit."
    faults.add(line.number, "max_active_transactions", told)
    return None


def _note(_line: Line, cell: str, _faults: Faults) -> str | None:
    return cell or None


_READ = {
    "id_tag": _id_tag,
    "parent_id_tag": _parent_id_tag,
    "status": _status,
    "expires_at": _expires_at,
    "max_active_transactions": _max_active_transactions,
    "note": _note,
}
