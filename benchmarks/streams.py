"""`python -m benchmarks.streams`: a CSV download of many transactions under gunicorn; the time to
its first byte, the time in all, and the memory of the worker.

The rows are made by the database itself. Not a load: nobody else is there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import fill
from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from tests.servers import Server

_BLOCK = 65536
_PATH = "/api/v1/transactions?format=csv&sort=started_at"


@dataclass(frozen=True, slots=True)
class Download:
    """Rows without the head; seconds; MiB by which the worker grew at most while it streamed.

    `mapped_mib` are pages of files, such as SQLite's, which the system takes back when it likes.
    """

    rows: int
    first_byte_s: float
    total_s: float
    grown_mib: float
    mapped_mib: float

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows: first byte after {1000 * self.first_byte_s:.0f} ms, "
            f"all in {self.total_s:.1f} s, worker grew by {self.grown_mib:.1f} MiB "
            f"and {self.mapped_mib:.1f} MiB of mapped files"
        )


def measure(database_url: str, transactions: int, log: Path) -> Download:
    """Fills the database, which must be empty, and downloads all transactions once."""
    engine = Engine(database_url)
    migrate.upgrade(engine)
    fill(engine, transactions, 1)
    engine.close()
    server = Server(log, {"DATABASE_URL": database_url})
    server.start()
    try:
        [pid] = server.pids
        url = server.http(_PATH)
        with urllib.request.urlopen(url, timeout=60) as first:
            first.read(_BLOCK)  # this one imports, compiles and fills caches
        return download(url, pid)
    finally:
        server.stop()


def download(url: str, pid: int) -> Download:
    own, mapped = own_before, mapped_before = memory_mib(pid)
    lines, first = 0, 0.0
    began = time.monotonic()
    with urllib.request.urlopen(url, timeout=600) as answer:
        while block := answer.read1(_BLOCK):
            first = first or time.monotonic() - began
            lines += block.count(b"\n")
            own, mapped = map(max, (own, mapped), memory_mib(pid))
    took = time.monotonic() - began
    return Download(lines - 1, first, took, own - own_before, mapped - mapped_before)


def memory_mib(pid: int) -> tuple[float, float]:
    """The memory that a process has at this moment: its own, and mapped from files or shared."""
    words = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    resident, shared = (int(word) * os.sysconf("SC_PAGE_SIZE") / 2**20 for word in words[1:3])
    return resident - shared, shared


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams")
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--database-url", help="an empty database, instead of a new SQLite file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-") as directory:
        url = options.database_url or f"sqlite:///{directory}/bench.db"
        print(measure(url, options.transactions, Path(directory) / "log"))


if __name__ == "__main__":
    main(sys.argv[1:])
