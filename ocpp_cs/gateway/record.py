"""What is kept of the messages of a connection beside what their handlers store: frames, what was
refused, what could not be handled, and the rules that were broken.

None of it waits with an answer of its own, and none answers: that is the connection's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from ocpp_cs.db.commit import StoreUnavailable, Tx
from ocpp_cs.db.messages import insert_messages
from ocpp_cs.db.security_events import note_own_event
from ocpp_cs.gateway.connection_log import ConnectionLog
from ocpp_cs.gateway.store import Store, utc_now
from ocpp_cs.handlers import ConnectedChargePoint, is_kept
from ocpp_cs.handlers import refuse_call as note_refusal
from ocpp_cs.handlers.archive import insert_posted, received_call
from ocpp_cs.handlers.context import note_deviation
from ocpp_cs.handlers.quarantine import keep_frame
from ocpp_cs.handlers.removed import ChargePointRemoved, demand_registered
from ocpp_cs.ocpp16.errors import CallError
from ocpp_cs.ocpp16.session import CallReceived, CallRefused

_LONGEST_DETAIL = 80


class NotKept(Exception):
    """A message could be neither stored nor put in quarantine: it must not be answered."""


class Record:
    """All but `frames` raise StoreUnavailable, and ChargePointRemoved if it was deleted."""

    __slots__ = ("_lane", "_log", "_store", "archive")

    def __init__(self, store: Store, lane: int, log: ConnectionLog, *, archive: bool) -> None:
        self.archive = archive  # whether frames are kept for `/messages`
        self._store = store
        self._lane = lane
        self._log = log

    def frames(
        self,
        tx: Tx | None,
        charge_point: ConnectedChargePoint,
        call: CallReceived | CallRefused,
        reply: bytes,
        error: CallError | None,
        received_at: datetime,
    ) -> None:
        """A call and its reply, with what `tx` stores; without one soon, and nobody waits."""
        if not self.archive:
            return
        row = received_call(
            charge_point,
            call,
            reply,
            error_code=None if error is None else str(error.code),
            received_at=received_at,
            answered_ms=time.time_ns() // 1_000_000,
        )
        if tx is None:
            self._store.post(charge_point.identity, insert_posted, row)
        else:
            tx.later(insert_messages, row)

    def failure(
        self,
        charge_point: ConnectedChargePoint,
        call: CallReceived,
        reply: bytes,
        error: CallError,
        received_at: datetime,
    ) -> None:
        """A call that we failed to handle: into quarantine (promise 3) if its kind is kept. Raises
        NotKept when it can't be."""
        if not is_kept(call.action):
            self.frames(None, charge_point, call, reply, error, received_at)
            return

        def work(tx: Tx) -> None:
            keep_frame(
                tx,
                charge_point,
                action=call.action,
                message_id=call.message_id,
                frame=call.frame,
                error=str(error),
                now=received_at,
            )
            self.frames(tx, charge_point, call, reply, error, received_at)

        self._keep(charge_point, work, call)

    def refusal(self, charge_point: ConnectedChargePoint, refused: CallRefused) -> None:
        """A call that breaks its schema. Raises NotKept when its kind must be kept and can't be."""
        now = utc_now()

        def work(tx: Tx) -> None:
            note_refusal(tx, charge_point, refused, now)
            self.frames(tx, charge_point, refused, refused.reply, refused.error, now)

        if is_kept(refused.action):
            self._keep(charge_point, work, refused)
        else:
            self._note(charge_point, work)

    def deviation(self, charge_point: ConnectedChargePoint, code: str, detail: str) -> None:
        """A broken rule, for the charge point's conformance card."""
        now, told = utc_now(), detail[:_LONGEST_DETAIL]
        self._note(charge_point, lambda tx: note_deviation(tx, charge_point, code, told, now))

    def quota(self, charge_point: ConnectedChargePoint, text: str) -> None:
        """Leaves it to an operator to see what a charge point does there (A9)."""
        id, now = charge_point.id, utc_now()
        self._note(
            charge_point, lambda tx: note_own_event(tx, id, "TooManyRefusedStarts", text, now=now)
        )

    def _keep(
        self,
        charge_point: ConnectedChargePoint,
        work: Callable[[Tx], object],
        call: CallReceived | CallRefused,
    ) -> None:
        """Raises NotKept if it fails: then nothing is answered, and the charge point keeps it."""
        failed = f"{call.action} could not be put in quarantine"
        if not self._stored(charge_point, work, failed, call.message_id):
            raise NotKept

    def _note(self, charge_point: ConnectedChargePoint, work: Callable[[Tx], object]) -> None:
        """For notes about the charge point: their loss must not keep it from its answer."""
        self._stored(charge_point, work, "a deviation could not be stored")

    def _stored(
        self,
        charge_point: ConnectedChargePoint,
        work: Callable[[Tx], object],
        failed: str,
        message_id: str | None = None,
    ) -> bool:
        """Whether `work` was committed; `failed` is what the log says of a defect in it."""

        def guarded(tx: Tx) -> None:
            demand_registered(tx, charge_point.id)
            work(tx)

        try:
            self._store.run_on(self._lane, guarded)
        except (StoreUnavailable, ChargePointRemoved):
            raise
        except Exception:
            self._log.defect(failed, message_id)
            return False
        return True
