"""`kill -9` in the middle of 200 charging charge points: every acknowledged event is stored once.

They queue and retry as the specification says (§3.7). What the database holds is read with plain
SQL and held against the ledger that they kept.
"""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.e2e.conftest import milliseconds, plain_sql
from tests.ledger_charge_point import Entry, Ledger, LedgerFleet

CHARGE_POINTS = 200
KILLS = 4


class Stored:
    """All of the database that a ledger speaks of."""

    def __init__(self, url: str) -> None:
        with plain_sql(url) as connection:
            rows = connection.execute(
                "SELECT t.id, c.identity, t.id_tag, t.meter_start_wh, t.started_at,"
                " t.meter_stop_wh, t.stopped_at FROM transactions t"
                " JOIN charge_points c ON c.id = t.charge_point_id"
            ).fetchall()
            self.transactions = {row[0]: row[1:] for row in rows}
            self.starts = Counter(
                (identity, tag, meter_start, milliseconds(started_at))
                for _, identity, tag, meter_start, started_at, _, _ in rows
            )
            self.samples = Counter(
                (identity, transaction_id, milliseconds(at), raw)
                for identity, transaction_id, at, raw in connection.execute(
                    "SELECT c.identity, v.transaction_id, v.sampled_at, v.raw_value"
                    " FROM meter_values v JOIN charge_points c ON c.id = v.charge_point_id"
                ).fetchall()
            )
            self.orphans = connection.execute("SELECT count(*) FROM orphan_stops").fetchone()[0]


def check_start(stored: Stored, entry: Entry) -> None:
    payload = entry.payload
    key = (
        entry.charge_point_id,
        payload["idTag"],
        payload["meterStart"],
        milliseconds(payload["timestamp"]),
    )
    assert stored.starts[key] == 1, entry
    row = stored.transactions[entry.answer["transactionId"]]
    assert (*row[:3], milliseconds(row[3])) == key, entry


def check_meter_values(stored: Stored, entry: Entry) -> None:
    meter_values: Any = entry.payload["meterValue"]
    for meter_value in meter_values:
        for sampled in meter_value["sampledValue"]:
            key = (
                entry.charge_point_id,
                entry.payload["transactionId"],
                milliseconds(meter_value["timestamp"]),
                sampled["value"],
            )
            assert stored.samples[key] == 1, entry


def check_stop(stored: Stored, entry: Entry) -> None:
    identity, *_, meter_stop, stopped_at = stored.transactions[entry.payload["transactionId"]]
    assert (identity, meter_stop, milliseconds(stopped_at)) == (
        entry.charge_point_id,
        entry.payload["meterStop"],
        milliseconds(entry.payload["timestamp"]),
    ), entry


CHECKS = {
    "StartTransaction": check_start,
    "MeterValues": check_meter_values,
    "StopTransaction": check_stop,
}


def check(ledger: Ledger, url: str) -> None:
    stored = Stored(url)
    acknowledgements = ledger.acknowledgements()
    for entry in acknowledgements:
        CHECKS[entry.action](stored, entry)
    kinds = Counter(entry.action for entry in acknowledgements)
    assert len(stored.transactions) == kinds["StartTransaction"]
    assert stored.samples.total() == 2 * kinds["MeterValues"]
    assert stored.orphans == 0


def test_nothing_acknowledged_is_lost_or_doubled(server: StartServer, database_url: str) -> None:
    running = server(database_url, WEB_CONCURRENCY="2", MAX_CHARGE_POINTS="1000")
    with LedgerFleet(
        running.ws_url("").rstrip("/"), CHARGE_POINTS, every_s=0.4, samples=3, timeout_s=5.0
    ) as fleet:
        for kill in range(1, KILLS + 1):
            fleet.wait_for_acknowledgements(kill * 2 * CHARGE_POINTS, seconds=60)
            assert running.kill(signal.SIGKILL)
            running.wait_until_ready()
        fleet.wait_for_acknowledgements((KILLS + 1) * 2 * CHARGE_POINTS, seconds=60)
        fleet.finish(60)
        check(fleet.ledger, database_url)
    # Being killed never showed as a refusal: a charge point may discard what gets a CALLERROR.
    assert not fleet.statistics.call_errors
    assert not fleet.statistics.violations
    assert fleet.statistics.reconnects > KILLS


def test_the_check_finds_what_is_wrong(server: StartServer, sqlite_url: str) -> None:
    """A check that can't fail proves nothing."""
    running = server(sqlite_url)
    with LedgerFleet(running.ws_url("").rstrip("/"), 3, every_s=0.02, samples=2) as fleet:
        fleet.wait_for_acknowledgements(30)
        fleet.finish()
        running.stop()
        check(fleet.ledger, sqlite_url)
        for fault in (
            "UPDATE transactions SET meter_stop_wh = meter_stop_wh + 1 WHERE id = 2",
            "UPDATE meter_values SET raw_value = '1' WHERE transaction_id = 1",
            "DELETE FROM transactions WHERE id = 1",
        ):
            with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
                connection.execute(fault)
                connection.commit()
            with pytest.raises((AssertionError, KeyError)):
                check(fleet.ledger, sqlite_url)
