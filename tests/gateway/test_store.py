"""A database that takes nothing: everybody is sent away, and comes back when it works again."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from websockets.frames import Opcode

from ocpp_cs.db import commit
from ocpp_cs.db.models import AuditEvent, Transaction
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
