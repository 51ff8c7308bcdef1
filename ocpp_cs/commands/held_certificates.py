"""What certificates each charge point holds, as far as its answers say (W10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs import x509
from ocpp_cs.commands.ends import End
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import InstalledCertificate
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages.security import (
    CertificateHashData,
    DeleteCertificateRequest,
    DeleteCertificateResponse,
    GetInstalledCertificateIdsRequest,
    GetInstalledCertificateIdsResponse,
    InstallCertificateRequest,
    InstallCertificateResponse,
)

OWN = "ChargePointCertificate"
"""Type of the certificate that a charge point shows, beside OCPP's types of roots."""

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


def hold_own(tx: Tx, charge_point_id: int, chain: str, now: datetime) -> None:
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
