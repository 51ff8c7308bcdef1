"""Group commit: threads put work in, and get results out once it is on disk, or an error.

What green threads see of it is in test_offload.py.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import peewee
import psycopg
import pytest

from ocpp_cs.db import commit, models
from ocpp_cs.db.commit import Committer, StoreUnavailable, Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.statement import Statement
from tests.db.conftest import create_tables
from tests.servers import Postgresql, wait_until

T = TypeVar("T")


class Mark(models.Table):
    name = peewee.TextField(primary_key=True)
    seen = peewee.IntegerField(default=1)


INSERT = Statement(lambda p: Mark.insert(name=p.name))
INSERT_ONCE = Statement(
    lambda p: Mark.insert(name=p.name).on_conflict(action="nothing", conflict_target=[Mark.name])
)


def put(name: str) -> Callable[[Tx], str]:
    """Work that stores a mark of that name, once."""

    def work(tx: Tx) -> str:
        tx.execute(INSERT_ONCE, name=name)
        return name

    return work


def pause(reached: threading.Event, free: threading.Event) -> Callable[[Tx], bool]:
    """Work that says that it has begun, and ends when it may."""

    def work(tx: Tx) -> bool:
        reached.set()
        return free.wait(20)

    return work


class Desk:
    """A committer, and threads that hand their work to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        create_tables(engine, Mark)
        self.committer = Committer(engine)
        self._held: list[threading.Event] = []

    def run(self, work: Callable[[Tx], T], lane: int = 0) -> T:
        return self.committer.run(lane, work)

    def begin(self, work: Callable[[Tx], T], lane: int = 0) -> Future[T]:
        """Runs the work on a thread of its own."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(self.committer.run(lane, work))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def hold(self) -> Callable[[], None]:
        """Keeps the lane busy until what is returned is called: work begun meanwhile gathers."""
        busy, free = threading.Event(), threading.Event()
        self._held.append(free)
        self.begin(pause(busy, free))
        assert busy.wait(10)
        return free.set

    def group(self, *works: Callable[[Tx], Any]) -> list[Future[Any]]:
        """Begins all works in one group, in that order."""
        free = self.hold()
        futures = []
        for work in works:
            futures.append(self.begin(work))
            wait_until(lambda: self.waiting == len(futures), what="the work waits")
        free()
        return futures

    @property
    def lane(self) -> Any:
        """The committer's first lane, which has to have begun."""
        lane = self.committer._lanes[0]
        assert lane is not None
        return lane

    @property
    def waiting(self) -> int:
        return len(self.lane._waiting)

    @property
    def names(self) -> list[str]:
        """The marks that another connection sees."""
        return self.engine.read(lambda: [row.name for row in Mark.select().order_by(Mark.name)])

    def close(self) -> None:
        for free in self._held:
            free.set()
        self.committer.close()


@pytest.fixture
def desk(engine: Engine) -> Iterator[Desk]:
    desk = Desk(engine)
    try:
        yield desk
    finally:
        desk.close()


# --- Groups ---------------------------------------------------------------------------------------


def test_the_work_of_many_threads_is_one_group_and_each_has_its_own_result(desk: Desk) -> None:
    names = [f"mark {number:02}" for number in range(60)]
    groups_before, jobs_before = desk.committer.statistics()
    assert [future.result(10) for future in desk.group(*map(put, names))] == names
    assert desk.names == names
    wait_until(lambda: desk.committer.statistics() == (groups_before + 2, jobs_before + 61))


def test_a_group_has_its_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_GROUP_LIMIT", 10)
    for future in desk.group(*(put(str(number)) for number in range(25))):
        future.result(10)
    assert len(desk.names) == 25
    wait_until(lambda: desk.committer.statistics() == (4, 26))


def test_there_is_no_answer_before_the_commit(desk: Desk) -> None:
    reached, free = threading.Event(), threading.Event()
    first, last = desk.group(put("a"), pause(reached, free))
    assert reached.wait(10)
    assert not first.done()
    assert desk.names == []  # nor does anybody see it
    free.set()
    last.result(10)
    assert first.result(10) == "a"
    assert desk.names == ["a"]


def test_what_was_answered_is_there_for_others_at_once(desk: Desk) -> None:
    for number in range(50):
        name = desk.run(put(f"{number:02}"))
        assert desk.names[-1] == name


def test_what_comes_later_comes_at_the_end_of_the_group_and_together(desk: Desk) -> None:
    flushed: list[list[str]] = []

    def flush(tx: Tx, rows: list[str]) -> None:
        flushed.append(rows)
        tx.execute_many(INSERT, [{"name": row} for row in rows])

    def work(name: str) -> Callable[[Tx], int]:
        def work(tx: Tx) -> int:
            tx.later(flush, name)
            tx.insert_later(INSERT, name=name.upper())
            return len(tx.run(Mark.select()).fetchall())

        return work

    counts = [future.result(10) for future in desk.group(*map(work, "abc"))]
    assert counts == [0, 0, 0]
    assert flushed == [["a", "b", "c"]]
    assert desk.names == ["A", "B", "C", "a", "b", "c"]


def test_work_reads_what_its_group_has_written(desk: Desk) -> None:
    select = Statement(lambda p: Mark.select(Mark.name).where(Mark.name >= p.least))
    everything, one, none = desk.group(
        put("a"),
        put("b"),
        lambda tx: tx.all(select, least="a"),
        lambda tx: tx.one(select, least="b"),
        lambda tx: tx.one(select, least="c"),
    )[2:]
    assert everything.result(10) == [("a",), ("b",)]
    assert one.result(10) == ("b",)
    assert none.result(10) is None


# --- Work that raises -----------------------------------------------------------------------------


class Refusal(Exception):
    """What a handler may raise."""


def refuse(tx: Tx) -> None:
    tx.execute(INSERT, name="partial")
    tx.insert_later(INSERT, name="partial, later")
    tx.memory["partial"] = True
    raise Refusal


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (refuse, Refusal),
        (lambda tx: tx.execute(INSERT, name="a"), (sqlite3.Error, psycopg.Error)),  # there already
        (lambda tx: tx.run(peewee.RawQuery("nonsense")), Exception),
        (lambda tx: tx.insert_later(INSERT, name=None), Exception),  # fails at the end of the group
        (lambda tx: exec("raise SystemExit"), SystemExit),
    ],
    ids=["refusal", "constraint", "syntax", "at the end", "exit"],
)
def test_work_that_raises_harms_itself_alone(
    desk: Desk, work: Callable[[Tx], Any], error: type[BaseException]
) -> None:
    before, raising, after = desk.group(put("a"), work, put("b"))
    assert (before.result(10), after.result(10)) == ("a", "b")
    with pytest.raises(error):
        raising.result(10)
    assert desk.names == ["a", "b"]
    assert desk.run(put("c")) == "c"  # the lane lives


def test_memory_survives_commits_and_is_emptied_by_a_rollback(desk: Desk) -> None:
    def remember(tx: Tx) -> None:
        tx.memory["known"] = tx.memory.get("known", 0) + 1

    def known(tx: Tx) -> Any:
        return tx.memory.get("known")

    desk.run(remember)
    desk.run(remember)
    assert desk.run(known) == 2
    with pytest.raises(Refusal):
        desk.run(refuse)
    assert desk.run(lambda tx: dict(tx.memory)) == {}
    desk.run(remember)
    # In a group, too, nothing of the attempt that was rolled back is left.
    for future in desk.group(remember, refuse, remember):
        future.exception(10)
    assert desk.run(known) == 1


def test_memory_has_an_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_MEMORY_LIMIT", 10)
    desk.run(lambda tx: tx.memory.update(dict.fromkeys(range(11))))
    assert desk.run(lambda tx: len(tx.memory)) == 0


# --- A database that is busy or away --------------------------------------------------------------


@pytest.fixture
def other_writer(desk: Desk) -> Iterator[Any]:
    """Another process's connection, as far as SQLite can tell."""
    connection = desk.engine.connect_writer()
    try:
        yield connection
    finally:
        connection.close()


only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@only_sqlite
def test_work_waits_for_another_process_that_writes(desk: Desk, other_writer: Any) -> None:
    other_writer.execute("BEGIN IMMEDIATE")
    waiting = desk.begin(put("a"))
    with pytest.raises(TimeoutError):
        waiting.result(0.5)
    assert desk.names == []  # who only reads doesn't wait
    other_writer.execute("COMMIT")
    assert waiting.result(10) == "a"
    assert desk.names == ["a"]


@only_sqlite
def test_a_file_that_stays_busy_is_an_unavailable_store_until_it_is_free(
    desk: Desk, other_writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "_SQLITE_BUSY_MS", 20)
    other_writer.execute("BEGIN IMMEDIATE")
    for future in (desk.begin(put("a")), desk.begin(put("b"))):
        with pytest.raises(StoreUnavailable):
            future.result(10)
    other_writer.execute("ROLLBACK")
    assert desk.run(put("c")) == "c"
    assert desk.names == ["c"]


class SmallDisk(Engine):
    """A database whose disk is full after some pages of 4 KiB."""

    pages = 1_000_000

    def connect_writer(self) -> Any:
        connection = super().connect_writer()
        connection.execute(f"PRAGMA max_page_count = {self.pages}")
        return connection


@pytest.mark.parametrize("payload_bytes", [500, 50_000])
def test_a_full_disk_is_an_unavailable_store_until_there_is_room(
    sqlite_url: str, payload_bytes: int
) -> None:
    engine = SmallDisk(sqlite_url)
    desk = Desk(engine)
    try:
        engine.pages = 20
        stored: list[str] = []

        def fill() -> None:
            for number in itertools.count():
                stored.append(desk.run(put(f"{number:04}" + payload_bytes * "x")))

        with pytest.raises(StoreUnavailable, match="full"):
            fill()
        assert desk.names == stored
        engine.pages = 1_000_000
        assert desk.run(put("room"))
        assert desk.names == [*stored, "room"]
    finally:
        desk.close()
        engine.close()


def backend(tx: Tx) -> int:
    """The server process behind the writing connection (PostgreSQL)."""
    return int(tx.connection.info.backend_pid)


class Server:
    """The database as its administrator sees it."""

    def __init__(self, postgresql: Postgresql, url: str) -> None:
        self.name = url.rpartition("/")[2]
        self.connection = psycopg.connect(postgresql.url("postgres"), autocommit=True)

    def terminate(self, pid: int) -> None:
        """Ends a server process, as a restart of the server does; returns when it has gone."""
        self.connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))

    def shut_out(self) -> None:
        """Lets nobody in any more."""
        self.connection.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")

    def let_in(self) -> None:
        self.connection.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")

    def read_only(self, answer: bool) -> None:
        """Lets new connections only read, as a replica does; those that were open stay as is."""
        self.connection.execute(
            f"ALTER DATABASE {self.name} SET default_transaction_read_only = {answer}"
        )

    def terminate_all(self) -> None:
        self.connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
            (self.name,),
        )


@pytest.fixture
def server(postgresql: Postgresql, database_url: str) -> Iterator[Server]:
    server = Server(postgresql, database_url)
    try:
        yield server
    finally:
        server.connection.close()


FIND = Statement(lambda p: Mark.select(Mark.seen).where(Mark.name == p.name))


def plan_of_find(tx: Tx) -> str:
    """How the prepared statement is carried out, once it has been planned for whatever values."""
    for _ in range(12):
        tx.all(FIND, name="mark 7")
    prepared = "SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT %seen%'"
    [name] = tx.connection.execute(prepared).fetchone()
    return "\n".join(line for (line,) in tx.connection.execute(f"EXPLAIN EXECUTE {name} ('x')"))


@only_postgresql
def test_a_plan_that_was_made_for_an_empty_table_is_not_kept(desk: Desk) -> None:
    desk.run(lambda tx: tx.connection.execute("ANALYZE mark"))  # now it is known to be empty
    desk.run(put("mark 7"))
    assert "Seq Scan" in desk.run(plan_of_find)

    many = "INSERT INTO mark SELECT 'other ' || number, 1 FROM generate_series(1, 20000) AS number"
    desk.run(lambda tx: tx.connection.execute(many))
    wait_until(lambda: "Index Scan" in desk.run(plan_of_find), what="the statement is planned anew")


@only_postgresql
def test_a_connection_lost_between_groups_is_replaced(desk: Desk, server: Server) -> None:
    first = desk.run(backend)
    server.terminate(first)
    assert desk.run(put("a")) == "a"
    assert desk.names == ["a"]
    assert desk.run(backend) != first


@only_postgresql
@pytest.mark.parametrize("moment", ["before", "between", "after", "at the end"])
def test_work_whose_connection_is_lost_runs_again(desk: Desk, server: Server, moment: str) -> None:
    lost: list[int] = []

    def lose(tx: Tx) -> None:
        if not lost:
            lost.append(backend(tx))
            server.terminate(lost[0])

    def work(tx: Tx) -> str:
        if moment == "before":
            lose(tx)
        put("a")(tx)
        if moment == "between":
            lose(tx)
            put("b")(tx)
        if moment == "after":
            lose(tx)
        if moment == "at the end":
            tx.later(lambda tx, rows: lose(tx), None)
        return "done"

    futures = desk.group(put("first"), work, put("last"))
    assert [future.result(10) for future in futures] == ["first", "done", "last"]
    assert desk.names == (["a", "b"] if moment == "between" else ["a"]) + ["first", "last"]
    assert lost


@only_postgresql
def test_of_many_works_none_is_lost_or_doubled_by_lost_connections(
    desk: Desk, server: Server
) -> None:
    create_tables(desk.engine, Entry)
    writers, each = 10, 30
    done = threading.Semaphore(0)

    def enter(key: str) -> None:
        desk.run(lambda tx: tx.execute(INSERT_ENTRY, key=key).rowcount)
        done.release()

    def write(writer: int) -> None:
        for number in range(each):
            enter(f"{writer}/{number}")

    with ThreadPoolExecutor(writers) as threads:
        futures = [threads.submit(write, writer) for writer in range(writers)]
        for _ in range(5):
            for _ in range(writers * each // 6):
                assert done.acquire(timeout=20)
            server.terminate_all()
        for future in futures:
            future.result(20)
    keys = desk.engine.read(lambda: [row.key for row in Entry.select()])
    assert sorted(keys) == sorted(f"{w}/{n}" for w in range(writers) for n in range(each))


class Entry(models.Table):
    id = peewee.AutoField()
    key = peewee.TextField(unique=True)


INSERT_ENTRY = Statement(
    lambda p: Entry.insert(key=p.key).on_conflict(action="nothing", conflict_target=[Entry.key])
)


@only_postgresql
def test_a_deadlock_of_two_processes_is_nobodys_error(desk: Desk) -> None:
    """The same events from two sockets of two workers, in opposite order (F5)."""
    other = Committer(desk.engine)
    both = threading.Barrier(2, timeout=10)
    tries: list[str] = []

    def crosswise(first: str, second: str) -> Callable[[Tx], str]:
        first_try = threading.Event()

        def work(tx: Tx) -> str:
            tries.append(first)
            put(first)(tx)
            if not first_try.is_set():
                first_try.set()
                both.wait()
            put(second)(tx)
            return first

        return work

    try:
        one = desk.begin(crosswise("a", "b"))
        assert other.run(0, crosswise("b", "a")) == "b"
        assert one.result(10) == "a"
    finally:
        other.close()
    assert len(tries) == 3  # one of the two was the victim, and ran again
    assert desk.names == ["a", "b"]


@only_postgresql
@pytest.mark.parametrize("fault", ["gone", "read only"])
def test_without_its_database_the_store_is_unavailable_until_it_is_back(
    desk: Desk, server: Server, fault: str
) -> None:
    desk.run(put("a"))
    server.shut_out() if fault == "gone" else server.read_only(True)
    server.terminate_all()
    for future in (desk.begin(put("b")), desk.begin(put("c"))):
        with pytest.raises(StoreUnavailable):
            future.result(20)
    server.let_in() if fault == "gone" else server.read_only(False)
    assert desk.run(put("d")) == "d"
    assert desk.names == ["a", "d"]


@only_postgresql
def test_an_outage_is_not_found_anew_for_each_work_of_a_group(desk: Desk, server: Server) -> None:
    def refuse_and_shut_out(tx: Tx) -> None:
        server.shut_out()
        raise Refusal  # from now on each work of the group runs alone

    names = [f"mark {number}" for number in range(60)]
    futures = desk.group(refuse_and_shut_out, lambda tx: server.terminate_all(), *map(put, names))
    assert not wait(futures, timeout=8).not_done
    for future in futures[2:]:
        assert isinstance(future.exception(), StoreUnavailable)


# --- Lanes and the end ----------------------------------------------------------------------------


@only_postgresql
def test_the_same_key_has_the_same_lane(desk: Desk) -> None:
    committer = Committer(desk.engine, lanes=3)
    try:
        backends = [
            {committer.run(key, backend) for key in (lane, lane + 3, lane + 6000)}
            for lane in range(3)
        ]
    finally:
        committer.close()
    assert [len(pids) for pids in backends] == [1, 1, 1]
    assert len(set.union(*backends)) == 3


@only_postgresql
def test_one_lane_does_not_wait_for_another(desk: Desk) -> None:
    committer = Committer(desk.engine, lanes=2)
    busy, free = threading.Event(), threading.Event()
    thread = threading.Thread(target=committer.run, args=(0, pause(busy, free)))
    thread.start()
    try:
        assert busy.wait(10)
        assert committer.run(1, put("a")) == "a"
        assert desk.names == ["a"]
    finally:
        free.set()
        thread.join()
        committer.close()


@only_sqlite
def test_sqlite_has_one_lane_whatever_was_asked_for(desk: Desk) -> None:
    committer = Committer(desk.engine, lanes=4)
    try:
        assert len({committer.run(lane, lambda tx: id(tx.memory)) for lane in range(8)}) == 1
    finally:
        committer.close()


def test_closing_finishes_what_waits_and_refuses_what_follows(desk: Desk) -> None:
    free = desk.hold()
    waiting = [desk.begin(put(name)) for name in "abc"]
    wait_until(lambda: desk.waiting == 3)
    closing = threading.Thread(target=desk.committer.close, daemon=True)
    closing.start()
    lane = desk.lane
    wait_until(lambda: lane._closing)
    with pytest.raises(StoreUnavailable):
        desk.run(put("d"))
    free()
    closing.join(10)
    assert [future.result(10) for future in waiting] == ["a", "b", "c"]
    assert desk.names == ["a", "b", "c"]


def test_a_committer_closed_before_its_first_work_refuses_it(desk: Desk) -> None:
    committer = Committer(desk.engine)
    committer.close()
    with pytest.raises(StoreUnavailable):
        committer.run(0, put("a"))


@only_sqlite
def test_work_that_slips_in_just_before_the_end_is_done(desk: Desk) -> None:
    """The lane has seen that nothing waits, and is about to see that it is to close."""
    desk.run(put("a"))
    lane = desk.lane
    late: list[Future[str]] = []

    class Waiting(deque[Any]):
        def __bool__(self) -> bool:
            if len(self) or late:
                return len(self) > 0
            late.append(desk.begin(put("late")))
            wait_until(lambda: len(self) == 1)
            threading.Thread(target=desk.committer.close, daemon=True).start()
            wait_until(lambda: lane._closing)
            return False

    lane._waiting = Waiting()
    lane._wakeup.set()
    wait_until(lambda: late)
    assert late[0].result(10) == "late"
    assert desk.names == ["a", "late"]


# --- Savepoints -----------------------------------------------------------------------------------


def test_what_is_refused_in_a_savepoint_is_undone_alone(desk: Desk) -> None:
    """Its group is committed in one piece, with what the same work did before and after."""

    def refused(tx: Tx) -> None:
        with tx.savepoint():
            put("undone")(tx)
            tx.insert_later(INSERT, name="undone later")
            tx.notify("mark", "undone")
            raise ZeroDivisionError

    def work(tx: Tx) -> None:
        put("before")(tx)
        tx.memory["kept"] = True
        with pytest.raises(ZeroDivisionError):
            refused(tx)
        assert "kept" not in tx.memory  # what it says may have been read inside
        tx.insert_later(INSERT, name="later")
        put("after")(tx)

    with desk.committer.notices.watch("mark", "undone") as told:
        desk.run(work)
        assert not told.is_set()
    assert desk.names == ["after", "before", "later"]


def test_what_goes_well_in_a_savepoint_stays(desk: Desk) -> None:
    def work(tx: Tx) -> None:
        with tx.savepoint():
            put("inside")(tx)
            tx.insert_later(INSERT, name="later")

    desk.run(work)
    assert desk.names == ["inside", "later"]


def test_after_an_error_of_the_database_the_rest_of_the_work_goes_on(desk: Desk) -> None:
    """PostgreSQL takes no further statement after an error, except back to a savepoint."""

    def work(tx: Tx) -> None:
        put("first")(tx)
        with pytest.raises(Exception, match=r"(?i)unique"), tx.savepoint():
            tx.execute(INSERT, name="first")
        put("second")(tx)

    desk.run(work)
    assert desk.names == ["first", "second"]


# --- What nobody waits for ----------------------------------------------------------------------


def marks(tx: Tx, names: list[str]) -> None:
    tx.execute_many(INSERT_ONCE, [{"name": name} for name in names])


def test_what_is_posted_is_written_soon_though_nobody_waits(desk: Desk) -> None:
    began = time.monotonic()
    for name in "abc":
        desk.committer.post(0, marks, name)
    wait_until(lambda: desk.names == ["a", "b", "c"], what="the rows are there")
    assert time.monotonic() - began < 5
    assert desk.committer.statistics() == (1, 0)


def test_what_is_posted_goes_with_the_next_group(desk: Desk) -> None:
    free = desk.hold()
    desk.committer.post(0, marks, "posted")
    work = desk.begin(put("work"))
    wait_until(lambda: desk.waiting == 1)
    free()
    work.result(10)
    assert desk.names == ["posted", "work"]  # at once: the commit was the same


def test_posting_never_waits_and_what_is_too_much_is_dropped_and_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(commit, "_POSTED_LIMIT", 2)
    free = desk.hold()
    for name in "abcde":
        desk.committer.post(0, marks, name)
    free()
    wait_until(lambda: desk.names == ["a", "b"], what="what had room is there")
    wait_until(lambda: "3 frames are missing" in caplog.text, what="the loss is logged")
    desk.committer.post(0, marks, "f")
    desk.committer.close()
    assert desk.names == ["a", "b", "f"]
    assert caplog.text.count("missing") == 1


def test_posted_rows_at_fault_spoil_no_work(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def fail(tx: Tx, rows: list[str]) -> None:
        raise ValueError("a defect")

    free = desk.hold()
    desk.committer.post(0, fail, "x")
    work = desk.begin(put("work"))
    wait_until(lambda: desk.waiting == 1)
    free()
    assert work.result(10) == "work"
    desk.committer.post(0, marks, "good")
    wait_until(lambda: desk.names == ["good", "work"])
    wait_until(lambda: "1 frames are missing" in caplog.text)


def test_many_posted_rows_do_not_wait_for_their_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "_POSTED_WAIT_S", 60.0)
    monkeypatch.setattr(commit, "_POSTED_GROUP", 10)
    for number in range(25):
        desk.committer.post(0, marks, f"{number:02}")
    wait_until(lambda: len(desk.names) >= 20, what="two groups are there")
    desk.committer.close()
    assert len(desk.names) == 25


def test_closing_writes_what_was_posted_and_drops_what_follows(desk: Desk) -> None:
    desk.committer.post(0, marks, "a")
    desk.committer.close()
    assert desk.names == ["a"]
    desk.committer.post(0, marks, "b")
    Committer(desk.engine).close()
    assert desk.names == ["a"]
