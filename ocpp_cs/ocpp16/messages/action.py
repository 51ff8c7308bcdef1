"""What an action is: a name, its two message types, who sends it, and decoders made once.

The actions themselves stand in the modules of their feature profiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

import msgspec


class Sender(Enum):
    """Who may send the CALL of an action."""

    CHARGE_POINT = "charge point"
    CENTRAL_SYSTEM = "central system"
    BOTH = "both"


class Profile(StrEnum):
    """The feature profiles of §3.3, and the security extension."""

    CORE = "Core"
    FIRMWARE = "FirmwareManagement"
    LOCAL_AUTH_LIST = "LocalAuthListManagement"
    RESERVATION = "Reservation"
    SMART_CHARGING = "SmartCharging"
    REMOTE_TRIGGER = "RemoteTrigger"
    SECURITY = "Security"


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """One action of OCPP 1.6."""

    name: str
    sender: Sender
    profile: Profile
    request: type[msgspec.Struct]
    response: type[msgspec.Struct]
    request_decoder: msgspec.json.Decoder[Any]
    response_decoder: msgspec.json.Decoder[Any]

    @classmethod
    def of(
        cls,
        request: type[msgspec.Struct],
        response: type[msgspec.Struct],
        sender: Sender,
        profile: Profile,
    ) -> Action:
        """The action whose request type is called `<Action>Request`."""
        return cls(
            name=request.__name__.removesuffix("Request"),
            sender=sender,
            profile=profile,
            request=request,
            response=response,
            request_decoder=msgspec.json.Decoder(request),
            response_decoder=msgspec.json.Decoder(response),
        )
