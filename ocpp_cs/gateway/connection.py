"""One charge point's connection: messages in, answers out, calls to it and their ends (journey a).

It moves no bytes (`websocket` does), takes no decision about a message (`handlers` do) and keeps
none (`record` does). All of it runs in the connection's own thread, except `call`, `close`,
`committed` and what only reads.
"""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct

from ocpp_cs.db.commit import Job, StoreUnavailable, Tx, lane_of
from ocpp_cs.db.fields import whole_milliseconds
from ocpp_cs.figures import Figures
from ocpp_cs.gateway.connection_log import ConnectionLog
from ocpp_cs.gateway.limits import Limits
from ocpp_cs.gateway.outgoing import SharedSession
from ocpp_cs.gateway.record import NotKept, Record
from ocpp_cs.gateway.store import Store, utc_now
from ocpp_cs.gateway.websocket import WebSocket
from ocpp_cs.handlers import CallContext, ConnectedChargePoint, handle, needs_store
from ocpp_cs.handlers.connections import Presence, disconnect
from ocpp_cs.handlers.quotas import QuotaReached
from ocpp_cs.handlers.removed import ChargePointRemoved, demand_registered
from ocpp_cs.ocpp16.errors import CallError, CallErrorCode
from ocpp_cs.ocpp16.messages import FROM_CHARGE_POINT
from ocpp_cs.ocpp16.messages.core import BootNotificationRequest, BootNotificationResponse
from ocpp_cs.ocpp16.session import (
    AnswerReceived,
    AnswerUnexpected,
    CallReceived,
    CallRefused,
    Event,
    FrameIgnored,
    FrameUnreadable,
)
from ocpp_cs.rules import Policy, Registration

REMOVED = (1008, "the charge point is not registered any more")
OVER_QUOTA = (1013, "too many transactions with refused id tags, try again later")
STORE_DOWN = (1013, "the central system cannot store messages, try again later")
_REGISTRATION: dict[str, Registration] = {
    "Accepted": "accepted",
    "Pending": "pending",
    "Rejected": "rejected",
}
_LONGEST_DETAIL = 80  # of what a charge point says, in a line of the log
# Bytes of a frame that may wait for a commit after its answer: thousands of them may.
_LONGEST_POSTED = 1024

# What ends a connection, since nothing may be answered.
_UNANSWERED = (StoreUnavailable, ChargePointRemoved, QuotaReached, NotKept)


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What the connections of a process share."""

    store: Store
    figures: Figures
    policy: Policy
    limits: Limits
    strict: bool
    archive: bool  # whether frames are kept for `/messages`
    unreadable_frame_limit: int
    settle_time: float  # seconds
    on_settled: Callable[[Connection], None]


class Connection:
    """The session of a charge point, from the 101 to the end of its socket.

    `charge_point` is as the latest message or presence found it; it is replaced, never changed.
    """

    __slots__ = (
        "_began_at",
        "_booted_here",
        "_ended",
        "_lane",
        "_lock",
        "_messages",
        "_record",
        "_session",
        "_surroundings",
        "_unreadable",
        "charge_point",
        "log",
        "remote_address",
        "swaps",
        "websocket",
    )

    def __init__(
        self,
        sock: socket.socket,
        greeting: bytes,
        charge_point: ConnectedChargePoint,
        remote_address: str,
        surroundings: Surroundings,
    ) -> None:
        self.charge_point = charge_point
        self.remote_address = remote_address
        self.swaps: tuple[float, ...] = ()  # when it and those before it took over (A1)
        self.websocket = WebSocket(sock, greeting, surroundings.limits)
        self.log = ConnectionLog(charge_point)
        self._lane = lane_of(charge_point.identity)
        self._record = Record(
            surroundings.store, self._lane, self.log, archive=surroundings.archive
        )
        self._surroundings = surroundings
        self._session = SharedSession(strict=surroundings.strict)
        self._lock = threading.Lock()  # of `charge_point`, which two threads replace
        self._ended = False
        self._booted_here = False
        self._unreadable = 0
        self._messages = 0
        self._began_at = time.monotonic()

    @property
    def identity(self) -> str:
        return self.charge_point.identity

    @property
    def settled(self) -> bool:
        """Whether commands that nobody waits for may be sent: it booted, or had its time (F11)."""
        age = time.monotonic() - self._began_at
        return self._booted_here or age >= self._surroundings.settle_time

    @property
    def presence(self) -> Presence | None:
        """That it was alive just now; None once it has ended."""
        if self._ended:
            return None
        silence = timedelta(seconds=max(0.0, time.monotonic() - self.websocket.heard_at))
        heard_at = whole_milliseconds(utc_now() - silence)
        return Presence(self.charge_point.id, self.charge_point.epoch, heard_at)

    # --- Life -----------------------------------------------------------------------------------

    def serve(self) -> None:
        """Handles messages until the connection ends; then nothing of it is left. Never raises."""
        self.log.info(f"connected from {self.remote_address}")
        try:
            for message in self.websocket.messages():
                self._messages += 1
                self._take(message)
        except Exception:
            self._failed()
        finally:
            self._finish()

    def call(
        self, request: Struct, timeout: float, message_id: str | None = None
    ) -> AnswerReceived:
        """Calls the charge point from another thread; see `SharedSession.call`.

        Its own messages are answered meanwhile. `timeout` in seconds; sending may take up to the
        write deadline on top of it.
        """
        return self._session.call(request, timeout, self.websocket.send, message_id)

    def close(self, code: int, reason: str) -> None:
        """Begins an orderly end after the message that is being worked on. Never waits."""
        self.websocket.close(code, reason)

    def update_registration(self, registration: Registration) -> None:
        """Takes over what an operator decided meanwhile (R15)."""
        with self._lock:
            if self.charge_point.registration != registration:
                self.charge_point = dataclasses.replace(
                    self.charge_point,
                    registration=registration,
                    ever_accepted=self.charge_point.ever_accepted or registration == "accepted",
                )

    def _failed(self) -> None:
        self.log.defect("the connection failed")
        self.websocket.fail(1011, "internal error")

    def _finish(self) -> None:
        last_presence = self.presence
        self._ended = True
        self.websocket.finish()
        self._session.end()
        store = self._surroundings.store
        # With the store down its presence runs out by itself: nobody needs to wait for that.
        if last_presence is not None and not store.down:
            presence = last_presence
            try:
                store.run_on(self._lane, lambda tx: disconnect(tx, presence, utc_now()))
            except StoreUnavailable:
                pass
            except Exception:
                self.log.defect("the end of the session could not be stored")
        self.log.info(
            f"disconnected: {self.websocket.end} (close code {self.websocket.close_code}), "
            f"{self._messages} messages in {time.monotonic() - self._began_at:.0f} s",
        )

    # --- Messages from the charge point ---------------------------------------------------------

    def _take(self, message: bytes) -> None:
        event = self._session.receive(message)
        try:
            if isinstance(event, CallReceived):
                self._take_call(event)
            else:
                self._take_other(event)
        except _UNANSWERED as error:
            self._end_unanswered(error)

    def _take_call(self, call: CallReceived) -> None:
        """Has a call handled. What has to be stored is answered after its commit, and not waited
        for here: to wake this thread for the answer, and again for the next message, would take
        longer than to handle either.
        """
        surroundings = self._surroundings
        context = CallContext(self.charge_point, call, utc_now(), surroundings.policy)
        long = self._record.archive and len(call.frame) > _LONGEST_POSTED
        if needs_store(context) or long:
            surroundings.store.submit(self._lane, _Handling(self, context))
            self.websocket.answer_later()
        else:
            self._answer(context, lambda: self.handle(None, context))

    def _end_unanswered(self, error: Exception) -> None:
        self._surroundings.figures.messages["any", "unanswered"] += 1
        if isinstance(error, StoreUnavailable):
            # No CALLERROR: a charge point may then discard what it must queue (§3.7.1).
            self.websocket.fail(*STORE_DOWN)
        elif isinstance(error, ChargePointRemoved):
            # As little as one that connects now would it get an answer.
            self.websocket.fail(*REMOVED)
        elif isinstance(error, QuotaReached):
            # Neither an answer nor a CALLERROR: it is not stored, and must come again (§3.7).
            self._record.quota(self.charge_point, str(error))
            self.websocket.fail(*OVER_QUOTA)
        else:
            self.websocket.fail(1011, "internal error")

    def committed(self, context: CallContext, job: Job) -> None:
        """Sends the reply to a call that was handled and committed (promise 1). Never waits."""
        done = job.result
        # The result of a group that could not be committed stands beside its error.
        if job.error is None and isinstance(done, tuple) and not self._surroundings.store.down:
            outcome, reply = done
            if not isinstance(outcome, BootNotificationResponse) and self.websocket.send_now(reply):
                self.websocket.done()
                self._count(context.call.action, outcome)
                return
        threading.Thread(target=self._answer_submitted, args=(context, job), daemon=True).start()

    def _answer_submitted(self, context: CallContext, job: Job) -> None:
        def handled() -> tuple[Struct | CallError, bytes]:
            done: tuple[Struct | CallError, bytes] | QuotaReached
            done = self._surroundings.store.outcome(job)
            if isinstance(done, QuotaReached):
                raise done
            return done

        try:
            self._answer(context, handled)
        except _UNANSWERED as error:
            self._end_unanswered(error)
        except Exception:
            self._failed()
        finally:
            self.websocket.done()

    def _answer(
        self, context: CallContext, handled: Callable[[], tuple[Struct | CallError, bytes]]
    ) -> None:
        """Sends the reply to a call that `handled` tells, or the one to its failure."""
        call, settled = context.call, self._booted_here
        try:
            outcome, reply = handled()
        except (StoreUnavailable, ChargePointRemoved, QuotaReached):
            raise
        except Exception:
            reference = self.log.defect(f"{call.action} failed", call.message_id)
            error = CallError(CallErrorCode.INTERNAL_ERROR, f"internal error {reference}")
            reply = self._session.refuse(call, error)
            self._record.failure(self.charge_point, call, reply, error, context.now)
            self._count(call.action, error)
        else:
            self._count(call.action, outcome)
            if isinstance(outcome, BootNotificationResponse):
                self._booted(call.request, outcome)
        self.websocket.send(reply)
        if self._booted_here and not settled:
            self._surroundings.on_settled(self)

    def handle(self, tx: Tx | None, context: CallContext) -> tuple[Struct | CallError, bytes]:
        """What the handler says and the reply made of it, archived in the same transaction."""
        call = context.call
        outcome = handle(tx, context)
        if isinstance(outcome, CallError):
            reply = self._session.refuse(call, outcome)
            self._record.frames(tx, self.charge_point, call, reply, outcome, context.now)
        else:
            reply = self._session.answer(call, outcome)
            self._record.frames(tx, self.charge_point, call, reply, None, context.now)
        return outcome, reply

    def _booted(self, request: Struct, response: BootNotificationResponse) -> None:
        assert isinstance(request, BootNotificationRequest)
        self.update_registration(_REGISTRATION[response.status])
        self._booted_here = response.status != "Rejected"
        with self._lock:
            self.charge_point = dataclasses.replace(
                self.charge_point, firmware_version=request.firmware_version or ""
            )

    def _take_other(self, event: Event) -> None:
        if isinstance(event, CallRefused):
            self._record.refusal(self.charge_point, event)
            self._count(event.action or "", event.error)
            self.websocket.send(event.reply)
        elif isinstance(event, AnswerReceived):
            for deviation in event.deviations:
                self._record.deviation(self.charge_point, deviation.code, deviation.detail)
        elif isinstance(event, AnswerUnexpected):
            message = "dropped an answer to no call that is waiting"
            self.log.info(message, event.message_id[:_LONGEST_DETAIL])
        elif isinstance(event, FrameIgnored):
            self._record.deviation(self.charge_point, "unknown_message_type", event.reason)
        elif isinstance(event, FrameUnreadable):
            self._unreadable += 1
            self.log.info(f"unreadable frame: {event.reason}")
            self._record.deviation(self.charge_point, "unreadable_frame", event.reason)
            if self._unreadable >= self._surroundings.unreadable_frame_limit:
                code = 1007 if event.reason.startswith("not JSON") else 1002
                self.websocket.fail(code, f"too many unreadable frames: {event.reason}")

    def _count(self, action: str, outcome: Struct | CallError) -> None:
        """By the action where we know it: a charge point may make up any."""
        if isinstance(outcome, CallError):
            action = action if action in FROM_CHARGE_POINT else "other"
            self._surroundings.figures.messages[action, str(outcome.code)] += 1
        else:
            self._surroundings.figures.messages[action, "answered"] += 1


class _Handling(Job):
    """A call on its way through the store."""

    __slots__ = ("_connection", "_context")

    def __init__(self, connection: Connection, context: CallContext) -> None:
        super().__init__()
        self._connection = connection
        self._context = context

    def work(self, tx: Tx) -> tuple[Struct | CallError, bytes] | QuotaReached:
        demand_registered(tx, self._context.charge_point.id)
        try:
            return self._connection.handle(tx, self._context)
        except QuotaReached as reached:
            # A matter of course: raised, it would undo the messages of others in the group.
            return reached

    def ended(self) -> None:
        self._connection.committed(self._context, self)
