"""Certificate requests of charge points on their way to an answer (W9).

Nothing is signed here: a chain comes from the operator's own authority or from another one. A
delivery that fails is left to an operator, with an event: nothing is retried by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.commands.addressee import addressee_of
from ocpp_cs.commands.ends import End
from ocpp_cs.commands.held_certificates import hold_own
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place_at
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import CertificateRequest
from ocpp_cs.db.security_events import note_own_event
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages.security import CertificateSignedRequest, CertificateSignedResponse

DELIVERED_WITHIN = timedelta(days=1)
"""How long a certificate waits for a charge point to be there."""

_SIGN = Statement(
    lambda p: (
        CertificateRequest.update(
            status="signed",
            certificate_chain=p.chain,
            decided_by=p.decided_by,
            reason=None,
            updated_at=p.now,
        )
        .where((CertificateRequest.id == p.id) & (CertificateRequest.status == "pending"))
        .returning(CertificateRequest.charge_point_id)
    )
)
_DECLINE = Statement(
    lambda p: (
        CertificateRequest.update(
            status="declined", reason=p.reason, decided_by=p.decided_by, updated_at=p.now
        )
        .where((CertificateRequest.id == p.id) & (CertificateRequest.status == "pending"))
        .returning(CertificateRequest.charge_point_id)
    )
)
_SEND_AGAIN = Statement(
    lambda p: (
        CertificateRequest.update(status="signed", reason=None, updated_at=p.now)
        .where(
            (CertificateRequest.id == p.id) & CertificateRequest.status.in_(("failed", "rejected"))
        )
        .returning(CertificateRequest.charge_point_id, CertificateRequest.certificate_chain)
    )
)
_ORDERED = Statement(
    lambda p: CertificateRequest.update(command_id=p.command_id).where(
        CertificateRequest.id == p.id
    )
)
_STATUS = Statement(
    lambda p: CertificateRequest.select(CertificateRequest.status).where(
        CertificateRequest.id == p.id
    )
)
_DELIVERED = Statement(
    lambda p: (
        CertificateRequest.update(status=p.status, reason=p.reason, updated_at=p.now)
        .where(
            (CertificateRequest.command_id == p.command_id)
            & (CertificateRequest.status == "signed")
        )
        .returning(CertificateRequest.id)
    )
)
_FAILED = Statement(
    lambda p: CertificateRequest.update(status="failed", reason=p.reason, updated_at=p.now).where(
        CertificateRequest.id == p.id
    )
)


def sign(tx: Tx, id: int, chain: str, *, actor: Actor, now: datetime) -> None:
    """A request has its certificate: it goes to the charge point. Raises Refused (404, 409)."""
    row = tx.execute(_SIGN, id=id, chain=chain, decided_by=actor.name, now=now).fetchone()
    if row is None:
        raise _not_pending(tx, id)
    audit.record(tx, actor, "certificate_request.sign", f"certificate-requests/{id}", now)
    _deliver(tx, id, row[0], chain, actor, now)


def sign_if_possible(tx: Tx, id: int, chain: str, *, actor: Actor, now: datetime) -> None:
    """As `sign`, for a program: whoever came before has signed it, and what cannot be delivered
    is left to an operator."""
    row = tx.execute(_SIGN, id=id, chain=chain, decided_by=actor.name, now=now).fetchone()
    if row is None:
        return
    audit.record(tx, actor, "certificate_request.sign", f"certificate-requests/{id}", now)
    try:
        with tx.savepoint():
            _deliver(tx, id, row[0], chain, actor, now)
    except Refused as refused:
        tx.execute(_FAILED, id=id, reason=refused.detail, now=now)
        _note_not_installed(tx, row[0], id, refused.detail, now)


def decline(tx: Tx, id: int, reason: str, *, actor: Actor, now: datetime) -> None:
    """A person will have no certificate made for it. Raises Refused (404, 409)."""
    row = tx.execute(_DECLINE, id=id, reason=reason, decided_by=actor.name, now=now).fetchone()
    if row is None:
        raise _not_pending(tx, id)
    audit.record(
        tx,
        actor,
        "certificate_request.decline",
        f"certificate-requests/{id}",
        now,
        {"reason": reason},
    )


def send_again(tx: Tx, id: int, *, actor: Actor, now: datetime) -> None:
    """Delivers a certificate that did not arrive or was not taken. Raises Refused (404, 409)."""
    row = tx.execute(_SEND_AGAIN, id=id, now=now).fetchone()
    if row is None:
        status = _status(tx, id)
        raise Refused(
            409,
            "not_failed",
            f"Certificate request {id} is {status}: only a failed or rejected certificate is "
            "sent again.",
        )
    audit.record(tx, actor, "certificate_request.send", f"certificate-requests/{id}", now)
    _deliver(tx, id, row[0], row[1], actor, now)


def delivered(tx: Tx, end: End) -> None:
    """A CertificateSigned has ended. One that was ordered as a mere command has no request, but
    the charge point holds the certificate all the same."""
    if isinstance(end.response, CertificateSignedResponse) and end.response.status == "Accepted":
        assert isinstance(end.request, CertificateSignedRequest)
        tx.execute(
            _DELIVERED, command_id=end.command_id, status="accepted", reason=None, now=end.now
        )
        hold_own(tx, end.charge_point_id, end.request.certificate_chain, end.now)
        return
    if end.response is not None:
        status, reason = "rejected", "The charge point did not accept the certificate."
    else:
        status, reason = "failed", end.why
    _not_installed(tx, end.command_id, end.charge_point_id, status, reason, end.now)


def _not_installed(
    tx: Tx, command_id: int, charge_point_id: int, status: str, reason: str, now: datetime
) -> None:
    row = tx.execute(
        _DELIVERED, command_id=command_id, status=status, reason=reason, now=now
    ).fetchone()
    if row is not None:
        _note_not_installed(tx, charge_point_id, row[0], reason, now)


def _note_not_installed(tx: Tx, charge_point_id: int, id: int, reason: str, now: datetime) -> None:
    text = f"certificate request {id}: {reason}"
    note_own_event(tx, charge_point_id, "CertificateNotInstalled", text, now=now)


def _deliver(
    tx: Tx, id: int, charge_point_id: int, chain: str, actor: Actor, now: datetime
) -> None:
    order = Order(
        action="CertificateSigned",
        request=CertificateSignedRequest(certificate_chain=chain),
        deliver_within_s=int(DELIVERED_WITHIN.total_seconds()),
    )
    command_id = place_at(tx, addressee_of(tx, charge_point_id), order, actor=actor, now=now)
    tx.execute(_ORDERED, id=id, command_id=command_id)


def _not_pending(tx: Tx, id: int) -> Refused:
    return Refused(409, "not_pending", f"Certificate request {id} is {_status(tx, id)}.")


def _status(tx: Tx, id: int) -> str:
    row = tx.one(_STATUS, id=id)
    if row is None:
        raise Refused(404, "unknown_certificate_request", f"There is no certificate request {id}.")
    return str(row[0])
