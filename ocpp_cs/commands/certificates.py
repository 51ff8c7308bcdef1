"""Certificates of charge points: requests on their way to an answer, and what each one holds (W9).

Nothing is signed here: a chain comes from the operator's own authority or from another one. A
delivery or a renewal that fails is left to an operator, with an event: nothing is retried by
itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ocpp_cs import audit, x509
from ocpp_cs.audit import Actor
from ocpp_cs.commands.addressee import find_addressee
from ocpp_cs.commands.ends import End
from ocpp_cs.commands.orders import Order, place_at
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import CertificateRequest, ChargePoint, InstalledCertificate
from ocpp_cs.db.security_events import note_own_event
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages.security import (
    CertificateHashData,
    CertificateSignedRequest,
    CertificateSignedResponse,
    DeleteCertificateRequest,
    DeleteCertificateResponse,
    ExtendedTriggerMessageRequest,
    ExtendedTriggerMessageResponse,
    GetInstalledCertificateIdsRequest,
    GetInstalledCertificateIdsResponse,
    InstallCertificateRequest,
    InstallCertificateResponse,
)

OWN = "ChargePointCertificate"
"""Type of the certificate that a charge point shows, beside OCPP's types of roots."""

DELIVERED_WITHIN = timedelta(days=1)
"""How long a certificate, or the request for a new one, waits for a charge point to be there."""

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
_IDENTITY = Statement(
    lambda p: ChargePoint.select(ChargePoint.identity).where(ChargePoint.id == p.charge_point_id)
)
_HELD = Statement(
    lambda p: InstalledCertificate.select(
        InstalledCertificate.id,
        InstalledCertificate.hash_algorithm,
        InstalledCertificate.issuer_name_hash,
        InstalledCertificate.serial_number,
        InstalledCertificate.certificate,
    ).where(
        (InstalledCertificate.charge_point_id == p.charge_point_id)
        & (InstalledCertificate.certificate_type == p.certificate_type)
    )
)
_KNOWN = Statement(
    lambda p: (
        InstalledCertificate.select(InstalledCertificate.certificate)
        .where(
            (InstalledCertificate.serial_number == p.serial_number)
            & InstalledCertificate.certificate.is_null(False)
        )
        .distinct()
        .limit(10)
    )
)
_INSERT = Statement(
    lambda p: InstalledCertificate.insert(
        charge_point_id=p.charge_point_id,
        certificate_type=p.certificate_type,
        hash_algorithm=p.hash_algorithm,
        issuer_name_hash=p.issuer_name_hash,
        issuer_key_hash=p.issuer_key_hash,
        serial_number=p.serial_number,
        certificate=p.certificate,
        subject=p.subject,
        issuer=p.issuer,
        not_before=p.not_before,
        not_after=p.not_after,
        installed_at=p.installed_at,
        reported_at=p.reported_at,
    )
)
_REPORTED = Statement(
    lambda p: InstalledCertificate.update(
        hash_algorithm=p.hash_algorithm,
        issuer_name_hash=p.issuer_name_hash,
        issuer_key_hash=p.issuer_key_hash,
        reported_at=p.now,
    ).where(InstalledCertificate.id == p.id)
)
_FORGET = Statement(lambda p: InstalledCertificate.delete().where(InstalledCertificate.id == p.id))
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


# --- Requests of charge points --------------------------------------------------------------------


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
        _hold_own(tx, end.charge_point_id, end.request.certificate_chain, end.now)
        return
    if end.response is not None:
        status, reason = "rejected", "The charge point did not accept the certificate."
    else:
        status, reason = "failed", _why(end)
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
    command_id = _place(tx, charge_point_id, order, actor, now)
    tx.execute(_ORDERED, id=id, command_id=command_id)


def _place(tx: Tx, charge_point_id: int, order: Order, actor: Actor, now: datetime) -> int:
    [identity] = tx.one(_IDENTITY, charge_point_id=charge_point_id) or ("",)
    return place_at(tx, find_addressee(tx, identity), order, actor=actor, now=now)


def _not_pending(tx: Tx, id: int) -> Refused:
    return Refused(409, "not_pending", f"Certificate request {id} is {_status(tx, id)}.")


def _status(tx: Tx, id: int) -> str:
    row = tx.one(_STATUS, id=id)
    if row is None:
        raise Refused(404, "unknown_certificate_request", f"There is no certificate request {id}.")
    return str(row[0])


def _why(end: End) -> str:
    return f"Command {end.command_id} is {end.status}: {end.error_description or end.error_code}"


# --- What a charge point holds --------------------------------------------------------------------


class _Held(NamedTuple):
    id: int
    hash_algorithm: str
    issuer_name_hash: str
    serial_number: str
    certificate: str | None

    def is_named_by(self, data: x509.HashData) -> bool:
        if self.serial_number != data.serial_number:
            return False
        if self.certificate is not None:
            return _names(self.certificate, data)
        return (self.hash_algorithm, self.issuer_name_hash) == (
            data.hash_algorithm,
            data.issuer_name_hash,
        )


def installed(tx: Tx, end: End) -> None:
    """An InstallCertificate has ended."""
    if not isinstance(end.response, InstallCertificateResponse):
        return
    if end.response.status != "Accepted":
        return
    assert isinstance(end.request, InstallCertificateRequest)
    pem, type = end.request.certificate, end.request.certificate_type
    try:
        data = x509.hash_data(pem)
    except x509.CertificateFault:  # whatever it is that the charge point has accepted there
        return
    for held in _held(tx, end.charge_point_id, type):
        if held.is_named_by(data):
            tx.execute(_FORGET, id=held.id)
    _insert(tx, end.charge_point_id, type, data, pem, installed_at=end.now)


def deleted(tx: Tx, end: End) -> None:
    """A DeleteCertificate has ended: it is gone, or was not there."""
    if not isinstance(end.response, DeleteCertificateResponse) or end.response.status == "Failed":
        return
    assert isinstance(end.request, DeleteCertificateRequest)
    data = _hash_data(end.request.certificate_hash_data)
    for type in (OWN, "CentralSystemRootCertificate", "ManufacturerRootCertificate"):
        for held in _held(tx, end.charge_point_id, type):
            if held.is_named_by(data):
                tx.execute(_FORGET, id=held.id)


def listed(tx: Tx, end: End) -> None:
    """A GetInstalledCertificateIds has ended: what it names is there, and nothing else is."""
    if not isinstance(end.response, GetInstalledCertificateIdsResponse):
        return
    assert isinstance(end.request, GetInstalledCertificateIdsRequest)
    type = end.request.certificate_type
    known = _held(tx, end.charge_point_id, type)
    reported = [_hash_data(each) for each in end.response.certificate_hash_data or ()]
    for data in reported:
        held = next((each for each in known if each.is_named_by(data)), None)
        if held is None:
            pem = _known(tx, data)
            _insert(tx, end.charge_point_id, type, data, pem, reported_at=end.now)
            continue
        known.remove(held)
        tx.execute(
            _REPORTED,
            id=held.id,
            hash_algorithm=data.hash_algorithm,
            issuer_name_hash=data.issuer_name_hash,
            issuer_key_hash=data.issuer_key_hash,
            now=end.now,
        )
    for held in known:
        tx.execute(_FORGET, id=held.id)


def _hold_own(tx: Tx, charge_point_id: int, chain: str, now: datetime) -> None:
    """From now on the charge point shows this certificate (A02.FR.08)."""
    try:
        data = x509.hash_data(chain)
    except x509.CertificateFault:
        return
    for held in _held(tx, charge_point_id, OWN):
        tx.execute(_FORGET, id=held.id)
    _insert(tx, charge_point_id, OWN, data, chain, installed_at=now)


def _held(tx: Tx, charge_point_id: int, type: str) -> list[_Held]:
    rows = tx.all(_HELD, charge_point_id=charge_point_id, certificate_type=type)
    return [_Held(*row) for row in rows]


def _insert(
    tx: Tx,
    charge_point_id: int,
    type: str,
    data: x509.HashData,
    pem: str | None,
    *,
    installed_at: datetime | None = None,
    reported_at: datetime | None = None,
) -> None:
    said: dict[str, Any] = dict.fromkeys(("subject", "issuer", "not_before", "not_after"))
    if pem is not None:
        description = x509.describe(pem)
        said = {name: getattr(description, name) for name in said}
    tx.execute(
        _INSERT,
        charge_point_id=charge_point_id,
        certificate_type=type,
        hash_algorithm=data.hash_algorithm,
        issuer_name_hash=data.issuer_name_hash,
        issuer_key_hash=data.issuer_key_hash,
        serial_number=data.serial_number,
        certificate=pem,
        installed_at=installed_at,
        reported_at=reported_at,
        **said,
    )


def _known(tx: Tx, data: x509.HashData) -> str | None:
    """The certificate itself, if it was ever sent to any charge point from here."""
    rows = tx.all(_KNOWN, serial_number=data.serial_number)
    return next((pem for [pem] in rows if _names(pem, data)), None)


def _names(pem: str, data: x509.HashData) -> bool:
    ours = x509.hash_data(pem, data.hash_algorithm)
    keys = {ours.issuer_key_hash, data.issuer_key_hash} - {None}
    return (
        ours.serial_number == data.serial_number
        and ours.issuer_name_hash == data.issuer_name_hash
        and len(keys) <= 1
    )


def _hash_data(told: CertificateHashData) -> x509.HashData:
    return x509.HashData(
        told.hash_algorithm,
        told.issuer_name_hash.lower(),
        told.issuer_key_hash.lower(),
        x509.serial_number(told.serial_number),
    )


# --- Renewal --------------------------------------------------------------------------------------


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
            command_id = _place(tx, row[0], order, actor, now)
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
    reason = f"The charge point answered {told}." if told else _why(end)
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
