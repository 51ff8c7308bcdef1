"""How a charge point reached us: over TLS or not, from where, with which client certificate.

It lets nobody in: `handshake` does. The chain of a certificate was verified before, by the TLS
layer or by a trusted proxy; here only its text is read.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import NameOID

from ocpp_cs import proxies

_VERIFIED = "SUCCESS"  # nginx's word; other proxies can be told to use it
# What OpenSSL calls attributes that RFC 4514 has no short name for.
_NAMES = {"emailAddress": NameOID.EMAIL_ADDRESS, "serialNumber": NameOID.SERIAL_NUMBER}
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What a verified certificate says of its owner. `expires_at` is None where a proxy told the
    subject only."""

    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Transport:
    """`unverified`: a proxy passed a certificate on that did not stand its test, or an unreadable
    one."""

    secure: bool
    certificate: ClientCertificate | None = None
    unverified: bool = False


def read_transport(environ: Mapping[str, Any]) -> Transport:
    """From a WSGI environment that has gone through `TrustedProxies`."""
    secure = environ.get("wsgi.url_scheme") == "https"
    if environ.get(proxies.THROUGH_PROXY):
        return _through_proxy(environ, secure)
    der = _peer_certificate(environ)
    if der is None:
        return Transport(secure)
    certificate = _read_der(der)
    return Transport(secure, certificate, unverified=certificate is None)


def _peer_certificate(environ: Mapping[str, Any]) -> bytes | None:
    """The certificate of this connection as DER, which the TLS layer has verified."""
    get_certificate = getattr(environ.get("gunicorn.socket"), "getpeercert", None)
    if get_certificate is None:
        return None
    der: bytes | None = get_certificate(binary_form=True)
    return der


def _through_proxy(environ: Mapping[str, Any], secure: bool) -> Transport:
    verify = environ.get(proxies.CLIENT_VERIFY, "").strip()
    if verify in ("", "NONE"):
        return Transport(secure)
    text = environ.get(proxies.CLIENT_CERTIFICATE, "").strip()
    subject = environ.get(proxies.CLIENT_SUBJECT, "").strip()
    certificate = None
    if secure and verify == _VERIFIED:
        certificate = _read_text(text) if text else _read_subject(subject)
    return Transport(secure, certificate, unverified=certificate is None)


def _read_text(text: str) -> ClientCertificate | None:
    """A certificate as a header can carry it: PEM, percent-encoded or with its line ends bent, or
    bare base64 of DER."""
    plain = unquote(text) if "%" in text else text
    body = plain.removeprefix(_BEGIN).partition(_END)[0]
    try:
        return _read_der(base64.b64decode("".join(body.split()), validate=True))
    except ValueError:
        return None


def _read_der(der: bytes) -> ClientCertificate | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        return _owner(certificate.subject, certificate.not_valid_after_utc)
    except ValueError:
        return None


def _read_subject(subject: str) -> ClientCertificate | None:
    """A distinguished name as RFC 4514 writes it: `CN=CB-4711,O=Example Ltd`."""
    try:
        return _owner(x509.Name.from_rfc4514_string(subject, _NAMES), None)
    except ValueError:
        return None


def _owner(subject: x509.Name, expires_at: datetime | None) -> ClientCertificate:
    def values(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(each.value) for each in subject.get_attributes_for_oid(oid))

    return ClientCertificate(
        values(NameOID.COMMON_NAME),
        values(NameOID.ORGANIZATION_NAME),
        None if expires_at is None else expires_at.astimezone(UTC),
    )
