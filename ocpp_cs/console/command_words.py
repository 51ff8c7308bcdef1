"""Why a command was not taken, in the words of the viewer's language."""

from __future__ import annotations

from ocpp_cs.commands.refusals import Refused
from ocpp_cs.console.texts import current_language

_REFUSALS = {
    "boot_notification_after_acceptance": "refused.boot_notification",
    "key_change_unsettled": "refused.key_change",
    "lower_security_profile": "refused.lower_profile",
    "offline": "refused.offline",
    "pending_charge_point": "refused.pending",
    "rejected_charge_point": "refused.rejected",
}


def refusal_text(refused: Refused) -> str:
    """Why a command was not taken, in the viewer's language if there are words for it."""
    key = _REFUSALS.get(refused.code)
    return current_language().plain(key) if key else refused.detail
