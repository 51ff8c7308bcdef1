"""Group commit: the work of many connections in one database transaction, answered after its end.

It knows nothing of what the work is. A lane is one writing connection with one thread: it takes
all that waits, runs it, commits, and wakes the waiting threads; while a commit waits for the disk
the next group gathers. On SQLite there is one lane, since there is one writer; on PostgreSQL there
may be more, and a charge point always uses the same.

What a caller may rely on:
- `run` returns after the transaction that did its work was committed, or raises.
- Work that raises does not poison its group: the group is rolled back and each part runs alone.
- Deadlocks, lost connections, busy files are retried here (F5); so work may run more than once
  and must have no effect but on its `Tx`.
- `post` never waits and never raises; what it is given may be lost (a log of frames, no data).
"""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar, cast

import peewee

from ocpp_cs.db.engine import Engine, Gauges, is_transient
from ocpp_cs.db.fields import StoredTime, to_milliseconds
from ocpp_cs.db.notices import Notice, Notices
from ocpp_cs.db.offload import native_lock, offload, own_threads
from ocpp_cs.db.statement import Statement
from ocpp_cs.figures import Figures

T = TypeVar("T")
Row = dict[str, Any]
Flush = Callable[["Tx", list[Any]], None]

_GROUP_LIMIT = 512
_TRIES = 5
_FIRST_PAUSE_S = 0.02
_MEMORY_LIMIT = 100_000
_SQLITE_BUSY_MS = 10_000
# Posted rows: so many are kept while the database is slow, and so long they wait for a group of
# others to go with; so many at once are a group of their own.
_POSTED_LIMIT = 10_000
_POSTED_WAIT_S = 0.5
_POSTED_GROUP = 512
# How long PostgreSQL's plans are used: each time twice as long, from the first to the last.
_PLANS_FIRST_S, _PLANS_LAST_S = 1.0, 60.0

logger = logging.getLogger(__name__)


class StoreUnavailable(Exception):
    """The database could not commit after several tries; nothing of the work is stored."""


class Tx:
    """The open database transaction of a group: what work gets to read and write with.

    `memory` survives from group to group and is emptied by every rollback: whatever is put there
    has been read or written inside a transaction that was committed, or is gone.
    """

    def __init__(self, connection: Any, dialect: str, memory: dict[Any, Any]) -> None:
        self.connection = connection
        self.dialect = dialect
        self.memory = memory
        self._later: dict[Flush, list[Any]] = {}
        self.notices: dict[Notice, None] = {}  # in order, each once
        self.told_here: dict[Notice, None] = {}

    def execute(self, statement: Statement, **values: Any) -> Any:
        """Runs the statement; the cursor, for `rowcount`."""
        return self.connection.execute(*statement.bind(values))

    def one(self, statement: Statement, **values: Any) -> Any | None:
        """The first row, or None."""
        return self.connection.execute(*statement.bind(values)).fetchone()

    def all(self, statement: Statement, **values: Any) -> list[Any]:
        return cast("list[Any]", self.connection.execute(*statement.bind(values)).fetchall())

    def execute_many(self, statement: Statement, rows: Sequence[Row]) -> None:
        self.connection.cursor().executemany(*statement.bind_all(rows))

    def run(self, query: peewee.Query) -> Any:
        """Runs a Peewee query that was built just now: for the roads that are not hot."""
        return self.connection.execute(*query.sql())

    def time(self, at: datetime) -> StoredTime:
        """A time as the engine stores it: on SQLite the driver would ask us for each column."""
        return to_milliseconds(at) if self.dialect == "sqlite" else at

    def later(self, flush: Flush, row: Any) -> None:
        """Keeps `row` for one call of `flush(tx, rows)` at the end of the group."""
        rows = self._later.get(flush)
        if rows is None:
            self._later[flush] = [row]
        else:
            rows.append(row)

    def insert_later(self, statement: Statement, **row: Any) -> None:
        """Inserts the row at the end of the group, together with its like."""
        self.later(statement.flush, row)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What is done inside is undone if it raises; the rest of the group is not touched.

        For work that is refused in the middle as a matter of course: raised out of the work
        itself, that would undo its whole group and run each part of it alone.
        """
        kept = {flush: len(rows) for flush, rows in self._later.items()}
        notices = dict(self.notices)
        self.connection.execute("SAVEPOINT work")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO SAVEPOINT work")
            self.connection.execute("RELEASE SAVEPOINT work")
            self._later = {flush: self._later[flush][:size] for flush, size in kept.items()}
            self.notices = notices
            self.memory.clear()
            raise
        self.connection.execute("RELEASE SAVEPOINT work")

    def notify(self, topic: str, key: object) -> None:
        """Wakes who waits for `key` of `topic`, in any process, once this is committed."""
        self.notices[Notice(topic, str(key))] = None

    def tell(self, topic: str, key: object) -> None:
        """As `notify`, in this process only: for what is told with nearly every group.

        PostgreSQL commits one transaction with a NOTIFY at a time, so lanes would wait for another.
        """
        self.told_here[Notice(topic, str(key))] = None

    def finish(self) -> None:
        for flush, rows in self._later.items():
            flush(self, rows)


def lane_of(identity: str) -> int:
    """The lane of a charge point: always the same, so that its messages keep their order."""
    return zlib.crc32(identity.encode())


class Job(ABC):
    """A piece of work on its way through a lane; `result` or `error` is there when it has ended."""

    __slots__ = ("error", "result")

    def __init__(self) -> None:
        self.result: Any = None
        self.error: BaseException | None = None

    @abstractmethod
    def work(self, tx: Tx) -> Any:
        """Reads and writes in the transaction of its group; the result. May be done again."""

    @abstractmethod
    def ended(self) -> None:
        """Called after the commit, or when there was none: in the lane's own thread, where all
        others wait for it. It must not wait, nor raise."""


class _Awaited(Job):
    """Work whose thread waits for its end."""

    __slots__ = ("_work", "done")

    def __init__(self, work: Callable[[Tx], Any]) -> None:
        super().__init__()
        self._work = work
        self.done = threading.Event()

    def work(self, tx: Tx) -> Any:
        return self._work(tx)

    def ended(self) -> None:
        self.done.set()


class _Posted(Job):
    """Rows that nobody waits for: a job of their own, so that they can spoil no other one."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[tuple[Flush, Any]]) -> None:
        super().__init__()
        self._rows = rows

    def work(self, tx: Tx) -> None:
        for flush, row in self._rows:
            tx.later(flush, row)

    def ended(self) -> None:
        """Its lane looks at the error."""


class _Lane:
    """One writing connection and the thread that owns it."""

    def __init__(self, engine: Engine, notices: Notices, figures: Figures, name: str) -> None:
        self._engine = engine
        self._notices = notices
        self._figures = figures
        self._connection: Any = None
        self._plans_for_s = self._plans_until = 0.0
        # On the hub's native threads a commit would wait behind analysts' queries (promise 4).
        self._threads = own_threads(1)
        self._memory: dict[Any, Any] = {}
        self._waiting: deque[Job] = deque()
        self._posted: deque[tuple[Flush, Any]] = deque()
        self._dropped = 0  # posted rows that were lost and not logged yet
        self._wakeup = threading.Event()
        # Held while work is let in, so that none slips in behind the end.
        self._door = native_lock()  # nothing under it lets other threads run
        self._closing = False
        self.groups = 0
        self.jobs = 0
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def let_in(self, job: Job) -> None:
        with self._door:
            if self._closing:
                raise StoreUnavailable("the central system is shutting down")
            self._waiting.append(job)
        self._wakeup.set()

    def post(self, flush: Flush, row: Any) -> None:
        with self._door:
            if self._closing or len(self._posted) >= _POSTED_LIMIT:
                self._dropped += 1
                return
            self._posted.append((flush, row))
            posted = len(self._posted)
        # The first one sets the time that all wait at most.
        if posted == 1 or posted == _POSTED_GROUP:
            self._wakeup.set()

    def depths(self) -> tuple[int, int]:
        """Pieces of work that wait, and posted rows."""
        return len(self._waiting), len(self._posted)

    def close(self, timeout: float) -> None:
        """Ends the lane after what is waiting; in seconds."""
        with self._door:
            self._closing = True
        self._wakeup.set()
        self._thread.join(timeout)

    def _serve(self) -> None:
        while True:
            woken = self._wakeup.wait(_POSTED_WAIT_S if self._posted else None)
            self._wakeup.clear()
            while self._waiting or len(self._posted) >= _POSTED_GROUP:
                self._serve_group()
            if self._posted and (self._closing or not woken):
                self._serve_group()
            if self._closing and not self._waiting and not self._posted:
                self._disconnect()
                if self._threads is not None:
                    self._threads.kill()
                return

    def _serve_group(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP_LIMIT))]
        self.groups += 1
        self.jobs += len(group)
        rows = [self._posted.popleft() for _ in range(min(len(self._posted), _POSTED_GROUP))]
        if not rows:
            self._settle(group)
            return
        posted = _Posted(rows)
        self._settle([*group, posted])
        if posted.error is not None:
            self._dropped += len(rows)
        elif self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._figures.losses["archived_frame",] += dropped
            logger.warning("database: %d frames are missing in the archive", dropped)

    def _settle(self, group: list[Job]) -> None:
        """Gives every job of the group its result or its error, and says that it has ended."""
        try:
            self._commit_with_retries(group)
        except BaseException as error:  # even an exit ends its own work only, not the lane
            if len(group) == 1 or isinstance(error, StoreUnavailable):
                for job in group:
                    job.error = error
            else:
                self._settle_one_by_one(group)
                return
        for job in group:
            job.ended()

    def _settle_one_by_one(self, group: list[Job]) -> None:
        for settled, job in enumerate(group, 1):
            self._settle([job])
            if isinstance(job.error, StoreUnavailable):  # no need to find that out for each
                for other in group[settled:]:
                    other.error = job.error
                    other.ended()
                return

    def _commit_with_retries(self, group: list[Job]) -> None:
        pause, began = _FIRST_PAUSE_S, time.monotonic()
        for attempt in range(1, _TRIES + 1):
            try:
                self._commit(group)
            except BaseException as error:
                self._rollback()
                if not is_transient(error):
                    raise
                self._figures.losses["try",] += 1
                logger.warning(
                    "database: try %d of %d failed: %s", attempt, _TRIES, str(error).strip()
                )
                if attempt > 1:  # it may lead to a server that is no longer the one to write to
                    self._disconnect()
                if attempt == _TRIES:
                    self._figures.losses["group",] += 1
                    raise StoreUnavailable(str(error).strip()) from error
                time.sleep(pause * random.uniform(0.5, 1.5))
                pause *= 2
            else:
                self._figures.committed(len(group), time.monotonic() - began)
                return

    def _commit(self, group: list[Job]) -> None:
        if self._connection is None:
            self._connection = offload(self._engine.connect_writer, self._threads)
            if self._engine.dialect == "sqlite":
                self._connection.execute("PRAGMA busy_timeout = 0")
            self._plans_for_s = _PLANS_FIRST_S
            self._plans_until = time.monotonic() + self._plans_for_s
        if len(self._memory) > _MEMORY_LIMIT:
            self._memory.clear()
        changes = self._begin()
        tx = Tx(self._connection, self._engine.dialect, self._memory)
        for job in group:
            job.result = job.work(tx)
        tx.finish()
        if tx.notices:
            self._notices.send(self._connection, self._engine.dialect, tx.notices)
        if self._engine.dialect == "sqlite" and self._connection.total_changes == changes:
            self._connection.execute("COMMIT")  # nothing was written: no disk to wait for
        elif self._engine.dialect == "sqlite":
            connection = self._connection
            offload(lambda: connection.execute("COMMIT"), self._threads)
        else:
            self._connection.execute("COMMIT")
        if tx.notices:
            self._notices.publish(tx.notices)
        if tx.told_here:
            self._notices.publish(tx.told_here)

    def _begin(self) -> int:
        """Opens the transaction; the number of changed rows so far (SQLite)."""
        connection = self._connection
        if self._engine.dialect != "sqlite":
            if time.monotonic() >= self._plans_until:
                self._plan_anew()
            connection.execute("BEGIN")
            return 0
        # IMMEDIATE: a deferred transaction that turns into a writing one fails at once (F21).
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            offload(lambda: self._begin_patiently(connection), self._threads)
        return int(connection.total_changes)

    def _plan_anew(self) -> None:
        """PostgreSQL plans a prepared statement once, for tables as they are then. Of a table that
        was nearly empty it would go on reading all rows, long after there are many."""
        self._connection.execute("DISCARD PLANS")
        self._plans_for_s = min(2 * self._plans_for_s, _PLANS_LAST_S)
        self._plans_until = time.monotonic() + self._plans_for_s

    @staticmethod
    def _begin_patiently(connection: Any) -> None:
        """Another process writes, such as our command line: wait for it beside the event loop."""
        connection.execute(f"PRAGMA busy_timeout = {_SQLITE_BUSY_MS}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.execute("PRAGMA busy_timeout = 0")

    def _rollback(self) -> None:
        self._memory.clear()
        try:
            self._connection.execute("ROLLBACK")
        except Exception:  # no transaction open, or no connection: a new one begins clean
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception:
                logger.debug("closing the writing connection failed", exc_info=True)


class Committer:
    """The lanes of an engine. Threads start with the first work, so a fork before it is safe."""

    def __init__(self, engine: Engine, *, lanes: int = 1) -> None:
        self.engine = engine
        self.figures = Figures()  # the gateway counts its own beside those of the lanes
        self.notices = Notices(engine)
        self._lanes: list[_Lane | None] = [None] * (1 if engine.dialect == "sqlite" else lanes)
        self._starting = threading.Lock()
        self._closed = False

    def run(self, lane: int, work: Callable[[Tx], T]) -> T:
        """The result of `work(tx)` after its transaction was committed.

        `lane` is any number that is the same for the same charge point. Raises what `work`
        raises, and `StoreUnavailable` when the database can't commit.
        """
        job = _Awaited(work)
        self.submit(lane, job)
        job.done.wait()
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    def submit(self, lane: int, job: Job) -> None:
        """Takes a job in and does not wait for it; StoreUnavailable when none is taken any more."""
        index = lane % len(self._lanes)
        (self._lanes[index] or self._start(index)).let_in(job)

    def post(self, lane: int, flush: Flush, row: Any) -> None:
        """Gives `row` to `flush` in one of the lane's next groups, within about a second.

        For what nobody waits for: it is dropped while the database takes nothing, and how many
        were is logged.
        """
        index = lane % len(self._lanes)
        with suppress(StoreUnavailable):  # closed
            (self._lanes[index] or self._start(index)).post(flush, row)

    def _start(self, index: int) -> _Lane:
        with self._starting:
            lane = self._lanes[index]
            if lane is None:
                if self._closed:
                    raise StoreUnavailable("the central system is shutting down")
                lane = self._lanes[index] = _Lane(
                    self.engine, self.notices, self.figures, f"commit-{index}"
                )
            return lane

    def statistics(self) -> tuple[int, int]:
        """Groups committed and pieces of work in them, so far."""
        lanes = [lane for lane in self._lanes if lane is not None]
        return sum(lane.groups for lane in lanes), sum(lane.jobs for lane in lanes)

    def gauges(self) -> Gauges:
        """What waits in each lane: pieces of work, and frames for the archive."""
        waiting: dict[str, float] = {}
        posted: dict[str, float] = {}
        for number, lane in enumerate(self._lanes):
            depths = (0, 0) if lane is None else lane.depths()
            waiting[str(number)], posted[str(number)] = depths
        return {"lane": waiting, "posted": posted}

    def close(self, timeout: float = 5.0) -> None:
        """Finishes what waits and closes the writing connections; in seconds."""
        with self._starting:
            self._closed = True
        self.notices.close()
        for lane in self._lanes:
            if lane is not None:
                lane.close(timeout)
