"""What the end of a command changes in our state, in the transaction that stores it.

The list of it, by action; the changes themselves stand in a module per kind of state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ocpp_cs.commands import (
    availability,
    certificate_renewals,
    certificate_requests,
    charging_profiles,
    configuration,
    held_certificates,
    local_lists,
    remote_starts,
    reservations,
    transfers,
)
from ocpp_cs.commands.ends import End
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import is_transient

Outcome: TypeAlias = Callable[[Tx, End], None]

logger = logging.getLogger(__name__)

OUTCOMES: Mapping[str, tuple[Outcome, ...]] = {
    "CancelReservation": (reservations.cancelled,),
    "CertificateSigned": (certificate_requests.delivered,),
    "ChangeAvailability": (availability.changed,),
    "ChangeConfiguration": (configuration.changed,),
    "ClearChargingProfile": (charging_profiles.cleared,),
    "DeleteCertificate": (held_certificates.deleted,),
    "ExtendedTriggerMessage": (certificate_renewals.triggered,),
    "GetConfiguration": (configuration.read,),
    "GetDiagnostics": (transfers.answered,),
    "GetInstalledCertificateIds": (held_certificates.listed,),
    "GetLocalListVersion": (local_lists.version_read,),
    "GetLog": (transfers.answered,),
    "InstallCertificate": (held_certificates.installed,),
    "RemoteStartTransaction": (remote_starts.answered,),
    "ReserveNow": (reservations.reserved,),
    "SendLocalList": (local_lists.sent,),
    "SetChargingProfile": (charging_profiles.installed,),
    "SignedUpdateFirmware": (transfers.answered,),
    "UpdateFirmware": (transfers.answered,),
}


def ended(tx: Tx, end: End) -> None:
    """Carries the end of a command into our state, and wakes who waits for it."""
    for outcome in OUTCOMES.get(end.action, ()):
        try:
            with tx.savepoint():
                outcome(tx, end)
        except Exception as error:
            if is_transient(error):  # then all of it is tried again
                raise
            # A defect. What the charge point answered must be stored all the same.
            logger.exception(
                "command %d, %s: what its end changes could not be stored",
                end.command_id,
                end.action,
                extra={"charge_point": end.identity},
            )
    tx.notify("command", end.command_id)
