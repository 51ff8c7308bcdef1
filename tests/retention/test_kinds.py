"""Each kind of rows is pruned up to its bound, and what must stay does."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from config.settings import load
from ocpp_cs import retention
from ocpp_cs.db import models
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.retention import KINDS, old_rows
from ocpp_cs.retention import keeper as keeper_module
from ocpp_cs.retention.keeper import Keeper
from tests.api.rows import START
from tests.retention.conftest import Base
from tests.servers import wait_until

SECOND = timedelta(seconds=1)


def prune(base: Base, kind: str, **options: Any) -> int:
    return retention.prune(base.store, KINDS[kind], START, pause=lambda seconds: None, **options)


def status(base: Base, at: Any, connector_id: int = 1, charge_point_id: int = 1) -> int:
    base.rows._keys += 1
    values = {"charge_point_id": charge_point_id, "connector_id": connector_id, "message_id": "1"}
    times = {"occurred_at": at, "received_at": at, "event_key": str(base.rows._keys)}
    return int(
        base.rows.insert(
            models.StatusEvent, status="Available", error_code="NoError", **values, **times
        )
    )


def test_messages_go_up_to_the_bound(base: Base) -> None:
    for second in range(-3, 3):
        base.rows.message(1, sent_at=START + second * SECOND)
    assert prune(base, "messages", dry_run=True) == 3
    assert len(base.ids(models.Message)) == 6
    assert prune(base, "messages") == 3
    assert base.ids(models.Message) == [4, 5, 6]  # what is exactly so old stays
    assert prune(base, "messages") == 0


def test_chunks_are_bounded_and_all_rows_are_found(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_rows, "CHUNK", 10)
    with base.rows.together():
        for second in range(35):
            base.rows.message(1, sent_at=START - (35 - second) * SECOND)
        base.rows.message(1, sent_at=START)
        base.rows.message(1, sent_at=START - SECOND)  # a command that ended late
    seen: list[int] = []
    assert prune(base, "messages", progress=seen.append) == 36
    assert seen == [10, 20, 30, 36]
    assert base.ids(models.Message) == [36]


def test_the_walk_ends_where_the_rows_are_too_young(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_rows, "CHUNK", 10)
    with base.rows.together():
        for second in range(-5, 100):
            base.rows.message(1, sent_at=START + second * SECOND)
    reads: list[int] = []
    window = old_rows._window

    def counted(*arguments: Any) -> Any:
        reads.append(1)
        return window(*arguments)

    monkeypatch.setattr(old_rows, "_window", counted)
    assert prune(base, "messages") == 5
    assert len(reads) == 1


def test_the_newest_status_of_each_connector_stays(base: Base) -> None:
    old = START - timedelta(days=400)
    gone = [status(base, old), status(base, old + SECOND)]
    kept = [status(base, old + 2 * SECOND), status(base, old, connector_id=2)]
    kept.append(status(base, old, charge_point_id=2))
    same = [status(base, old, connector_id=3) for _ in range(2)]
    gone.append(same[0])
    late = [status(base, old + SECOND, connector_id=4), status(base, old, connector_id=4)]
    gone.append(late[1])  # by the time of the event, not of arrival
    kept += [same[1], late[0], status(base, START, connector_id=5)]
    gone.append(status(base, old, connector_id=5))
    assert prune(base, "events", dry_run=True) == len(gone)
    assert prune(base, "events") == len(gone)
    assert base.ids(models.StatusEvent) == sorted(kept)


def test_kept_statuses_do_not_end_the_walk(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_rows, "CHUNK", 3)
    old = START - timedelta(days=400)
    for connector_id in range(1, 11):
        status(base, old, connector_id=connector_id)
    last = [status(base, old, connector_id=11), status(base, old + SECOND, connector_id=11)]
    assert prune(base, "events") == 1
    assert base.ids(models.StatusEvent) == [*range(1, 11), last[1]]


EVENTS: list[tuple[type[models.Table], dict[str, Any]]] = [
    (models.FirmwareEvent, {"status": "Installed", "signed": False, "message_id": "1"}),
    (models.DiagnosticsEvent, {"status": "Uploaded", "log": False, "message_id": "1"}),
    (models.SecurityEvent, {"source": "charge_point", "type": "X", "occurred_at": START}),
    (models.DataTransfer, {"vendor_id": "X", "answer_status": "Accepted", "message_id": "1"}),
]


@pytest.mark.parametrize(
    ("table", "values"), EVENTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_events(base: Base, table: type[models.Table], values: dict[str, Any]) -> None:
    for number, at in enumerate((START - SECOND, START)):
        key = {"event_key": str(number)} if table is models.SecurityEvent else {}
        base.rows.insert(table, charge_point_id=1, received_at=at, **values, **key)
    assert prune(base, "events") == 1
    assert base.ids(table) == [2]


def test_attempts_go_by_the_latest_one(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_rows, "CHUNK", 2)
    for number, last in enumerate((1, 0, 2, -1, -2, 3)):
        base.rows.insert(
            models.ConnectionAttempt,
            identity=f"CP-{number}",
            remote_address="127.0.0.1",
            outcome="accepted",
            http_status=101,
            attempted_at=START - timedelta(days=9),
            last_attempted_at=START + last * SECOND,
        )
    assert prune(base, "connection_attempts") == 2
    assert base.ids(models.ConnectionAttempt) == [1, 2, 3, 6]


def test_the_feed_goes_with_what_was_not_delivered_of_it(base: Base) -> None:
    webhook_id = base.rows.webhook()
    for at in (START - SECOND, START):
        base.rows.event(at=at)
        base.rows.webhook_delivery(webhook_id, given_up_at=at)
    assert prune(base, "feed") == 2
    assert base.ids(models.Event) == base.ids(models.WebhookDelivery) == [2]
    assert base.ids(models.Webhook) == [webhook_id]


@pytest.mark.parametrize(
    ("kind", "variable", "zero"),
    [
        ("messages", "MESSAGE_LOG_DAYS", START),  # 0: none are kept
        ("events", "EVENT_DAYS", None),
        ("feed", "FEED_DAYS", None),
        ("connection_attempts", "CONNECTION_ATTEMPT_DAYS", None),
    ],
)
def test_settings_say_what_is_due(kind: str, variable: str, zero: Any) -> None:
    environ = {"DATABASE_URL": "sqlite:///x.db"}
    for days, before in (("7", START - timedelta(days=7)), ("0", zero)):
        settings = load({**environ, variable: days})
        assert retention.cutoff(KINDS[kind], settings, START) == before


def keeper(base: Base, **settings: str) -> Keeper:
    return Keeper(load({"DATABASE_URL": base.engine.url, **settings}), base.committer)


def test_the_server_prunes_by_itself_what_the_settings_say(base: Base) -> None:
    base.rows.message(1)
    base.rows.transaction()
    status(base, START)
    status(base, START + SECOND)
    gone = {"messages": 1, "feed": 0, "files": 0, "connection_attempts": 0}
    assert keeper(base).prune() == gone
    assert base.count(models.StatusEvent) == 2  # EVENT_DAYS is 0
    assert keeper(base, EVENT_DAYS="30").prune()["events"] == 1
    assert base.count(models.Transaction) == 1


def test_two_processes_may_prune_at_one_time(base: Base) -> None:
    with base.rows.together():
        for second in range(1200):
            base.rows.message(1, sent_at=START + second * SECOND)
    keepers = [keeper(base) for _ in range(3)]
    gone: list[int] = []
    threads = [
        threading.Thread(target=lambda each=each: gone.append(each.prune()["messages"]))
        for each in keepers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(gone) == 1200
    assert base.count(models.Message) == 0


def test_a_server_that_ends_stops_pruning(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_rows, "CHUNK", 1)
    for _ in range(5):
        base.rows.message(1)
    ending = keeper(base)
    ending.stop()
    assert "messages" not in ending.prune()
    assert base.count(models.Message) == 4


def test_a_database_that_is_away_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine("postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr(keeper_module, "_FIRST_S", (0.0, 0.0))
    waiting = Keeper(load({"DATABASE_URL": engine.url}), Committer(engine))
    waiting.start()
    wait_until(lambda: "retention: the database is away" in caplog.text)
    waiting.stop()
    assert "Traceback" not in caplog.text
