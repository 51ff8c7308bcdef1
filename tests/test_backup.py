"""`flask --app wsgi backup`: what it says. The copy itself is tested in `tests/db/test_copying.py`,
under load in `tests/faults/backups.py`."""

from __future__ import annotations

from pathlib import Path

from config.settings import load
from ocpp_cs import create_app
from tests.test_cli import Terminal


def test_a_backup_is_a_database(sqlite_url: str, tmp_path: Path) -> None:
    terminal = Terminal(create_app(load({"DATABASE_URL": sqlite_url})))
    terminal.says("charge-point", "add", "CB-1", "--no-password")
    target = tmp_path / "backup.db"
    assert terminal.says("backup", str(target)).endswith(" bytes, whole and checked.\n")
    again = terminal.run("backup", str(target))
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    restored = Terminal(create_app(load({"DATABASE_URL": f"sqlite:///{target}"})))
    assert restored.says("charge-point", "list").startswith("CB-1\t")


def test_postgresql_has_its_own_program(postgresql_url: str) -> None:
    done = Terminal(create_app(load({"DATABASE_URL": postgresql_url}))).run("backup", "x.db")
    assert done.exit_code == 1
    assert "pg_dump --format=custom" in done.output
