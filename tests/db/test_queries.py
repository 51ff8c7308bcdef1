"""The read queries: one statement per page, along an index, with finished values as the result.

What their filters and figures mean is tested where people see it, in `tests/api`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.db import migrate, queries
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.queries import (
    CertificateRequestFilter,
    ChargePointFilter,
    ConnectionAttemptFilter,
    DataTransferFilter,
    DeviationFilter,
    DiagnosticsEventFilter,
    FirmwareEventFilter,
    IdTagFilter,
    MeterValueFilter,
    SecurityEventFilter,
    StatusEventFilter,
    TransactionFilter,
    transaction_filters,
)
from tests.api.rows import START, Rows

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = (START, 5)


@pytest.fixture
def migrated(engine: Engine, tables: None) -> Engine:
    migrate.upgrade(engine)
    return engine


@pytest.fixture
def rows(migrated: Engine) -> Iterator[Rows]:
    rows = Rows(migrated)
    try:
        yield rows
    finally:
        rows.close()


class Statements(logging.Handler):
    """The statements that Peewee executes, as SQL and parameters."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[tuple[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "peewee":  # and not its pool
            statement: Any = record.msg
            if statement[0].startswith("SELECT"):
                self.seen.append(statement)


@pytest.fixture
def statements() -> Iterator[Statements]:
    logger, handler = logging.getLogger("peewee"), Statements()
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def transactions(after: Any = None, limit: int = 100, **wanted: Any) -> Callable[[], Any]:
    newest_first = wanted.pop("newest_first", True)
    return lambda: queries.transactions(
        TransactionFilter(**wanted), after, limit, now=NOW, newest_first=newest_first
    )


PAGES: dict[str, Callable[[], Any]] = {
    "charge points": lambda: queries.charge_points(
        ChargePointFilter(online=True, q="a"), ("a",), 100, now=NOW
    ),
    "transactions": transactions(KEY, charge_point_id="CB-4711", connector_id=1, since=START),
    "meter values": lambda: queries.transaction_meter_values(
        1, MeterValueFilter(measurand="SoC"), (START, 1, 1), 100
    ),
    "id tags": lambda: queries.id_tags(IdTagFilter(q="a"), ("a",), 100),
    "sessions": lambda: queries.remote_starts("CB-4711", (5,), 100),
    "charging profiles": lambda: queries.charging_profiles((5,), 100),
    "charging profiles held": lambda: queries.installed_charging_profiles(
        "CB-4711", (1, 5), 100, now=NOW
    ),
    "connectors": lambda: queries.connectors("CB-4711", (1,), 100),
    "deviations": lambda: queries.deviations(
        "CB-4711", DeviationFilter(since=START), ("1", "a", "b"), 100
    ),
    "connection attempts": lambda: queries.connection_attempts(
        ConnectionAttemptFilter(accepted=False), KEY, 100
    ),
    "statuses": lambda: queries.status_events("CB-4711", StatusEventFilter(), KEY, 100),
    "statuses of a connector": lambda: queries.status_events(
        "CB-4711", StatusEventFilter(connector_id=1, since=START), KEY, 100
    ),
    "security events": lambda: queries.security_events(
        "CB-4711", SecurityEventFilter(critical=True, until=NOW), KEY, 100
    ),
    "firmware events": lambda: queries.firmware_events(
        "CB-4711", FirmwareEventFilter(status="Installed"), KEY, 100
    ),
    "diagnostics events": lambda: queries.diagnostics_events(
        "CB-4711", DiagnosticsEventFilter(log=True), KEY, 100
    ),
    "data transfers": lambda: queries.data_transfers(
        "CB-4711", DataTransferFilter(vendor_id="x"), KEY, 100
    ),
    "certificate requests": lambda: queries.certificate_requests(
        "CB-4711", CertificateRequestFilter(status="pending"), KEY, 100
    ),
}
BY_RECEIPT = "charge_point_id_received_at (charge_point_id=? AND received_at<?)"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_one_statement(migrated: Engine, statements: Statements, name: str) -> None:
    assert migrated.read(PAGES[name]) == []
    assert len(statements.seen) == 1


def test_a_page_of_many_rows_is_one_statement(
    migrated: Engine, rows: Rows, statements: Statements
) -> None:
    with rows.together():
        for number in range(20):
            key = rows.charge_point(f"CP-{number:02}")
            rows.connector(key, 1)
            rows.transaction(key, started_at=START + number * HOUR)
    statements.seen.clear()
    found = migrated.read(transactions())
    assert [row.charge_point_id for row in found] == [f"CP-{n:02}" for n in reversed(range(20))]
    assert all(type(row) is queries.TransactionRow for row in found)
    assert len(statements.seen) == 1
    charge_points = migrated.read(
        lambda: queries.charge_points(ChargePointFilter(), None, 100, now=NOW)
    )
    assert [row.connectors_total for row in charge_points] == [1] * 20
    assert len(statements.seen) == 2


def test_times_are_aware_and_whole_on_both_engines(migrated: Engine, rows: Rows) -> None:
    at = START + timedelta(milliseconds=123)
    rows.stopped(rows.charge_point(), started_at=at, stopped_at=at + HOUR)
    [row] = migrated.read(transactions())
    assert (row.started_at, row.stopped_at) == (at, at + HOUR)
    assert row.started_at.utcoffset() == timedelta(0)
    assert row.duration_s == 3600.0


def test_equal_starts_are_told_apart_by_their_ids(migrated: Engine, rows: Rows) -> None:
    ids = [rows.transaction(started_at=START) for _ in range(5)]
    newest = migrated.read(transactions((START, ids[2])))
    oldest = migrated.read(transactions((START, ids[2]), newest_first=False))
    assert [row.id for row in newest] == [ids[1], ids[0]]
    assert [row.id for row in oldest] == [ids[3], ids[4]]


def test_a_transaction_of_a_charge_point_that_is_gone_is_still_there(
    migrated: Engine, rows: Rows
) -> None:
    rows.transaction(99)
    [row] = migrated.read(transactions())
    assert row.charge_point_id is None
    assert migrated.read(transactions(charge_point_id="99")) == []


def test_samples_without_a_transaction_belong_to_none(migrated: Engine, rows: Rows) -> None:
    key = rows.charge_point()
    id = rows.transaction(key)
    rows.sample(0, START, "1")
    rows.sample(id, START, "2")
    found = migrated.read(
        lambda: queries.transaction_meter_values(id, MeterValueFilter(), None, 10)
    )
    assert [row.raw_value for row in found] == ["2"]
    none = migrated.read(lambda: queries.transaction_meter_values(0, MeterValueFilter(), None, 10))
    assert none == []


def test_everything_for_the_command_line(migrated: Engine, rows: Rows) -> None:
    for name in ("b", "a"):
        rows.charge_point(name)
        rows.id_tag(name.upper())
    found = migrated.read(queries.all_charge_points)
    assert [(row.identity, row.registration) for row in found] == [
        ("a", "accepted"),
        ("b", "accepted"),
    ]
    assert [row.id_tag for row in migrated.read(queries.all_id_tags)] == ["A", "B"]


BY_TIME = "transactions_started_at_id"
BY_CONNECTOR = "transactions_charge_point_id_connector_id_started_at"
BY_TAG = "transactions_id_tag_key_started_at"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("after", [None, KEY])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, BY_TIME),
        ({"since": START, "until": NOW}, BY_TIME),
        ({"connector_id": 1}, "transactions_connector_id_started_at"),
        ({"status": "completed"}, BY_TIME),
        ({"charge_point_id": "CB-4711", "connector_id": 1}, BY_CONNECTOR),
        ({"charge_point_id": "CB-4711", "connector_id": 1, "since": START}, BY_CONNECTOR),
        ({"id_tag": "0fc673"}, BY_TAG),
        ({"id_tag": "0fc673", "since": START, "until": NOW}, BY_TAG),
    ],
)
def test_a_page_is_read_along_an_index_and_never_sorted(
    migrated: Engine,
    statements: Statements,
    wanted: dict[str, Any],
    index: str,
    after: Any,
    newest_first: bool,
) -> None:
    plan = plan_of(migrated, statements, transactions(after, newest_first=newest_first, **wanted))
    assert f"USING INDEX {index}" in plan[0]
    assert not [step for step in plan if "TEMP B-TREE" in step]
    if after is not None:
        assert "started_at" in plan[0]  # it begins at the key, not at the start


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("after", [None, KEY])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({"min_energy_wh": 5000}, "transactions_energy (<expr>>?)"),
        ({"flag": 1}, "transactions_flagged (flags=?"),
        ({"parent_id_tag": "fleet", "min_energy_wh": 5000}, "transactions_energy (<expr>>?)"),
        ({"parent_id_tag": "fleet", "flag": 1}, "transactions_flagged (flags=?"),
        ({"parent_id_tag": "fleet", "id_tag": "rare"}, BY_TAG),
        ({"id_tag": "rare", "connector_id": 1}, BY_TAG),
        ({"connector_id": 7, "parent_id_tag": "fleet"}, "transactions_connector_id_started_at"),
    ],
)
def test_the_rarest_filter_leads(
    migrated: Engine,
    rows: Rows,
    statements: Statements,
    monkeypatch: pytest.MonkeyPatch,
    wanted: dict[str, Any],
    index: str,
    after: Any,
) -> None:
    """Whatever the others match: here nearly all."""
    monkeypatch.setattr(transaction_filters, "FEW", 3)
    monkeypatch.setattr(transaction_filters, "MANY", 15)
    with rows.together():
        key = rows.charge_point("CB-4711")
        for minute in range(20):
            rows.stopped(
                key,
                started_at=START - minute * HOUR,
                meter_stop_wh=10_000 + (5000 if minute == 3 else 100),
                flags={3: 3, 4: 4}.get(minute, 0),
                parent_id_tag="fleet",
                id_tag="rare" if minute == 3 else "common",
                connector_id=7 if minute == 3 else 1,
            )
    statements.seen.clear()
    found = migrated.read(transactions(after, **wanted))
    assert len(found) == ("connector_id" not in wanted or wanted["connector_id"] == 7)
    explained, parameters = statements.seen[-1]
    plan = plan_of_statement(migrated, explained, parameters)
    assert [step for step in plan if index in step], plan


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("charge points", "SEARCH t1 USING INDEX charge_points_identity (identity>?)"),
        (
            "meter values",
            "SEARCH t1 USING PRIMARY KEY (charge_point_id=? AND transaction_id=? AND sampled_at>?)",
        ),
        ("id tags", "SEARCH t1 USING INDEX id_tags_id_tag_key (id_tag_key>?)"),
        (
            "connectors",
            "SEARCH t1 USING INDEX connectors_charge_point_id_connector_id "
            "(charge_point_id=? AND connector_id>?)",
        ),
        (
            "deviations",
            "SEARCH t1 USING INDEX deviations_charge_point_id_firmware_version_code_detail "
            "(charge_point_id=? AND firmware_version>?)",
        ),
        (
            "connection attempts",
            "SEARCH t1 USING INDEX connection_attempts_last_attempted_at (last_attempted_at<?)",
        ),
        ("statuses", f"SEARCH t1 USING INDEX status_events_{BY_RECEIPT}"),
        ("statuses of a connector", f"SEARCH t1 USING INDEX status_events_{BY_RECEIPT}"),
        ("security events", f"SEARCH t1 USING INDEX security_events_{BY_RECEIPT}"),
        ("firmware events", f"SEARCH t1 USING INDEX firmware_events_{BY_RECEIPT}"),
        ("diagnostics events", f"SEARCH t1 USING INDEX diagnostics_events_{BY_RECEIPT}"),
        ("data transfers", f"SEARCH t1 USING INDEX data_transfers_{BY_RECEIPT}"),
    ],
)
def test_other_pages_are_read_along_their_keys(
    migrated: Engine, statements: Statements, name: str, step: str
) -> None:
    plan = plan_of(migrated, statements, PAGES[name])
    assert plan[0] == step
    assert not [line for line in plan if "TEMP B-TREE" in line]


def plan_of(engine: Engine, statements: Statements, page: Callable[[], Any]) -> list[str]:
    """How SQLite would run the statement of a page."""
    engine.read(page)
    [(sql, parameters)] = statements.seen
    return plan_of_statement(engine, sql, parameters)


def plan_of_statement(engine: Engine, sql: str, parameters: Any) -> list[str]:
    explained = f"EXPLAIN QUERY PLAN {sql}"
    plan = engine.read(lambda: engine.database.execute_sql(explained, parameters).fetchall())
    return [row[3] for row in plan]
