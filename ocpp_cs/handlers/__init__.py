"""One function per incoming action, and the table that finds it.

No socket and no HTTP here: a handler gets a transaction, a context and a decoded request, and
returns the response. What the connection does with it is not its business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ocpp_cs.db.commit import Tx
from ocpp_cs.handlers.authorization import authorize
from ocpp_cs.handlers.boot import boot_notification, heartbeat
from ocpp_cs.handlers.context import CallContext, ConnectedChargePoint, note_deviation
from ocpp_cs.handlers.data_transfer import data_transfer
from ocpp_cs.handlers.firmware import (
    diagnostics_status_notification,
    firmware_status_notification,
    log_status_notification,
    signed_firmware_status_notification,
)
from ocpp_cs.handlers.meter_values import meter_values
from ocpp_cs.handlers.quarantine import is_kept, keep_what_was_dropped, refuse_call
from ocpp_cs.handlers.security import security_event_notification, sign_certificate
from ocpp_cs.handlers.start_transaction import start_transaction
from ocpp_cs.handlers.status import status_notification
from ocpp_cs.handlers.stop_transaction import stop_transaction
from ocpp_cs.ocpp16.errors import CallError, CallErrorCode

__all__ = [
    "HANDLERS",
    "CallContext",
    "ConnectedChargePoint",
    "handle",
    "is_kept",
    "needs_store",
    "refuse_call",
]

Handler = Callable[[Any, CallContext, Any], msgspec.Struct]

HANDLERS: Mapping[str, Handler] = {
    "Authorize": authorize,
    "BootNotification": boot_notification,
    "DataTransfer": data_transfer,
    "DiagnosticsStatusNotification": diagnostics_status_notification,
    "FirmwareStatusNotification": firmware_status_notification,
    "Heartbeat": heartbeat,
    "LogStatusNotification": log_status_notification,
    "MeterValues": meter_values,
    "SecurityEventNotification": security_event_notification,
    "SignCertificate": sign_certificate,
    "SignedFirmwareStatusNotification": signed_firmware_status_notification,
    "StartTransaction": start_transaction,
    "StatusNotification": status_notification,
    "StopTransaction": stop_transaction,
}
# A Heartbeat carries nothing to store: it is answered without waiting for a commit.
_STATELESS = frozenset(("Heartbeat",))


def needs_store(context: CallContext) -> bool:
    """Whether the call has to go through the committer."""
    return context.call.action not in _STATELESS or bool(context.call.deviations)


def handle(tx: Tx | None, context: CallContext) -> msgspec.Struct | CallError:
    """The response to a call, or the CallError that answers it; only defects are raised.

    `tx` may be None where `needs_store` says so. A charge point that was never accepted gets
    `SecurityError` for everything but its BootNotification (R21, OCPP-J erratum 3.10).
    """
    action = context.call.action
    if action != "BootNotification" and not context.charge_point.may_report:
        return CallError(CallErrorCode.SECURITY_ERROR, "the charge point has not been accepted yet")
    if tx is not None and context.call.deviations:
        keep_what_was_dropped(tx, context)
        for deviation in context.call.deviations:
            note_deviation(tx, context.charge_point, deviation.code, deviation.detail, context.now)
    return HANDLERS[action](tx, context, context.call.request)
