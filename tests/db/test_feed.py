"""A reader of the feed sees every event, in the order of the ids, whoever commits first."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_cs.db import feed, migrate, queries
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.events import TOPIC, note_event
from ocpp_cs.db.feed import Feed
from ocpp_cs.db.models import Event
from ocpp_cs.events import DatabaseUnavailable
from tests.servers import wait_until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENT = DatabaseUnavailable(since="", until="", duration_s=1)
INSERT = "INSERT INTO events (type, at, data) VALUES ('x', now(), '{}') RETURNING id"


@pytest.fixture
def engine(engine: Engine, tables: None) -> Engine:
    migrate.upgrade(engine)
    return engine


@pytest.fixture
def committers(engine: Engine) -> Iterator[list[Committer]]:
    """Of two processes."""
    both = [Committer(engine, lanes=3) for _ in range(2)]
    yield both
    for each in both:
        each.close()


@pytest.fixture
def writers(postgresql_url: str, tables: None) -> Iterator[tuple[Engine, Any, Any]]:
    """PostgreSQL, and two connections that write into it."""
    engine = Engine(postgresql_url)
    migrate.upgrade(engine)
    first, second = engine.connect_writer(), engine.connect_writer()
    yield engine, first, second
    first.close()
    second.close()
    engine.close()


def ids(engine: Engine, after: int, last: int) -> list[int]:
    read = engine.read(lambda: queries.events(queries.EventFilter(), after, last, 10_000))
    return [row.id for row in read]


def test_nothing_is_settled_where_nothing_is(engine: Engine) -> None:
    assert Feed(engine).settled() == 0


def test_an_id_that_is_committed_late_is_waited_for(
    writers: tuple[Engine, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, first, second = writers
    first.execute("BEGIN")
    [early] = first.execute(INSERT).fetchone()
    [late] = second.execute(INSERT).fetchone()  # committed at once
    assert early < late
    looked = threading.Event()
    waiting = Feed._writers

    def writers_now(self: Feed) -> set[str]:
        found = waiting(self)
        looked.set()
        return found

    monkeypatch.setattr(Feed, "_writers", writers_now)
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(ids(engine, 0, Feed(engine).settled())))
    reader.start()
    assert looked.wait(10)
    second.execute(INSERT)
    first.execute("COMMIT")
    reader.join()
    assert seen == [early, late]


def test_who_does_not_end_stops_the_feed_where_it_was(
    writers: tuple[Engine, Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine, first, second = writers
    monkeypatch.setattr(feed, "_LONGEST_WAIT_S", 0.05)
    reader = Feed(engine)
    [before] = second.execute(INSERT).fetchone()
    assert reader.settled() == before
    first.execute("BEGIN")
    first.execute(INSERT)
    second.execute(INSERT)
    assert [reader.settled() for _ in range(2)] == [before, before]
    assert caplog.text.count("stands still") == 1
    first.execute("ROLLBACK")  # its id is a gap
    assert ids(engine, before, reader.settled()) == [before + 2]


def test_transactions_elsewhere_hold_up_nothing(writers: tuple[Engine, Any, Any]) -> None:
    engine, first, second = writers
    first.execute("BEGIN")
    first.execute("UPDATE charge_points SET note = ''")
    first.execute("SELECT pg_current_xact_id()")
    first.execute("SELECT count(*) FROM events")
    [id] = second.execute(INSERT).fetchone()
    assert Feed(engine).settled() == id


def test_a_reader_that_polls_misses_none(engine: Engine, committers: list[Committer]) -> None:
    """Lanes of two processes write, a reader asks for what comes after what it has."""
    total = 600
    left = threading.Semaphore(total)
    written = threading.Barrier(7)

    def write(committer: Committer, lane: int) -> None:
        while left.acquire(blocking=False):
            for _ in range(random.randrange(3)):
                committer.run(lane, lambda tx: None)
            committer.run(lane, lambda tx: note_event(tx, None, EVENT, NOW))
        written.wait()

    for committer in committers:
        for lane in range(3):
            threading.Thread(target=write, args=(committer, lane), daemon=True).start()
    reader, seen, after = Feed(engine), list[int](), 0
    done = threading.Event()

    def wait_for_writers() -> None:
        written.wait()
        done.set()

    threading.Thread(target=wait_for_writers, daemon=True).start()
    ended = False
    while not ended:
        ended = done.is_set()
        last = reader.settled()
        seen += ids(engine, after, last)
        after = max(after, last)
    assert len(seen) == total
    assert seen == sorted(set(seen)) == ids(engine, 0, 1_000_000)


def test_the_id_of_a_deleted_event_is_never_used_again(engine: Engine) -> None:
    committer = Committer(engine)
    delete = Event.delete()
    try:
        committer.run(0, lambda tx: note_event(tx, None, EVENT, NOW))
        last = Feed(engine).settled()
        committer.run(0, lambda tx: tx.run(delete).rowcount)
        committer.run(0, lambda tx: note_event(tx, None, EVENT, NOW))
    finally:
        committer.close()
    assert ids(engine, last, Feed(engine).settled()) == [last + 1]


def test_who_waits_in_this_process_is_told(engine: Engine, committers: list[Committer]) -> None:
    here, other = committers
    with here.notices.watch(TOPIC, "") as event:
        other.run(0, lambda tx: note_event(tx, None, EVENT, NOW))
        assert not event.is_set()
        here.run(0, lambda tx: note_event(tx, None, EVENT, NOW))
        wait_until(event.is_set)
