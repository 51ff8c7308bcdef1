"""The command line: what an operator types, what it says, and what the server makes of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from config.settings import load
from ocpp_cs import create_app
from ocpp_cs.db import migrate
from tests import charge_point
from tests.conftest import StartServer
from tests.servers import PROJECT

MIGRATIONS = PROJECT / "ocpp_cs" / "db" / "migrations"


class Terminal:
    """Types commands at an application."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._runner = app.test_cli_runner()

    def run(self, *arguments: str) -> Result:
        return self._runner.invoke(args=arguments)

    def says(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.output


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


def test_db_upgrade_and_status(postgresql_url: str) -> None:
    app = create_app(load({"DATABASE_URL": postgresql_url}))
    terminal = Terminal(app)
    before = terminal.run("db", "status")
    names = ", ".join(sorted(path.stem for path in MIGRATIONS.glob("0*.py")))
    assert (before.exit_code, before.output) == (1, f"Pending: {names}.\n")
    assert terminal.says("db", "upgrade") == f"Applied: {names}.\n"
    assert terminal.says("db", "upgrade") == "The database is up to date.\n"
    assert terminal.says("db", "status") == "The database is up to date.\n"
    app.extensions["ocpp_cs"].engine.close()


def test_charge_points_are_added_and_listed(terminal: Terminal) -> None:
    made = terminal.says("charge-point", "add", "CP-1", "--note", "car park")
    assert re.fullmatch(
        r"Charge point CP-1 is registered\.\nIts password, shown only now: [0-9a-f]{40}\n", made
    )
    open_one = terminal.says("charge-point", "add", "CP-2", "--no-password")
    assert open_one == "Charge point CP-2 is registered.\n"
    terminal.says("charge-point", "add", "CP-3", "--password", "sixteen letters!")
    assert terminal.says("charge-point", "list") == (
        "CP-1\taccepted\tprofile 1\tnever\n"
        "CP-2\taccepted\tprofile 0\tnever\n"
        "CP-3\taccepted\tprofile 1\tnever\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("charge-point", "add", "A/B", "--no-password"), "a slash or a colon"),
        (("charge-point", "add", "x" * 49), "longer than 48 characters"),
        (("charge-point", "add", "CP-9", "--password", "short"), "16 to 40 characters"),
        (("charge-point", "add", "CP-9", "--password", "x" * 16, "--no-password"), "exclude"),
        (("charge-point", "accept", "NOBODY"), "no charge point 'NOBODY' is registered"),
        (("charge-point", "set-password", "NOBODY"), "no charge point 'NOBODY' is registered"),
        (("charge-point", "show", "NOBODY"), "no charge point 'NOBODY' is registered"),
        (("charge-point", "set", "NOBODY"), "no charge point 'NOBODY' is registered"),
        (("charge-point", "remove", "NOBODY"), "no charge point 'NOBODY' is registered"),
        (("id-tag", "add", "x" * 21), "1 to 20 characters"),
        (("id-tag", "block", "NOBODY"), "no id tag 'NOBODY' is registered"),
        (("api-key", "create", "", "--role", "admin"), "name: Must be 1 to 100 characters"),
        (("api-key", "create", "a\nb", "--role", "admin"), "no control characters"),
        (("api-key", "create", "a\udcff", "--role", "admin"), "name: Must be"),
        (("api-key", "create", "a name"), "Missing option '--role'"),
        (("api-key", "create", "a name", "--role", "boss"), "'analyst', 'operator', 'admin'"),
        (
            ("api-key", "create", "a name", "--role", "admin", "--expires", "2020-01-01"),
            "expires_at: Must be in the future",
        ),
        (
            ("api-key", "create", "a name", "--role", "admin", "--expires", "tomorrow"),
            "does not match the format '%Y-%m-%d'",
        ),
        (("api-key", "revoke", "nobody"), "there is no API key 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said(
    terminal: Terminal, arguments: tuple[str, ...], sentence: str
) -> None:
    result = terminal.run(*arguments)
    assert result.exit_code != 0
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_charge_point_is_added_once(terminal: Terminal) -> None:
    terminal.says("charge-point", "add", "CP-1")
    again = terminal.run("charge-point", "add", "CP-1")
    assert again.exit_code == 1
    assert "registered already" in again.output


def test_registration_is_changed(terminal: Terminal) -> None:
    terminal.says("charge-point", "add", "CP-1", "--no-password")
    for verb, registration in (("reject", "rejected"), ("accept", "accepted")):
        assert (
            terminal.says("charge-point", verb, "CP-1") == f"Charge point CP-1 is {registration}.\n"
        )
        assert registration in terminal.says("charge-point", "list")


def test_id_tags_are_added_blocked_and_listed(terminal: Terminal) -> None:
    assert (
        terminal.says("id-tag", "add", "AbCd", "--parent", "FLEET") == "Id tag AbCd is accepted.\n"
    )
    terminal.says("id-tag", "add", "OTHER", "--expires", "2030-01-01", "--max-active", "0")
    terminal.says("id-tag", "block", "abcd")
    assert terminal.says("id-tag", "list") == "AbCd\tblocked\tFLEET\nOTHER\taccepted\t-\n"
    terminal.says("id-tag", "unblock", "ABCD")
    assert "AbCd\taccepted" in terminal.says("id-tag", "list")
    terminal.says("id-tag", "add", "ABCD")  # the same tag with other properties
    assert terminal.says("id-tag", "list") == "ABCD\taccepted\t-\nOTHER\taccepted\t-\n"


def test_api_keys_are_made_listed_and_revoked(terminal: Terminal) -> None:
    made = terminal.run("api-key", "create", "nightly export", "--role", "analyst")
    assert re.fullmatch(r"ocs_[a-z2-7]{8}_[a-z2-7]{52}\n", made.stdout)
    key_id = made.stdout.split("_")[1]
    assert made.stderr == (
        f"API key {key_id} (nightly export) has the role analyst. Requests send it as "
        '"Authorization: Bearer KEY". It is shown only now:\n'
    )
    arguments = ("--role", "operator", "--expires", "2100-01-31")
    other_id = terminal.run("api-key", "create", "other", *arguments).stdout.split("_")[1]
    assert terminal.says("api-key", "list") == (
        f"{key_id}\tnightly export\tanalyst\tvalid\tnever\n"
        f"{other_id}\tother\toperator\tvalid until 2100-01-31T00:00:00.000Z\tnever\n"
    )
    for _ in range(2):
        assert terminal.says("api-key", "revoke", other_id) == f"API key {other_id} is revoked.\n"
    assert f"{other_id}\tother\toperator\trevoked\tnever\n" in terminal.says("api-key", "list")


def test_a_key_opens_the_api(terminal: Terminal) -> None:
    client = terminal.app.test_client()
    path = "/api/v1/id-tags"
    text = terminal.run("api-key", "create", "x", "--role", "analyst").stdout.strip()
    header = {"Authorization": f"Bearer {text}"}
    assert client.get(path).status_code == 401
    assert client.get(path, headers=header).status_code == 200
    terminal.says("api-key", "revoke", text.split("_")[1])  # also the last one
    assert client.get(path, headers=header).status_code == 401


def test_a_charge_point_is_shown_changed_and_removed(terminal: Terminal) -> None:
    terminal.says("charge-point", "add", "CP-1", "--note", "car park")
    assert terminal.says("charge-point", "show", "CP-1") == (
        "id\tCP-1\nregistration\taccepted\nsecurity_profile\t1\nonline\tFalse\n"
        "connectors_total\t0\nnote\tcar park\n"
    )
    changes = ("--note", "", "--call-timeout", "60", "--heartbeat-interval", "900")
    changed = terminal.says("charge-point", "set", "CP-1", *changes)
    assert changed == "Charge point CP-1 is changed.\n"
    shown = terminal.says("charge-point", "show", "CP-1").splitlines()
    assert shown[-2:] == ["call_timeout_s\t60", "heartbeat_interval_s\t900"]
    assert not any(line.startswith("note") for line in shown)
    terminal.says("charge-point", "set", "CP-1", "--call-timeout", "0")
    assert "call_timeout_s" not in terminal.says("charge-point", "show", "CP-1")
    removed = terminal.says("charge-point", "remove", "CP-1")
    assert removed == "Charge point CP-1 is deleted.\n"
    assert terminal.says("charge-point", "list") == ""


def test_the_first_key_is_made_once(terminal: Terminal) -> None:
    """As `make run` does it each time."""
    command = ("api-key", "create", "admin", "--role", "admin", "--if-none")
    text = terminal.run(*command).stdout
    assert text.startswith("ocs_")
    assert terminal.says(*command) == ""
    terminal.says("api-key", "revoke", text.split("_")[1])
    assert terminal.says(*command) == ""


def test_every_change_stands_in_the_audit_trail(terminal: Terminal) -> None:
    for command in (
        "charge-point add CP-1 --note secret-note --password sixteen-letters!",
        "charge-point reject CP-1",
        "charge-point accept CP-1",
        "charge-point set-password CP-1 --password another-password",
        "id-tag add TAG --parent FLEET --expires 2100-01-01 --max-active 0",
        "id-tag block tag",
        "id-tag unblock TAG",
    ):
        terminal.says(*command.split())
    text = terminal.run("api-key", "create", "x", "--role", "admin").stdout.strip()
    key_id = text.split("_")[1]
    terminal.says("charge-point", "list")
    terminal.run("id-tag", "block", "NOBODY")
    header = {"Authorization": f"Bearer {text}"}
    answer = terminal.app.test_client().get("/api/v1/audit-events", headers=header)
    events = json.loads(answer.text)["items"][::-1]
    trail = [(event["action"], event["target"]) for event in events]
    assert trail == [
        ("charge_point.create", "charge-points/CP-1"),
        ("charge_point.set_registration", "charge-points/CP-1"),
        ("charge_point.set_registration", "charge-points/CP-1"),
        ("charge_point.set_password", "charge-points/CP-1"),
        ("id_tag.put", "id-tags/TAG"),
        ("id_tag.set_status", "id-tags/tag"),
        ("id_tag.set_status", "id-tags/TAG"),
        ("api_key.create", f"api-keys/{key_id}"),
    ]
    details = [event["detail"] for event in events]
    assert details[1:3] == [{"registration": "rejected"}, {"registration": "accepted"}]
    assert details[4]["expires_at"] == "2100-01-01T00:00:00.000Z"
    assert {event["actor"] for event in events} == {"command line"}
    assert "sixteen-letters!" not in answer.text
    assert "another-password" not in answer.text
    assert text.split("_")[2] not in answer.text


def test_what_was_typed_is_what_the_server_does(server: StartServer, database_url: str) -> None:
    """The production policy: only who was added gets in, and only with the password."""
    running = server(database_url, UNKNOWN_CHARGE_POINTS="closed", UNKNOWN_ID_TAGS="closed")

    def type_in(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            env=running.environment,
            check=True,
        )
        return done.stdout

    password = type_in("charge-point", "add", "CP-1").rpartition(" ")[2].strip()
    type_in("id-tag", "add", "TAG")
    endpoint = running.ws_url("").rstrip("/")
    for refused, status in (("CP-1", 401), ("CP-2", 404)):
        with pytest.raises(charge_point.HandshakeRefused) as handshake:
            charge_point.connect(endpoint, refused)
        assert handshake.value.status == status
    for key in (password.encode(), bytes.fromhex(password)):
        with charge_point.connect(endpoint, "CP-1", password=key) as connected:
            known = connected.call("Authorize", {"idTag": "tag"})
            unknown = connected.call("Authorize", {"idTag": "OTHER"})
    assert known == {"idTagInfo": {"status": "Accepted"}}
    assert unknown == {"idTagInfo": {"status": "Invalid"}}
    log = running.log_text()
    assert password not in log
    assert "Traceback" not in log


def test_sqlite_needs_no_upgrade(tmp_path: Path) -> None:
    app = create_app(load({"DATABASE_URL": f"sqlite:///{tmp_path / 'new' / 'deep.db'}"}))
    assert Terminal(app).says("db", "status") == "The database is up to date.\n"


def test_an_id_tag_is_pseudonymised(terminal: Terminal) -> None:
    terminal.says("id-tag", "add", "0FC673ab", "--note", "card 0fc673AB")
    terminal.says("id-tag", "add", "other", "--parent", "0FC673AB")
    said = terminal.says("id-tag", "pseudonymise", "0fc673ab")
    first, *counts = said.splitlines()
    match = re.fullmatch(r"Its pseudonym is (anon-[0-9a-f]{12})\.", first)
    assert match is not None
    assert counts == ["audit_events\t2", "id_tags\t2"]
    assert terminal.says("id-tag", "list") == f"other\taccepted\t{match[1]}\n"
    again = terminal.says("id-tag", "pseudonymise", "0fc673ab", "--pseudonym", match[1])
    assert again == f"{first}\nIt stood nowhere.\n"
    wrong = terminal.run("id-tag", "pseudonymise", "x", "--pseudonym", "Bob")
    assert wrong.exit_code == 2
