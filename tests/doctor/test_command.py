"""`flask --app wsgi doctor` as it is typed: exit status, text, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ocpp_cs.doctor import CHECKS
from tests.servers import PROJECT


def doctor(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", "--app", "wsgi"]
    environ = {"PATH": os.environ["PATH"], **settings}
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=environ,
        check=False,
    )


def test_errors_are_exit_status_1_and_warnings_0(sqlite_url: str) -> None:
    done = doctor("doctor", DATABASE_URL=sqlite_url)
    assert done.returncode == 1
    assert "error    API keys: There is no valid API key" in done.stdout
    assert "         -> Run `flask --app wsgi api-key create NAME --role admin`." in done.stdout
    doctor("api-key", "create", "me", "--role", "admin", DATABASE_URL=sqlite_url)
    done = doctor("doctor", DATABASE_URL=sqlite_url, UNKNOWN_ID_TAGS="open")
    assert done.returncode == 0, done.stdout
    assert "warning  policy: UNKNOWN_ID_TAGS=open" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 errors, ")


def test_json(sqlite_url: str) -> None:
    done = doctor("doctor", "--json", DATABASE_URL=sqlite_url)
    told = json.loads(done.stdout)
    assert told["checks"] == list(CHECKS)
    assert {"check", "severity", "text", "fix"} == told["findings"][0].keys()
    assert "API keys" in {finding["check"] for finding in told["findings"]}
    assert done.returncode == 1


def test_settings_that_do_not_fit_end_it_with_a_sentence(sqlite_url: str) -> None:
    done = doctor("doctor", DATABASE_URL=sqlite_url, SHUTDOWN_SPREAD="60")
    assert done.returncode == 1
    assert "SHUTDOWN_SPREAD is 60; it must not be greater than SHUTDOWN_TIMEOUT" in done.stderr


def test_a_file_that_is_no_database_ends_it_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database, but long enough to look like one" * 100)
    done = doctor("doctor", DATABASE_URL=f"sqlite:///{path}")
    assert done.returncode == 3
    assert done.stderr.startswith(f"Cannot start: the SQLite file {path} cannot be used: ")
    assert "Traceback" not in done.stderr


def test_a_password_is_never_shown() -> None:
    url = "postgresql://ocpp_cs:very-secret-word@127.0.0.1:9/x"
    done = doctor("doctor", DATABASE_URL=url)
    assert done.returncode == 1
    assert "very-secret-word" not in done.stdout + done.stderr
