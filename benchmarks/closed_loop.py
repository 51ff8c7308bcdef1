"""A load of raw sockets in one thread: each sends its next frame when the last one is answered.

Not a charge point: frames are bytes made with as little work as possible, so that the load is never
what is measured; `Result.busy` says how much of its core it took. Every answer is checked; a wrong
one ends the run.
"""

from __future__ import annotations

import base64
import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

# Yields frames and is sent the payload that answered each: one charge point's conversation.
Script = Generator[bytes, bytes, None]
MakeScript = Callable[["Peer"], Script]

_NO_MASK = b"\0\0\0\0"  # a masking key of zeros leaves the payload as it is (RFC 6455, 5.3)
_FIRST_SAMPLE = datetime(2026, 1, 1, tzinfo=UTC)
_TIMES = [
    (_FIRST_SAMPLE + timedelta(seconds=10 * n)).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    for n in range(100_000)
]
_DEADLINE_S = 60.0
_TRANSACTION_ID = re.compile(rb'"transactionId":(\d+)')

_HEARTBEAT = b'[2,"%d","Heartbeat",{}]'
_START = (
    b'[2,"%d","StartTransaction",{"connectorId":1,"idTag":"%s","meterStart":%d,"timestamp":"%s"}]'
)
_METER_VALUES = (
    b'[2,"%d","MeterValues",{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%s",'
    b'"sampledValue":[{"value":"%d","measurand":"Energy.Active.Import.Register","unit":"Wh",'
    b'"context":"Sample.Periodic"},'
    b'{"value":"7360","measurand":"Power.Active.Import","unit":"W","context":"Sample.Periodic"},'
    b'{"value":"16.0","measurand":"Current.Import","unit":"A","phase":"L1"},'
    b'{"value":"230.1","measurand":"Voltage","unit":"V","phase":"L1-N"}]}]}]'
)
_STOP = (
    b'[2,"%d","StopTransaction",{"transactionId":%d,"idTag":"%s","meterStop":%d,"timestamp":"%s"}]'
)


@dataclass
class Result:
    """What a run measured: messages per second, and latencies in seconds, in ascending order.

    `busy` is the share of its core that the load itself took.
    """

    rate: float
    latencies: list[float]
    busy: float

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


@dataclass(slots=True)
class Peer:
    """A connected charge point; `number` is the id of its last message."""

    socket: socket.socket
    identity: str
    transaction_id: int = 0
    number: int = 0
    sent_at: float = 0.0
    script: Script | None = None
    expected: bytes = b""
    buffer: bytearray = field(default_factory=bytearray)


# --- What they say --------------------------------------------------------------------------------


def heartbeats(peer: Peer) -> Script:
    while True:
        peer.number += 1
        answer = yield _HEARTBEAT % peer.number
        _demand(b'"currentTime"' in answer, answer)


def meter_values(peer: Peer) -> Script:
    """Four sampled values of one instant, as a charge point sends them every minute."""
    while True:
        yield from _samples(peer, 1)


def sessions(peer: Peer) -> Script:
    """Start, three times four sampled values, Stop, and again."""
    tag = peer.identity[-20:].encode()
    while True:
        yield from _start(peer, tag)
        yield from _samples(peer, 3)
        peer.number += 1
        answer = yield _STOP % (
            peer.number,
            peer.transaction_id,
            tag,
            2000 + peer.number,
            _at(peer),
        )
        _demand(b'"idTagInfo"' in answer, answer)


def _start(peer: Peer, tag: bytes) -> Script:
    peer.number += 1
    answer = yield _START % (peer.number, tag, 1000 + peer.number, _at(peer))
    found = _TRANSACTION_ID.search(answer)
    _demand(found is not None, answer)
    assert found is not None
    peer.transaction_id = int(found[1])


def _samples(peer: Peer, count: int) -> Script:
    for _ in range(count):
        peer.number += 1
        number = peer.number
        answer = yield _METER_VALUES % (number, peer.transaction_id, _at(peer), 1000 + number)
        _demand(answer.endswith(b"{}]"), answer)


def _at(peer: Peer) -> bytes:
    return _TIMES[peer.number % len(_TIMES)]


def _demand(right: bool, answer: bytes) -> None:
    if not right:
        raise RuntimeError(f"a wrong answer: {answer!r}")


# --- Connections ----------------------------------------------------------------------------------


def connect(port: int, identity: str, *, in_transaction: bool = True) -> Peer:
    """A charge point, with one running transaction unless that is not wanted."""
    peer = Peer(open_websocket(port, identity), identity)
    if in_transaction:
        run([peer], lambda peer: _start(peer, identity[-20:].encode()), 0.0)
    return peer


def open_websocket(port: int, identity: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(handshake(identity))
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        if not data:
            break
        head += data
    if not head.startswith(b"HTTP/1.1 101"):
        raise RuntimeError(f"{identity} was refused: {head[:200]!r}")
    return sock


def handshake(identity: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /ocpp/{identity} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


def frame(payload: bytes) -> bytes:
    """A masked WebSocket text frame of at most 65,535 bytes."""
    if len(payload) < 126:
        return struct.pack("!BB", 0x81, 0x80 | len(payload)) + _NO_MASK + payload
    return struct.pack("!BBH", 0x81, 0xFE, len(payload)) + _NO_MASK + payload


# --- The loop -------------------------------------------------------------------------------------


def run(peers: list[Peer], make: MakeScript, seconds: float) -> Result:
    """Keeps every peer busy for the time given; the answers of the last moment count."""
    poll = select.epoll()
    by_fd = {peer.socket.fileno(): peer for peer in peers}
    latencies: list[float] = []
    clock = time.perf_counter
    began, own_cpu = clock(), time.process_time()
    for fd, peer in by_fd.items():
        poll.register(fd, select.EPOLLIN)
        peer.script = make(peer)
        _send(peer, next(peer.script))
    waiting = len(peers)
    while waiting:
        if clock() - began > seconds + _DEADLINE_S:
            raise RuntimeError(f"{waiting} messages were not answered")
        for fd, _ in poll.poll(1.0):
            peer = by_fd[fd]
            answer = receive(peer)
            if answer is None:
                continue
            now = clock()
            latencies.append(now - peer.sent_at)
            if not _next(peer, answer, going_on=now - began < seconds):
                waiting -= 1
    elapsed, own_cpu = clock() - began, time.process_time() - own_cpu
    poll.close()
    return Result(len(latencies) / elapsed, sorted(latencies), own_cpu / elapsed)


def _next(peer: Peer, answer: bytes, *, going_on: bool) -> bool:
    """Gives the script its answer, and sends what it says next; False if nothing is to be sent."""
    if not answer.startswith(peer.expected):
        raise RuntimeError(f"not the answer to {peer.number}: {answer!r}")
    assert peer.script is not None
    try:
        following = peer.script.send(answer)
    except StopIteration:
        return False
    if not going_on:
        peer.number -= 1  # it was made and not sent
        peer.script.close()
        return False
    _send(peer, following)
    return True


def _send(peer: Peer, payload: bytes) -> None:
    peer.expected = b'[3,"%d",' % peer.number
    data = frame(payload)
    peer.sent_at = time.perf_counter()
    peer.socket.sendall(data)


def receive(peer: Peer) -> bytes | None:
    """The answer's payload, if it has come whole; pings of the server are answered."""
    data = peer.socket.recv(65536)
    if not data:
        raise RuntimeError(f"the server closed the connection of {peer.identity}")
    buffer = peer.buffer
    buffer += data
    while len(buffer) >= 2:
        size, begin = buffer[1], 2
        if size == 126:
            if len(buffer) < 4:
                return None
            size, begin = int.from_bytes(buffer[2:4], "big"), 4
        end = begin + size
        if len(buffer) < end:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[begin:end])
        del buffer[:end]
        if opcode == 9:
            peer.socket.sendall(struct.pack("!BB", 0x8A, 0x80 | len(payload)) + _NO_MASK + payload)
            continue
        if opcode == 8:
            raise RuntimeError(f"the server closed {peer.identity}: {payload!r}")
        return payload
    return None
