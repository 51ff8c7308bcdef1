"""Certificates of charge points and their requests, as people read them, and what is due for whom.

What becomes of them is decided in `commands.certificates`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN

from ocpp_cs.db.models import CertificateRequest, ChargePoint, InstalledCertificate
from ocpp_cs.db.queries.conditions import key_of, where


class OwnedCertificateRequestRow(NamedTuple):
    """A certificate request, with whose it is."""

    id: int
    charge_point_id: str | None
    csr: str
    status: str
    reason: str | None
    certificate_chain: str | None
    command_id: int | None
    decided_by: str | None
    received_at: datetime
    updated_at: datetime | None


class CertificateRow(NamedTuple):
    """A certificate that a charge point holds."""

    id: int
    charge_point_id: str | None
    certificate_type: str
    subject: str | None
    issuer: str | None
    serial_number: str
    not_before: datetime | None
    not_after: datetime | None
    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str | None
    certificate: str | None
    installed_at: datetime | None
    reported_at: datetime | None
    renewal_status: str | None
    renewal_reason: str | None
    renewal_at: datetime | None


class RequestToSign(NamedTuple):
    """A request that waits; `identity` is the charge point's."""

    id: int
    identity: str
    csr: str


class Due(NamedTuple):
    """A certificate that something has to be done about."""

    id: int
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedCertificateRequestFilter:
    """Which ones; None does not filter. `since` inclusive, `until` exclusive, of the receipt."""

    charge_point_id: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFilter:
    """Which ones; None does not filter."""

    charge_point_id: str | None = None
    certificate_type: str | None = None
    expires_before: datetime | None = None
    renewal_status: str | None = None


def owned_certificate_requests(
    wanted: OwnedCertificateRequestFilter, after: tuple[int] | None, limit: int
) -> list[OwnedCertificateRequestRow]:
    """Certificate requests, the newest first; the key is (id)."""
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(CertificateRequest.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.status is not None:
        conditions.append(CertificateRequest.status == wanted.status)
    if wanted.since is not None:
        conditions.append(CertificateRequest.received_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(CertificateRequest.received_at < wanted.until)
    if after is not None:
        conditions.append(CertificateRequest.id < after[0])
    query = where(_requests(), conditions).order_by(CertificateRequest.id.desc()).limit(limit)
    return [OwnedCertificateRequestRow(*values) for values in query.tuples()]


def certificate_request(id: int) -> OwnedCertificateRequestRow | None:
    query = _requests().where(CertificateRequest.id == id).tuples()
    return next((OwnedCertificateRequestRow(*values) for values in query), None)


def certificates(
    wanted: CertificateFilter, after: tuple[int] | None, limit: int
) -> list[CertificateRow]:
    """Certificates that charge points hold, as they became known; the key is (id)."""
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(InstalledCertificate.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.certificate_type is not None:
        conditions.append(InstalledCertificate.certificate_type == wanted.certificate_type)
    if wanted.expires_before is not None:
        conditions.append(InstalledCertificate.not_after < wanted.expires_before)
    if wanted.renewal_status is not None:
        conditions.append(InstalledCertificate.renewal_status == wanted.renewal_status)
    if after is not None:
        conditions.append(InstalledCertificate.id > after[0])
    columns = [
        ChargePoint.identity if name == "charge_point_id" else getattr(InstalledCertificate, name)
        for name in CertificateRow._fields
    ]
    query = InstalledCertificate.select(*columns).join(
        ChargePoint,
        JOIN.LEFT_OUTER,
        on=(ChargePoint.id == InstalledCertificate.charge_point_id),
    )
    query = where(query, conditions).order_by(InstalledCertificate.id).limit(limit)
    return [CertificateRow(*values) for values in query.tuples()]


def requests_to_sign(limit: int) -> list[RequestToSign]:
    """Requests that our own authority may sign: whoever made them has shown a key (profile 1 or
    above). Anybody may claim to be a charge point without one: those wait for a person."""
    query: Any = (
        CertificateRequest.select(
            CertificateRequest.id, ChargePoint.identity, CertificateRequest.csr
        )
        .join(ChargePoint, on=(ChargePoint.id == CertificateRequest.charge_point_id))
        .where(
            CertificateRequest.status == "pending",
            ChargePoint.security_profile >= 1,
            ChargePoint.registration == "accepted",
        )
        .order_by(CertificateRequest.id)
        .limit(limit)
    )
    return [RequestToSign(*values) for values in query.tuples()]


def due_renewals(before: datetime, limit: int) -> list[Due]:
    """Certificates that expire before that time, and that nobody has asked to be renewed."""
    query = _own().where(
        InstalledCertificate.not_after < before,
        InstalledCertificate.renewal_status.is_null(),
        InstalledCertificate.charge_point_id.not_in(
            CertificateRequest.select(CertificateRequest.charge_point_id).where(
                CertificateRequest.status.in_(("pending", "signed"))
            )
        ),
    )
    return [Due(*values) for values in query.limit(limit).tuples()]


def overdue_renewals(before: datetime, limit: int) -> list[Due]:
    """Those that were asked for before that time, and of which nothing has been heard since."""
    query = _own().where(
        InstalledCertificate.renewal_status == "accepted",
        InstalledCertificate.renewal_at < before,
        InstalledCertificate.charge_point_id.not_in(
            CertificateRequest.select(CertificateRequest.charge_point_id).where(
                CertificateRequest.received_at >= InstalledCertificate.renewal_at
            )
        ),
    )
    return [Due(*values) for values in query.limit(limit).tuples()]


def _own() -> Any:
    return (
        InstalledCertificate.select(InstalledCertificate.id, ChargePoint.identity)
        .join(ChargePoint, on=(ChargePoint.id == InstalledCertificate.charge_point_id))
        .where(InstalledCertificate.certificate_type == "ChargePointCertificate")
        .order_by(InstalledCertificate.id)
    )


def _requests() -> Any:
    columns = [
        ChargePoint.identity if name == "charge_point_id" else getattr(CertificateRequest, name)
        for name in OwnedCertificateRequestRow._fields
    ]
    return CertificateRequest.select(*columns).join(
        ChargePoint, JOIN.LEFT_OUTER, on=(ChargePoint.id == CertificateRequest.charge_point_id)
    )
