"""The server that is measured: gunicorn as shipped, pinned to a core of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
_START_S = 30.0


@contextmanager
def serving(database_url: str | None = None) -> Iterator[int]:
    """Runs the server on a fresh SQLite file, or on `database_url`; gives its port."""
    with tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-") as directory:
        environment = {
            **os.environ,
            "DATABASE_URL": database_url or f"sqlite:///{directory}/bench.db",
            "HOST": "127.0.0.1",
            "PORT": "0",
            "UNKNOWN_CHARGE_POINTS": "open",
            "UNKNOWN_ID_TAGS": "open",
        }
        upgrade = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
        subprocess.run(upgrade, cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL)
        log_file = Path(directory) / "log"
        command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"]
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            _pin(process.pid, 0)
            yield _port(process, log_file)
        finally:
            process.terminate()
            process.wait(60)


def _pin(pid: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def pin_load() -> None:
    """Keeps the load off the server's core, where there are two."""
    _pin(0, (os.cpu_count() or 1) - 1)


def _port(process: subprocess.Popen[bytes], log_file: Path) -> int:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        log = log_file.read_text(errors="replace")
        if process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{log}")
        found = re.search(r"Listening at: http://\S+:(\d+) ", log)
        if found is not None:
            url = f"http://127.0.0.1:{found[1]}/healthz"
            try:
                urllib.request.urlopen(url, timeout=1).close()
            except OSError:
                pass
            else:
                return int(found[1])
        time.sleep(0.05)
    raise RuntimeError("the server did not start")
