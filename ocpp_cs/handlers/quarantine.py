"""Keeps frames of transactions that could not be read, for a person to look at.

Nothing is repaired here; what can be read by tolerance never comes this way.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import QuarantinedFrame
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.context import (
    CallContext,
    ConnectedChargePoint,
    frame_text,
    note_deviation,
)
from ocpp_cs.ocpp16.session import CallRefused

# What must not be lost for a formality (promise 3).
_KEPT_ACTIONS = frozenset(("StartTransaction", "StopTransaction", "MeterValues"))
# A charge point may send names as long as a frame.
_LONGEST_NAME = 80

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
    frame: bytes,
    error: str,
    now: datetime,
) -> bool:
    """Keeps the frame, or counts it once more; whether it is new.

    A charge point may send it again under another message id: what identifies it is the rest,
    and what is wrong with it.
    """
    text = frame_text(frame)
    # With its quotes, since an id such as 2 is also the message type before it.
    identifying = f"{error}|" + text.replace(f'"{message_id}"', "", 1)
    (received,) = tx.execute(
        _KEEP,
        charge_point_id=charge_point.id,
        action=action,
        message_id=message_id[:_LONGEST_NAME],
        frame=text,
        frame_key=hashlib.sha256(identifying.encode()).hexdigest(),
        error=error,
        now=now,
    ).fetchone()
    return bool(received == 1)


def is_kept(action: str | None) -> bool:
    """Whether a call that can't be handled has to be stored before anything is answered."""
    return action in _KEPT_ACTIONS


def refuse_call(
    tx: Tx, charge_point: ConnectedChargePoint, refused: CallRefused, now: datetime
) -> None:
    """Records a call that was refused for its form, and keeps the frame of a transaction."""
    action = (refused.action or "unknown action")[:_LONGEST_NAME]
    note_deviation(tx, charge_point, str(refused.error.code), action, now)
    if is_kept(refused.action):
        keep_frame(
            tx,
            charge_point,
            action=action,
            message_id=refused.message_id,
            frame=refused.frame,
            error=f"{refused.error.code}: {refused.error.description}",
            now=now,
        )


def keep_what_was_dropped(tx: Tx, context: CallContext) -> None:
    """Keeps the frame of a transaction message of which a part could not be read (promise 3)."""
    codes = [deviation.code for deviation in context.call.deviations]
    if "unreadable_part" in codes and is_kept(context.call.action):
        keep_frame(
            tx,
            context.charge_point,
            action=context.call.action,
            message_id=context.call.message_id,
            frame=context.call.frame,
            error="a part can't be read: the rest is stored",
            now=context.now,
        )
