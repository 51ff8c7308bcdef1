"""Real servers for the tests: a PostgreSQL of our own and gunicorn, each a child process.

No test double stands in for either, and nothing is ever stopped that was not started here. Run as
`python -m tests.servers` it says where PostgreSQL's programs are, and fails where there are none.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from config.platforms import PLATFORMS
from config.settings import TABLE

PROJECT = Path(__file__).resolve().parent.parent
POSTGRESQL_MISSING = (
    "PostgreSQL's programs initdb and postgres were not found: nothing was tested on it. "
    "Install Debian's package postgresql, or put the programs on the PATH."
)
_START_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 30.0
# As `make run` has it, so that a test says only what it is about.
_OPEN_POLICY = {
    "API_WITHOUT_KEY": "1",
    "HOST": "127.0.0.1",
    "PORT": "0",
    "UNKNOWN_CHARGE_POINTS": "open",
    "UNKNOWN_ID_TAGS": "open",
}
_NOT_OURS_TO_INHERIT = {setting.variable for setting in TABLE} | {"GUNICORN_CMD_ARGS"}
_NOT_OURS_TO_INHERIT |= {platform.variable for platform in PLATFORMS}


def wait_until(condition: Callable[[], Any], *, seconds: float = 10.0, what: str = "") -> Any:
    """The first true value of `condition`; AssertionError when the deadline passes before."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}")
        time.sleep(0.02)
    return value


def postgresql_programs() -> Path | None:
    """The directory of initdb and postgres: the newest installed, else what the PATH offers."""
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    candidates = sorted(installed, key=lambda path: float(path.parent.name), reverse=True)
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, check=False
        )
        candidates.append(Path(answer.stdout.strip()))
    if postgres := shutil.which("postgres"):
        candidates.append(Path(postgres).resolve().parent)
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    return None


# As little of it as there may be.
_IN_MEMORY = {"min_wal_size": "32MB", "max_wal_size": "128MB"}


class Postgresql:
    """A PostgreSQL server in a directory of its own, on a free loopback port and a Unix socket.

    It writes to disk as a production server does (fsync), unless `memory` names a file system that
    is none. Its time zone is far from UTC, so that a time that lost its zone shows.
    """

    def __init__(self, programs: Path, memory: Path | None = None) -> None:
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="ocpp_cs-pg-", dir=memory))
        self._options = _IN_MEMORY if memory else {}
        self._account = _unprivileged_account()
        self._password = secrets.token_hex(8)
        self._databases = 0
        self.port = _free_port()
        password_file = self._directory / "password"
        password_file.write_text(self._password, encoding="ascii")
        if self._account:
            for path in (self._directory, password_file):
                os.chown(path, self._account["user"], self._account["group"])
        self._initialise(password_file)
        self._process = self._start()
        try:
            wait_until(self._answers, seconds=_START_DEADLINE_S, what="PostgreSQL answers")
        except BaseException:
            self.stop()
            raise

    def _initialise(self, password_file: Path) -> None:
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={self._directory / 'data'}",
            "--no-sync",
        ]
        command += ["--username=ocpp_cs", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        command += ["--encoding=UTF8", "--locale=C"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self._directory,
            check=False,
            **self._account,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _start(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
            "max_connections": "100",
            "shared_buffers": "32MB",
            "timezone": "Asia/Kathmandu",
            **self._options,
        }
        command = [str(self._programs / "postgres"), "-D", str(self._directory / "data")]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                start_new_session=True,
                **self._account,
            )

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._directory / "log").read_text()
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        return f"postgresql://ocpp_cs:{self._password}@127.0.0.1:{self.port}/{database}"

    def copy_database(self, url: str) -> str:
        """The URL of a new database with all that is in another, to which nobody is connected."""
        self._databases += 1
        names = [f"test_{self._databases}", url.rpartition("/")[2]]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(*map(sql.Identifier, names)))
        return self.url(names[0])

    def create_database(self, directory: Path | None = None) -> str:
        """The URL of a new, empty database; its tables lie in `directory`, if one is given."""
        self._databases += 1
        name = f"test_{self._databases}"
        database = sql.Identifier(name)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if directory is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
                return self.url(name)
            if self._account:
                os.chown(directory, self._account["user"], self._account["group"])
            connection.execute(
                sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(database, str(directory))
            )
            connection.execute(
                sql.SQL("CREATE DATABASE {} TABLESPACE {}").format(database, database)
            )
        return self.url(name)

    def drop_tablespace(self, url: str) -> None:
        """After `drop_database`, of one that had a directory of its own."""
        name = sql.Identifier(url.rpartition("/")[2])
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP TABLESPACE {}").format(name))

    def drop_database(self, url: str) -> None:
        """Removes a database, cutting off whoever still uses it."""
        name = sql.Identifier(url.rpartition("/")[2])
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def halt(self) -> None:
        """A fast shutdown, which cuts off whoever is connected; `resume` starts it again."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_STOP_DEADLINE_S)

    def resume(self) -> None:
        self._process = self._start()
        wait_until(self._answers, seconds=_START_DEADLINE_S, what="PostgreSQL answers")

    def signal_all(self, sig: signal.Signals) -> None:
        """Sends a signal, such as SIGSTOP, to the server and all its processes."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        for each in (pid, *map(int, children.split())):
            with suppress(ProcessLookupError):  # a connection's may have ended just now
                os.kill(each, sig)

    def cut_connections(self, url: str) -> int:
        """Ends every connection to the database of `url`; how many there were."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            return connection.execute(query, [url.rpartition("/")[2]]).rowcount

    def stop(self) -> None:
        self.halt()
        shutil.rmtree(self._directory)


class Server:
    """The central system under a real gunicorn, on a port of its own; its log is kept in a file.

    `environment` holds settings by variable name. `application` and `directory` serve another app
    than ours under our gunicorn configuration, or another release of ours. `authority`: the
    certificate that has signed the server's, where it speaks TLS.
    """

    def __init__(
        self,
        log: Path,
        environment: Mapping[str, str],
        *,
        application: str = "wsgi:app",
        directory: Path = PROJECT,
        arguments: tuple[str, ...] = (),
        authority: Path | None = None,
    ) -> None:
        unknown = environment.keys() - _NOT_OURS_TO_INHERIT - {"HOME"}
        assert not unknown, f"no such settings: {unknown}"
        inherited = {k: v for k, v in os.environ.items() if k not in _NOT_OURS_TO_INHERIT}
        self.environment = {
            **inherited,
            "PYTHONPATH": f"{directory}{os.pathsep}{PROJECT}",
            **_OPEN_POLICY,
            **environment,
        }
        self.log = log
        self.port = 0
        self._application = application
        self._directory = directory
        self._arguments = arguments
        self._secure = "s" if "TLS_CERT_FILE" in environment else ""
        self._trust = None if authority is None else ssl.create_default_context(cafile=authority)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """gunicorn's master process."""
        assert self._process is not None, "the server was not started"
        return self._process

    def migrate(self) -> None:
        """`flask db upgrade`, as a release does it before the server starts."""
        self.flask("db", "upgrade")

    def api_key(self, role: str) -> str:
        """A new key of the REST API, made on the command line."""
        return self.flask("api-key", "create", "--role", role, f"test-{role}").strip()

    def flask(self, *arguments: str) -> str:
        """What the command line writes; it works on the database of this server."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self._directory,
            env=self.environment,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def launch(self) -> None:
        """Starts gunicorn and does not wait; the next start appends to the same log."""
        folders = (self._directory, PROJECT)
        files = (folder / "config" / "gunicorn.py" for folder in folders)
        configuration = next(path for path in files if path.exists())
        command = [sys.executable, "-m", "gunicorn", "-c", str(configuration), *self._arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, self._application],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=self.environment,
                start_new_session=True,
            )

    def start(self) -> None:
        """Starts gunicorn and waits until it answers /healthz."""
        logged_before = len(self.log_text())
        self.launch()

        def port() -> str | None:
            assert self.process.poll() is None, f"gunicorn ended:\n{self.log_text()}"
            log = self.log_text()[logged_before:]
            found = re.search(r"Listening at: https?://\S+:(\d+) ", log)
            return found and found[1]

        # A restart comes back on the same port, where the clients look for it.
        self.environment["PORT"] = wait_until(
            port, seconds=_START_DEADLINE_S, what="gunicorn listens"
        )
        self.port = int(self.environment["PORT"])
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns when /healthz answers; also after a worker was killed and replaced."""
        wait_until(self._healthy, seconds=_START_DEADLINE_S, what=f"/healthz:\n{self.log_text()}")

    def _healthy(self) -> bool:
        assert self.process.poll() is None, f"gunicorn ended:\n{self.log_text()}"
        try:
            health = self.http("/healthz")
            with urllib.request.urlopen(health, timeout=5, context=self._trust) as response:
                return bool(response.status == 200)
        except OSError:  # refused, reset, timed out; HTTP errors are OSErrors, too
            return False

    def ws_url(self, charge_point_id: str) -> str:
        return f"ws{self._secure}://127.0.0.1:{self.port}/ws/CentralSystemService/{charge_point_id}"

    def http(self, path: str) -> str:
        return f"http{self._secure}://127.0.0.1:{self.port}{path}"

    @property
    def pids(self) -> list[int]:
        """The worker processes."""
        if Path("/proc/self/task").exists():
            pid = self.process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        else:
            command = ["pgrep", "-P", str(self.process.pid)]
            children = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in children.split()]

    def kill(self, sig: signal.Signals) -> list[int]:
        """Sends the signal to every worker; returns their process ids."""
        pids = self.pids
        for pid in pids:
            os.kill(pid, sig)
        return pids

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal to the master and waits for the end; returns the exit status.

        What has not ended by the deadline is killed, and the test fails.
        """
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.crash()
            raise AssertionError(f"gunicorn did not stop:\n{self.log_text()}") from None

    def crash(self) -> None:
        """Ends master and workers at once, as a power cut would; nothing if they ended already."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: only our processes
            self.process.wait(_STOP_DEADLINE_S)

    def restart(self) -> None:
        """An orderly stop, then a start on the same port and database."""
        self.stop()
        self.start()

    def log_text(self) -> str:
        """Everything that gunicorn and the app wrote, over all starts."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged_account() -> dict[str, Any]:
    """Arguments for subprocess: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


if __name__ == "__main__":
    found = postgresql_programs()
    print(f"PostgreSQL: {found}" if found else POSTGRESQL_MISSING)
    sys.exit(found is None)
