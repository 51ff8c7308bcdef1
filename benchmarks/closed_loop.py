"""A load of raw sockets in one thread: each sends its next frame when the last one is answered.

Not a charge point: frames are encoded with as little work as possible, so that the load is never
what is measured. Every answer is checked; a wrong one ends the run.
"""

from __future__ import annotations

import base64
import json
import os
import re
import selectors
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

# (number of the message, transaction id) -> the frame's JSON text
MakeFrame = Callable[[int, int], str]
_NO_MASK = b"\0\0\0\0"  # a masking key of zeros leaves the payload as it is (RFC 6455, 5.3)
_FIRST_SAMPLE = datetime(2026, 1, 1, tzinfo=UTC)
_DEADLINE_S = 60.0


def heartbeat(number: int, transaction_id: int) -> str:
    return f'[2,"{number}","Heartbeat",{{}}]'


def meter_values(number: int, transaction_id: int) -> str:
    """Four sampled values of one instant, as a charge point sends them every minute."""
    at = (_FIRST_SAMPLE + timedelta(seconds=10 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'[2,"{number}","MeterValues",{{"connectorId":1,"transactionId":{transaction_id},'
        f'"meterValue":[{{"timestamp":"{at}","sampledValue":['
        f'{{"value":"{1000 + number}","measurand":"Energy.Active.Import.Register","unit":"Wh",'
        '"context":"Sample.Periodic"},'
        '{"value":"7360","measurand":"Power.Active.Import","unit":"W","context":"Sample.Periodic"},'
        '{"value":"16.0","measurand":"Current.Import","unit":"A","phase":"L1"},'
        '{"value":"230.1","measurand":"Voltage","unit":"V","phase":"L1-N"}]}]}]'
    )


@dataclass
class Result:
    """What a run measured: messages per second, and latencies in seconds, in ascending order."""

    rate: float
    latencies: list[float]

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


@dataclass
class _Peer:
    socket: socket.socket
    transaction_id: int
    number: int = 0
    sent_at: float = 0.0
    buffer: bytearray = field(default_factory=bytearray)


def connect(port: int, identity: str) -> _Peer:
    """A charge point with one running transaction."""
    peer = socket.create_connection(("127.0.0.1", port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    peer.sendall(
        f"GET /ocpp/{identity} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(4096)
    if not head.startswith(b"HTTP/1.1 101"):
        raise RuntimeError(f"{identity} was refused: {head[:200]!r}")
    start = {
        "connectorId": 1,
        "idTag": identity[-20:],
        "meterStart": 0,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    peer.sendall(frame(json.dumps([2, "start", "StartTransaction", start])))
    answer = peer.recv(4096)
    found = re.search(rb'"transactionId":(\d+)', answer)
    if found is None:
        raise RuntimeError(f"no transaction: {answer!r}")
    return _Peer(peer, int(found[1]))


def frame(text: str) -> bytes:
    """A masked WebSocket text frame of at most 65,535 bytes."""
    payload = text.encode()
    if len(payload) < 126:
        return struct.pack("!BB", 0x81, 0x80 | len(payload)) + _NO_MASK + payload
    return struct.pack("!BBH", 0x81, 0xFE, len(payload)) + _NO_MASK + payload


def run(peers: list[_Peer], make: MakeFrame, seconds: float) -> Result:
    """Keeps every peer busy for the time given; the answers of the last moment count."""
    selector = selectors.DefaultSelector()
    latencies: list[float] = []
    begin = time.perf_counter()
    for peer in peers:
        selector.register(peer.socket, selectors.EVENT_READ, peer)
        _send(peer, make)
    waiting = len(peers)
    while waiting:
        if time.perf_counter() - begin > seconds + _DEADLINE_S:
            raise RuntimeError(f"{waiting} messages were not answered")
        for key, _ in selector.select(1.0):
            peer = key.data
            if not _answered(peer):
                continue
            now = time.perf_counter()
            latencies.append(now - peer.sent_at)
            if now - begin < seconds:
                _send(peer, make)
            else:
                waiting -= 1
    elapsed = time.perf_counter() - begin
    selector.close()
    return Result(len(latencies) / elapsed, sorted(latencies))


def _send(peer: _Peer, make: MakeFrame) -> None:
    peer.number += 1
    data = frame(make(peer.number, peer.transaction_id))
    peer.sent_at = time.perf_counter()
    peer.socket.sendall(data)


def _answered(peer: _Peer) -> bool:
    """Whether the answer has come, whole and right; pings of the server are passed over."""
    data = peer.socket.recv(65536)
    if not data:
        raise RuntimeError("the server closed a connection")
    peer.buffer += data
    while len(peer.buffer) >= 2 and len(peer.buffer) >= 2 + peer.buffer[1]:
        opcode, end = peer.buffer[0] & 0x0F, 2 + peer.buffer[1]
        payload = bytes(peer.buffer[2:end])
        del peer.buffer[:end]
        if opcode == 9:
            continue
        if not payload.startswith(f'[3,"{peer.number}",'.encode()):
            raise RuntimeError(f"not the answer to {peer.number}: {payload!r}")
        return True
    return False
