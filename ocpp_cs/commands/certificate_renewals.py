"""Renewal: a charge point is asked for a new request, once, before its certificate expires.

A renewal that fails is left to an operator, with an event (A02).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ocpp_cs.audit import Actor
from ocpp_cs.commands.addressee import addressee_of
from ocpp_cs.commands.ends import End
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place_at
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import InstalledCertificate
from ocpp_cs.db.security_events import note_own_event
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages.security import (
    ExtendedTriggerMessageRequest,
    ExtendedTriggerMessageResponse,
)

DELIVERED_WITHIN = timedelta(days=1)
"""How long the request for a new one waits for a charge point to be there."""

_ASK_FOR_RENEWAL = Statement(
    lambda p: (
        InstalledCertificate.update(renewal_status="requested", renewal_at=p.now)
        .where((InstalledCertificate.id == p.id) & InstalledCertificate.renewal_status.is_null())
        .returning(InstalledCertificate.charge_point_id)
    )
)
_RENEWAL_ORDERED = Statement(
    lambda p: InstalledCertificate.update(renewal_command_id=p.command_id).where(
        InstalledCertificate.id == p.id
    )
)
_RENEWAL_ENDED = Statement(
    lambda p: (
        InstalledCertificate.update(renewal_status=p.status, renewal_reason=p.reason)
        .where(
            (InstalledCertificate.renewal_command_id == p.command_id)
            & (InstalledCertificate.renewal_status == "requested")
        )
        .returning(InstalledCertificate.id)
    )
)
_RENEWAL_FAILED = Statement(
    lambda p: (
        InstalledCertificate.update(renewal_status="failed", renewal_reason=p.reason)
        .where(
            (InstalledCertificate.id == p.id)
            & InstalledCertificate.renewal_status.in_(("requested", "accepted"))
        )
        .returning(InstalledCertificate.charge_point_id)
    )
)


def ask_for_renewal(tx: Tx, id: int, *, actor: Actor, now: datetime) -> None:
    """Asks the charge point for a new request before its certificate expires, once (A02)."""
    row = tx.execute(_ASK_FOR_RENEWAL, id=id, now=now).fetchone()
    if row is None:
        return
    order = Order(
        action="ExtendedTriggerMessage",
        request=ExtendedTriggerMessageRequest(requested_message="SignChargePointCertificate"),
        deliver_within_s=int(DELIVERED_WITHIN.total_seconds()),
    )
    try:
        with tx.savepoint():
            command_id = place_at(tx, addressee_of(tx, row[0]), order, actor=actor, now=now)
            tx.execute(_RENEWAL_ORDERED, id=id, command_id=command_id)
    except Refused as refused:
        fail_renewal(tx, id, refused.detail, now)


def triggered(tx: Tx, end: End) -> None:
    """An ExtendedTriggerMessage has ended; only those for a renewal matter here."""
    accepted = (
        isinstance(end.response, ExtendedTriggerMessageResponse)
        and end.response.status == "Accepted"
    )
    if accepted:
        tx.execute(_RENEWAL_ENDED, command_id=end.command_id, status="accepted", reason=None)
        return
    told = getattr(end.response, "status", None)
    reason = f"The charge point answered {told}." if told else end.why
    row = tx.execute(
        _RENEWAL_ENDED, command_id=end.command_id, status="failed", reason=reason
    ).fetchone()
    if row is not None:
        _note_failed_renewal(tx, end.charge_point_id, reason, end.now)


def fail_renewal(tx: Tx, id: int, reason: str, now: datetime) -> None:
    """A renewal came to nothing: an operator has to look at it."""
    row = tx.execute(_RENEWAL_FAILED, id=id, reason=reason).fetchone()
    if row is not None:
        _note_failed_renewal(tx, row[0], reason, now)


def _note_failed_renewal(tx: Tx, charge_point_id: int, reason: str, now: datetime) -> None:
    note_own_event(tx, charge_point_id, "CertificateRenewalFailed", reason, now=now)
