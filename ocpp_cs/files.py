"""Files of charge points and firmware for them, kept in the database in parts (A16).

The database is the only stateful part: no disk has to outlive a process, and every process has
every file. One part at a time is in memory. Who may send or take a file is decided elsewhere, and
nothing of a file is ever read for what it says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import FileChunk, StoredFile
from ocpp_cs.db.statement import Statement

Purpose = Literal["diagnostics", "log", "firmware"]
Run = Callable[[Callable[[Tx], Any]], Any]

CHUNK_BYTES = 128 * 1024
"""Of a part: some milliseconds of the writer's time, so that no message waits noticeably."""

OF_ALL = 0
"""In the place of a charge point: the file is for any of them."""

_LONGEST_NAME = 120
# Parts that are deleted in one transaction.
_DELETED_AT_ONCE = 100
_ODD = re.compile(r"[^0-9A-Za-z._ -]+")

_INSERT = Statement(
    lambda p: StoredFile.insert(
        charge_point_id=p.charge_point_id,
        purpose=p.purpose,
        name=p.name,
        size_bytes=0,
        created_by=p.created_by,
        created_at=p.now,
    ).returning(StoredFile.id)
)
_INSERT_CHUNK = Statement(
    lambda p: FileChunk.insert(
        charge_point_id=p.charge_point_id, file_id=p.file_id, number=p.number, content=p.content
    )
)
_COMPLETE = Statement(
    lambda p: StoredFile.update(size_bytes=p.size_bytes, sha256=p.sha256, completed_at=p.now).where(
        (StoredFile.id == p.file_id) & StoredFile.completed_at.is_null()
    )
)
_DELETE = Statement(
    lambda p: (
        StoredFile.delete().where(StoredFile.id == p.file_id).returning(StoredFile.charge_point_id)
    )
)
_DELETE_CHUNKS = Statement(
    lambda p: FileChunk.delete().where(
        (FileChunk.charge_point_id == p.charge_point_id)
        & (FileChunk.file_id == p.file_id)
        & (FileChunk.number >= p.first)
        & (FileChunk.number < p.end)
    )
)
_HIGHEST_CHUNK = Statement(
    lambda p: (
        FileChunk.select(FileChunk.number)
        .where((FileChunk.charge_point_id == p.charge_point_id) & (FileChunk.file_id == p.file_id))
        .order_by(FileChunk.number.desc())
        .limit(1)
    )
)


class FileTooLarge(Exception):
    """More came than is taken; nothing of it is kept."""


class FileGone(Exception):
    """It was deleted while it was being received."""


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """What an operator has decided about files. `public_url` has no slash at its end; without it
    no URL of ours can be made."""

    public_url: str = ""
    schemes: tuple[str, ...] = ("ftp", "ftps", "sftp", "http", "https")
    hosts: tuple[str, ...] = ()  # none: any
    link_hours: int = 24
    upload_max_bytes: int = 100 * 1024 * 1024
    firmware_max_bytes: int = 256 * 1024 * 1024


ANYWHERE = FilePolicy()
"""Where nobody has decided anything."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is to be received; `limit` is its largest size in bytes."""

    charge_point_id: int
    purpose: Purpose
    name: str
    limit: int
    created_by: str


def receive(
    run: Run,
    file: NewFile,
    content: Iterable[bytes],
    clock: Callable[[], datetime],
    *,
    completed: Callable[[Tx, int], None] = lambda tx, file_id: None,
) -> int:
    """Stores what comes, part by part; the file's id. `run(work)` runs work in a transaction.

    `completed(tx, id)` is done in the transaction that makes it a file; if that or `content`
    raises, nothing is kept. Raises FileTooLarge, FileGone.
    """
    file_id: int = run(lambda tx: _begin(tx, file, clock()))
    try:
        size, digest = 0, hashlib.sha256()
        for number, part in enumerate(_parts(content, file.limit)):
            size += len(part)
            digest.update(part)
            place = {"charge_point_id": file.charge_point_id, "file_id": file_id, "number": number}
            run(lambda tx: tx.execute(_INSERT_CHUNK, **place, content=part).rowcount)  # noqa: B023

        def complete(tx: Tx) -> None:
            values = {"size_bytes": size, "sha256": digest.hexdigest(), "now": clock()}
            if not tx.execute(_COMPLETE, file_id=file_id, **values).rowcount:
                raise FileGone
            completed(tx, file_id)

        run(complete)
    except BaseException:
        delete(run, file_id)
        raise
    return file_id


def delete(run: Run, file_id: int) -> bool:
    """Deletes a file in pieces; whether there was one."""
    charge_point_id = run(lambda tx: _first(tx.execute(_DELETE, file_id=file_id).fetchone()))
    if charge_point_id is None:
        return False
    delete_content(run, charge_point_id, file_id)
    return True


def delete_content(run: Run, charge_point_id: int, file_id: int) -> None:
    """Deletes the parts of a file, the last ones first, so that what is left can be found."""
    of = {"charge_point_id": charge_point_id, "file_id": file_id}
    while (highest := run(lambda tx: _first(tx.one(_HIGHEST_CHUNK, **of)))) is not None:
        first, end = highest - _DELETED_AT_ONCE + 1, highest + 1
        run(lambda tx: tx.execute(_DELETE_CHUNKS, **of, first=first, end=end).rowcount)  # noqa: B023


def safe_name(name: str, otherwise: str) -> str:
    """The last part of a path as a name that no file system and no header minds."""
    last = _ODD.sub("_", re.split(r"[/\\]", name)[-1]).strip(" .")
    return last[-_LONGEST_NAME:].strip(" .") or otherwise


def _begin(tx: Tx, file: NewFile, now: datetime) -> int:
    [id] = tx.execute(
        _INSERT,
        charge_point_id=file.charge_point_id,
        purpose=file.purpose,
        name=file.name,
        created_by=file.created_by,
        now=now,
    ).fetchone()
    return int(id)


def _parts(content: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The same bytes in parts of one size; the last one may be shorter."""
    waiting, total = bytearray(), 0
    for piece in content:
        total += len(piece)
        if total > limit:
            raise FileTooLarge
        waiting += piece
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)


def _first(row: Any) -> Any:
    return None if row is None else row[0]
