"""Thousands of charge points that do little: they connect all at once, boot, and answer pings.

Each is a socket and a few bytes of state in one thread, so that ten thousand fit beside the server.
"""

from __future__ import annotations

import errno
import resource
import select
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.closed_loop import frame, handshake

_BOOT = frame(
    b'[2,"boot","BootNotification",{"chargePointVendor":"ACME","chargePointModel":"WALLBOX"}]'
)
_PONG = struct.pack("!BB", 0x8A, 0x80) + b"\0\0\0\0"
_BACKLOG = 512  # connections that are being made at one time: a kernel's queue is finite


@dataclass(slots=True)
class _Member:
    socket: socket.socket
    identity: str
    upgraded: bool = False
    buffer: bytearray = field(default_factory=bytearray)


@dataclass
class Arrival:
    """How a crowd arrived: seconds from the first connection to the last BootNotification.conf."""

    seconds: float
    booted: int
    refused: Counter[str]

    @property
    def per_second(self) -> float:
        return self.booted / self.seconds


class Crowd:
    """Charge points `{prefix}-0` and so on at one port of this machine."""

    def __init__(self, port: int, prefix: str) -> None:
        self._address = ("127.0.0.1", port)
        self._prefix = prefix
        self._poll = select.epoll()
        self._members: dict[int, _Member] = {}
        self.pings = 0

    def arrive(self, count: int, *, boot: bool, within_s: float = 120.0) -> Arrival:
        """Connects `count` charge points as fast as they are let in."""
        _raise_descriptor_limit(count + 100)
        refused: Counter[str] = Counter()
        began = time.perf_counter()
        started = done = 0
        while done + refused.total() < count:
            if time.perf_counter() - began > within_s:
                raise RuntimeError(f"{done} of {count} had arrived after {within_s:g} s")
            while started < count and started - done - refused.total() < _BACKLOG:
                self._connect(f"{self._prefix}-{started}")
                started += 1
            for fd, _ in self._poll.poll(0.1):
                member = self._members[fd]
                arrived, fault = self._advance(member, boot=boot)
                done += arrived
                if fault:
                    refused[fault] += 1
                    self._drop(member)
        return Arrival(time.perf_counter() - began, done, refused)

    def stay(self, seconds: float) -> None:
        """Answers pings for a while; whoever is disconnected ends it with an error."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            for fd, _ in self._poll.poll(min(left, 1.0)):
                _, fault = self._advance(self._members[fd], boot=False)
                if fault:
                    raise RuntimeError(f"{self._members[fd].identity}: {fault}")

    def leave(self) -> None:
        for member in list(self._members.values()):
            self._drop(member)

    def _connect(self, identity: str) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        code = sock.connect_ex(self._address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "connect")
        self._members[sock.fileno()] = _Member(sock, identity)
        self._poll.register(sock, select.EPOLLIN | select.EPOLLOUT)

    def _drop(self, member: _Member) -> None:
        self._poll.unregister(member.socket)
        del self._members[member.socket.fileno()]
        member.socket.close()

    def _advance(self, member: _Member, *, boot: bool) -> tuple[bool, str]:
        """Takes what has come; whether the charge point has arrived by it, or why it can't."""
        if not member.upgraded and not member.buffer:
            member.socket.sendall(handshake(member.identity))
            member.buffer += b" "  # it was sent
            self._poll.modify(member.socket, select.EPOLLIN)
            return False, ""
        try:
            data = member.socket.recv(4096)
        except BlockingIOError:
            return False, ""
        if not data:
            return False, "closed"
        member.buffer += data
        if not member.upgraded:
            return self._upgrade(member, boot=boot)
        return self._read(member)

    def _upgrade(self, member: _Member, *, boot: bool) -> tuple[bool, str]:
        head, end, rest = bytes(member.buffer[1:]).partition(b"\r\n\r\n")
        if not end:
            return False, ""
        if not head.startswith(b"HTTP/1.1 101"):
            return False, head.split(b"\r\n")[0].decode(errors="replace")
        member.upgraded, member.buffer = True, bytearray(rest)
        if not boot:
            return True, ""
        member.socket.sendall(_BOOT)
        return False, ""

    def _read(self, member: _Member) -> tuple[bool, str]:
        arrived = False
        buffer = member.buffer
        while len(buffer) >= 2 and len(buffer) >= (end := 2 + buffer[1]):
            opcode, payload = buffer[0] & 0x0F, bytes(buffer[2:end])
            del buffer[:end]
            if opcode == 9:
                member.socket.sendall(_PONG)
                self.pings += 1
            elif opcode == 8:
                return False, f"closed: {payload[2:].decode(errors='replace')}"
            elif b'"Accepted"' in payload:
                arrived = True
            else:
                return False, f"not accepted: {payload!r}"
        return arrived, ""


def _raise_descriptor_limit(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
