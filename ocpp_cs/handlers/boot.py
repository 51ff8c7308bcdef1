"""BootNotification and Heartbeat (§4.2, §4.6).

The registration is decided by the operator and stored; these only report it.
"""

from __future__ import annotations

from typing import Literal

from ocpp_cs import rules
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint, Transaction
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.context import CallContext
from ocpp_cs.handlers.removed import ChargePointRemoved
from ocpp_cs.ocpp16.messages.core import (
    BootNotificationRequest,
    BootNotificationResponse,
    HeartbeatRequest,
    HeartbeatResponse,
)
from ocpp_cs.ocpp16.times import format_time

_REGISTRATION_STATUS: dict[str, Literal["Accepted", "Pending", "Rejected"]] = {
    "accepted": "Accepted",
    "pending": "Pending",
    "rejected": "Rejected",
}

_BOOT = Statement(
    lambda p: (
        ChargePoint.update(
            vendor=p.vendor,
            model=p.model,
            serial_number=p.serial_number,
            charge_box_serial_number=p.charge_box_serial_number,
            firmware_version=p.firmware_version,
            iccid=p.iccid,
            imsi=p.imsi,
            meter_type=p.meter_type,
            meter_serial_number=p.meter_serial_number,
            booted_at=p.now,
        )
        .where(ChargePoint.id == p.charge_point_id)
        .returning(ChargePoint.registration, ChargePoint.heartbeat_interval_s)
    )
)
_SUSPECT_ALL = Statement(
    lambda p: Transaction.update(
        flags=Transaction.flags.bin_or(int(rules.TransactionFlag.SUSPECT_OPEN)),
        suspect_since=p.now,
    ).where(
        (Transaction.charge_point_id == p.charge_point_id)
        & Transaction.stopped_at.is_null()
        & Transaction.suspect_since.is_null()
    )
)


def boot_notification(
    tx: Tx, context: CallContext, request: BootNotificationRequest
) -> BootNotificationResponse:
    """Stores what the charge point says of itself; answers its stored registration (R15, R19).

    A transaction that is open now may go on or may have died with the power: it is marked, and
    its stop or a later sample settles it (F3).
    """
    row = tx.execute(
        _BOOT,
        charge_point_id=context.charge_point.id,
        vendor=request.charge_point_vendor,
        model=request.charge_point_model,
        serial_number=request.charge_point_serial_number,
        charge_box_serial_number=request.charge_box_serial_number,
        firmware_version=request.firmware_version,
        iccid=request.iccid,
        imsi=request.imsi,
        meter_type=request.meter_type,
        meter_serial_number=request.meter_serial_number,
        now=context.now,
    ).fetchone()
    if row is None:
        raise ChargePointRemoved(f"charge point {context.charge_point.id} is gone")
    registration, heartbeat_interval_s = row
    tx.execute(_SUSPECT_ALL, charge_point_id=context.charge_point.id, now=context.now)
    if registration == "accepted":
        interval = heartbeat_interval_s
        if interval is None:
            interval = context.policy.heartbeat_interval_s
    else:
        interval = context.policy.boot_retry_interval_s
    return BootNotificationResponse(
        status=_REGISTRATION_STATUS[registration],
        current_time=format_time(context.now),
        interval=interval,
    )


def heartbeat(tx: Tx | None, context: CallContext, request: HeartbeatRequest) -> HeartbeatResponse:
    """The time. Liveness itself is kept by the connection, for every message alike (R23)."""
    return HeartbeatResponse(current_time=format_time(context.now))
