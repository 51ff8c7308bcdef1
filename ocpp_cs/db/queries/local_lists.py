"""Local lists as people read them: what charge points hold, and the updates they were sent.

What is known and what is not, `commands.local_list_entries` decides.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from peewee import fn

from ocpp_cs.db.models import ChargePoint, Command, LocalListEntry, LocalListUpdate
from ocpp_cs.db.queries.conditions import key_of, where
from ocpp_cs.ocpp16.times import parse_time


class LocalListUpdateRow(NamedTuple):
    """Id tags that were sent as a local list; `charge_point_id` is the identity."""

    id: int
    charge_point_id: str
    update_type: str
    list_version: int
    status: str
    entries_total: int
    commands_total: int
    retry_of: int | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None


class LocalListUpdateDetail(NamedTuple):
    update: LocalListUpdateRow
    commands: list[int]
    retried_by: int | None


class LocalListRow(NamedTuple):
    """What a charge point has as its list; `entries_total` None: that is not known."""

    charge_point_id: str
    list_version: int | None
    list_version_at: datetime | None
    entries_total: int | None
    latest_update: LocalListUpdateRow | None


class LocalListEntryRow(NamedTuple):
    """An entry of a list; `key` is only its place."""

    id_tag: str
    status: str
    expires_at: datetime | None
    parent_id_tag: str | None
    key: str


def local_list(identity: str) -> LocalListRow | None:
    """None if there is no such charge point."""
    entries = LocalListEntry.select(fn.COUNT(LocalListEntry.id_tag_key)).where(
        LocalListEntry.charge_point_id == ChargePoint.id
    )
    query: Any = ChargePoint.select(
        ChargePoint.local_list_version, ChargePoint.local_list_version_at, entries
    ).where(ChargePoint.identity == identity)
    row = next(iter(query.tuples()), None)
    if row is None:
        return None
    version, at, total = row
    latest = next(iter(local_list_updates(identity, None, 1)), None)
    known = total > 0 or version == 0
    return LocalListRow(identity, version, at, total if known else None, latest)


def local_list_entries(
    identity: str, after: tuple[str] | None, limit: int
) -> list[LocalListEntryRow]:
    """Entries in the order of their casefolded tags; the key is (`key`)."""
    conditions: list[Any] = [LocalListEntry.charge_point_id == key_of(identity)]
    if after is not None:
        conditions.append(LocalListEntry.id_tag_key > after[0])
    query = LocalListEntry.select(
        LocalListEntry.id_tag, LocalListEntry.info, LocalListEntry.id_tag_key
    )
    query = where(query, conditions).order_by(LocalListEntry.id_tag_key).limit(limit)
    return [_entry(*values) for values in query.tuples()]


def local_list_updates(
    identity: str, after: tuple[int] | None, limit: int
) -> list[LocalListUpdateRow]:
    """Updates, the newest first; the key is (id)."""
    conditions: list[Any] = [LocalListUpdate.charge_point_id == key_of(identity)]
    if after is not None:
        conditions.append(LocalListUpdate.id < after[0])
    query = where(_select_updates(), conditions).order_by(LocalListUpdate.id.desc()).limit(limit)
    return [LocalListUpdateRow(*values) for values in query.tuples()]


def local_list_update(identity: str, id: int) -> LocalListUpdateDetail | None:
    """An update with its commands, and with the one that sent the list again in full."""
    query: Any = _select_updates().where(
        (LocalListUpdate.id == id) & (LocalListUpdate.charge_point_id == key_of(identity))
    )
    row = next((LocalListUpdateRow(*values) for values in query.tuples()), None)
    if row is None:
        return None
    commands: Any = (
        Command.select(Command.id).where(Command.local_list_update_id == id).order_by(Command.id)
    )
    again: Any = LocalListUpdate.select(LocalListUpdate.id).where(
        (LocalListUpdate.charge_point_id == key_of(identity)) & (LocalListUpdate.retry_of == id)
    )
    return LocalListUpdateDetail(
        row,
        [command_id for [command_id] in commands.tuples()],
        next((update_id for [update_id] in again.tuples()), None),
    )


def _entry(id_tag: str, info: str, key: str) -> LocalListEntryRow:
    content = json.loads(info)
    expires_at = content.get("expiryDate")
    return LocalListEntryRow(
        id_tag,
        content["status"],
        None if expires_at is None else parse_time(expires_at).at,
        content.get("parentIdTag"),
        key,
    )


def _select_updates() -> Any:
    return LocalListUpdate.select(
        LocalListUpdate.id,
        ChargePoint.identity,
        LocalListUpdate.update_type,
        LocalListUpdate.list_version,
        LocalListUpdate.status,
        LocalListUpdate.entries_total,
        LocalListUpdate.commands_total,
        LocalListUpdate.retry_of,
        LocalListUpdate.created_by,
        LocalListUpdate.created_at,
        LocalListUpdate.finished_at,
    ).join(ChargePoint, on=(ChargePoint.id == LocalListUpdate.charge_point_id))
