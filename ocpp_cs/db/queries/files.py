"""Files and their transfers, as people read them, and the parts that downloads are made of.

What becomes of them is decided in `files` and `commands.transfers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN

from ocpp_cs.db.models import ChargePoint, FileChunk, FileTransfer, StoredFile
from ocpp_cs.db.queries.conditions import key_of, where


class FileRow(NamedTuple):
    """A file that is whole; `charge_point_id` is None for firmware."""

    id: int
    charge_point_id: str | None
    purpose: str
    name: str
    size_bytes: int
    sha256: str
    created_by: str
    created_at: datetime


class FileTransferRow(NamedTuple):
    """What became of a command that moves a file."""

    id: int
    charge_point_id: str | None
    command_id: int
    action: str
    request_id: int | None
    location: str
    expires_at: datetime | None
    file_id: int | None
    file_name: str | None
    status: str
    progress: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class Content(NamedTuple):
    """Where the parts of a file are found, and what it is."""

    file_id: int
    owner: int  # key of the charge point, 0 for firmware
    name: str
    size_bytes: int
    sha256: str


class OpenUrl(NamedTuple):
    """A URL of ours that is good now; `file_id` is what can be downloaded there."""

    transfer_id: int
    owner: int
    identity: str
    action: str
    file_id: int | None
    file_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFilter:
    """Which ones; None does not filter. `since` inclusive, `until` exclusive, of their making."""

    charge_point_id: str | None = None
    purpose: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTransferFilter:
    """As `FileFilter`, of transfers."""

    charge_point_id: str | None = None
    action: str | None = None
    request_id: int | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def files(wanted: FileFilter, after: tuple[int] | None, limit: int) -> list[FileRow]:
    """Files, the newest first; the key is (id)."""
    conditions = _conditions(StoredFile, wanted, after)
    query = where(_files(), conditions).order_by(StoredFile.id.desc()).limit(limit)
    return [FileRow(*values) for values in query.tuples()]


def file(id: int) -> FileRow | None:
    return next((FileRow(*values) for values in _files().where(StoredFile.id == id).tuples()), None)


def file_content(id: int) -> Content | None:
    query: Any = StoredFile.select(
        StoredFile.id,
        StoredFile.charge_point_id,
        StoredFile.name,
        StoredFile.size_bytes,
        StoredFile.sha256,
    ).where(StoredFile.id == id, StoredFile.completed_at.is_null(False))
    return next((Content(*values) for values in query.tuples()), None)


def file_chunk(owner: int, file_id: int, number: int) -> bytes | None:
    """A part of a file; None if it was deleted meanwhile."""
    query: Any = FileChunk.select(FileChunk.content).where(
        FileChunk.charge_point_id == owner,
        FileChunk.file_id == file_id,
        FileChunk.number == number,
    )
    return next((bytes(content) for (content,) in query.tuples()), None)


def file_transfers(
    wanted: FileTransferFilter, after: tuple[int] | None, limit: int
) -> list[FileTransferRow]:
    """Transfers, the newest first; the key is (id)."""
    conditions = _conditions(FileTransfer, wanted, after)
    query = where(_transfers(), conditions).order_by(FileTransfer.id.desc()).limit(limit)
    return [FileTransferRow(*values) for values in query.tuples()]


def file_transfer(id: int) -> FileTransferRow | None:
    query = _transfers().where(FileTransfer.id == id).tuples()
    return next((FileTransferRow(*values) for values in query), None)


def open_url(token_hash: str, now: datetime) -> OpenUrl | None:
    query: Any = (
        FileTransfer.select(
            FileTransfer.id,
            FileTransfer.charge_point_id,
            ChargePoint.identity,
            FileTransfer.action,
            FileTransfer.file_id,
            FileTransfer.file_name,
        )
        .join(ChargePoint, on=(ChargePoint.id == FileTransfer.charge_point_id))
        .where(
            FileTransfer.token_hash == token_hash,
            FileTransfer.expires_at > now,
            ChargePoint.removing_at.is_null(),
        )
    )
    return next((OpenUrl(*values) for values in query.tuples()), None)


def _conditions(table: Any, wanted: Any, after: tuple[int] | None) -> list[Any]:
    conditions: list[Any] = []
    for name in wanted.__dataclass_fields__:
        value = getattr(wanted, name)
        if value is None:
            continue
        if name == "charge_point_id":
            conditions.append(table.charge_point_id == key_of(value))
        elif name == "since":
            conditions.append(table.created_at >= value)
        elif name == "until":
            conditions.append(table.created_at < value)
        else:
            conditions.append(getattr(table, name) == value)
    if after is not None:
        conditions.append(table.id < after[0])
    return conditions


def _files() -> Any:
    return _with_identity(StoredFile, FileRow).where(StoredFile.completed_at.is_null(False))


def _transfers() -> Any:
    return _with_identity(FileTransfer, FileTransferRow)


def _with_identity(table: Any, row: Any) -> Any:
    columns = [
        ChargePoint.identity if name == "charge_point_id" else getattr(table, name)
        for name in row._fields
    ]
    return table.select(*columns).join(
        ChargePoint, JOIN.LEFT_OUTER, on=(ChargePoint.id == table.charge_point_id)
    )
