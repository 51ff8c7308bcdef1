"""What the tests of commands share: orders over REST, and the check of what became of them.

The check knows nothing of our models: what is stored is read with plain SQL, its history is noted
by triggers, and both are held against what the charge points saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests

from tests.conftest import StartServer
from tests.e2e.conftest import milliseconds, plain_sql
from tests.e2e.flapping import Witness
from tests.servers import Server

FINAL = {"answered", "rejected", "timeout", "unknown", "expired", "cancelled"}
NEVER_SENT = {"expired", "cancelled"}
# Of the time until which a command waits in the queue, or for its answer.
_GRACE_MS = 60_000
_NOTE_STEPS = {
    "sqlite": (
        "CREATE TABLE steps (command_id INTEGER, before TEXT, after TEXT)",
        "CREATE TRIGGER note_step AFTER UPDATE OF status ON commands BEGIN"
        " INSERT INTO steps VALUES (OLD.id, OLD.status, NEW.status); END",
    ),
    "postgresql": (
        "CREATE TABLE steps (command_id BIGINT, before TEXT, after TEXT)",
        "CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO steps VALUES (OLD.id, OLD.status, NEW.status); RETURN NULL; END $$",
        "CREATE TRIGGER note_step AFTER UPDATE OF status ON commands"
        " FOR EACH ROW EXECUTE FUNCTION note_step()",
    ),
}


class Answer(NamedTuple):
    """What REST said to an order."""

    status: int
    body: dict[str, Any]


class Rest:
    """Orders commands from a server with an API key; one per thread."""

    def __init__(self, server: Server, key: str) -> None:
        self._server = server
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def order(
        self,
        charge_point_id: str,
        action: str,
        payload: Mapping[str, Any],
        *,
        wait: int = 25,
        deliver_within: int = 0,
        idempotency_key: str | None = None,
    ) -> Answer:
        """POSTs the command. Raises requests.ConnectionError where the server went away."""
        answer = self._session.post(
            self._server.http(f"/api/v1/charge-points/{charge_point_id}/commands/{action}"),
            params={"wait": wait, "deliver_within": deliver_within},
            json=payload,
            headers={"Idempotency-Key": idempotency_key} if idempotency_key else {},
            timeout=wait + 30,
        )
        return Answer(answer.status_code, answer.json())

    def command(self, command_id: int) -> dict[str, Any]:
        """The resource of a command."""
        answer = self._session.get(self._server.http(f"/api/v1/commands/{command_id}"), timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


class Pair(NamedTuple):
    """Where the charge points connect, and where commands are ordered: on PostgreSQL two servers
    with one database, on SQLite the same one."""

    holding: Server
    ordering: Server


def start_pair(start: StartServer, database_url: str, **settings: str) -> Pair:
    holding = start(database_url, **settings)
    if database_url.startswith("sqlite:"):
        return Pair(holding, holding)
    return Pair(holding, start(database_url, **settings))


def note_steps(url: str) -> None:
    """From now on the database itself notes each change of a command's status."""
    with plain_sql(url) as connection:
        for statement in _NOTE_STEPS["sqlite" if url.startswith("sqlite:") else "postgresql"]:
            connection.execute(statement)
        connection.commit()


def count_open(url: str) -> int:
    """Commands that have not ended."""
    with plain_sql(url) as connection:
        query = "SELECT count(*) FROM commands WHERE finished_at IS NULL"
        return int(connection.execute(query).fetchone()[0])


class StoredCommand(NamedTuple):
    """A row of the table of commands."""

    id: int
    charge_point_id: str
    message_id: str
    action: str
    request: str
    status: str
    response: str | None
    error_code: str | None
    expires_at: Any
    sent_at: Any
    deadline_at: Any
    finished_at: Any


def stored_commands(url: str) -> list[StoredCommand]:
    with plain_sql(url) as connection:
        rows = connection.execute(
            "SELECT c.id, p.identity, c.message_id, c.action, c.request, c.status, c.response,"
            " c.error_code, c.expires_at, c.sent_at, c.deadline_at, c.finished_at"
            " FROM commands c JOIN charge_points p ON p.id = c.charge_point_id ORDER BY c.id"
        ).fetchall()
    return [StoredCommand(*row) for row in rows]


def check(witness: Witness, accepted: Mapping[int, str | None], url: str) -> None:
    """Every command that was accepted is there, was sent once at most, and has ended once.

    `accepted` holds the ids that REST gave, each with the final state that it told of, if any.
    The steps must have been noted since before the first command (`note_steps`).
    """
    rows = stored_commands(url)
    assert {row.id for row in rows} == accepted.keys()
    _check_receipts(witness, rows)
    _check_steps(rows, url)
    for row in rows:
        _check_row(witness, row)
        assert accepted[row.id] in (None, row.status), row


def _check_receipts(witness: Witness, rows: list[StoredCommand]) -> None:
    by_message_id = {row.message_id: row for row in rows}
    assert len(by_message_id) == len(rows)
    received: set[str] = set()
    for receipt in witness.receipts:
        assert receipt.message_id not in received, f"sent twice: {receipt}"
        received.add(receipt.message_id)
        row = by_message_id[receipt.message_id]
        assert (row.charge_point_id, row.action) == (receipt.charge_point_id, receipt.action)
        assert json.loads(row.request) == receipt.payload, receipt
        assert row.status not in NEVER_SENT, f"received though {row.status}: {receipt}"


def _check_steps(rows: list[StoredCommand], url: str) -> None:
    with plain_sql(url) as connection:
        steps = connection.execute("SELECT command_id, before, after FROM steps").fetchall()
    taken: dict[int, set[tuple[str, str]]] = {row.id: set() for row in rows}
    for command_id, before, after in steps:
        assert (before, after) not in taken[command_id], f"twice from {before} to {after}"
        taken[command_id].add((before, after))
    for row in rows:
        sent = {("queued", "sent"), ("sent", row.status)}
        right = {("queued", row.status)} if row.status in NEVER_SENT else sent
        assert taken[row.id] == right, (row, taken[row.id])


def _check_row(witness: Witness, row: StoredCommand) -> None:
    assert row.status in FINAL, row
    assert row.finished_at is not None, row
    limit = row.expires_at if row.deadline_at is None else row.deadline_at
    assert milliseconds(row.finished_at) <= milliseconds(limit) + _GRACE_MS, row
    assert (row.sent_at is None) == (row.status in NEVER_SENT), row
    answers = witness.answers.get(row.message_id, [])
    assert len(answers) <= 1, row
    if row.status == "answered":
        assert row.response is not None, row
        assert answers == [[3, row.message_id, json.loads(row.response)]], row
    else:
        assert row.response is None, row
    if row.status == "rejected":
        [[kind, _, code, *_]] = answers
        assert (kind, code) == (4, row.error_code), row
