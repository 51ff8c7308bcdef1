"""One connection's side of OCPP-J: frames in, events and frames out (R4, R6 to R12).

No socket, no clock, no queue: the caller sends what it is given, says what time it is (monotonic
seconds), and keeps its own queue of calls, since one at a time may be outstanding (R4).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeAlias

import msgspec
from msgspec import Struct

from . import frames
from .errors import CallError, CallErrorCode, CallInFlight
from .frames import BadAnswer, BadCall, CallFrame, ErrorFrame, Ignored, ResultFrame, Unreadable
from .messages import ACTION_OF, ACTIONS, FROM_CENTRAL_SYSTEM, FROM_CHARGE_POINT
from .tolerance import read_request, read_response
from .types import Deviation


class OutgoingCall(Struct, frozen=True):
    """A CALL that we sent and that is not answered yet; `deadline` in monotonic seconds."""

    message_id: str
    action: str
    request: Struct
    deadline: float


class CallReceived(Struct, frozen=True):
    """A call to handle; answer it with `Session.answer` or `Session.refuse`."""

    message_id: str
    action: str
    request: Struct
    deviations: tuple[Deviation, ...]
    frame: bytes


class CallRefused(Struct, frozen=True):
    """A call that cannot be handled; `reply` is the CALLERROR to send.

    `message_id` and `action` are as the charge point sent them: of any length.
    """

    message_id: str
    action: str | None
    error: CallError
    reply: bytes
    frame: bytes


class AnswerReceived(Struct, frozen=True):
    """The end of our call: exactly one of `response` and `error` is set.

    `invalid` says whose error it is: False = the charge point answered with a CALLERROR, True =
    it answered something that is no answer to this call, and the error is our judgement of it.
    `late` = the answer came after its deadline, but before `Session.expire` gave the call up.
    """

    call: OutgoingCall
    response: Struct | None
    error: CallError | None
    deviations: tuple[Deviation, ...]
    frame: bytes
    invalid: bool = False
    late: bool = False


class AnswerUnexpected(Struct, frozen=True):
    """An answer to no call that is waiting: to be dropped and logged (R6)."""

    message_id: str
    frame: bytes


class FrameIgnored(Struct, frozen=True):
    """A frame of an unknown message type (R8)."""

    reason: str


class FrameUnreadable(Struct, frozen=True):
    """A frame that cannot even be refused: to be counted; too many close the connection (R8)."""

    reason: str


class CallTimedOut(Struct, frozen=True):
    """The end of our call: no answer before its deadline (J §4.1.1)."""

    call: OutgoingCall


Event: TypeAlias = (
    CallReceived | CallRefused | AnswerReceived | AnswerUnexpected | FrameIgnored | FrameUnreadable
)


def _uuid() -> str:
    return str(uuid.uuid4())


class Session:
    """The state of one connection: the one call that we wait for."""

    __slots__ = ("_new_id", "_strict", "call_in_flight")

    def __init__(self, *, strict: bool = False, new_id: Callable[[], str] = _uuid) -> None:
        """`strict` refuses unknown properties (OCPP_STRICT); `new_id` makes ids unique for ever
        and over all connections, of at most 36 characters (R7)."""
        self._strict = strict
        self._new_id = new_id
        self.call_in_flight: OutgoingCall | None = None

    # --- What the charge point sends ------------------------------------------------------------

    def receive(self, frame: bytes, now: float) -> Event:
        """What a text frame means; never raises, whatever the bytes."""
        read, deviations = frames.read_frame(frame)
        if isinstance(read, CallFrame):
            return self._receive_call(read, deviations, frame)
        if isinstance(read, Unreadable):
            return FrameUnreadable(read.reason)
        if isinstance(read, Ignored):
            return FrameIgnored(read.reason)
        if isinstance(read, BadCall):
            return _refused(read.message_id, read.action, read.error, frame)
        return self._receive_answer(read, deviations, frame, now)

    def _receive_call(
        self, read: CallFrame, deviations: tuple[Deviation, ...], frame: bytes
    ) -> CallReceived | CallRefused:
        action = FROM_CHARGE_POINT.get(read.action)
        if action is None:
            return _refused(read.message_id, read.action, _not_ours(read.action), frame)
        try:
            request, more = read_request(action, read.payload, strict=self._strict)
        except CallError as error:
            return _refused(read.message_id, read.action, error, frame)
        if more:
            deviations += more
        return CallReceived(read.message_id, read.action, request, deviations, frame)

    def _receive_answer(
        self,
        read: ResultFrame | ErrorFrame | BadAnswer,
        deviations: tuple[Deviation, ...],
        frame: bytes,
        now: float,
    ) -> AnswerReceived | AnswerUnexpected:
        call = self.call_in_flight
        if call is None or call.message_id != read.message_id:
            return AnswerUnexpected(read.message_id, frame)
        # Whatever the answer is worth, the call has ended: it may not block the next one.
        self.call_in_flight = None
        late = now > call.deadline
        if isinstance(read, ErrorFrame):
            error, more = frames.read_error(read)
            return AnswerReceived(call, None, error, deviations + more, frame, late=late)
        try:
            if isinstance(read, BadAnswer):
                raise read.error
            response, more = read_response(ACTIONS[call.action], read.payload, strict=self._strict)
        except CallError as error:
            return AnswerReceived(call, None, error, deviations, frame, invalid=True, late=late)
        return AnswerReceived(call, response, None, deviations + more, frame, late=late)

    # --- What we send ---------------------------------------------------------------------------

    def answer(self, call: CallReceived, response: Struct) -> bytes:
        """The CALLRESULT to a call. TypeError if `response` is not of the call's action."""
        if type(response) is not ACTIONS[call.action].response:
            raise TypeError(f"{type(response).__name__} does not answer {call.action}")
        return frames.result_frame(call.message_id, response)

    def refuse(self, call: object, error: object) -> bytes:
        """The CALLERROR to a call: an event, or a bare message id. Never raises (R10).

        An `error` that is no CallError becomes InternalError without its text: exceptions are
        not for charge points to read (A18).
        """
        message_id = call.message_id if isinstance(call, CallReceived | CallRefused) else call
        if isinstance(error, CallError):
            return frames.error_frame(message_id, error.code, error.description, error.details)
        return frames.error_frame(message_id, CallErrorCode.INTERNAL_ERROR)

    def call(
        self, request: Struct, *, now: float, timeout: float, message_id: str | None = None
    ) -> bytes:
        """The CALL frame of a request, which then is `call_in_flight` until `now + timeout`.

        `message_id` is the caller's, if it has one: never used before, at most 36 characters (R7).
        Raises CallInFlight while another one is (R4), TypeError for what the central system may
        not send, ValueError (of msgspec) for a request that breaks its schema: about what we
        send we are strict.
        """
        if self.call_in_flight is not None:
            raise CallInFlight(self.call_in_flight.message_id)
        action = ACTION_OF.get(type(request))
        if action is None or action.name not in FROM_CENTRAL_SYSTEM:
            raise TypeError(f"the central system does not send {type(request).__name__}")
        # Structs are validated when they are decoded, not when they are built.
        action.request_decoder.decode(msgspec.json.encode(request))
        message_id = message_id or self._new_id()
        self.call_in_flight = OutgoingCall(message_id, action.name, request, now + timeout)
        return frames.call_frame(message_id, action.name, request)

    def expire(self, now: float) -> CallTimedOut | None:
        """Give up the call whose deadline has passed; its late answer will be unexpected (R6)."""
        call = self.call_in_flight
        if call is None or now < call.deadline:
            return None
        self.call_in_flight = None
        return CallTimedOut(call)

    def abandon(self) -> OutgoingCall | None:
        """Give up the call because the connection died; its outcome is unknown."""
        call, self.call_in_flight = self.call_in_flight, None
        return call


def _refused(message_id: str, action: str | None, error: CallError, frame: bytes) -> CallRefused:
    reply = frames.error_frame(message_id, error.code, error.description, error.details)
    return CallRefused(message_id, action, error, reply, frame)


def _not_ours(action: str) -> CallError:
    """The error for an action that a charge point cannot call (R12)."""
    if action in ACTIONS:
        reason = f"{action} is sent by the central system only"
        return CallError(CallErrorCode.NOT_SUPPORTED, reason)
    return CallError(CallErrorCode.NOT_IMPLEMENTED, f"unknown action {action}")
