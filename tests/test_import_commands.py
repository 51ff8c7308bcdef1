"""`flask import`: what is typed, what it says, and what stands in the database afterwards."""

from __future__ import annotations

import csv
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import load
from ocpp_cs import create_app, credentials
from ocpp_cs.db import migrate
from ocpp_cs.db.models import AuditEvent, ChargePoint
from tests.test_cli import Terminal

PASSWORD = "correct-horse-battery"


@pytest.fixture
def terminal(database_url: str, tables: None) -> Iterator[Terminal]:
    app = create_app(load({"DATABASE_URL": database_url, "LOG_FORMAT": "text"}))
    central_system = app.extensions["ocpp_cs"]
    migrate.upgrade(central_system.engine)
    try:
        yield Terminal(app)
    finally:
        central_system.drain()
        central_system.engine.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def charge_points(terminal: Terminal) -> dict[str, ChargePoint]:
    engine = terminal.app.extensions["ocpp_cs"].engine
    return {row.identity: row for row in engine.read(lambda: list(ChargePoint.select()))}


def test_id_tags(terminal: Terminal, file: Path) -> None:
    file.write_text("id_tag,status\nAbC,\nx,blocked\n", encoding="utf-8")
    dry = terminal.says("import", "id-tags", "--dry-run", str(file))
    assert dry == "Id tags: 2 added, 0 changed, 0 unchanged; a dry run, nothing was written.\n"
    assert terminal.says("id-tag", "list") == ""
    done = terminal.says("import", "id-tags", str(file))
    assert done == "Id tags: 2 added, 0 changed, 0 unchanged.\n"
    assert terminal.says("id-tag", "list") == "AbC\taccepted\t-\nx\tblocked\t-\n"
    again = terminal.says("import", "id-tags", str(file))
    assert again == "Id tags: 0 added, 0 changed, 2 unchanged.\n"


@pytest.mark.parametrize("kind", ["id-tags", "charge-points"])
def test_a_wrong_file_is_told_line_by_line(terminal: Terminal, file: Path, kind: str) -> None:
    name = {"id-tags": "id_tag", "charge-points": "id"}[kind]
    bad = {"id-tags": "x" * 21, "charge-points": "a/b"}[kind]
    file.write_text(f"{name},note\nfine,\n{bad},\nfine,\n", encoding="utf-8")
    result = terminal.run("import", kind, str(file))
    assert result.exit_code == 1
    assert re.search(rf"^line 3, {name}: ", result.output, re.MULTILINE)
    assert re.search(rf"^line 4, {name}: The same .* as in line 2\.$", result.output, re.MULTILINE)
    assert "2 faults: nothing was imported" in result.output
    assert terminal.says("id-tag", "list") == terminal.says("charge-point", "list") == ""


def test_charge_points_and_the_passwords_that_were_made(terminal: Terminal, file: Path) -> None:
    text = f"id,security_profile,password,note\nCP-1,,,car park\nCP-2,1,{PASSWORD},\nCP-3,0,,\n"
    file.write_text(text, encoding="utf-8")
    said = terminal.says("import", "charge-points", str(file))
    first, made = said.splitlines()
    assert first == "Charge points: 3 added, 0 changed, 0 unchanged."
    identity, password = made.split(",")
    assert identity == "CP-1"
    rows = charge_points(terminal)
    assert [rows[name].security_profile for name in ("CP-1", "CP-2", "CP-3")] == [1, 1, 0]
    assert credentials.verify(rows["CP-1"].key_hash or "", password.encode())
    assert credentials.verify(rows["CP-2"].key_hash or "", PASSWORD.encode())
    assert rows["CP-3"].key_hash is None
    assert (rows["CP-1"].note, rows["CP-1"].registration) == ("car park", "accepted")
    # The same file again changes nothing: no password is made twice.
    again = terminal.says("import", "charge-points", str(file))
    assert again == "Charge points: 0 added, 0 changed, 3 unchanged.\n"
    engine = terminal.app.extensions["ocpp_cs"].engine
    trail = engine.read(lambda: [(row.action, row.detail) for row in AuditEvent.select()])
    assert [action for action, _ in trail] == ["charge_point.create"] * 3
    assert PASSWORD not in str(trail)
    assert password not in str(trail)


def test_charge_points_are_changed(terminal: Terminal, file: Path) -> None:
    terminal.says("charge-point", "add", "CP-1", "--no-password", "--note", "kept")
    terminal.says("charge-point", "add", "CP-2", "--password", PASSWORD)
    terminal.says("charge-point", "add", "CP-3", "--password", PASSWORD)
    terminal.says("charge-point", "reject", "CP-3")
    text = f"id;security_profile;password\nCP-1;;\nCP-2;0;\nCP-3;;{PASSWORD}x\n"
    file.write_text(text, encoding="utf-8")
    said = terminal.says("import", "charge-points", str(file))
    assert said == "Charge points: 0 added, 2 changed, 1 unchanged.\n"
    rows = charge_points(terminal)
    assert (rows["CP-1"].security_profile, rows["CP-1"].note) == (0, "kept")
    assert (rows["CP-2"].security_profile, rows["CP-2"].key_hash) == (0, None)
    assert credentials.verify(rows["CP-3"].key_hash or "", f"{PASSWORD}x".encode())
    assert rows["CP-3"].registration == "rejected"
    file.write_text("id,security_profile,note\nCP-1,1,\n", encoding="utf-8")
    said = terminal.says("import", "charge-points", str(file))
    assert said.startswith("Charge points: 0 added, 1 changed, 0 unchanged.\nCP-1,")
    assert charge_points(terminal)["CP-1"].note is None


def test_passwords_go_into_a_file_of_their_own(
    terminal: Terminal, file: Path, tmp_path: Path
) -> None:
    file.write_text("id\nCP-1\nCP-2\n", encoding="utf-8")
    kept = tmp_path / "passwords.csv"
    command = ("import", "charge-points", str(file), "--passwords", str(kept))
    assert terminal.says(*command, "--dry-run").endswith("a dry run, nothing was written.\n")
    assert not kept.exists()
    assert terminal.says(*command) == "Charge points: 2 added, 0 changed, 0 unchanged.\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with kept.open(encoding="utf-8", newline="") as opened:
        made = {row["id"]: row["password"] for row in csv.DictReader(opened)}
    rows = charge_points(terminal)
    assert made.keys() == rows.keys()
    assert all(credentials.verify(rows[id].key_hash or "", made[id].encode()) for id in made)
    file.write_text("id\nCP-3\n", encoding="utf-8")
    result = terminal.run(*command)  # it is not overwritten
    assert (result.exit_code, "File exists" in result.output) == (1, True)
    assert "CP-3" not in charge_points(terminal)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("a:b,,,", "id"),
        ("CP,4,,", "security_profile"),
        ("CP,,short,", "password"),
        (f"CP,0,{PASSWORD},", "password"),
    ],
)
def test_what_is_wrong_with_a_charge_point(
    terminal: Terminal, file: Path, line: str, column: str
) -> None:
    file.write_text(f"id,security_profile,password,note\n{line}\n", encoding="utf-8")
    result = terminal.run("import", "charge-points", str(file))
    assert result.exit_code == 1
    assert f"line 2, {column}: " in result.output
    assert charge_points(terminal) == {}
