"""The eleven actions of the security extension (section numbers: its whitepaper, edition 3).

Types only: nothing is signed, verified or trusted here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ..types import (
    DateTime,
    Integer,
    Maybe,
    Part,
    Text40,
    Text50,
    Text128,
    Text255,
    Text512,
    Text800,
    Text5500,
    Text10000,
    require_date_time,
)
from .action import Action, Profile, Sender

AcceptedOrRejected = Literal["Accepted", "Rejected"]
CertificateUse = Literal["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
DeleteCertificateStatus = Literal["Accepted", "Failed", "NotFound"]
GetInstalledCertificateStatus = Literal["Accepted", "NotFound"]
HashAlgorithm = Literal["SHA256", "SHA384", "SHA512"]
InstallCertificateStatus = Literal["Accepted", "Failed", "Rejected"]
LogType = Literal["DiagnosticsLog", "SecurityLog"]
LogStatus = Literal["Accepted", "Rejected", "AcceptedCanceled"]
ExtendedMessageTrigger = Literal[
    "BootNotification",
    "LogStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "SignChargePointCertificate",
    "StatusNotification",
]
ExtendedTriggerMessageStatus = Literal["Accepted", "Rejected", "NotImplemented"]
UploadLogStatus = Literal[
    "BadMessage",
    "Idle",
    "NotSupportedOperation",
    "PermissionDenied",
    "Uploaded",
    "UploadFailure",
    "Uploading",
]
SignedFirmwareStatus = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "DownloadScheduled",
    "DownloadPaused",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
    "InstallRebooting",
    "InstallScheduled",
    "InstallVerificationFailed",
    "InvalidSignature",
    "SignatureVerified",
]
UpdateFirmwareStatus = Literal[
    "Accepted", "Rejected", "AcceptedCanceled", "InvalidCertificate", "RevokedCertificate"
]


class CertificateHashData(Part, frozen=True, kw_only=True):
    """What names an installed certificate (§6.1)."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: Text128
    issuer_key_hash: Text128
    serial_number: Text40


class CertificateSignedRequest(Part, frozen=True, kw_only=True):
    """CertificateSigned.req; the chain in PEM, leaf first (§5.1, A02, A03)."""

    certificate_chain: Text10000


class CertificateSignedResponse(Part, frozen=True, kw_only=True):
    """CertificateSigned.conf (§5.2)."""

    status: AcceptedOrRejected


class DeleteCertificateRequest(Part, frozen=True, kw_only=True):
    """DeleteCertificate.req (§5.3)."""

    certificate_hash_data: CertificateHashData


class DeleteCertificateResponse(Part, frozen=True, kw_only=True):
    """DeleteCertificate.conf (§5.4)."""

    status: DeleteCertificateStatus


class ExtendedTriggerMessageRequest(Part, frozen=True, kw_only=True):
    """ExtendedTriggerMessage.req (§5.5)."""

    requested_message: ExtendedMessageTrigger
    connector_id: Maybe[Integer] = None


class ExtendedTriggerMessageResponse(Part, frozen=True, kw_only=True):
    """ExtendedTriggerMessage.conf (§5.6)."""

    status: ExtendedTriggerMessageStatus


class GetInstalledCertificateIdsRequest(Part, frozen=True, kw_only=True):
    """GetInstalledCertificateIds.req (§5.7)."""

    certificate_type: CertificateUse


class GetInstalledCertificateIdsResponse(Part, frozen=True, kw_only=True):
    """GetInstalledCertificateIds.conf (§5.8)."""

    status: GetInstalledCertificateStatus
    certificate_hash_data: Maybe[Annotated[tuple[CertificateHashData, ...], Meta(min_length=1)]] = (
        None
    )


class LogParameters(Part, frozen=True, kw_only=True):
    """Where to upload a log, and from which span of time (§6.14)."""

    remote_location: Text512
    oldest_timestamp: Maybe[DateTime] = None
    latest_timestamp: Maybe[DateTime] = None

    def __post_init__(self) -> None:
        require_date_time("oldestTimestamp", self.oldest_timestamp)
        require_date_time("latestTimestamp", self.latest_timestamp)


class GetLogRequest(Part, frozen=True, kw_only=True):
    """GetLog.req; `retry_interval` in seconds (§5.9, N01)."""

    log: LogParameters
    log_type: LogType
    request_id: Integer
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None


class GetLogResponse(Part, frozen=True, kw_only=True):
    """GetLog.conf (§5.10)."""

    status: LogStatus
    filename: Maybe[Text255] = None


class InstallCertificateRequest(Part, frozen=True, kw_only=True):
    """InstallCertificate.req; the certificate in PEM (§5.11)."""

    certificate_type: CertificateUse
    certificate: Text5500


class InstallCertificateResponse(Part, frozen=True, kw_only=True):
    """InstallCertificate.conf (§5.12)."""

    status: InstallCertificateStatus


class LogStatusNotificationRequest(Part, frozen=True, kw_only=True):
    """LogStatusNotification.req (§5.13)."""

    status: UploadLogStatus
    request_id: Maybe[Integer] = None


class LogStatusNotificationResponse(Part, frozen=True, kw_only=True):
    """LogStatusNotification.conf (§5.14)."""


class SecurityEventNotificationRequest(Part, frozen=True, kw_only=True):
    """SecurityEventNotification.req; `type` may be any text (§5.15, W12)."""

    type: Text50
    timestamp: DateTime
    tech_info: Maybe[Text255] = None


class SecurityEventNotificationResponse(Part, frozen=True, kw_only=True):
    """SecurityEventNotification.conf (§5.16, W11)."""


class SignCertificateRequest(Part, frozen=True, kw_only=True):
    """SignCertificate.req; the signing request in PEM (§5.17, A02.FR.02)."""

    csr: Text5500


class SignCertificateResponse(Part, frozen=True, kw_only=True):
    """SignCertificate.conf (§5.18)."""

    status: AcceptedOrRejected


class SignedFirmwareStatusNotificationRequest(Part, frozen=True, kw_only=True):
    """SignedFirmwareStatusNotification.req (§5.19)."""

    status: SignedFirmwareStatus
    request_id: Maybe[Integer] = None


class SignedFirmwareStatusNotificationResponse(Part, frozen=True, kw_only=True):
    """SignedFirmwareStatusNotification.conf (§5.20)."""


class Firmware(Part, frozen=True, kw_only=True):
    """A signed firmware image: where it lies, when to fetch and install it (§6.9)."""

    location: Text512
    retrieve_date_time: DateTime
    signing_certificate: Text5500
    signature: Text800
    install_date_time: Maybe[DateTime] = None

    def __post_init__(self) -> None:
        require_date_time("retrieveDateTime", self.retrieve_date_time)
        require_date_time("installDateTime", self.install_date_time)


class SignedUpdateFirmwareRequest(Part, frozen=True, kw_only=True):
    """SignedUpdateFirmware.req; `retry_interval` in seconds (§5.21)."""

    request_id: Integer
    firmware: Firmware
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None


class SignedUpdateFirmwareResponse(Part, frozen=True, kw_only=True):
    """SignedUpdateFirmware.conf (§5.22)."""

    status: UpdateFirmwareStatus


_UP, _DOWN, _SECURITY = Sender.CHARGE_POINT, Sender.CENTRAL_SYSTEM, Profile.SECURITY

ACTIONS: tuple[Action, ...] = (
    Action.of(CertificateSignedRequest, CertificateSignedResponse, _DOWN, _SECURITY),
    Action.of(DeleteCertificateRequest, DeleteCertificateResponse, _DOWN, _SECURITY),
    Action.of(ExtendedTriggerMessageRequest, ExtendedTriggerMessageResponse, _DOWN, _SECURITY),
    Action.of(
        GetInstalledCertificateIdsRequest, GetInstalledCertificateIdsResponse, _DOWN, _SECURITY
    ),
    Action.of(GetLogRequest, GetLogResponse, _DOWN, _SECURITY),
    Action.of(InstallCertificateRequest, InstallCertificateResponse, _DOWN, _SECURITY),
    Action.of(LogStatusNotificationRequest, LogStatusNotificationResponse, _UP, _SECURITY),
    Action.of(SecurityEventNotificationRequest, SecurityEventNotificationResponse, _UP, _SECURITY),
    Action.of(SignCertificateRequest, SignCertificateResponse, _UP, _SECURITY),
    Action.of(
        SignedFirmwareStatusNotificationRequest,
        SignedFirmwareStatusNotificationResponse,
        _UP,
        _SECURITY,
    ),
    Action.of(SignedUpdateFirmwareRequest, SignedUpdateFirmwareResponse, _DOWN, _SECURITY),
)
