"""The one action of the Remote Trigger profile (§5.17).

Types only: when a trigger may be sent (R22) is checked where commands are accepted.
"""

from __future__ import annotations

from typing import Literal

from ..types import Integer, Maybe, Part
from .action import Action, Profile, Sender

MessageTrigger = Literal[
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
]
TriggerMessageStatus = Literal["Accepted", "Rejected", "NotImplemented"]


class TriggerMessageRequest(Part, frozen=True, kw_only=True):
    """TriggerMessage.req (§6.51)."""

    requested_message: MessageTrigger
    connector_id: Maybe[Integer] = None


class TriggerMessageResponse(Part, frozen=True, kw_only=True):
    """TriggerMessage.conf (§6.52)."""

    status: TriggerMessageStatus


ACTIONS: tuple[Action, ...] = (
    Action.of(
        TriggerMessageRequest,
        TriggerMessageResponse,
        Sender.CENTRAL_SYSTEM,
        Profile.REMOTE_TRIGGER,
    ),
)
