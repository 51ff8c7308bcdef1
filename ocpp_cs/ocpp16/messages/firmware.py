"""The four actions of the Firmware Management profile (§4.4, §4.5, §5.9, §5.19).

Types only: the central system itself never fetches a `location` (A16).
"""

from __future__ import annotations

from typing import Literal

from ..types import CiString255, DateTime, Integer, Maybe, Part, require_date_time
from .action import Action, Profile, Sender

DiagnosticsStatus = Literal["Idle", "Uploaded", "UploadFailed", "Uploading"]
FirmwareStatus = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
]


class DiagnosticsStatusNotificationRequest(Part, frozen=True, kw_only=True):
    """DiagnosticsStatusNotification.req (§6.17)."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationResponse(Part, frozen=True, kw_only=True):
    """DiagnosticsStatusNotification.conf (§6.18)."""


class FirmwareStatusNotificationRequest(Part, frozen=True, kw_only=True):
    """FirmwareStatusNotification.req (§6.19)."""

    status: FirmwareStatus


class FirmwareStatusNotificationResponse(Part, frozen=True, kw_only=True):
    """FirmwareStatusNotification.conf (§6.20)."""


class GetDiagnosticsRequest(Part, frozen=True, kw_only=True):
    """GetDiagnostics.req; `retry_interval` in seconds (§6.25)."""

    location: str
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None
    start_time: Maybe[DateTime] = None
    stop_time: Maybe[DateTime] = None

    def __post_init__(self) -> None:
        require_date_time("startTime", self.start_time)
        require_date_time("stopTime", self.stop_time)


class GetDiagnosticsResponse(Part, frozen=True, kw_only=True):
    """GetDiagnostics.conf; no `file_name` means nothing to upload (§6.26)."""

    file_name: Maybe[CiString255] = None


class UpdateFirmwareRequest(Part, frozen=True, kw_only=True):
    """UpdateFirmware.req; `retry_interval` in seconds (§6.55)."""

    location: str
    retrieve_date: DateTime
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None

    def __post_init__(self) -> None:
        require_date_time("retrieveDate", self.retrieve_date)


class UpdateFirmwareResponse(Part, frozen=True, kw_only=True):
    """UpdateFirmware.conf (§6.56)."""


_UP, _DOWN, _FIRMWARE = Sender.CHARGE_POINT, Sender.CENTRAL_SYSTEM, Profile.FIRMWARE

ACTIONS: tuple[Action, ...] = (
    Action.of(
        DiagnosticsStatusNotificationRequest, DiagnosticsStatusNotificationResponse, _UP, _FIRMWARE
    ),
    Action.of(
        FirmwareStatusNotificationRequest, FirmwareStatusNotificationResponse, _UP, _FIRMWARE
    ),
    Action.of(GetDiagnosticsRequest, GetDiagnosticsResponse, _DOWN, _FIRMWARE),
    Action.of(UpdateFirmwareRequest, UpdateFirmwareResponse, _DOWN, _FIRMWARE),
)
