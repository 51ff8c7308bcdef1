"""Keeps frames of transactions that could not be read, for a person to look at.

Nothing is repaired here; what can be read by tolerance never comes this way.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import QuarantinedFrame
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.context import ConnectedChargePoint, note_deviation
from ocpp_cs.ocpp16.session import CallRefused

# What must not be lost for a formality (promise 3).
_KEPT_ACTIONS = frozenset(("StartTransaction", "StopTransaction", "MeterValues"))

_KEEP = Statement(
    lambda p: (
        QuarantinedFrame.insert(
            charge_point_id=p.charge_point_id,
            action=p.action,
            message_id=p.message_id,
            frame=p.frame,
            frame_key=p.frame_key,
            error=p.error,
            received=1,
            received_at=p.now,
            last_received_at=p.now,
        )
        .on_conflict(
            conflict_target=[QuarantinedFrame.charge_point_id, QuarantinedFrame.frame_key],
            update={
                QuarantinedFrame.received: QuarantinedFrame.received + 1,
                QuarantinedFrame.last_received_at: p.now,
            },
        )
        .returning(QuarantinedFrame.received)
    )
)


def keep_frame(
    tx: Tx,
    charge_point: ConnectedChargePoint,
    *,
    action: str,
    message_id: str,
    frame: str,
    frame_key: str,
    error: str,
    now: datetime,
) -> bool:
    """Keeps the frame, or counts it once more; whether it is new."""
    (received,) = tx.execute(
        _KEEP,
        charge_point_id=charge_point.id,
        action=action,
        message_id=message_id,
        frame=frame,
        frame_key=frame_key,
        error=error,
        now=now,
    ).fetchone()
    return bool(received == 1)


def is_kept(refused: CallRefused) -> bool:
    """Whether a refused call has to be stored before its CALLERROR may leave."""
    return refused.action in _KEPT_ACTIONS


def refuse_call(
    tx: Tx, charge_point: ConnectedChargePoint, refused: CallRefused, now: datetime
) -> None:
    """Records a call that was refused for its form, and keeps the frame of a transaction."""
    note_deviation(
        tx, charge_point, str(refused.error.code), (refused.action or "unknown action")[:80], now
    )
    if not is_kept(refused):
        return
    text = refused.frame.decode("utf-8", "replace").replace("\x00", "\ufffd")
    keep_frame(
        tx,
        charge_point,
        action=refused.action or "",
        message_id=refused.message_id,
        frame=text,
        # Without the message id: a charge point may send it again under another one.
        frame_key=hashlib.sha256(text.replace(refused.message_id, "", 1).encode()).hexdigest(),
        error=f"{refused.error.code}: {refused.error.description}",
        now=now,
    )
