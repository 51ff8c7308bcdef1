"""The sixteen actions of the Core profile (§4.1 to §4.10, §5.2 to §5.18).

Types only: what a handler does with them stands elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ..types import (
    ChargingProfile,
    CiString20,
    CiString25,
    CiString50,
    CiString255,
    CiString500,
    DateTime,
    IdTagInfo,
    IdToken,
    Integer,
    Maybe,
    MeterReading,
    MeterValue,
    Part,
    TransactionMeterValue,
)
from .action import Action, Profile, Sender

RegistrationStatus = Literal["Accepted", "Pending", "Rejected"]
AvailabilityType = Literal["Inoperative", "Operative"]
AvailabilityStatus = Literal["Accepted", "Rejected", "Scheduled"]
ConfigurationStatus = Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]
AcceptedOrRejected = Literal["Accepted", "Rejected"]
DataTransferStatus = Literal["Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId"]
ResetType = Literal["Hard", "Soft"]
UnlockStatus = Literal["Unlocked", "UnlockFailed", "NotSupported"]
ChargePointErrorCode = Literal[
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "NoError",
    "OtherError",
    "OverCurrentFailure",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "OverVoltage",
    "WeakSignal",
]
ChargePointStatus = Literal[
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
]
Reason = Literal[
    "EmergencyStop",
    "EVDisconnected",
    "HardReset",
    "Local",
    "Other",
    "PowerLoss",
    "Reboot",
    "Remote",
    "SoftReset",
    "UnlockCommand",
    "DeAuthorized",
]


class AuthorizeRequest(Part, frozen=True, kw_only=True):
    """Authorize.req (§6.1)."""

    id_tag: IdToken


class AuthorizeResponse(Part, frozen=True, kw_only=True):
    """Authorize.conf (§6.2)."""

    id_tag_info: IdTagInfo


class BootNotificationRequest(Part, frozen=True, kw_only=True):
    """BootNotification.req (§6.3)."""

    charge_point_vendor: CiString20
    charge_point_model: CiString20
    charge_point_serial_number: Maybe[CiString25] = None
    charge_box_serial_number: Maybe[CiString25] = None
    firmware_version: Maybe[CiString50] = None
    iccid: Maybe[CiString20] = None
    imsi: Maybe[CiString20] = None
    meter_type: Maybe[CiString25] = None
    meter_serial_number: Maybe[CiString25] = None


class BootNotificationResponse(Part, frozen=True, kw_only=True):
    """BootNotification.conf; `interval` in seconds, 0 = the charge point chooses (§6.4, R19)."""

    status: RegistrationStatus
    current_time: DateTime
    interval: Integer


class ChangeAvailabilityRequest(Part, frozen=True, kw_only=True):
    """ChangeAvailability.req; connector 0 is the whole charge point (§6.7)."""

    connector_id: Integer
    type: AvailabilityType


class ChangeAvailabilityResponse(Part, frozen=True, kw_only=True):
    """ChangeAvailability.conf (§6.8)."""

    status: AvailabilityStatus


class ChangeConfigurationRequest(Part, frozen=True, kw_only=True):
    """ChangeConfiguration.req (§6.9)."""

    key: CiString50
    value: CiString500


class ChangeConfigurationResponse(Part, frozen=True, kw_only=True):
    """ChangeConfiguration.conf (§6.10)."""

    status: ConfigurationStatus


class ClearCacheRequest(Part, frozen=True, kw_only=True):
    """ClearCache.req (§6.11)."""


class ClearCacheResponse(Part, frozen=True, kw_only=True):
    """ClearCache.conf (§6.12)."""

    status: AcceptedOrRejected


class DataTransferRequest(Part, frozen=True, kw_only=True):
    """DataTransfer.req, in either direction (§6.15)."""

    vendor_id: CiString255
    message_id: Maybe[CiString50] = None
    data: Maybe[str] = None


class DataTransferResponse(Part, frozen=True, kw_only=True):
    """DataTransfer.conf (§6.16)."""

    status: DataTransferStatus
    data: Maybe[str] = None


class GetConfigurationRequest(Part, frozen=True, kw_only=True):
    """GetConfiguration.req; no key means all of them (§6.23)."""

    key: Maybe[tuple[CiString50, ...]] = None


class KeyValue(Part, frozen=True, kw_only=True):
    """One configuration key of a charge point (§7.29)."""

    key: CiString50
    readonly: bool
    value: Maybe[CiString500] = None


class GetConfigurationResponse(Part, frozen=True, kw_only=True):
    """GetConfiguration.conf (§6.24)."""

    configuration_key: Maybe[tuple[KeyValue, ...]] = None
    unknown_key: Maybe[tuple[CiString50, ...]] = None


class HeartbeatRequest(Part, frozen=True, kw_only=True):
    """Heartbeat.req (§6.29)."""


class HeartbeatResponse(Part, frozen=True, kw_only=True):
    """Heartbeat.conf (§6.30)."""

    current_time: DateTime


class MeterValuesRequest(Part, frozen=True, kw_only=True):
    """MeterValues.req; connector 0 is the main meter (§6.31)."""

    connector_id: Integer
    meter_value: Annotated[tuple[MeterValue, ...], Meta(min_length=1)]
    transaction_id: Maybe[Integer] = None


class MeterValuesResponse(Part, frozen=True, kw_only=True):
    """MeterValues.conf (§6.32)."""


class RemoteStartTransactionRequest(Part, frozen=True, kw_only=True):
    """RemoteStartTransaction.req (§6.33)."""

    id_tag: IdToken
    connector_id: Maybe[Integer] = None
    charging_profile: Maybe[ChargingProfile] = None


class RemoteStartTransactionResponse(Part, frozen=True, kw_only=True):
    """RemoteStartTransaction.conf (§6.34)."""

    status: AcceptedOrRejected


class RemoteStopTransactionRequest(Part, frozen=True, kw_only=True):
    """RemoteStopTransaction.req (§6.35)."""

    transaction_id: Integer


class RemoteStopTransactionResponse(Part, frozen=True, kw_only=True):
    """RemoteStopTransaction.conf (§6.36)."""

    status: AcceptedOrRejected


class ResetRequest(Part, frozen=True, kw_only=True):
    """Reset.req (§6.39)."""

    type: ResetType


class ResetResponse(Part, frozen=True, kw_only=True):
    """Reset.conf (§6.40)."""

    status: AcceptedOrRejected


class StartTransactionRequest(Part, frozen=True, kw_only=True):
    """StartTransaction.req; `meter_start` in Wh (§6.45)."""

    connector_id: Integer
    id_tag: IdToken
    meter_start: MeterReading
    timestamp: DateTime
    reservation_id: Maybe[Integer] = None


class StartTransactionResponse(Part, frozen=True, kw_only=True):
    """StartTransaction.conf; always with both properties (§6.46, R27)."""

    transaction_id: Integer
    id_tag_info: IdTagInfo


class StatusNotificationRequest(Part, frozen=True, kw_only=True):
    """StatusNotification.req (§6.47)."""

    connector_id: Integer
    error_code: ChargePointErrorCode
    status: ChargePointStatus
    info: Maybe[CiString50] = None
    timestamp: Maybe[DateTime] = None
    vendor_id: Maybe[CiString255] = None
    vendor_error_code: Maybe[CiString50] = None


class StatusNotificationResponse(Part, frozen=True, kw_only=True):
    """StatusNotification.conf (§6.48)."""


class StopTransactionRequest(Part, frozen=True, kw_only=True):
    """StopTransaction.req; `meter_stop` in Wh, absent `reason` means Local (§6.49, R31)."""

    transaction_id: Integer
    timestamp: DateTime
    meter_stop: MeterReading
    id_tag: Maybe[IdToken] = None
    reason: Maybe[Reason] = None
    transaction_data: Maybe[tuple[TransactionMeterValue, ...]] = None


class StopTransactionResponse(Part, frozen=True, kw_only=True):
    """StopTransaction.conf (§6.50)."""

    id_tag_info: Maybe[IdTagInfo] = None


class UnlockConnectorRequest(Part, frozen=True, kw_only=True):
    """UnlockConnector.req (§6.53)."""

    connector_id: Integer


class UnlockConnectorResponse(Part, frozen=True, kw_only=True):
    """UnlockConnector.conf (§6.54)."""

    status: UnlockStatus


_UP, _DOWN, _CORE = Sender.CHARGE_POINT, Sender.CENTRAL_SYSTEM, Profile.CORE

ACTIONS: tuple[Action, ...] = (
    Action.of(AuthorizeRequest, AuthorizeResponse, _UP, _CORE),
    Action.of(BootNotificationRequest, BootNotificationResponse, _UP, _CORE),
    Action.of(ChangeAvailabilityRequest, ChangeAvailabilityResponse, _DOWN, _CORE),
    Action.of(ChangeConfigurationRequest, ChangeConfigurationResponse, _DOWN, _CORE),
    Action.of(ClearCacheRequest, ClearCacheResponse, _DOWN, _CORE),
    Action.of(DataTransferRequest, DataTransferResponse, Sender.BOTH, _CORE),
    Action.of(GetConfigurationRequest, GetConfigurationResponse, _DOWN, _CORE),
    Action.of(HeartbeatRequest, HeartbeatResponse, _UP, _CORE),
    Action.of(MeterValuesRequest, MeterValuesResponse, _UP, _CORE),
    Action.of(RemoteStartTransactionRequest, RemoteStartTransactionResponse, _DOWN, _CORE),
    Action.of(RemoteStopTransactionRequest, RemoteStopTransactionResponse, _DOWN, _CORE),
    Action.of(ResetRequest, ResetResponse, _DOWN, _CORE),
    Action.of(StartTransactionRequest, StartTransactionResponse, _UP, _CORE),
    Action.of(StatusNotificationRequest, StatusNotificationResponse, _UP, _CORE),
    Action.of(StopTransactionRequest, StopTransactionResponse, _UP, _CORE),
    Action.of(UnlockConnectorRequest, UnlockConnectorResponse, _DOWN, _CORE),
)
