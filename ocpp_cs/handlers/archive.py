"""The archive of frames: each CALL of either side and what answered it, as one row (`messages`).

A log, no data: nothing else of ours is read from it, and a call that comes again is there again.
No secret is in it.
"""

from __future__ import annotations

from datetime import datetime

from ocpp_cs.commands.secrets import BLOT, names_secret, shown_frame
from ocpp_cs.commands.table import Claimed
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import to_milliseconds
from ocpp_cs.db.messages import ArchivedCall, insert_messages
from ocpp_cs.handlers.context import ConnectedChargePoint, frame_text
from ocpp_cs.handlers.removed import registered
from ocpp_cs.ocpp16.session import CallReceived, CallRefused

FROM_CHARGE_POINT = "from_charge_point"
FROM_CENTRAL_SYSTEM = "from_central_system"
FRAME_LIMIT = 64 * 1024
"""Bytes of a frame; what is longer is cut, and says so at its end."""

# A charge point may send names as long as a frame.
_LONGEST_NAME = 80


def received_call(
    charge_point: ConnectedChargePoint,
    call: CallReceived | CallRefused,
    reply: bytes,
    *,
    error_code: str | None,
    received_at: datetime,
    answered_ms: int,
) -> ArchivedCall:
    """The row of a call that the charge point made; `answered_ms` since 1970."""
    frame = call.frame
    # Where texts are free, a charge point may tell what it was told.
    if isinstance(call, CallRefused) or call.action == "DataTransfer":
        frame, reply = _shown(frame), _shown(reply)
    return ArchivedCall(
        charge_point.id,
        FROM_CHARGE_POINT,
        call.message_id[:_LONGEST_NAME],
        (call.action or "")[:_LONGEST_NAME],
        _text(frame),
        reply.decode() if len(reply) <= FRAME_LIMIT else _text(reply),
        error_code,
        charge_point.epoch,
        to_milliseconds(received_at),
        answered_ms,
    )


def insert_posted(tx: Tx, rows: list[ArchivedCall]) -> None:
    """Writes rows that nobody waited for: their charge points may have been deleted meanwhile."""
    found = registered(tx, (row.charge_point_id for row in rows))
    remaining = [row for row in rows if row.charge_point_id in found]
    if remaining:
        insert_messages(tx, remaining)


def sent_call(
    charge_point: ConnectedChargePoint,
    claimed: Claimed,
    answer: bytes | None,
    *,
    error_code: str | None,
    sent_at: datetime,
    answered_at: datetime,
) -> ArchivedCall:
    """The row of a command that was sent; `answer` is the frame that came back, if one did."""
    request, response = claimed.shown_frames(answer)
    return ArchivedCall(
        charge_point.id,
        FROM_CENTRAL_SYSTEM,
        claimed.message_id,
        claimed.action,
        _text(request),
        None if response is None else _text(response),
        error_code,
        charge_point.epoch,
        to_milliseconds(sent_at),
        None if response is None else to_milliseconds(answered_at),
    )


def _shown(frame: bytes) -> bytes:
    """Without secrets. Large frames are not read once more: that would hold up other messages."""
    if len(frame) <= FRAME_LIMIT:
        return shown_frame(frame)
    return BLOT.encode() if names_secret(frame) else frame


def _text(frame: bytes) -> str:
    if len(frame) <= FRAME_LIMIT:
        return frame_text(frame)
    beginning = frame_text(frame[:FRAME_LIMIT])
    return f"{beginning}... (cut: the frame has {len(frame)} bytes)"
