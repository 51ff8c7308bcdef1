"""A WebSocket's server side: socket + sans-I/O protocol + locks + deadlines (F6, F12 to F16).

It knows nothing of OCPP and starts no thread. One thread reads, in `messages`; any thread may send,
close or look after it. Deadlines are kept by whoever calls `watch` every second or so: it shuts the
socket down, which wakes the thread that reads or writes, so that no system call needs a timer.

Locks: `_lock` guards the state and is never held over a system call that can wait; `_writing` is
held by the one thread that writes, and only that connection's own threads ever wait for it (F9).
"""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import cast

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from ocpp_cs.db.offload import native_lock
from ocpp_cs.gateway.limits import Limits
from ocpp_cs.gateway.readiness import Arrival, room_to_write
from ocpp_cs.gateway.wire import text_frame, whole_text, wire_size

# Bytes of an unfinished message that nobody counts: what one read brings.
_RECEIVE_BYTES = 16 * 1024
# Written by threads that must not wait, and only if the socket has room: control frames.
_SMALL_WRITE = 4 * 1024
# How long a peer may take to end its side after a Close frame (F15).
_CLOSE_GRACE_S = 5.0
_LONGEST_REASON = 123  # bytes
_RECEIVED_BY_US = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

# websockets logs each connection's begin and end at info; ours says more (see `connection`).
_protocol_logger = logging.getLogger("ocpp_cs.gateway.protocol")
_protocol_logger.setLevel(logging.WARNING)


class WebSocket:
    """One connection, from the 101 on; `greeting` is that response."""

    __slots__ = (
        "_answered_later",
        "_arrival",
        "_busy",
        "_charged",
        "_close_wanted",
        "_closing_since",
        "_cut",
        "_done",
        "_fragments",
        "_heard_at",
        "_limits",
        "_lock",
        "_message_began",
        "_open_bytes",
        "_ping_after",
        "_pinged_at",
        "_protocol",
        "_room",
        "_size",
        "_socket",
        "_write_began",
        "_writing",
        "end",
    )

    def __init__(self, sock: socket.socket, greeting: bytes, limits: Limits) -> None:
        self.end: str | None = None  # why the connection ended: the first reason counts
        self._socket = sock
        self._limits = limits
        self._lock = native_lock()  # nothing under it lets other threads run
        self._writing = threading.Lock()
        self._protocol = ServerProtocol(
            state=OPEN, max_size=limits.max_message_bytes, logger=_protocol_logger
        )
        self._protocol.writes.append(greeting)  # before any frame, whoever sends the first one
        self._busy = False  # a message is being worked on: no other one is looked at
        self._size = 0  # of that message
        self._answered_later = False  # it goes on after its consumer has come back for the next one
        self._done: threading.Event | None = None  # what the reader waits for meanwhile
        self._close_wanted: tuple[int, str] | None = None
        self._closing_since: float | None = None
        self._cut = False
        self._fragments: bytearray | None = None
        self._charged = 0
        now = time.monotonic()
        self._heard_at = now
        self._message_began = now
        self._pinged_at = 0.0
        # Not all at once: after a restart a whole fleet connects in the same second.
        self._ping_after = limits.ping_interval * random.uniform(0.8, 1.0)
        self._write_began: float | None = None
        self._room = room_to_write(sock)  # polled under `_writing` only
        self._arrival = Arrival(sock)
        self._open_bytes = 0  # that came since a frame ended
        with suppress(OSError):  # no TCP, or gone already: the first read will tell
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def close_code(self) -> int:
        """The code of the first Close frame, 1006 if there was none; 1005 for one without."""
        closes = [self._protocol.close_sent, self._protocol.close_rcvd]
        if self._protocol.close_rcvd_then_sent:
            closes.reverse()
        return next((int(close.code) for close in closes if close is not None), 1006)

    @property
    def heard_at(self) -> float:
        """When the peer last gave a sign of life, in monotonic seconds."""
        return time.monotonic() if self._busy else self._heard_at

    # --- The thread that reads ------------------------------------------------------------------

    def messages(self) -> Iterator[bytes]:
        """The text messages, one at a time; ends with the connection.

        A message is worked on until its consumer comes back for the next one, or, if it called
        `answer_later`, until somebody calls `done`. Nothing else is looked at meanwhile, and but
        one piece is read: that is the back-pressure (F14).
        """
        self._flush()
        while (messages := self._receive()) is not None:
            for message in messages:
                self._wait_until_done()
                self._busy = True
                self._size = 0
                later = False
                try:
                    if not self._limits.unanswered.take(len(message), self._wanted):
                        return
                    self._size = len(message)
                    try:
                        yield message
                    finally:
                        later, self._answered_later = self._answered_later, False
                finally:
                    if not later:
                        self.done()
        self._wait_until_done()

    def answer_later(self) -> None:
        """The message being worked on is not done when its consumer asks for the next one."""
        self._answered_later = True

    def _wait_until_done(self) -> None:
        if self._busy:
            self._done = done = threading.Event()
            if self._busy:  # looked at after it was said: see `done`
                done.wait()
            self._done = None

    def _receive(self) -> Iterable[bytes] | None:
        """What messages the next bytes complete; None at the end of the connection."""
        protocol = self._protocol
        if protocol.close_rcvd is not None:  # and answered: the server ends it (RFC 6455, 7.1.1)
            return None
        try:
            self._arrival.wait()
            data = self._socket.recv(_RECEIVE_BYTES)
        except (OSError, ValueError):  # ValueError: a TLS socket that was shut down
            data = b""
        self._wait_until_done()
        if not self._open_bytes and protocol.state is OPEN and self._fragments is None:
            message = whole_text(data)
            if message is not None and len(message) <= self._limits.max_message_bytes:
                self._heard_at = time.monotonic()
                return None if self._cut else (message,)
        frames = self._receive_frames(data)
        return None if frames is None else self._joined(frames)

    def _receive_frames(self, data: bytes) -> list[Frame] | None:
        """The general way: any frames, of any peer. Answers pings and Close frames."""
        protocol = self._protocol
        with self._lock:
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
            events = protocol.events_received()
            if protocol.state is not OPEN and self._closing_since is None:
                self._closing_since = time.monotonic()
        frames = cast("list[Frame]", events)  # requests are events only before the 101
        self._open_bytes += len(data) - sum(map(wire_size, frames))
        if protocol.writes:
            self._flush()
        self._note_end(data)
        if events:  # bytes of a frame that never ends are no sign of life
            self._heard_at = time.monotonic()
        if not data or self._cut or not self._account():
            return None
        return frames

    def _note_end(self, data: bytes) -> None:
        """Why it ends, as far as the peer has a part in it."""
        protocol = self._protocol
        if protocol.parser_exc is not None:
            self._ended(f"protocol error: {protocol.parser_exc}" if data else "connection lost")
        elif protocol.close_rcvd is not None:
            self._ended("closed by the charge point")

    def _joined(self, frames: list[Frame]) -> Iterator[bytes]:
        """The messages that the frames complete, one by one: what is done with the first may close
        the connection."""
        for frame in frames:
            if frame.opcode in _RECEIVED_BY_US and not self._closing_by_us():
                message = self._join(frame)
                if message is not None:
                    yield message

    def _join(self, frame: Frame) -> bytes | None:
        """The message that `frame` completes, if it does."""
        if frame.opcode is Opcode.BINARY:
            self.fail(1003, "OCPP messages are text")
            return None
        if frame.opcode is Opcode.TEXT and frame.fin:
            return bytes(frame.data)
        if self._fragments is None:
            self._message_began = time.monotonic()
            self._fragments = bytearray()
        # One growing buffer: a million empty fragments cost nothing.
        self._fragments += frame.data
        if not frame.fin:
            return None
        message, self._fragments = bytes(self._fragments), None
        return message

    def _account(self) -> bool:
        """Takes what is held of an unfinished message out of the budget; False if cut meanwhile."""
        held = len(self._protocol.reader.buffer) + len(self._fragments or b"")
        charge = held if held > _RECEIVE_BYTES else 0
        more = charge - self._charged
        if not more:
            return True
        if more > 0 and not self._limits.unfinished.take(more, self._wanted):
            return False
        if more < 0:
            self._limits.unfinished.release(-more)
        self._charged = charge
        return True

    def _wanted(self) -> bool:
        return not self._cut

    def _closing_by_us(self) -> bool:
        return self._protocol.close_sent is not None and not self._protocol.close_rcvd_then_sent

    def finish(self) -> None:
        """Shuts the socket down and gives back what was held; the server closes it."""
        self.cut("connection lost")
        self._arrival.close()
        if self._charged:
            self._limits.unfinished.release(self._charged)
            self._charged = 0

    # --- Any thread -----------------------------------------------------------------------------

    def send(self, text: bytes) -> bool:
        """Sends a text message, for at most the write deadline; False if nothing can be sent."""
        with self._writing:
            with self._lock:
                if self._protocol.state is not OPEN:
                    return False
                self._protocol.writes.append(text_frame(text))
                chunks = self._protocol.data_to_send()
            self._write(chunks)
        if self._protocol.writes:  # from a thread that could not wait for us
            self._flush()
        return not self._cut

    def send_now(self, text: bytes) -> bool:
        """Sends a text message if that needs no waiting; False if nothing of it was sent."""
        if len(text) > _SMALL_WRITE or not self._writing.acquire(blocking=False):
            return False
        try:
            if self._protocol.writes or not self._room.poll(0):
                return False
            with self._lock:
                if self._protocol.state is not OPEN:
                    return False
                self._protocol.writes.append(text_frame(text))
                chunks = self._protocol.data_to_send()
            self._write(chunks)
        finally:
            self._writing.release()
        if self._protocol.writes:  # from a thread that could not wait for us
            self._flush_now()
        return True

    def done(self) -> None:
        """The message that was worked on has been answered. Never waits."""
        self._limits.unanswered.release(self._size)
        self._heard_at = time.monotonic()  # nobody listened meanwhile
        self._busy = False
        done = self._done
        if done is not None:
            done.set()
        if self._close_wanted is not None:  # see `close`
            self._send_close(*self._close_wanted)
            self._flush_now()

    def fail(self, code: int, reason: str) -> None:
        """Ends the connection for a fault: what still arrives is thrown away. May wait."""
        self._ended(reason)
        with self._lock:
            if self._protocol.state is OPEN:
                self._protocol.fail(code, _short(reason))
                self._closing_since = time.monotonic()
        self._flush()

    def close(self, code: int, reason: str) -> None:
        """Begins an orderly end, after the message that is being worked on. Never waits (F9)."""
        self._ended(reason)
        # First said, then looked at; the reader does it the other way round. So one of the two
        # sends the Close frame, without a lock for every message.
        self._close_wanted = (code, reason)
        if not self._busy:
            self._send_close(code, reason)
            self._flush_now()

    def cut(self, reason: str) -> None:
        """Ends the connection at once; wakes whoever reads or writes. Never waits."""
        self._ended(reason)
        self._cut = True
        with suppress(OSError):  # shut down or closed already
            _shut_down(self._socket, socket.SHUT_RDWR)

    def watch(self, now: float) -> None:
        """Keeps the deadlines and sends the ping that is due. Never waits."""
        limits = self._limits
        write_began, closing_since = self._write_began, self._closing_since
        if write_began is not None and now - write_began > limits.write_timeout:
            self.cut("write timeout")
        elif closing_since is not None:
            if now - closing_since > _CLOSE_GRACE_S:
                self.cut("closing timeout")
        elif self._busy:
            return
        elif self._pinged_at > self._heard_at:
            if now - self._pinged_at > limits.pong_timeout:
                self._give_up(1011, "no pong")
        elif now - self._heard_at >= self._ping_after:
            self._ping(now)
        elif self._fragments is not None and (
            now - self._message_began > limits.ping_interval + limits.pong_timeout
        ):
            # Its fragments are signs of life, but it keeps memory that others need.
            self._give_up(1008, "message not finished in time")

    def _give_up(self, code: int, reason: str) -> None:
        """Says why, in case that somebody listens, and does not wait for an answer."""
        self.close(code, reason)
        self.cut(reason)

    def _ping(self, now: float) -> None:
        with self._lock:
            if self._protocol.state is not OPEN:
                return
            self._protocol.send_ping(b"")
            self._pinged_at = now
        self._flush_now()

    def _send_close(self, code: int, reason: str) -> None:
        with self._lock:
            if self._protocol.state is OPEN:
                self._protocol.send_close(code, _short(reason))
                self._closing_since = time.monotonic()

    def _ended(self, reason: str) -> None:
        if self.end is None:
            self.end = reason

    # --- Writing --------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Writes all that is queued; waits for its turn and for the peer."""
        while self._protocol.writes:
            with self._writing:
                with self._lock:
                    chunks = self._protocol.data_to_send()
                self._write(chunks)

    def _flush_now(self) -> None:
        """Writes what is queued if nobody else is writing and the socket has room for it.

        What stays behind is written by the thread that writes now; a peer without room is cut when
        its deadline passes.
        """
        while self._protocol.writes and self._writing.acquire(blocking=False):
            try:
                if not self._room.poll(0):
                    return
                with self._lock:
                    if sum(map(len, self._protocol.writes)) > _SMALL_WRITE:
                        return  # its sender is on its way and may wait
                    chunks = self._protocol.data_to_send()
                self._write(chunks)
            finally:
                self._writing.release()

    def _write(self, chunks: list[bytes]) -> None:
        """Writes to the socket. `_writing` is held; the deadline is `watch`'s."""
        data = b"".join(chunks)
        self._write_began = time.monotonic()
        try:
            if data:
                # Nearly always all of it. gevent's sendall asks the kernel for its buffer's size
                # before each message, and takes nearly twice as long for a small one.
                sent = self._socket.send(data)
                if sent < len(data):
                    self._socket.sendall(memoryview(data)[sent:])
            if chunks and not chunks[-1]:  # the protocol's sign for the end of our side
                _shut_down(self._socket, socket.SHUT_WR)
        except (OSError, ValueError):
            self.cut("connection lost")
        finally:
            self._write_began = None


def _shut_down(sock: socket.socket, how: int) -> None:
    """Shuts the TCP connection down, also below TLS: `shutdown` of a TLS socket first drops its TLS
    state, and whoever still reads or writes at the time would do so without it."""
    socket.socket.shutdown(sock, how)


def _short(reason: str) -> str:
    """What of it fits into a Close frame (RFC 6455, section 5.5)."""
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
