"""Takes an id tag out of the database, and puts one random pseudonym in its place.

What was charged stays countable, and nobody can be told from it. A tag that is used again
afterwards comes in again: nothing here keeps it out. It works in small steps, so that no charge
point waits, and may be repeated after a crash with the pseudonym that was begun with.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from ocpp_cs import audit, rules
from ocpp_cs.audit import Actor
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import models
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.offload import offload

Write = Callable[[Callable[[Tx], Any]], Any]

PSEUDONYM = re.compile(r"anon-[0-9a-f]{12}")

# Rows that are read at a time, and that are written in one transaction: some milliseconds.
_PART = 500
_WRITTEN = 50


class _Place(NamedTuple):
    """Where a table has id tags: in columns of their own, each perhaps with its key, and in texts.

    A table of samples is too long to be looked through: only the texts of the tag's own
    transactions are.
    """

    table: Any
    tags: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


_PLACES = (
    _Place(models.IdTag, ("parent_id_tag",), ("note",)),
    _Place(models.Transaction, ("id_tag", "parent_id_tag", "stop_id_tag"), ("close_reason",)),
    _Place(models.TransactionEvidence, (), ("frame",)),
    _Place(models.OrphanStop, ("id_tag",), ("frame", "resolution_note")),
    _Place(models.QuarantinedFrame, (), ("frame", "error", "resolution_note")),
    _Place(models.Message, (), ("request", "response")),
    _Place(models.RemoteStart, ("id_tag",)),
    _Place(models.Reservation, ("id_tag", "parent_id_tag")),
    _Place(models.Command, (), ("request", "response", "error_description")),
    _Place(models.CommandBatch, (), ("request",)),
    _Place(models.DataTransfer, (), ("data", "answer_data")),
    _Place(models.SecurityEvent, (), ("tech_info",)),
    _Place(models.StatusEvent, (), ("info",)),
    _Place(models.Connector, (), ("info",)),
    _Place(models.ChargePoint, (), ("note",)),
    _Place(models.Event, (), ("data",)),
    _Place(models.WebhookDelivery, (), ("event",)),
    _Place(models.AuditEvent, (), ("target", "detail")),
)


@dataclass(frozen=True, slots=True)
class Pseudonymised:
    """What was done: rows changed or removed, by table; tables without any are not named."""

    pseudonym: str
    rows: Mapping[str, int]


def new_pseudonym() -> str:
    return f"anon-{secrets.token_hex(6)}"


def pseudonymise(
    engine: Engine, write: Write, id_tag: str, pseudonym: str, *, actor: Actor, now: datetime
) -> Pseudonymised:
    """Replaces the id tag wherever it stands. Raises Refused (409) while it charges.

    `write(work)` runs `work(tx)` in a transaction of its own.
    """
    key = rules.id_tag_key(id_tag)
    if engine.read(lambda: _charges(key)):
        raise Refused(
            409,
            "active_transactions",
            "It has an active transaction, whose stop would bring it in again: close that first.",
        )
    counts: Counter[str] = Counter()
    # First, so that it is used no more.
    own = models.IdTag.delete().where(models.IdTag.id_tag_key == key)
    counts["id_tags"] += write(partial(_rows_changed, own))
    counts["local_list_entries"] += _forget_local_lists(engine, write, key, id_tag)
    find = _Replacement(
        _spellings(engine, key, id_tag), pseudonym, by_name_only=_is_identity(engine, key)
    )
    counts["meter_values"] += _replace_in_samples(engine, write, key, find)
    for place in _PLACES:
        counts[place.table._meta.table_name] += _replace_in(engine, write, place, find)
    rows = {name: count for name, count in counts.items() if count}
    target = f"id-tags/{pseudonym}"
    write(lambda tx: audit.record(tx, actor, "id_tag.pseudonymise", target, now, {"rows": rows}))
    return Pseudonymised(pseudonym, rows)


_LETTER = re.compile(r"[^\W\d_]")


# --- What is replaced -----------------------------------------------------------------------------


class _Replacement:
    """Finds the tag in texts, whatever its case, and puts the pseudonym there.

    A telling tag, with letters and digits such as 0FC673, is replaced in every text where it stands
    by itself. One that may be a number or a word of its own, such as 1 or Local, or that a charge
    point is called, too, is replaced only where an id tag stands by its name: else registers and
    reasons would be changed with it.
    """

    _STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
    _NAMED = re.compile(r'("(?:parent_?)?id_?tag"\s*:\s*)("(?:[^"\\]|\\.)*")', re.IGNORECASE)

    def __init__(
        self, spellings: Iterable[str], pseudonym: str, *, by_name_only: bool = False
    ) -> None:
        longest_first = sorted(set(spellings), key=len, reverse=True)
        self.pseudonym = pseudonym
        self._key = rules.id_tag_key(longest_first[0])
        has_letters_and_digits = re.search(r"[0-9]", self._key) and _LETTER.search(self._key)
        self._telling = (
            not by_name_only and len(self._key) >= 5 and has_letters_and_digits is not None
        )
        tags = "|".join(map(re.escape, longest_first))
        self._anywhere = re.compile(rf"(?<![^\W_])(?:{tags})(?![^\W_])", re.IGNORECASE)
        self._target = re.compile(rf"(?<=^id-tags/)(?:{tags})$", re.IGNORECASE)

    def tag(self, text: str | None) -> str | None:
        """What is to stand in a column of id tags."""
        return self.pseudonym if text is not None and self.is_tag(text) else text

    def is_tag(self, text: str) -> bool:
        return rules.id_tag_key(text) == self._key

    def target(self, text: str) -> str:
        """What is to stand as the target of an audit event."""
        return self._target.sub(self.pseudonym, text)

    def text(self, text: str | None) -> str | None:
        """What is to stand in a text: a frame, JSON or free text."""
        if not text:
            return text
        text = self._NAMED.sub(self._named, text)
        # Strings may be escaped, and hold JSON themselves.
        text = self._STRING.sub(self._string, text) if "\\" in text else text
        return self._anywhere.sub(self.pseudonym, text) if self._telling else text

    def _named(self, match: re.Match[str]) -> str:
        value = _decoded(match[2])
        return match[1] + (
            json.dumps(self.pseudonym) if value is not None and self.is_tag(value) else match[2]
        )

    def _string(self, match: re.Match[str]) -> str:
        value = _decoded(match[0]) if "\\" in match[0] else None
        replaced = self.text(value)
        return match[0] if replaced == value else json.dumps(replaced)


def _decoded(literal: str) -> str | None:
    try:
        return str(json.loads(literal, strict=False))
    except ValueError:
        return None


# --- Where ----------------------------------------------------------------------------------------


def _charges(key: str) -> bool:
    transaction = models.Transaction
    return bool(
        transaction.select()
        .where((transaction.id_tag_key == key) & transaction.stopped_at.is_null())
        .exists()
    )


def _is_identity(engine: Engine, key: str) -> bool:
    identities = _found(engine, models.ChargePoint.select(models.ChargePoint.identity))
    return any(rules.id_tag_key(identity) == key for [identity] in identities)


def _found(engine: Engine, query: Any) -> list[Any]:
    return engine.read(lambda: list(query.tuples()))


def _spellings(engine: Engine, key: str, id_tag: str) -> set[str]:
    """The tag as it was sent and written, which case-folding alone would not find: ß is ss."""
    transaction = models.Transaction
    query = transaction.select(transaction.id_tag).where(transaction.id_tag_key == key).distinct()
    return {id_tag.strip(), key, *(text.strip() for [text] in _found(engine, query))}


def _forget_local_lists(engine: Engine, write: Write, key: str, id_tag: str) -> int:
    """What a charge point holds with the tag in it is known no more, so that the next update is a
    full one: it takes the tag from the charge point, too."""
    entry, charge_point = models.LocalListEntry, models.ChargePoint
    find = _Replacement({id_tag, key}, "")
    holders: set[int] = set()
    after: tuple[int, str] | None = None
    while True:
        rows = _found(engine, _entries_after(after))
        holders |= {id for id, tag, info in rows if tag == key or find.text(info) != info}
        if len(rows) < _PART:
            break
        after = (rows[-1][0], rows[-1][1])

    def forget(id: int, tx: Tx) -> int:
        changes = {charge_point.local_list_version: None}
        tx.run(charge_point.update(changes).where(charge_point.id == id))
        return int(tx.run(entry.delete().where(entry.charge_point_id == id)).rowcount)

    return sum(write(partial(forget, id)) for id in sorted(holders))


def _entries_after(after: tuple[int, str] | None) -> Any:
    entry = models.LocalListEntry
    query: Any = entry.select(entry.charge_point_id, entry.id_tag_key, entry.info)
    if after is not None:
        id, key = after
        same = (entry.charge_point_id == id) & (entry.id_tag_key > key)
        query = query.where((entry.charge_point_id > id) | same)
    return query.order_by(entry.charge_point_id, entry.id_tag_key).limit(_PART)


def _replace_in_samples(engine: Engine, write: Write, key: str, find: _Replacement) -> int:
    """In texts that a meter has signed, too: they name who charged. Numbers are left alone."""
    transaction, value = models.Transaction, models.MeterValue
    owned = transaction.select(transaction.id, transaction.charge_point_id)
    changed = 0
    for id, charge_point_id in _found(engine, owned.where(transaction.id_tag_key == key)):
        mine = (value.charge_point_id == charge_point_id) & (value.transaction_id == id)
        query = value.select(value.raw_value).where(mine & value.value.is_null()).distinct()
        for [text] in _found(engine, query):
            replaced = find.text(text)
            if replaced != text:
                update = value.update(raw_value=replaced).where(mine & (value.raw_value == text))
                changed += write(partial(_rows_changed, update))
    return changed


def _rows_changed(update: Any, tx: Tx) -> int:
    return int(tx.run(update).rowcount)


def _replace_in(engine: Engine, write: Write, place: _Place, find: _Replacement) -> int:
    """Looks through the table beside the writer, and writes the rows that have the tag."""
    columns = [getattr(place.table, name) for name in (*place.tags, *place.texts)]
    changed, after = 0, 0
    while True:
        query = (
            place.table.select(place.table.id, *columns)
            .where(place.table.id > after)
            .order_by(place.table.id)
            .limit(_PART)
        )
        rows = _found(engine, query)
        found = offload(partial(_with_changes, place, rows, find))
        for start in range(0, len(found), _WRITTEN):
            ids = found[start : start + _WRITTEN]
            changed += write(partial(_rewrite, place, ids, find))
        if len(rows) < _PART:
            return changed
        after = rows[-1][0]


def _with_changes(place: _Place, rows: list[Any], find: _Replacement) -> list[int]:
    return [row[0] for row in rows if _changes(place, row, find)]


def _rewrite(place: _Place, ids: list[int], find: _Replacement, tx: Tx) -> int:
    """Reads the rows again, as they may have changed since, and writes what is to stand there."""
    table = place.table
    columns = [getattr(table, name) for name in (*place.tags, *place.texts)]
    rows = tx.run(table.select(table.id, *columns).where(table.id.in_(ids))).fetchall()
    for row in rows:
        changes = _changes(place, row, find)
        if changes:
            tx.run(table.update(changes).where(table.id == row[0]))
    return len(rows)


def _changes(place: _Place, row: Any, find: _Replacement) -> dict[Any, Any]:
    changes: dict[Any, Any] = {}
    for name, old in zip(place.tags, row[1:], strict=False):
        new = find.tag(old)
        if new != old:
            changes[getattr(place.table, name)] = new
            if hasattr(place.table, f"{name}_key"):
                changes[getattr(place.table, f"{name}_key")] = rules.id_tag_key(new or "")
    for name, old in zip(place.texts, row[1 + len(place.tags) :], strict=True):
        new = find.target(old) if name == "target" else find.text(old)
        if new != old:
            changes[getattr(place.table, name)] = new
    return changes
