"""The three actions of the Smart Charging profile (§5.5, §5.7, §5.16).

Types only: how profiles stack is the charge point's affair (§3.13).
"""

from __future__ import annotations

from typing import Literal

from ..types import (
    ChargingProfile,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    DateTime,
    Integer,
    Maybe,
    Part,
)
from .action import Action, Profile, Sender

ClearChargingProfileStatus = Literal["Accepted", "Unknown"]
GetCompositeScheduleStatus = Literal["Accepted", "Rejected"]
ChargingProfileStatus = Literal["Accepted", "Rejected", "NotSupported"]


class ClearChargingProfileRequest(Part, frozen=True, kw_only=True):
    """ClearChargingProfile.req; absent properties match every profile (§6.13)."""

    id: Maybe[Integer] = None
    connector_id: Maybe[Integer] = None
    charging_profile_purpose: Maybe[ChargingProfilePurpose] = None
    stack_level: Maybe[Integer] = None


class ClearChargingProfileResponse(Part, frozen=True, kw_only=True):
    """ClearChargingProfile.conf (§6.14)."""

    status: ClearChargingProfileStatus


class GetCompositeScheduleRequest(Part, frozen=True, kw_only=True):
    """GetCompositeSchedule.req; `duration` in seconds (§6.21)."""

    connector_id: Integer
    duration: Integer
    charging_rate_unit: Maybe[ChargingRateUnit] = None


class GetCompositeScheduleResponse(Part, frozen=True, kw_only=True):
    """GetCompositeSchedule.conf (§6.22)."""

    status: GetCompositeScheduleStatus
    connector_id: Maybe[Integer] = None
    schedule_start: Maybe[DateTime] = None
    charging_schedule: Maybe[ChargingSchedule] = None


class SetChargingProfileRequest(Part, frozen=True, kw_only=True):
    """SetChargingProfile.req (§6.43)."""

    connector_id: Integer
    cs_charging_profiles: ChargingProfile


class SetChargingProfileResponse(Part, frozen=True, kw_only=True):
    """SetChargingProfile.conf (§6.44)."""

    status: ChargingProfileStatus


_DOWN, _SMART = Sender.CENTRAL_SYSTEM, Profile.SMART_CHARGING

ACTIONS: tuple[Action, ...] = (
    Action.of(ClearChargingProfileRequest, ClearChargingProfileResponse, _DOWN, _SMART),
    Action.of(GetCompositeScheduleRequest, GetCompositeScheduleResponse, _DOWN, _SMART),
    Action.of(SetChargingProfileRequest, SetChargingProfileResponse, _DOWN, _SMART),
)
