"""A connection's OCPP session as several threads use it: one reads, others call the charge point.

It sends nothing and keeps no queue: a second call while one is in flight is refused (R4).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from msgspec import Struct

from ocpp_cs.db.offload import offload
from ocpp_cs.ocpp16.errors import CallError
from ocpp_cs.ocpp16.session import AnswerReceived, CallReceived, Event, Session

# Bytes. A message of the largest size whose every part is odd takes most of a second to read
# (measured): beside the event loop, so that no other charge point waits for it (promise 4).
_LARGE = 64 * 1024


class ConnectionLost(Exception):
    """The connection ended before the call was answered: whether it was carried out is unknown."""


class CallTimeout(Exception):
    """The charge point did not answer in time; its late answer will be dropped (R6)."""


class _PendingCall:
    """A thread that waits for the end of our call."""

    __slots__ = ("ended", "outcome")

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.outcome: AnswerReceived | Exception = ConnectionLost()

    def end(self, outcome: AnswerReceived | Exception) -> None:
        self.outcome = outcome
        self.ended.set()


class SharedSession:
    """`Session` with a lock, and a place to wait for the answer of the one call in flight."""

    __slots__ = ("_ended", "_lock", "_pending", "_session")

    def __init__(self, *, strict: bool) -> None:
        self._session = Session(strict=strict)
        self._lock = threading.Lock()
        self._pending: _PendingCall | None = None
        self._ended = False

    def receive(self, message: bytes) -> Event:
        """As `Session.receive`; an answer wakes the thread that waits for it."""
        with self._lock:
            event = self._read(message)
            if isinstance(event, AnswerReceived):
                # Still under the lock: no next call may take this answer for its own (R6).
                pending, self._pending = self._pending, None
                if pending is not None:
                    pending.end(event)
        return event

    def _read(self, message: bytes) -> Event:
        now = time.monotonic()
        if len(message) < _LARGE:
            return self._session.receive(message, now)
        return offload(lambda: self._session.receive(message, now))

    def answer(self, call: CallReceived, response: Struct) -> bytes:
        return self._session.answer(call, response)

    def refuse(self, call: CallReceived, error: CallError) -> bytes:
        return self._session.refuse(call, error)

    def call(
        self,
        request: Struct,
        timeout: float,
        send: Callable[[bytes], bool],
        message_id: str | None = None,
    ) -> AnswerReceived:
        """Hands a CALL to `send` and waits up to `timeout` seconds for what answers it.

        A CALLERROR is an answer, too, and so is what breaks its schema. Raises CallInFlight while
        another call is, CallTimeout, ConnectionLost, and ValueError for a request that breaks its
        schema.
        """
        pending = _PendingCall()
        with self._lock:
            if self._ended:
                raise ConnectionLost
            frame = self._session.call(
                request, now=time.monotonic(), timeout=timeout, message_id=message_id
            )
            self._pending = pending
        if not send(frame):
            self._give_up(pending, ConnectionLost())
        elif not pending.ended.wait(timeout):
            self._give_up(pending, CallTimeout())
        if isinstance(pending.outcome, Exception):
            raise pending.outcome
        return pending.outcome

    def end(self) -> None:
        """The connection died: the call in flight fails at once, no further one begins."""
        with self._lock:
            self._ended = True
            pending, self._pending = self._pending, None
            self._session.abandon()
        if pending is not None:
            pending.end(ConnectionLost())

    def _give_up(self, pending: _PendingCall, outcome: Exception) -> None:
        with self._lock:
            if self._pending is pending:  # else it was answered in this moment
                self._pending = None
                self._session.abandon()
                pending.end(outcome)
