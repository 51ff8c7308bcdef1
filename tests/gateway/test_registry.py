"""Which connection of a charge point counts, and how all of them end (F7, F8, A1, journey d)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from ocpp_cs.db.models import ChargePoint, SecurityEvent
from ocpp_cs.gateway import websocket
from ocpp_cs.gateway.connection import Connection
from ocpp_cs.gateway.registry import FULL, REPLACED, RESTART, Registry
from ocpp_cs.handlers import ConnectedChargePoint
from tests.gateway.conftest import HEARTBEAT, Gate, RawPeer, StartGate, call
from tests.servers import wait_until

START = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-03-01T11:00:00Z"}


def served(peer: RawPeer) -> bool:
    return bool(peer.exchange(HEARTBEAT)[0] == 3)


# --- The newest wins ----------------------------------------------------------------------------


def test_newer_connection_replaces_the_older_one(gate: Gate) -> None:
    with gate.connect() as older, gate.connect() as newer:
        with pytest.raises(ConnectionClosed) as caught:
            older.recv(timeout=5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008
        assert caught.value.rcvd.reason == "replaced by a newer connection"
        newer.send(HEARTBEAT)
        assert newer.recv()
        gate.wait_until_connected(1)


def test_silent_older_connection_does_not_hold_up_the_newer_one(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "_CLOSE_GRACE_S", 2.0)
    with gate.raw() as older:
        began = time.monotonic()
        with gate.raw() as newer:
            assert served(newer)
            assert time.monotonic() - began < 1.5
            assert older.receive_close().code == 1008
            assert older.ended()  # it never answered the Close frame
            assert served(newer)


def test_end_of_the_older_connection_leaves_the_newer_one_alone(gate: Gate) -> None:
    with gate.raw() as older, gate.raw() as newer:
        assert older.receive_close().code == 1008
        older.socket.close()
        wait_until(lambda: sum("disconnected" in text for text in gate.log.texts()) == 1)
        assert served(newer)
        assert gate.gateway.connected == 1
        found = gate.charge_point()
        assert found.present_until is not None
        assert found.session_epoch == 2


@contextmanager
def held_writer(gate: Gate) -> Iterator[None]:
    """The one writer is busy: whoever commits something waits."""
    entered, go_on = threading.Event(), threading.Event()

    def work(_: object) -> None:
        entered.set()
        go_on.wait(10)

    holder = threading.Thread(target=gate.committer.run, args=(0, work))
    holder.start()
    assert entered.wait(5)
    try:
        yield
    finally:
        go_on.set()
        holder.join()


def test_message_that_is_being_worked_on_is_answered_before_the_close(gate: Gate) -> None:
    """A call waits for its commit when its connection is told to end."""
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        connection = gate.gateway.find("CP1")
        assert connection is not None
        with held_writer(gate):
            peer.send(call("StartTransaction", START))
            wait_until(lambda: connection.websocket._busy)
            connection.close(1008, "a test")
        opcode, payload = peer.receive()
        assert opcode is Opcode.TEXT
        assert payload.startswith(b"[3,")
        assert peer.receive_close().reason == "a test"


def test_waiting_for_a_commit_is_not_taken_for_silence(gate: Gate) -> None:
    """Nobody reads a charge point's pongs while its message is being worked on."""
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        connection = gate.gateway.find("CP1")
        assert connection is not None
        with held_writer(gate):
            peer.send(call("StartTransaction", START))
            wait_until(lambda: connection.websocket._busy)
            for hours in range(1, 10):
                connection.websocket.watch(time.monotonic() + 3600 * hours)
        assert peer.receive_text()[0] == 3


# --- What changed between the handshake and the 101 ---------------------------------------------


@contextmanager
def connection_of(gate: Gate, identity: str, epoch: int) -> Iterator[Connection]:
    ours, theirs = socket.socketpair()
    charge_point = ConnectedChargePoint(id=1, identity=identity, epoch=epoch)
    with ours, theirs:
        yield Connection(ours, b"", charge_point, "127.0.0.1", gate.gateway._surroundings)


def test_connection_that_was_overtaken_does_not_win(gate: Gate) -> None:
    registry = Registry(limit=10)
    with connection_of(gate, "CP1", 2) as newer, connection_of(gate, "CP1", 1) as older:
        assert registry.add(newer) is None
        assert registry.add(older) == REPLACED
        assert registry.find("CP1") is newer
        registry.remove(older)
        assert registry.find("CP1") is newer
        assert not registry.wait_until_empty(time.monotonic())
        registry.remove(newer)
        assert registry.wait_until_empty(time.monotonic())


def test_connection_that_was_overtaken_in_another_process_does_not_win(gate: Gate) -> None:
    registry = Registry(limit=10)
    with connection_of(gate, "CP1", 1) as live, connection_of(gate, "CP1", 3) as late:
        assert registry.add(live) is None
        assert registry.overtaken(1, 1) is None  # its own notice
        assert registry.overtaken(1, 4) is live
        assert registry.add(late) == REPLACED  # it was admitted before and comes in after
        assert registry.overtaken(1, 4) is live
    with connection_of(gate, "CP1", 4) as newest:
        assert registry.add(newest) is None


def test_what_is_remembered_of_other_processes_is_bounded(gate: Gate) -> None:
    registry = Registry(limit=10)
    for charge_point_id in range(1, 3000):
        registry.overtaken(charge_point_id, 9)
    assert len(registry._elsewhere) == 1000
    with connection_of(gate, "CP1", 1) as forgotten:
        assert registry.add(forgotten) is None  # the presence round finds it


def test_room_may_be_gone_or_the_server_going(gate: Gate) -> None:
    registry = Registry(limit=1)
    with (
        connection_of(gate, "CP1", 1) as first,
        connection_of(gate, "CP2", 1) as second,
        connection_of(gate, "CP1", 2) as again,
    ):
        assert registry.add(first) is None
        assert registry.add(second) == FULL
        assert registry.add(again) is None
        registry.draining = True
        assert registry.add(first) == RESTART
        assert len(registry) == 1


def test_many_swaps_raise_an_alarm_once_each(gate: Gate) -> None:
    peers = [gate.raw() for _ in range(4)]
    assert not any("replaced each other" in text for text in gate.log.texts())
    peers.append(gate.raw())
    wait_until(lambda: any("replaced each other" in text for text in gate.log.texts()))
    assert served(peers[-1])
    (event,) = gate.read(SecurityEvent.select())
    assert (event.type, event.critical) == ("ConnectionsReplaced", True)
    assert (event.source, event.tech_info) == ("central_system", "latest from 127.0.0.1")
    for peer in peers:
        peer.socket.close()


def test_connection_that_was_replaced_in_another_process_goes(start_gate: StartGate) -> None:
    gate = start_gate(presence_interval=0.1)
    with gate.raw() as here:
        gate.wait_until_connected(1)
        elsewhere = ChargePoint.update(session_epoch=ChargePoint.session_epoch + 1)
        gate.write(elsewhere)
        close = here.receive_close()
        assert (close.code, close.reason) == (1008, "replaced by a newer connection")
    gate.wait_until_connected(0)
    # It is present there: our end of it must not say otherwise.
    wait_until(lambda: any("disconnected" in text for text in gate.log.texts()))
    assert gate.charge_point().present_until is not None


# --- Presence -----------------------------------------------------------------------------------


def test_presence_is_renewed_while_the_connection_lives(start_gate: StartGate) -> None:
    gate = start_gate(presence_interval=0.1)
    with gate.raw("CP1"), gate.raw("CP2"):
        gate.wait_until_connected(2)
        first = gate.charge_point("CP2").present_until
        wait_until(lambda: gate.charge_point("CP2").present_until > first)
        assert (gate.charge_point("CP2").present_until - first).total_seconds() < 30


# --- Shutdown -----------------------------------------------------------------------------------


def test_drain_sends_everybody_away_within_the_spread(start_gate: StartGate) -> None:
    gate = start_gate(shutdown_spread=1.0, shutdown_timeout=10.0)
    peers = [gate.raw(f"CP{number}") for number in range(20)]
    gate.wait_until_connected(20)
    ends: list[tuple[float, int]] = []

    def wait_for_the_end(peer: RawPeer) -> None:
        close = peer.receive_close()
        ends.append((time.monotonic(), close.code))
        peer.send(close.code.to_bytes(2, "big"), Opcode.CLOSE)
        peer.ended()

    threads = [threading.Thread(target=wait_for_the_end, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    gate.gateway.drain()
    took = time.monotonic() - began
    for thread in threads:
        thread.join()
    assert [code for _, code in ends] == [1012] * 20
    assert 0.5 < ends[-1][0] - ends[0][0] < 4.0
    assert took < 5.0
    assert gate.gateway.connected == 0
    assert {row.present_until for row in gate.read(ChargePoint.select())} == {None}
    for peer in peers:
        peer.socket.close()


def test_drain_cuts_those_who_do_not_go(start_gate: StartGate) -> None:
    gate = start_gate(shutdown_spread=0.0, shutdown_timeout=1.0)
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        began = time.monotonic()
        gate.gateway.drain()
        assert time.monotonic() - began < 2.5
        assert gate.gateway.connected == 0
        assert peer.receive_close().code == 1012
        assert peer.ended()


def test_drain_may_be_called_twice_and_at_the_same_time(start_gate: StartGate) -> None:
    gate = start_gate(shutdown_timeout=1.0)
    with gate.raw():
        gate.wait_until_connected(1)
        threads = [threading.Thread(target=gate.gateway.drain) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
        gate.gateway.drain()
    assert sum("shutting down" in text for text in gate.log.texts()) == 1
