"""A copy of an SQLite file: whole, also beside a writer; and never half of one."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ocpp_cs.db.copying import CopyFault, copy_file
from ocpp_cs.db.engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Two tables that are always changed together; the latest changes stand in the log only."""
    engine = Engine(f"sqlite:///{tmp_path / 'source.db'}")
    with closing(engine.connect_writer()) as connection:
        connection.execute("CREATE TABLE a (n INTEGER)")
        connection.execute("CREATE TABLE b (n INTEGER, text TEXT)")
        yield engine
    engine.close()


def add(engine: Engine, count: int) -> None:
    with closing(engine.connect_writer()) as connection:
        for n in range(count):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO a VALUES (?)", (n,))
            connection.execute("INSERT INTO b VALUES (?, ?)", (n, "x" * 500))
            connection.execute("COMMIT")


def counts(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)"
        first, second = connection.execute(query).fetchone()
    return int(first), int(second)


def test_what_stands_in_the_log_is_in_the_copy(engine: Engine, tmp_path: Path) -> None:
    """A copy of the file alone lacks it: the reason why there is a command."""
    add(engine, 50)
    target = tmp_path / "copy.db"
    assert copy_file(engine, str(target)) == target.stat().st_size
    assert counts(target) == (50, 50)
    alone = tmp_path / "alone.db"
    alone.write_bytes(Path(engine.path).read_bytes())
    with pytest.raises(sqlite3.OperationalError):
        counts(alone)


def test_it_is_one_file_that_only_its_owner_reads(engine: Engine, tmp_path: Path) -> None:
    add(engine, 5)
    target = tmp_path / "copy.db"
    copy_file(engine, str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.db"]


def test_a_copy_beside_a_writer_is_of_one_moment(engine: Engine, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            add(engine, 10)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            target = tmp_path / f"copy-{number}.db"
            copy_file(engine, str(target))
            first, second = counts(target)
            assert first == second
    finally:
        ended.set()
        writer.join()


def test_no_file_is_written_over(engine: Engine, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(CopyFault, match="is there already"):
        copy_file(engine, str(target))
    assert target.read_text() == "precious"


def test_a_copy_that_fails_leaves_nothing(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_sync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_sync)
    with pytest.raises(CopyFault, match="No space left on device"):
        copy_file(engine, str(tmp_path / "copy.db"))
    assert list(tmp_path.glob("copy*")) == []
    with pytest.raises(CopyFault):
        copy_file(engine, str(tmp_path / "no" / "such" / "folder.db"))
