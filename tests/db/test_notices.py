"""Notices: told after the commit, in this process and, on PostgreSQL, in others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.engine import Engine
from tests.servers import wait_until


@pytest.fixture
def committer(engine: Engine) -> Iterator[Committer]:
    committer = Committer(engine)
    yield committer
    committer.close()


@pytest.fixture
def others(postgresql_url: str) -> Iterator[tuple[Committer, Committer]]:
    """Two processes on one PostgreSQL, as far as a notice can tell."""
    engines = [Engine(postgresql_url) for _ in range(2)]
    committers = [Committer(engine) for engine in engines]
    yield committers[0], committers[1]
    for committer, engine in zip(committers, engines, strict=True):
        committer.close()
        engine.close()


def tell(committer: Committer, topic: str, key: object) -> None:
    committer.run(0, lambda tx: tx.notify(topic, key))


def listening(url: str) -> list[int]:
    """The processes of PostgreSQL that serve a LISTEN."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchall()
    return [pid for (pid,) in rows]


# --- In one process -----------------------------------------------------------------------------


def test_who_waits_for_the_key_is_woken_and_nobody_else(committer: Committer) -> None:
    notices = committer.notices
    with notices.watch("command", 17) as mine, notices.watch("command", 18) as other:
        tell(committer, "command", 17)
        assert mine.is_set()
        assert not other.is_set()
    assert not notices._events


def test_the_notice_comes_after_the_commit(committer: Committer) -> None:
    seen: list[bool] = []
    with committer.notices.watch("command", 1) as event:

        def work(tx: Tx) -> None:
            tx.notify("command", 1)
            seen.append(event.is_set())

        committer.run(0, work)
        assert seen == [False]
        assert event.is_set()


def test_what_is_rolled_back_is_not_told(committer: Committer) -> None:
    def work(tx: Tx) -> None:
        tx.notify("command", 1)
        raise ZeroDivisionError

    with committer.notices.watch("command", 1) as event:
        with pytest.raises(ZeroDivisionError):
            committer.run(0, work)
        assert not event.is_set()


def test_subscribers_get_the_keys_of_their_topic(committer: Committer) -> None:
    heard: list[str] = []
    of_others: list[str] = []
    committer.notices.subscribe("queued", heard.append)
    committer.notices.subscribe("queued", of_others.append, of_others=True)
    tell(committer, "queued", 1)
    tell(committer, "command", 2)
    assert heard == ["1"]
    assert of_others == []


# --- Between processes --------------------------------------------------------------------------


def test_another_process_is_told(others: tuple[Committer, Committer], postgresql_url: str) -> None:
    here, there = others
    heard: list[str] = []
    there.notices.subscribe("queued", heard.append, of_others=True)
    with there.notices.watch("command", 17) as event:
        wait_until(lambda: listening(postgresql_url), what="LISTEN")
        tell(here, "command", 17)
        assert event.wait(10)
        tell(here, "queued", 5)
        wait_until(lambda: heard == ["5"])


def test_a_process_does_not_hear_itself_twice(
    others: tuple[Committer, Committer], postgresql_url: str
) -> None:
    here, there = others
    heard: list[str] = []
    here.notices.subscribe("queued", heard.append)
    here.notices.listen()
    there.notices.subscribe("queued", heard.append)
    wait_until(lambda: listening(postgresql_url), what="LISTEN")
    tell(here, "queued", 1)
    tell(there, "queued", 2)
    wait_until(lambda: len(heard) >= 3)
    # One's own key once; the other's in its own process, and here through PostgreSQL.
    assert sorted(heard) == ["1", "2", "2"]


def test_a_listener_that_is_cut_off_comes_back(
    others: tuple[Committer, Committer], postgresql_url: str
) -> None:
    here, there = others
    there.notices.listen()
    [first] = wait_until(lambda: listening(postgresql_url), what="LISTEN")
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (first,))
    wait_until(lambda: listening(postgresql_url) not in ([], [first]), what="LISTEN again")
    with there.notices.watch("command", 17) as event:
        tell(here, "command", 17)
        assert event.wait(10)


def test_who_waits_looks_again_when_the_listener_is_back(
    others: tuple[Committer, Committer], postgresql_url: str
) -> None:
    """What was told while nobody listened is not told again."""
    _, there = others
    with there.notices.watch("command", 17) as event:
        [first] = wait_until(lambda: listening(postgresql_url), what="LISTEN")
        assert not event.is_set()
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (first,))
        assert event.wait(10)


class Pauses(threading.Event):
    """Never set, and it notes how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.lengths.append(timeout or 0.0)
        return super().wait(timeout)


def test_a_listener_that_is_cut_off_often_is_back_as_soon(
    others: tuple[Committer, Committer], postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Pauses grow while there is no connection, not with each that worked for a while."""
    _, there = others
    there.notices._closed = pauses = Pauses()
    there.notices.listen()
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        for _ in range(10):
            [pid] = wait_until(lambda: listening(postgresql_url), what="LISTEN")
            heard_from = time.monotonic()
            wait_until(lambda: time.monotonic() > heard_from + 0.25)  # noqa: B023
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
            wait_until(lambda: listening(postgresql_url) != [pid], what="the end")  # noqa: B023
    wait_until(lambda: len(pauses.lengths) == 10, what="the last pause")
    # The first one is 0.1 s, give or take a half. If they grew, the last would be 1 s or more.
    assert max(pauses.lengths) <= 0.15
    assert len(caplog.records) >= 9


def test_the_end_is_not_an_error(
    others: tuple[Committer, Committer], postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    here, _ = others
    here.notices.listen()
    wait_until(lambda: listening(postgresql_url), what="LISTEN")
    thread = here.notices._thread
    assert isinstance(thread, threading.Thread)
    here.close()
    thread.join(10)
    assert not thread.is_alive()
    assert caplog.records == []
