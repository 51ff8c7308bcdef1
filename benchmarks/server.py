"""The servers that are measured: gunicorn as shipped, pinned to a core that is not the load's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tests.servers import Postgresql, postgresql_programs

PROJECT = Path(__file__).resolve().parent.parent
_START_S = 30.0


class Running(NamedTuple):
    """A server that is measured: its port, and the processes that do the work, mostly one."""

    port: int
    pids: list[int]
    database_url: str = ""

    @property
    def pid(self) -> int:
        [pid] = self.pids
        return pid


@contextmanager
def serving(database_url: str | None = None) -> Iterator[int]:
    """Runs the server on a fresh SQLite file, or on `database_url`; gives its port."""
    with serving_process(database_url) as running:
        yield running.port


@contextmanager
def serving_process(
    database_url: str | None = None, *, core: int = 0, **settings: str
) -> Iterator[Running]:
    """Runs the server as shipped, with one worker, but for `settings`."""
    with tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-") as directory:
        url = database_url or f"sqlite:///{directory}/bench.db"
        type_command(url, "db", "upgrade")
        log_file = Path(directory) / "log"
        with log_file.open("wb") as log:
            process = gunicorn(url, log, core=core, **settings)
        try:
            port = _port(process, log_file)
            workers = int(settings.get("WEB_CONCURRENCY", "1"))
            yield Running(port, _workers_of(process.pid, workers), url)
        finally:
            process.terminate()
            process.wait(60)


def gunicorn(
    database_url: str, log: IO[bytes], *, core: int = 0, **settings: str
) -> subprocess.Popen[bytes]:
    """Starts the server as shipped, but for `settings`; it may not listen yet."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "UNKNOWN_CHARGE_POINTS": "open",
        "UNKNOWN_ID_TAGS": "open",
        **settings,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    pin(process.pid, core)
    return process


@contextmanager
def peer_serving(kind: str) -> Iterator[Running]:
    """Runs another central system: STORING_NOTHING, STORING or NODE."""
    with tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-") as directory:
        log_file = Path(directory) / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                _peer_command(kind, directory),
                cwd=PROJECT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            pin(process.pid, 0)
            yield Running(_listening(process, log_file), [process.pid])
        finally:
            process.terminate()
            process.wait(60)


STORING_NOTHING = "ocpp package, storing nothing"
STORING = "ocpp package, a commit per message"
NODE = "ocpp-rpc on Node, storing nothing"
_NODE_PACKAGE = "ocpp-rpc@2.2.1"


def node_is_there() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def _peer_command(kind: str, directory: str) -> list[str]:
    python = [sys.executable, "-m", "benchmarks.peers.python_ocpp"]
    if kind == STORING_NOTHING:
        return python
    if kind == STORING:
        return [*python, "--database", f"{directory}/peer.db"]
    shutil.copy(PROJECT / "benchmarks" / "peers" / "node_ocpp_rpc.mjs", directory)
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", _NODE_PACKAGE],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    return ["node", f"{directory}/node_ocpp_rpc.mjs"]


def _workers_of(master: int, count: int) -> list[int]:
    """gunicorn's workers."""
    deadline = time.monotonic() + _START_S
    children = Path(f"/proc/{master}/task/{master}/children")
    while time.monotonic() < deadline:
        found = [int(pid) for pid in children.read_text().split()]
        if len(found) == count:
            return found
        time.sleep(0.05)
    raise RuntimeError(f"the server has not {count} workers")


class Servers(NamedTuple):
    """Ports of the server that charge points connect to and of the one that takes commands, and an
    operator's API key."""

    holding: int
    ordering: int
    key: str


@contextmanager
def commanding(database_url: str | None, *, across: bool) -> Iterator[Servers | None]:
    """One server on SQLite, or `across` two on one PostgreSQL: the one given, or one of our own.

    None where there is no PostgreSQL.
    """
    with ExitStack() as stack:
        if not across:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpp_cs-bench-"))
            url = f"sqlite:///{directory}/commands.db"
        elif database_url is not None:
            url = database_url
        elif (programs := postgresql_programs()) is not None:
            postgresql = Postgresql(programs)
            stack.callback(postgresql.stop)
            url = postgresql.create_database()
        else:
            yield None
            return
        holding = stack.enter_context(serving(url))
        ordering = stack.enter_context(serving(url)) if across else holding
        yield Servers(holding, ordering, api_key(url, "operator"))


def api_key(database_url: str, role: str) -> str:
    """A new key of that role."""
    made = type_command(database_url, "api-key", "create", "bench", "--role", role)
    [key] = [word for word in made.split() if word.startswith("ocs_")]
    return key


def type_command(database_url: str, *words: str) -> str:
    """What `flask --app wsgi ...` prints, on that database."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    environment = {**os.environ, "DATABASE_URL": database_url}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{done.stderr}")
    return done.stdout


def pin(pid: int, core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def pin_load() -> None:
    """Keeps the load off the server's core, where there are two."""
    pin(0, (os.cpu_count() or 1) - 1)


def _port(process: subprocess.Popen[bytes], log_file: Path) -> int:
    """Of a server that answers."""
    port = _listening(process, log_file)
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return port
    raise RuntimeError("the server did not start")


def _listening(process: subprocess.Popen[bytes], log_file: Path) -> int:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        log = log_file.read_text(errors="replace")
        if process.poll() is not None:
            raise RuntimeError(f"the server ended:\n{log}")
        found = re.search(r"Listening at: http://\S+:(\d+) ", log)
        if found is not None:
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError("the server did not start")
