"""A whole copy of an SQLite file, also of one that a server is writing to.

It copies no PostgreSQL: its own programs do. Copying the file would not do either: what was
committed last stands in the log beside it, also after an orderly end.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress

from ocpp_cs.db.engine import Engine


class CopyFault(Exception):
    """Why there is no copy, in a sentence."""


def copy_file(engine: Engine, target: str) -> int:
    """Makes `target`, which must not exist; its size in bytes.

    It is there when it is whole, checked and on disk. Nobody waits meanwhile: it reads one state
    of the database while others write the next ones.
    """
    if os.path.exists(target):
        raise CopyFault(f"{target} is there already")
    part = f"{target}.part"
    try:
        # Nobody else may read it, as it holds hashes of keys, and id tags.
        os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        with closing(engine.connect_reader()) as source, closing(sqlite3.connect(part)) as copy:
            # All in one step: else it begins anew whenever somebody writes.
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise CopyFault(f"the copy is damaged: {verdict}")
        _sync(part)
        os.link(part, target)  # as a rename, but never over another file
        os.unlink(part)
        _sync(os.path.dirname(os.path.abspath(target)))
    except (OSError, sqlite3.Error) as error:
        raise CopyFault(str(error)) from error
    finally:
        with suppress(OSError):
            os.unlink(part)
    return os.path.getsize(target)


def _sync(path: str) -> None:
    """To disk, be it a file or what a folder says of its files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
