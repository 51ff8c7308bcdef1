"""What analysts ask again and again, each in a process of its own: `python -m benchmarks.analysts`.

It reads and throws away. SIGTERM ends it, and it says how much it read.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_PROJECT = Path(__file__).resolve().parent.parent
_BLOCK = 65536
_START_S = 60.0

EXPORT = "CSV of all transactions"
REPORT = "energy report over a year"
PAGES = "pages of transactions"
OVERVIEW = "the console's overview"
# The rows of `rows.fill` begin in 2021.
PATHS = {
    EXPORT: "/api/v1/transactions?format=csv&sort=started_at",
    REPORT: "/api/v1/reports/energy?group_by=charge_point_id,month&limit=1000"
    "&from=2021-01-01T00:00:00Z&to=2022-01-01T00:00:00Z",
    PAGES: "/api/v1/transactions?limit=1000",
    OVERVIEW: "/",
}
_NEXT = re.compile(r'<https?://[^/>]+([^>]+)>; rel="next"')


@dataclass
class Read:
    """What an analyst has read so far: whole answers, and bytes of all."""

    answers: int = 0
    bytes: int = 0


@contextmanager
def analyst(kind: str, port: int, key: str) -> Iterator[subprocess.Popen[str]]:
    """Asks from the first answer's first byte to the end of the block; fails if a request does."""
    command = [sys.executable, "-m", "benchmarks.analysts", f"http://127.0.0.1:{port}", kind, key]
    process = subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise RuntimeError(f"{kind}: no answer")
        yield process
        if process.poll() is not None:
            raise RuntimeError(f"{kind}: ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait(10)


def said(process: subprocess.Popen[str]) -> Read:
    """How much it read, after its end."""
    assert process.stdout is not None
    return Read(**json.loads(process.stdout.read()))


def main(arguments: Sequence[str]) -> None:
    base, kind, key = arguments
    read = Read()

    def end(_number: int, _frame: object) -> NoReturn:
        print(json.dumps(vars(read)), flush=True)
        sys.exit()

    signal.signal(signal.SIGTERM, end)
    path = PATHS[kind]
    while True:
        path = _ask(base, path, key, read) or PATHS[kind]


def _ask(base: str, path: str, key: str, read: Read) -> str | None:
    """Reads one answer; the path of the next page, if there is one."""
    request = urllib.request.Request(f"{base}{path}", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=_START_S) as answer:
        while block := answer.read1(_BLOCK):
            if not read.bytes:
                print("reading", flush=True)
            read.bytes += len(block)
        following = _NEXT.search(answer.headers.get("Link", ""))
    read.answers += 1
    return following and following[1]


if __name__ == "__main__":
    main(sys.argv[1:])
