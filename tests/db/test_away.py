"""What the log says when a step of a background thread has failed."""

from __future__ import annotations

import logging
import sqlite3

import pytest

from ocpp_cs.db.away import log_failure
from ocpp_cs.db.commit import StoreUnavailable

logger = logging.getLogger("ocpp_cs.db.tests")


def test_a_database_that_is_away_is_a_line_and_a_defect_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    busy = sqlite3.OperationalError("database is locked\n")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
    for error in (StoreUnavailable("full"), busy, KeyError("x")):
        log_failure(logger, "sweeping", error)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "sweeping: the database is away: database is locked"),
        ("ERROR", "sweeping failed"),
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]
