"""A database that takes nothing: everybody is sent away, and comes back when it works again."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from websockets.frames import Opcode

from ocpp_cs.db import commit
from ocpp_cs.db.models import AuditEvent, Event, Transaction
from ocpp_cs.handlers.connections import find_charge_point
from tests.gateway.conftest import HEARTBEAT, PATH, UPGRADE, Gate, StartGate, call
from tests.servers import wait_until

START = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-03-01T11:00:00Z"}


@contextmanager
def locked(gate: Gate) -> Iterator[None]:
    """Another process holds the database's write lock and does not let go."""
    database = sqlite3.connect(gate.engine.path, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA busy_timeout = 10000")
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        database.close()


class Disk:
    """Between a gateway that has not written yet and its file: while it is `full` nothing can be
    written, and what only reads succeeds, its COMMIT too."""

    def __init__(self, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        connect = gate.engine.connect_writer
        monkeypatch.setattr(gate.engine, "connect_writer", lambda: _OnDisk(self, connect()))

    def check(self, statement: str) -> None:
        if self.full and statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


class _OnDisk:
    """A connection or a cursor."""

    def __init__(self, disk: Disk, inner: Any) -> None:
        self._disk = disk
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def cursor(self) -> _OnDisk:
        return _OnDisk(self._disk, self._inner.cursor())

    def execute(self, statement: str, *values: Any) -> Any:
        self._disk.check(statement)
        return self._inner.execute(statement, *values)

    def executemany(self, statement: str, *values: Any) -> Any:
        self._disk.check(statement)
        return self._inner.executemany(statement, *values)


@pytest.fixture
def impatient(start_gate: StartGate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gateway whose committer does not wait ten seconds five times for the lock."""
    monkeypatch.setattr(commit, "_SQLITE_BUSY_MS", 20)
    gate = start_gate(shutdown_spread=0.2)
    gate.tolerated.add("database unavailable")
    return gate


def test_nobody_is_answered_and_all_are_sent_away(impatient: Gate) -> None:
    gate = impatient
    with gate.raw("CP1") as talker, gate.raw("CP2") as listener:
        gate.wait_until_connected(2)
        with locked(gate):
            talker.send(call("StartTransaction", START))
            opcode, payload = talker.receive()  # no CALLERROR: it would discard its message
            assert (opcode, payload[:2]) == (Opcode.CLOSE, (1013).to_bytes(2, "big"))
            assert listener.receive_close().code == 1013
            assert gate.gateway.store_down
            status, answered, body = gate.request(PATH + "CP3", UPGRADE)
            assert (status, json.loads(body)["reason"]) == (503, "store_unavailable")
            assert int(answered["retry-after"]) > 0
        talker.socket.close()
        listener.socket.close()
        wait_until(lambda: not gate.gateway.store_down, what="the store is found to work again")
    assert gate.read(Transaction.select()) == []
    (event,) = wait_until(lambda: gate.read(AuditEvent.select()), what="the outage is recorded")
    assert (event.actor, event.action) == ("central system", "database.unavailable")
    times = json.loads(event.detail)
    assert times["since"] < times["until"]
    with gate.raw("CP1") as talker:
        talker.send(call("StartTransaction", START))
        assert talker.receive()[1].startswith(b"[3,")
    assert len(gate.read(Transaction.select())) == 1


def closers() -> int:
    """Threads that send everybody away."""
    return sum(thread.name == "gateway-store-down" for thread in threading.enumerate())


def test_others_stay_when_it_works_again_in_time(
    start_gate: StartGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "_SQLITE_BUSY_MS", 20)
    gate = start_gate(shutdown_spread=60.0, shutdown_timeout=60.0)
    gate.tolerated.add("database unavailable")
    with ExitStack() as peers:
        for number in range(2, 62):
            peers.enter_context(gate.raw(f"CP{number}"))
        with gate.raw("CP1") as talker:
            with locked(gate):
                talker.send(call("StartTransaction", START))
                assert talker.receive_close().code == 1013
            wait_until(lambda: not gate.gateway.store_down)
        # One a second was to go.
        wait_until(lambda: closers() == 0)
        assert gate.gateway.connected > 50
    gate.wait_until_connected(0)


def test_heartbeats_need_no_store(impatient: Gate) -> None:
    with impatient.raw() as peer, locked(impatient):
        peer.send(HEARTBEAT)
        assert peer.receive()[1].startswith(b"[3,")


def test_upgrade_finds_the_store_down_first(impatient: Gate) -> None:
    gate = impatient
    with locked(gate):
        assert gate.request(PATH + "CP1", UPGRADE)[0] == 503
        began = time.monotonic()
        assert gate.request(PATH + "CP1", UPGRADE)[0] == 503
        assert time.monotonic() - began < 0.3  # it need not be tried again for each
    wait_until(lambda: not gate.gateway.store_down)
    assert gate.request(PATH + "CP1")[0] == 426


def test_what_only_reads_ends_no_outage(impatient: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = impatient
    disk, store = Disk(gate, monkeypatch), gate.gateway._store
    with gate.raw("CP1") as talker:
        gate.wait_until_connected(1)
        disk.full = True
        talker.send(call("StartTransaction", START))
        assert talker.receive_close().code == 1013
        for _ in range(3):
            assert store.run("CP1", lambda tx: find_charge_point(tx, "CP1")) is not None
            store.probe()
            assert store.down
            assert gate.request(PATH + "CP3", UPGRADE)[0] == 503
        assert gate.read(AuditEvent.select()) == []
        disk.full = False
    wait_until(lambda: not store.down, what="the store is found to work again")
    # One outage, however often it was looked for its end.
    assert [event.action for event in gate.read(AuditEvent.select())] == ["database.unavailable"]
    [told] = [event for event in gate.read(Event.select()) if event.type == "database_unavailable"]
    assert json.loads(told.data)["duration_s"] >= 0
    assert sum("database unavailable" in line for line in gate.log.texts()) == 1
    assert sum("database available again" in line for line in gate.log.texts()) == 1
