"""What a simulated charge point answers when its central system calls (OCPP 1.6 §5).
Each answer is given at once; what follows from it happens later, on the charge point's agenda.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import DecodeError

from ocpp_cs.ocpp16.errors import CallError, CallErrorCode, error_for_fault
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM
from ocpp_cs.ocpp16.messages.core import (
    ChangeAvailabilityRequest,
    ChangeConfigurationRequest,
    DataTransferRequest,
    GetConfigurationRequest,
    RemoteStartTransactionRequest,
    RemoteStopTransactionRequest,
    ResetRequest,
    UnlockConnectorRequest,
)
from ocpp_cs.ocpp16.messages.firmware import GetDiagnosticsRequest, UpdateFirmwareRequest
from ocpp_cs.ocpp16.messages.local_auth_list import SendLocalListRequest
from ocpp_cs.ocpp16.messages.remote_trigger import TriggerMessageRequest
from ocpp_cs.ocpp16.messages.reservation import CancelReservationRequest, ReserveNowRequest
from ocpp_cs.ocpp16.messages.smart_charging import (
    ClearChargingProfileRequest,
    GetCompositeScheduleRequest,
    SetChargingProfileRequest,
)
from ocpp_cs.ocpp16.times import parse_time
from ocpp_cs.simulator.connector import Reservation
from ocpp_cs.simulator.link import Answer
from ocpp_cs.simulator.payloads import time_text
from ocpp_cs.simulator.transaction_queue import Payload

if TYPE_CHECKING:
    from ocpp_cs.simulator.charge_point import SimulatedChargePoint

_DIAGNOSTICS = ((2, "Uploading"), (45, "Uploaded"))
_FIRMWARE = ((2, "Downloading"), (240, "Downloaded"), (300, "Installing"), (420, "Installed"))
_RESET_AFTER = timedelta(seconds=5)


def answer_call(charge_point: SimulatedChargePoint, action: str, payload: Payload) -> Answer:
    """The answer to a CALL and what is to follow it. Raises CallError: NotImplemented for an action
    that does not exist, NotSupported for one outside the vendor's feature profiles (R12)."""
    known = FROM_CENTRAL_SYSTEM.get(action)
    if known is None:
        raise CallError(CallErrorCode.NOT_IMPLEMENTED, f"{action} is unknown")
    answer = _ANSWERS.get(action)
    if answer is None or known.profile not in charge_point.vendor.profiles:
        raise CallError(CallErrorCode.NOT_SUPPORTED, f"{action} is not supported")
    try:
        request = known.request_decoder.decode(json.dumps(payload))
    except DecodeError as error:
        raise error_for_fault(str(error)) from None
    return answer(charge_point, request)


def _get_configuration(
    charge_point: SimulatedChargePoint, request: GetConfigurationRequest
) -> Answer:
    return charge_point.configuration.read(request.key or ()), None


def _change_configuration(
    charge_point: SimulatedChargePoint, request: ChangeConfigurationRequest
) -> Answer:
    status = charge_point.configuration.change(request.key, request.value)
    return {"status": status}, None


def _change_availability(
    charge_point: SimulatedChargePoint, request: ChangeAvailabilityRequest
) -> Answer:
    """Scheduled while a transaction runs, which may end first (§5.2)."""
    connectors = [
        connector
        for connector in charge_point.connectors
        if request.connector_id in (0, connector.connector_id)
    ]
    if not connectors:
        return {"status": "Rejected"}, None
    operative = request.type == "Operative"
    for connector in connectors:
        connector.operative = operative
    if request.connector_id == 0:
        charge_point.operative = operative
    charging = not operative and any(connector.session for connector in connectors)
    return {"status": "Scheduled" if charging else "Accepted"}, charge_point.report_statuses


def _clear_cache(charge_point: SimulatedChargePoint, request: object) -> Answer:
    return {"status": "Accepted"}, None


def _data_transfer(charge_point: SimulatedChargePoint, request: DataTransferRequest) -> Answer:
    if request.vendor_id != charge_point.vendor.name:
        return {"status": "UnknownVendorId"}, None
    if request.message_id not in (None, "echo"):
        return {"status": "UnknownMessageId"}, None
    answer: Payload = {"status": "Accepted"}
    return (answer if request.data is None else {**answer, "data": request.data}), None


def _remote_start(
    charge_point: SimulatedChargePoint, request: RemoteStartTransactionRequest
) -> Answer:
    """Accepted when a connector is free for this id tag; the car is then plugged in at once. Not
    before the charge point itself is accepted (§4.2, R20)."""
    candidates = [
        connector
        for connector in charge_point.connectors
        if request.connector_id in (None, connector.connector_id)
        and charge_point.in_service
        and connector.free
        and charge_point.sessions.may_use(connector, request.id_tag)
    ]
    if not candidates:
        return {"status": "Rejected"}, None
    connector = candidates[0]
    profile = request.charging_profile
    if profile is not None and "SmartCharging" in charge_point.vendor.profiles:
        charge_point.sessions.profiles.install(connector.connector_id, profile)
    start = partial(charge_point.sessions.drive_in_remotely, connector, request.id_tag)
    return {"status": "Accepted"}, partial(charge_point.soon, start)


def _remote_stop(
    charge_point: SimulatedChargePoint, request: RemoteStopTransactionRequest
) -> Answer:
    for connector in charge_point.connectors:
        session = connector.session
        if session and session.transaction.transaction_id == request.transaction_id:
            stop = partial(charge_point.sessions.stop_by, connector, session, "Remote")
            return {"status": "Accepted"}, partial(charge_point.soon, stop)
    return {"status": "Rejected"}, None


def _reset(charge_point: SimulatedChargePoint, request: ResetRequest) -> Answer:
    reset = partial(charge_point.reset, f"{request.type}Reset")
    return {"status": "Accepted"}, partial(charge_point.soon, reset, _RESET_AFTER)


def _unlock_connector(
    charge_point: SimulatedChargePoint, request: UnlockConnectorRequest
) -> Answer:
    """A running transaction ends first (§5.18); a fixed cable cannot be unlocked."""
    connector = charge_point.connector(request.connector_id)
    if connector is None or charge_point.vendor.fixed_cable:
        return {"status": "NotSupported"}, None
    if connector.session is None:
        return {"status": "Unlocked"}, None
    stop = partial(charge_point.sessions.stop_by, connector, connector.session, "UnlockCommand")
    return {"status": "Unlocked"}, partial(charge_point.soon, stop)


def _trigger_message(charge_point: SimulatedChargePoint, request: TriggerMessageRequest) -> Answer:
    number = request.connector_id
    if number and charge_point.connector(number) is None:
        return {"status": "Rejected"}, None
    trigger = partial(charge_point.trigger, request.requested_message, number)
    return {"status": "Accepted"}, partial(charge_point.soon, trigger)


def _reserve_now(charge_point: SimulatedChargePoint, request: ReserveNowRequest) -> Answer:
    """§5.13; connector 0 is rejected, as ReserveConnectorZeroSupported says."""
    connector = charge_point.connector(request.connector_id)
    expires_at = parse_time(request.expiry_date).at
    if connector is None or expires_at is None:
        return {"status": "Rejected"}, None
    same = connector.reservation and connector.reservation.reservation_id == request.reservation_id
    if not connector.operative:
        return {"status": "Unavailable"}, None
    if connector.visit is not None or (connector.reservation is not None and not same):
        return {"status": "Occupied"}, None
    _cancel(charge_point, request.reservation_id)
    connector.reservation = Reservation(
        request.reservation_id, request.id_tag, request.parent_id_tag, expires_at
    )
    charge_point.agenda.add(
        expires_at, partial(charge_point.expire_reservation, connector, connector.reservation)
    )
    return {"status": "Accepted"}, charge_point.report_statuses


def _cancel_reservation(
    charge_point: SimulatedChargePoint, request: CancelReservationRequest
) -> Answer:
    found = _cancel(charge_point, request.reservation_id)
    return {"status": "Accepted" if found else "Rejected"}, charge_point.report_statuses


def _cancel(charge_point: SimulatedChargePoint, reservation_id: int) -> bool:
    reserved = [
        connector
        for connector in charge_point.connectors
        if connector.reservation and connector.reservation.reservation_id == reservation_id
    ]
    for connector in reserved:
        connector.reservation = None
    return bool(reserved)


def _get_local_list_version(charge_point: SimulatedChargePoint, request: object) -> Answer:
    return {"listVersion": charge_point.sessions.local_list.version}, None


def _send_local_list(charge_point: SimulatedChargePoint, request: SendLocalListRequest) -> Answer:
    """A differential update has to go forward (§5.15)."""
    local_list = charge_point.sessions.local_list
    full = request.update_type == "Full"
    if request.list_version <= 0:
        return {"status": "Failed"}, None
    if not full and request.list_version <= local_list.version:
        return {"status": "VersionMismatch"}, None
    statuses = {} if full else dict(local_list.statuses)
    for entry in request.local_authorization_list or ():
        if entry.id_tag_info is not None:
            statuses[entry.id_tag.casefold()] = entry.id_tag_info.status
        else:
            statuses.pop(entry.id_tag.casefold(), None)
    local_list.version, local_list.statuses = request.list_version, statuses
    return {"status": "Accepted"}, None


def _set_charging_profile(
    charge_point: SimulatedChargePoint, request: SetChargingProfileRequest
) -> Answer:
    """A TxProfile needs a running transaction (§5.16.4)."""
    connector = charge_point.connector(request.connector_id)
    profile = request.cs_charging_profiles
    fits = {
        "ChargePointMaxProfile": request.connector_id == 0,
        "TxDefaultProfile": request.connector_id == 0 or connector is not None,
        "TxProfile": connector is not None and connector.session is not None,
    }
    if not fits[profile.charging_profile_purpose]:
        return {"status": "Rejected"}, None
    charge_point.sessions.profiles.install(request.connector_id, profile)
    return {"status": "Accepted"}, None


def _clear_charging_profile(
    charge_point: SimulatedChargePoint, request: ClearChargingProfileRequest
) -> Answer:
    found = charge_point.sessions.profiles.clear(request)
    return {"status": "Accepted" if found else "Unknown"}, None


def _get_composite_schedule(
    charge_point: SimulatedChargePoint, request: GetCompositeScheduleRequest
) -> Answer:
    connector = charge_point.connector(request.connector_id)
    if connector is None and request.connector_id != 0:
        return {"status": "Rejected"}, None
    now = charge_point.clock.now()
    schedule = charge_point.sessions.profiles.composite_schedule(
        request.connector_id,
        now,
        request.duration,
        request.charging_rate_unit or "W",
        float(charge_point.vendor.max_power_w),
        charge_point.sessions.transaction_times(connector),
    )
    answer: Payload = {
        "status": "Accepted",
        "connectorId": request.connector_id,
        "scheduleStart": time_text(charge_point.vendor, now),
        "chargingSchedule": schedule,
    }
    return answer, None


def _get_diagnostics(charge_point: SimulatedChargePoint, request: GetDiagnosticsRequest) -> Answer:
    """Names a file and reports its upload; nothing is ever sent to `location` (A16)."""
    name = f"{charge_point.identity}.log"[:255]
    report = partial(_report_steps, charge_point, "DiagnosticsStatusNotification", _DIAGNOSTICS)
    return {"fileName": name}, report


def _update_firmware(charge_point: SimulatedChargePoint, request: UpdateFirmwareRequest) -> Answer:
    """Reports an update that comes off; nothing is ever fetched from `location` (A16)."""
    return {}, partial(_report_steps, charge_point, "FirmwareStatusNotification", _FIRMWARE)


def _report_steps(
    charge_point: SimulatedChargePoint, action: str, steps: tuple[tuple[int, str], ...]
) -> None:
    for seconds, status in steps:
        tell = partial(charge_point.tell_progress, action, status)
        charge_point.soon(tell, timedelta(seconds=seconds))


_ANSWERS: dict[str, Callable[[SimulatedChargePoint, Any], Answer]] = {
    "CancelReservation": _cancel_reservation,
    "ChangeAvailability": _change_availability,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": _clear_cache,
    "ClearChargingProfile": _clear_charging_profile,
    "DataTransfer": _data_transfer,
    "GetCompositeSchedule": _get_composite_schedule,
    "GetConfiguration": _get_configuration,
    "GetDiagnostics": _get_diagnostics,
    "GetLocalListVersion": _get_local_list_version,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "ReserveNow": _reserve_now,
    "Reset": _reset,
    "SendLocalList": _send_local_list,
    "SetChargingProfile": _set_charging_profile,
    "TriggerMessage": _trigger_message,
    "UnlockConnector": _unlock_connector,
    "UpdateFirmware": _update_firmware,
}
