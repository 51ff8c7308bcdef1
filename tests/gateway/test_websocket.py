"""Frames, limits and deadlines of one connection; and that no other connection notices (F6-F16)."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from websockets.frames import Opcode

from ocpp_cs.gateway import websocket
from ocpp_cs.gateway.limits import Budget, Limits
from ocpp_cs.gateway.websocket import WebSocket
from tests.gateway.conftest import HEARTBEAT, PATH, UPGRADE, Gate, RawPeer, StartGate, call
from tests.servers import wait_until


@pytest.fixture
def bystander(gate: Gate) -> Iterator[RawPeer]:
    """Another charge point, which must still be served at the end of the test."""
    with gate.raw("bystander") as peer:
        yield peer
        assert peer.exchange(HEARTBEAT)[0] == 3


# --- Frames -------------------------------------------------------------------------------------


def test_fragments_are_joined_and_control_frames_may_stand_between(gate: Gate) -> None:
    with gate.raw() as peer:
        peer.send(HEARTBEAT[:5], fin=False)
        peer.send(b"between", Opcode.PING)
        peer.send(b"", Opcode.CONT, fin=False)
        peer.send(HEARTBEAT[5:], Opcode.CONT)
        assert peer.receive() == (Opcode.PONG, b"between")
        assert peer.receive_text()[0] == 3


def test_messages_in_one_packet_are_answered_in_order(gate: Gate) -> None:
    with gate.raw() as peer:
        for number in range(50):
            peer.send(call("Heartbeat", message_id=str(number)))
        for number in range(50):
            assert peer.receive_text()[:2] == [3, str(number)]


def test_message_before_a_close_frame_is_still_handled(gate: Gate) -> None:
    with gate.raw() as peer:
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        peer.send(call("BootNotification", {"chargePointVendor": "x", "chargePointModel": "y"}))
        peer.send(call("StatusNotification", status))
        peer.send(b"\x03\xe8", Opcode.CLOSE)
        assert peer.receive_close().code == 1000
    gate.wait_until_connected(0)
    assert gate.charge_point().model == "y"


def test_binary_frame_is_closed_with_1003(gate: Gate, bystander: RawPeer) -> None:
    with gate.raw() as peer:
        peer.send(b"[2]", Opcode.BINARY)
        assert peer.receive_close().code == 1003
        assert peer.ended()


@pytest.mark.parametrize("size", [2000, 60_000])
def test_message_up_to_the_limit_is_read(start_gate: StartGate, size: int) -> None:
    gate = start_gate(max_message_bytes=size)
    with gate.raw() as peer:
        assert peer.exchange(HEARTBEAT.ljust(size))[0] == 3


def test_oversize_message_is_closed_with_1009(start_gate: StartGate) -> None:
    gate = start_gate(max_message_bytes=2000)
    with gate.raw() as peer:
        peer.send(HEARTBEAT.ljust(2001))
        assert peer.receive_close().code == 1009
        assert peer.ended()
    with gate.raw() as peer:  # and in pieces
        peer.send(HEARTBEAT.ljust(1500), fin=False)
        peer.send(b" " * 501, Opcode.CONT)
        assert peer.receive_close().code == 1009


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x02{}",  # not masked
        b"\x83\x80\x00\x00\x00\x00",  # opcode 3
        b"\xc1\x80\x00\x00\x00\x00",  # compressed, which nobody agreed to
        b"\x80\x80\x00\x00\x00\x00",  # a continuation of nothing
        b"\x09\x80\x00\x00\x00\x00",  # a ping in pieces
    ],
)
def test_breach_of_the_websocket_protocol_is_closed_with_1002(
    gate: Gate, bystander: RawPeer, data: bytes
) -> None:
    with gate.raw() as peer:
        peer.socket.sendall(data)
        assert peer.receive_close().code == 1002
        assert peer.ended()


def test_close_frame_arrives_although_more_data_is_under_way(gate: Gate) -> None:
    """The socket is drained after a fault: a reset would destroy the frame that says why."""
    with gate.raw() as peer:
        peer.send(b"x", Opcode.BINARY)
        for _ in range(20):
            peer.send(HEARTBEAT.ljust(10_000))
        assert peer.receive_close().code == 1003


@pytest.mark.parametrize("work", ["close", "watch"])
def test_threads_that_must_not_wait_do_not(work: str) -> None:
    """The socket has no room at all, and nobody is writing to it."""
    ours, theirs = socket.socketpair()
    connection = WebSocket(ours, b"", Limits(0.0, 60.0, 60.0, 1000, Budget(1000), Budget(1000)))
    with ours, theirs:
        with suppress(BlockingIOError):
            while True:
                ours.send(bytes(100_000), socket.MSG_DONTWAIT)
        arguments = (1012, "a test") if work == "close" else (time.monotonic(),)
        thread = threading.Thread(target=getattr(connection, work), args=arguments, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()


# --- Deadlines ----------------------------------------------------------------------------------


def test_ping_is_answered(gate: Gate) -> None:
    with gate.raw() as peer:
        peer.send(b"are you there?", Opcode.PING)
        assert peer.receive() == (Opcode.PONG, b"are you there?")


def test_silent_peer_is_pinged_and_then_removed(start_gate: StartGate) -> None:
    gate = start_gate(ping_interval=0.2, pong_timeout=0.3)
    with gate.raw() as peer:
        assert peer.receive() == (Opcode.PING, b"")
        close = peer.receive_close()
        assert (close.code, close.reason) == (1011, "no pong")
        assert peer.ended()
        gate.wait_until_connected(0)
    assert gate.charge_point().present_until is None


def test_whoever_answers_pings_stays(start_gate: StartGate) -> None:
    gate = start_gate(ping_interval=0.1, pong_timeout=0.2)
    with gate.raw() as peer:
        for _ in range(10):
            assert peer.receive() == (Opcode.PING, b"")
            peer.send(b"", Opcode.PONG)
        assert gate.gateway.connected == 1


def test_any_frame_is_a_sign_of_life(start_gate: StartGate) -> None:
    gate = start_gate(ping_interval=0.3, pong_timeout=0.3)
    with gate.raw() as peer:
        deadline = time.monotonic() + 1.0
        pings = 0
        while time.monotonic() < deadline:
            peer.send(HEARTBEAT)
            opcode, _ = peer.receive()
            pings += opcode is Opcode.PING
        assert pings == 0


def test_beginning_of_a_frame_is_no_sign_of_life(start_gate: StartGate) -> None:
    """A peer that sends a frame byte by byte holds memory, and can't answer a ping meanwhile."""
    gate = start_gate(ping_interval=0.2, pong_timeout=0.3)
    with gate.raw() as peer:
        stop = threading.Event()

        def dribble() -> None:
            peer.socket.sendall(b"\x81\xff" + (1000).to_bytes(8, "big") + bytes(4))
            while not stop.wait(0.05):
                try:
                    peer.socket.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=dribble)
        thread.start()
        gate.wait_until_connected(1)
        gate.wait_until_connected(0)
        stop.set()
        thread.join()


def test_message_in_pieces_has_a_deadline(start_gate: StartGate) -> None:
    gate = start_gate(ping_interval=0.1, pong_timeout=0.2)
    with gate.raw() as peer:
        peer.send("[2,", fin=False)
        while True:
            opcode, payload = peer.receive()
            if opcode is Opcode.CLOSE:
                break
            peer.send(b"", Opcode.PONG)
        assert payload[:2] == (1008).to_bytes(2, "big")


def test_peer_that_does_not_end_its_side_is_cut(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "_CLOSE_GRACE_S", 0.2)
    with gate.raw() as peer:
        peer.send(b"", Opcode.BINARY)
        assert peer.receive_close().code == 1003
        gate.wait_until_connected(0)


def test_stuck_reader_is_cut_and_harms_nobody(start_gate: StartGate) -> None:
    """It sends and never reads: its answers fill all buffers, then the write deadline passes."""
    gate = start_gate(write_timeout=2.0)
    with RawPeer(gate.port, receive_buffer=4096) as stuck, gate.raw("CP2") as other:
        stuck.upgraded("CP1")
        gate.wait_until_connected(2)
        stuck.fill()
        slowest = 0.0
        while gate.gateway.connected == 2:
            began = time.monotonic()
            other.exchange(HEARTBEAT)
            slowest = max(slowest, time.monotonic() - began)
        assert gate.gateway.find("CP2") is not None
        assert slowest < 1.5  # it did not wait for the other's deadline
        assert other.exchange(HEARTBEAT)[0] == 3
    assert any("write timeout" in text for text in gate.log.texts())


def test_pings_to_a_stuck_reader_do_not_stop_the_watch(start_gate: StartGate) -> None:
    """Its socket has no room for a ping: others get theirs all the same."""
    gate = start_gate(write_timeout=60.0, ping_interval=0.2, pong_timeout=60.0)
    with RawPeer(gate.port, receive_buffer=4096) as stuck, gate.raw("CP2") as other:
        stuck.upgraded("CP1")
        stuck.fill()
        for _ in range(3):
            assert other.receive() == (Opcode.PING, b"")
            other.send(b"", Opcode.PONG)
        assert gate.gateway.connected == 2
        stuck.socket.close()
        gate.wait_until_connected(1)


HALF_A_MESSAGE = b"\x81\xff" + (90_000).to_bytes(8, "big") + bytes(4) + b"x" * 60_000


def test_unfinished_messages_take_no_room_from_others(start_gate: StartGate) -> None:
    """Memory is bounded (A6): halves of messages fill their room, and whole ones still pass."""
    small = {"max_message_bytes": 100_000, "max_inflight_bytes": 200_000}
    gate = start_gate(shutdown_timeout=0.5, **small)
    unfinished = gate.gateway._surroundings.limits.unfinished
    with ExitStack() as hogs:
        for number in range(4):
            hog = hogs.enter_context(gate.raw(f"HOG{number}"))
            hog.socket.sendall(HALF_A_MESSAGE)
        wait_until(lambda: unfinished._waiting > 0)
        assert 50_000 < unfinished.used <= 100_000
        with gate.raw() as peer:
            for _ in range(20):
                assert peer.exchange(HEARTBEAT.ljust(16_000))[0] == 3


def test_room_of_unfinished_messages_is_given_back(start_gate: StartGate) -> None:
    small = {"max_message_bytes": 100_000, "max_inflight_bytes": 200_000}
    gate = start_gate(ping_interval=0.5, pong_timeout=0.5, **small)
    with ExitStack() as hogs:
        for number in range(4):
            hog = hogs.enter_context(gate.raw(f"HOG{number}"))
            hog.socket.sendall(HALF_A_MESSAGE)
    # Those that wait for room do not read, so their end is found by the missing pong.
    gate.wait_until_connected(0)
    assert gate.gateway._surroundings.limits.unfinished.used == 0
    with gate.raw() as peer:
        assert peer.exchange(HEARTBEAT.ljust(90_000))[0] == 3


# --- Nothing is left ----------------------------------------------------------------------------


def descriptors() -> int:
    directory = Path("/proc/self/fd")
    return len(os.listdir(directory if directory.exists() else "/dev/fd"))


def test_nothing_is_left_of_connections(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they end: closed by either side, cut, refused, or never answered."""
    monkeypatch.setattr(websocket, "_CLOSE_GRACE_S", 0.2)

    def one_round() -> None:
        with gate.connect() as peer:
            peer.send(HEARTBEAT)
            peer.recv()
        with gate.raw() as raw:
            raw.send(b"", Opcode.BINARY)
            raw.receive_close()
        gate.raw().socket.close()
        with gate.raw("CP2"), gate.raw("CP2"):
            pass
        gate.request(PATH + "a:b", UPGRADE)
        gate.wait_until_connected(0)

    one_round()
    wait_until(lambda: not gate.gateway._registry.connections())
    threads, files = threading.active_count(), descriptors()
    for _ in range(5):
        one_round()
    wait_until(lambda: threading.active_count() <= threads, what="threads end")
    wait_until(lambda: descriptors() <= files, what="descriptors are closed")
