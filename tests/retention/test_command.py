"""`flask --app wsgi prune`: what it says, and what it leaves alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from config.settings import load
from ocpp_cs.db import models
from ocpp_cs.retention import KINDS
from ocpp_cs.retention.command import prune_command
from tests.api.rows import START, STOP
from tests.retention.conftest import Base

ABOUT_TRANSACTIONS = (models.MeterValue, models.TransactionEvidence, models.RegisterReading)


def run(base: Base, *arguments: str, **settings: str) -> Result:
    command = prune_command(load({"DATABASE_URL": base.engine.url, **settings}), base.committer)
    return CliRunner().invoke(command, arguments)


def says(base: Base, *arguments: str, **settings: str) -> list[str]:
    result = run(base, *arguments, **settings)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.fixture
def two(base: Base) -> Base:
    """A database with one old and one new message."""
    base.rows.message(1)
    base.rows.message(1, sent_at=datetime.now(UTC))
    return base


def test_all_kinds(two: Base) -> None:
    lines = says(two)
    assert [line.partition(":")[0] for line in lines] == list(KINDS)
    assert lines[0].startswith("messages: 1 rows from before 20")
    assert lines[0].endswith("Z deleted.")
    assert "events: kept for good (EVENT_DAYS is 0)." in lines
    assert two.ids(models.Message) == [2]


def test_one_kind_and_a_dry_run(two: Base) -> None:
    assert "1 rows" in says(two, "--kind", "messages", "--dry-run")[0]
    assert two.count(models.Message) == 2
    assert len(says(two, "--kind", "connection_attempts")) == 1
    assert two.count(models.Message) == 2


def test_without_an_archive_nothing_of_it_is_left(two: Base) -> None:
    assert "2 rows" in says(two, "--kind", "messages", MESSAGE_LOG_DAYS="0")[0]


def fill(base: Base) -> dict[str, int]:
    """Transactions that ended before, at and after midnight, and one that has not ended."""
    midnight = datetime(2021, 11, 11, tzinfo=UTC)
    made = {
        "old": base.rows.stopped(1),
        "last": base.rows.stopped(1, stopped_at=midnight - timedelta(milliseconds=1)),
        "midnight": base.rows.stopped(1, stopped_at=midnight),
        "active": base.rows.transaction(1),
    }
    for id in made.values():
        base.rows.evidence(id, "start", "[]")
        base.rows.sample(id, START, "1")
        reading = {"charge_point_id": 1, "transaction_id": id, "read_at": STOP}
        base.rows.insert(models.RegisterReading, register_wh=1, **reading)
    base.rows.sample(0, START, "1")  # of no transaction
    return made


def test_transactions_are_deleted_with_all_about_them(base: Base) -> None:
    made = fill(base)
    [line] = says(base, "--transactions-before", "2021-11-11", "--yes")
    assert line.startswith("2 transactions that ended before 2021-11-11T00:00:00.000Z deleted")
    left = {made["midnight"], made["active"]}
    assert set(base.ids(models.Transaction)) == left
    for table in ABOUT_TRANSACTIONS:
        found = base.engine.read(lambda: [row.transaction_id for row in table.select()])  # noqa: B023
        assert set(found) - {0} == left, table
    assert base.count(models.MeterValue) == 3
    [event] = base.engine.read(lambda: list(models.AuditEvent.select()))
    assert (event.actor, event.action) == ("command line", "transaction.prune")
    detail = {"before": "2021-11-11T00:00:00.000Z", "transactions": 2}
    assert json.loads(event.detail) == detail


@pytest.mark.parametrize("more", [(), ("--yes", "--dry-run")])
def test_without_yes_they_are_only_counted(base: Base, more: tuple[str, ...]) -> None:
    fill(base)
    [line] = says(base, "--transactions-before", "2021-11-11", *more)
    assert line.startswith("2 transactions ended before 2021-11-11T00:00:00.000Z.")
    assert base.count(models.Transaction) == 4
    assert base.count(models.AuditEvent) == 0


def test_many_transactions_leave_one_line_in_the_trail(base: Base) -> None:
    with base.rows.together():
        for _ in range(45):
            base.rows.stopped(1)
    assert "45 transactions" in says(base, "--transactions-before", "2030-01-01", "--yes")[0]
    assert base.count(models.Transaction) == 0
    assert base.count(models.AuditEvent) == 1
    assert "0 transactions" in says(base, "--transactions-before", "2030-01-01", "--yes")[0]
    assert base.count(models.AuditEvent) == 1


@pytest.mark.parametrize(
    "arguments",
    [("--yes",), ("--kind", "messages", "--transactions-before", "2021-11-11"), ("--kind", "x")],
)
def test_what_does_not_fit_is_refused(base: Base, arguments: tuple[str, ...]) -> None:
    assert run(base, *arguments).exit_code == 2
