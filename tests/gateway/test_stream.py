"""A WebSocket alone: its stream in any pieces, and answers that its reader does not wait for."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from websockets.frames import Frame, Opcode

from ocpp_cs.gateway.limits import Budget, Limits
from ocpp_cs.gateway.websocket import WebSocket

BUDGET = 1 << 20
GREETING = b"HTTP/1.1 101"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and the peer's; reading without data ends after some seconds."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


def limits() -> Limits:
    return Limits(
        ping_interval=25.0,
        pong_timeout=20.0,
        write_timeout=10.0,
        max_message_bytes=1 << 18,
        unfinished=Budget(BUDGET),
        unanswered=Budget(BUDGET),
    )


def masked(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=True)


def read_frame(theirs: socket.socket) -> tuple[int, bytes]:
    """Opcode and payload of a short frame."""
    head = theirs.recv(2, socket.MSG_WAITALL)
    return head[0] & 0x0F, theirs.recv(head[1], socket.MSG_WAITALL)


@pytest.mark.parametrize("seed", range(30))
def test_any_pieces_of_a_stream_make_the_same_messages(
    ends: tuple[socket.socket, socket.socket], seed: int
) -> None:
    ours, theirs = ends
    dice = random.Random(seed)
    expected: list[bytes] = []
    stream: list[bytes] = []
    for number in range(60):
        text = b"%d:" % number + b"x" * dice.choice([0, 1, 120, 130, 3000, 70000])
        kind = dice.randrange(6)
        if kind == 0:
            cut = dice.randrange(len(text))
            stream.append(masked(Opcode.TEXT, text[:cut], fin=False))
            if dice.random() < 0.5:
                stream.append(masked(Opcode.PONG, b"between"))
            stream.append(masked(Opcode.CONT, text[cut:]))
        else:
            if kind == 1:
                stream.append(masked(Opcode.PONG, b""))
            stream.append(masked(Opcode.TEXT, text))
        expected.append(text)

    def write() -> None:
        data, whole = b"".join(stream), dice.random() < 0.5
        if whole:  # a frame a piece, as charge points send them
            for each in stream:
                theirs.sendall(each)
        else:
            while data:
                size = dice.choice([1, 7, 100, 5000])
                theirs.sendall(data[:size])
                data = data[size:]
        theirs.shutdown(socket.SHUT_WR)

    writer = threading.Thread(target=write)
    writer.start()
    websocket = WebSocket(ours, GREETING, limits())
    assert list(websocket.messages()) == expected
    writer.join()
    websocket.finish()


def test_the_next_message_waits_for_the_answer_to_the_one_before(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.sendall(masked(Opcode.TEXT, b"first") + masked(Opcode.TEXT, b"second"))
    shared = limits()
    websocket = WebSocket(ours, GREETING, shared)
    taken: list[bytes] = []
    first_taken, second_taken = threading.Event(), threading.Event()

    def consume() -> None:
        for message in websocket.messages():
            taken.append(message)
            if message == b"first":
                websocket.answer_later()
                first_taken.set()
            else:
                second_taken.set()

    reader = threading.Thread(target=consume)
    reader.start()
    assert first_taken.wait(10)
    assert not second_taken.wait(0.2)
    assert shared.unanswered.used == len(b"first")
    assert websocket.send_now(b"answer")
    websocket.done()
    assert second_taken.wait(10)
    assert theirs.recv(len(GREETING), socket.MSG_WAITALL) == GREETING
    assert read_frame(theirs) == (Opcode.TEXT, b"answer")
    theirs.close()
    reader.join(10)
    assert taken == [b"first", b"second"]
    assert shared.unanswered.used == 0
    websocket.finish()


def test_a_close_that_is_wanted_meanwhile_comes_after_the_answer(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.sendall(masked(Opcode.TEXT, b"first"))
    websocket = WebSocket(ours, GREETING, limits())
    messages = websocket.messages()
    assert next(messages) == b"first"
    websocket.answer_later()
    websocket.close(1012, "restart")
    reader = threading.Thread(target=lambda: list(messages))
    reader.start()
    assert websocket.send_now(b"answer")
    websocket.done()
    assert theirs.recv(len(GREETING), socket.MSG_WAITALL) == GREETING
    assert read_frame(theirs) == (Opcode.TEXT, b"answer")
    opcode, payload = read_frame(theirs)
    assert (opcode, payload[:2]) == (Opcode.CLOSE, (1012).to_bytes(2, "big"))
    theirs.close()
    reader.join(10)
    assert not reader.is_alive()
    websocket.finish()


def test_a_peer_without_room_is_not_waited_for(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = ends
    websocket = WebSocket(ours, GREETING, limits())
    ours.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    ours.setblocking(True)
    assert not websocket.send_now(b"answer")
    websocket.finish()
    assert not websocket.send_now(b"answer")


def test_a_large_answer_is_left_to_a_thread_that_may_wait(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.sendall(masked(Opcode.TEXT, b"first"))
    websocket = WebSocket(ours, GREETING, limits())
    messages = websocket.messages()
    assert next(messages) == b"first"
    assert not websocket.send_now(b"x" * 5000)
    assert websocket.send_now(b"x" * 4000)
    websocket.finish()
