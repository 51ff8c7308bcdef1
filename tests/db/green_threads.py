"""The store under gevent, in a process of its own: patched first, as the server's workers are.

No test itself: `python -m tests.db.green_threads URL` tells what it saw as one line of JSON, and
test_offload.py judges that.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import peewee  # noqa: E402

from ocpp_cs.db import models  # noqa: E402
from ocpp_cs.db.commit import Committer, Tx  # noqa: E402
from ocpp_cs.db.engine import Engine  # noqa: E402
from ocpp_cs.db.offload import green, native_lock, offload  # noqa: E402
from ocpp_cs.db.statement import Statement  # noqa: E402
from tests.db.conftest import create_tables  # noqa: E402

native_sleep = monkey.get_original("time", "sleep")
native_id = monkey.get_original("threading", "get_ident")

COMMIT_S = 0.5
READ_S = 1.5
WRITERS = 200
READERS = 16


class Mark(models.Table):
    name = peewee.TextField(primary_key=True)


INSERT = Statement(lambda p: Mark.insert(name=p.name))


class SlowDisk(Engine):
    """On SQLite a commit takes its time, on the thread that it runs on."""

    def connect_writer(self) -> Any:
        connection = super().connect_writer()
        if self.dialect == "sqlite":

            def slowly(sql: str) -> None:
                if sql == "COMMIT":
                    native_sleep(COMMIT_S)

            connection.set_trace_callback(slowly)
        return connection


class Pulse:
    """How long the event loop stood still at most."""

    def __init__(self) -> None:
        self.largest_gap = 0.0
        self._greenlet = gevent.spawn(self._beat)

    def _beat(self) -> None:
        last = time.monotonic()
        while True:
            gevent.sleep(0.005)
            now = time.monotonic()
            self.largest_gap = max(self.largest_gap, now - last)
            last = now

    def stop(self) -> float:
        self._greenlet.kill()
        return self.largest_gap


def timed(call: Callable[[], Any]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def slow_read(engine: Engine, seconds: float) -> None:
    """An analyst's query."""
    function = "nap" if engine.dialect == "sqlite" else "pg_sleep"
    engine.read(lambda: engine.database.execute_sql(f"SELECT {function}({seconds})").fetchall())


def write(engine: Engine, committer: Committer, name: str) -> None:
    def work(tx: Tx) -> None:
        tx.execute(INSERT, name=name)
        if engine.dialect == "postgresql" and name.endswith("0"):
            tx.connection.execute(f"SELECT pg_sleep({COMMIT_S / 20})")

    committer.run(0, work)


def main(url: str) -> dict[str, Any]:
    engine = SlowDisk(url)
    if isinstance(engine.database, peewee.SqliteDatabase):
        engine.database.register_function(native_sleep, "nap", 1)
    create_tables(engine, Mark)
    committer = Committer(engine)
    write(engine, committer, "first")
    seen: dict[str, Any] = {"green": green()}

    # 200 green threads commit while others read.
    pulse = Pulse()
    writers = [gevent.spawn(write, engine, committer, str(number)) for number in range(WRITERS)]
    readers = [gevent.spawn(slow_read, engine, 0.02) for _ in range(20)]
    seen["unfinished"] = len(writers + readers) - len(
        [one for one in gevent.joinall(writers + readers, timeout=30) if one.successful()]
    )
    seen["largest_gap_s"] = pulse.stop()
    seen["stored"] = engine.read(lambda: Mark.select().count()) - 1
    seen["groups"] = committer.statistics()[0]

    # Slow queries, more of them than the hub has threads, and a commit meanwhile.
    readers = [gevent.spawn(slow_read, engine, READ_S) for _ in range(READERS)]
    gevent.sleep(0.1)
    seen["commit_beside_queries_s"] = timed(lambda: write(engine, committer, "urgent"))
    seen["queries_still_running"] = len([one for one in readers if not one.dead])
    gevent.joinall(readers, timeout=30)

    # Another process writes meanwhile (SQLite).
    if engine.dialect == "sqlite":
        other = engine.connect_writer()
        other.set_trace_callback(None)
        other.execute("BEGIN IMMEDIATE")
        gevent.spawn_later(0.5, other.execute, "ROLLBACK")
        pulse = Pulse()
        seen["commit_beside_writer_s"] = timed(lambda: write(engine, committer, "patient"))
        seen["largest_gap_beside_writer_s"] = pulse.stop()
        other.close()

    # The pieces.
    seen["offloaded_elsewhere"] = offload(native_id) != native_id()
    try:
        offload(lambda: 1 // 0)
    except ZeroDivisionError:
        seen["exceptions_come_through"] = True
    lock = native_lock()
    seen["lock_is_native"] = type(lock) is type(monkey.get_original("_thread", "allocate_lock")())
    seen["patched_lock_is_native"] = type(lock) is type(threading.Lock())

    committer.close()
    engine.close()
    return seen


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
