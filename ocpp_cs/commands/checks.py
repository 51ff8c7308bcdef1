"""What OCPP forbids beyond the types: which command may go to whom, and with which values.

Pure decisions. The types themselves are the official schemas (`ocpp16`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from ocpp_cs import rules
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.secrets import is_secret_key
from ocpp_cs.credentials import LONGEST_KEY, SHORTEST_KEY
from ocpp_cs.ocpp16.messages.core import ChangeConfigurationRequest, RemoteStartTransactionRequest
from ocpp_cs.ocpp16.messages.smart_charging import SetChargingProfileRequest
from ocpp_cs.ocpp16.types import ChargingProfile

NOT_WHILE_PENDING = ("RemoteStartTransaction", "RemoteStopTransaction")
"""What a charge point must not be sent before it is accepted (R20, §4.2)."""

Errors = dict[str, list[str]]


def check_content(action: str, request: Struct) -> None:
    """Raises Refused (422) for values that the specification forbids though their type allows."""
    errors: Errors = {}
    for name in LOWEST.keys() & set(request.__struct_encode_fields__):
        value = getattr(request, _ATTRIBUTES[name])
        if value is not None and value < LOWEST[name]:
            errors[name] = [f"Must be greater than or equal to {LOWEST[name]}."]
    check = _CHECKS.get(action)
    if check is not None:
        errors |= check(request)
    if errors:
        name, messages = next(iter(errors.items()))
        raise Refused(422, "bad_payload", f"{name}: {messages[0]}", errors)


def check_registration(
    identity: str, registration: rules.Registration, action: str, request: Struct
) -> None:
    """Raises Refused (409) where the charge point's registration forbids the command."""
    if registration == "rejected":
        raise Refused(
            409,
            "rejected_charge_point",
            f"Charge point {identity!r} was rejected; accept it before you command it.",
        )
    if registration == "pending" and action in NOT_WHILE_PENDING:
        raise Refused(
            409,
            "pending_charge_point",
            f"Charge point {identity!r} is pending: {action} has to wait until it is accepted.",
        )
    wanted = getattr(request, "requested_message", None)
    if registration == "accepted" and wanted == "BootNotification":
        raise Refused(
            409,
            "boot_notification_after_acceptance",
            "A charge point that is accepted must not be asked for a BootNotification "
            "(OCPP 1.6 errata, 3.40); Reset makes it boot.",
        )


LOWEST: Mapping[str, int] = {
    "connectorId": 0,
    "duration": 0,
    "listVersion": 1,
    "retries": 0,
    "retryInterval": 0,
}
"""The least value of properties at the top of a request, where OCPP has one (R39)."""

_ATTRIBUTES = {
    "connectorId": "connector_id",
    "duration": "duration",
    "listVersion": "list_version",
    "retries": "retries",
    "retryInterval": "retry_interval",
}


def _remote_start(request: RemoteStartTransactionRequest) -> Errors:
    errors: Errors = {}
    if request.connector_id == 0:
        errors["connectorId"] = ["Must be greater than 0; without it the charge point chooses."]
    profile = request.charging_profile
    if profile is not None and profile.charging_profile_purpose != "TxProfile":
        errors["chargingProfile.chargingProfilePurpose"] = ["Must be TxProfile here (§5.11)."]
    if profile is not None and profile.transaction_id is not None:
        errors["chargingProfile.transactionId"] = ["Must be left out here (errata, 3.41)."]
    if profile is not None:
        errors |= _profile(profile, "chargingProfile.")
    return errors


def _set_charging_profile(request: SetChargingProfileRequest) -> Errors:
    profile = request.cs_charging_profiles
    errors: Errors = {}
    if profile.charging_profile_purpose == "TxProfile" and request.connector_id == 0:
        errors["connectorId"] = ["A TxProfile belongs to a connector: greater than 0 (§3.13.1)."]
    if profile.charging_profile_purpose == "ChargePointMaxProfile" and request.connector_id != 0:
        errors["connectorId"] = ["A ChargePointMaxProfile goes to connector 0 (§3.13.1)."]
    return errors | _profile(profile, "csChargingProfiles.")


def _profile(profile: ChargingProfile, at: str) -> Errors:
    errors: Errors = {}
    if profile.charging_profile_kind == "Recurring" and profile.recurrency_kind is None:
        errors[at + "recurrencyKind"] = ["A Recurring profile needs it (§7.8)."]
    if profile.stack_level < 0:
        errors[at + "stackLevel"] = ["Must be greater than or equal to 0."]
    if not profile.charging_schedule.charging_schedule_period:
        errors[at + "chargingSchedule.chargingSchedulePeriod"] = ["Needs at least one period."]
    return errors


def _configuration(request: ChangeConfigurationRequest) -> Errors:
    if is_secret_key(request.key) and not (
        SHORTEST_KEY <= len(request.value.encode()) <= LONGEST_KEY
    ):
        return {"value": [f"A key has {SHORTEST_KEY} to {LONGEST_KEY} characters (A00.FR.205)."]}
    return {}


_CHECKS: Mapping[str, Callable[[Any], Errors]] = {
    "ChangeConfiguration": _configuration,
    "RemoteStartTransaction": _remote_start,
    "SetChargingProfile": _set_charging_profile,
}
