"""Status messages of firmware updates, diagnostics and log uploads (§4.4, §4.5, whitepaper L, N).

Each is a row of the history, and moves the transfer that it is about (`commands.transfers`). They
carry no time: within ten minutes the same content under the same message id is the same
event sent again.
"""

from __future__ import annotations

from datetime import datetime

from ocpp_cs.commands import transfers
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import DiagnosticsEvent, FirmwareEvent
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.context import RETRANSMISSION_WINDOW, CallContext
from ocpp_cs.ocpp16.messages.firmware import (
    DiagnosticsStatusNotificationRequest,
    DiagnosticsStatusNotificationResponse,
    FirmwareStatusNotificationRequest,
    FirmwareStatusNotificationResponse,
)
from ocpp_cs.ocpp16.messages.security import (
    LogStatusNotificationRequest,
    LogStatusNotificationResponse,
    SignedFirmwareStatusNotificationRequest,
    SignedFirmwareStatusNotificationResponse,
)

_RECENT_FIRMWARE = Statement(
    lambda p: FirmwareEvent.select(FirmwareEvent.request_id).where(
        (FirmwareEvent.charge_point_id == p.charge_point_id)
        & (FirmwareEvent.received_at > p.since)
        & (FirmwareEvent.message_id == p.message_id)
        & (FirmwareEvent.status == p.status)
        & (FirmwareEvent.signed == p.extended)
    )
)
_INSERT_FIRMWARE = Statement(
    lambda p: FirmwareEvent.insert(
        charge_point_id=p.charge_point_id,
        status=p.status,
        request_id=p.request_id,
        signed=p.extended,
        received_at=p.received_at,
        message_id=p.message_id,
    )
)
_RECENT_DIAGNOSTICS = Statement(
    lambda p: DiagnosticsEvent.select(DiagnosticsEvent.request_id).where(
        (DiagnosticsEvent.charge_point_id == p.charge_point_id)
        & (DiagnosticsEvent.received_at > p.since)
        & (DiagnosticsEvent.message_id == p.message_id)
        & (DiagnosticsEvent.status == p.status)
        & (DiagnosticsEvent.log == p.extended)
    )
)
_INSERT_DIAGNOSTICS = Statement(
    lambda p: DiagnosticsEvent.insert(
        charge_point_id=p.charge_point_id,
        status=p.status,
        request_id=p.request_id,
        log=p.extended,
        received_at=p.received_at,
        message_id=p.message_id,
    )
)


def _store(
    tx: Tx,
    context: CallContext,
    recent: Statement,
    insert: Statement,
    *,
    action: str,
    status: str,
    request_id: int | None = None,
    extended: bool,
) -> None:
    since: datetime = context.now - RETRANSMISSION_WINDOW
    row = {
        "charge_point_id": context.charge_point.id,
        "message_id": context.call.message_id,
        "status": status,
        "extended": extended,
    }
    if (request_id,) not in tx.all(recent, **row, since=since):
        tx.execute(insert, **row, request_id=request_id, received_at=context.now)
        transfers.reported(
            tx,
            context.charge_point.id,
            action,
            status=status,
            request_id=request_id,
            now=context.now,
        )


def firmware_status_notification(
    tx: Tx, context: CallContext, request: FirmwareStatusNotificationRequest
) -> FirmwareStatusNotificationResponse:
    _store(
        tx,
        context,
        _RECENT_FIRMWARE,
        _INSERT_FIRMWARE,
        action="UpdateFirmware",
        status=request.status,
        extended=False,
    )
    return FirmwareStatusNotificationResponse()


def signed_firmware_status_notification(
    tx: Tx, context: CallContext, request: SignedFirmwareStatusNotificationRequest
) -> SignedFirmwareStatusNotificationResponse:
    _store(
        tx,
        context,
        _RECENT_FIRMWARE,
        _INSERT_FIRMWARE,
        action="SignedUpdateFirmware",
        status=request.status,
        request_id=request.request_id,
        extended=True,
    )
    return SignedFirmwareStatusNotificationResponse()


def diagnostics_status_notification(
    tx: Tx, context: CallContext, request: DiagnosticsStatusNotificationRequest
) -> DiagnosticsStatusNotificationResponse:
    _store(
        tx,
        context,
        _RECENT_DIAGNOSTICS,
        _INSERT_DIAGNOSTICS,
        action="GetDiagnostics",
        status=request.status,
        extended=False,
    )
    return DiagnosticsStatusNotificationResponse()


def log_status_notification(
    tx: Tx, context: CallContext, request: LogStatusNotificationRequest
) -> LogStatusNotificationResponse:
    _store(
        tx,
        context,
        _RECENT_DIAGNOSTICS,
        _INSERT_DIAGNOSTICS,
        action="GetLog",
        status=request.status,
        request_id=request.request_id,
        extended=True,
    )
    return LogStatusNotificationResponse()
