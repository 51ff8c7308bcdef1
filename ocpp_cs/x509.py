"""Certificates as values: requests checked, signed and described (security whitepaper, §2.6).

No file, clock or database: texts come in as PEM, times as `now`. All cryptography is that of the
package `cryptography`. Who may have a certificate is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONGEST_CHAIN = 10_000
"""Characters of CertificateSigned's `certificateChain` (whitepaper, §5.1)."""

_SMALLEST_RSA = 2048  # bits (A00.FR.502)
_SMALLEST_CURVE = 224  # bits (A00.FR.503)
_HASHES = ("sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512")
_PEM_REQUEST = re.compile(
    r"\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\s"
    r"[A-Za-z0-9+/=\s]*-----END (?(1)NEW )CERTIFICATE REQUEST-----\s*"
)
# A clock that is a little behind must not find its new certificate not valid yet.
_BACKDATED = timedelta(hours=1)
_DIGESTS = {"SHA256": hashlib.sha256, "SHA384": hashlib.sha384, "SHA512": hashlib.sha512}
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)


class CertificateFault(ValueError):
    """What is wrong with a request or a certificate, in a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a certificate says. Serial number and fingerprint in lower-case hexadecimal."""

    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    fingerprint_sha256: str


@dataclass(frozen=True, slots=True)
class HashData:
    """What names a certificate in OCPP (§6.1); the key hash is None while the issuer is unknown."""

    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str | None
    serial_number: str


# --- Requests -------------------------------------------------------------------------------------


def check_request(pem: str, *, organization: str, common_names: Collection[str]) -> str:
    """The common name of a request that may be signed. Raises CertificateFault.

    `organization` is the operator's name (A00.FR.509, A02.FR.13), "" for any; `common_names` are
    those of the charge point (A00.FR.511).
    """
    request = _read_request(pem)
    _check_key(request.public_key())
    algorithm = request.signature_hash_algorithm
    if algorithm is not None and algorithm.name not in _HASHES:
        raise CertificateFault(f"It is signed with {algorithm.name}; SHA-256 or better is needed.")
    try:
        valid = request.is_signature_valid
    except _UNREADABLE as error:
        raise CertificateFault("Its signature cannot be checked.") from error
    if not valid:
        raise CertificateFault("Its signature does not fit its key.")
    organizations = _names(request.subject, NameOID.ORGANIZATION_NAME)
    if not organizations:
        raise CertificateFault("Its subject has no organization (O).")
    if organization and organizations != [organization]:
        raise CertificateFault(
            f"Its subject has the organization {', '.join(organizations)!r}; {organization!r} is "
            "needed (configuration key CpoName)."
        )
    names = _names(request.subject, NameOID.COMMON_NAME)
    if len(names) != 1 or names[0] not in common_names:
        raise CertificateFault(
            f"Its subject has the common name {', '.join(names)!r}; the charge point's identity or "
            "serial number is needed."
        )
    return names[0]


def _read_request(pem: str) -> x509.CertificateSigningRequest:
    if not _PEM_REQUEST.fullmatch(pem):
        raise CertificateFault("It is not one certificate signing request in PEM.")
    try:
        return x509.load_pem_x509_csr(pem.strip().encode())
    except _UNREADABLE as error:
        raise CertificateFault("It cannot be read as a certificate signing request.") from error


def _check_key(key: Any) -> None:
    """Raises CertificateFault for a key below 112 bits of security (A00.FR.501)."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _SMALLEST_RSA:
            raise CertificateFault(
                f"Its RSA key has {key.key_size} bits; {_SMALLEST_RSA} are needed."
            )
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.key_size < _SMALLEST_CURVE:
            raise CertificateFault(
                f"Its key is on a curve of {key.curve.key_size} bits; {_SMALLEST_CURVE} are needed."
            )
    elif not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raise CertificateFault("Its key is neither RSA nor on an elliptic curve.")


def _names(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


# --- Signing --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of the operator: its certificate with those above it, and its key."""

    chain: tuple[x509.Certificate, ...]
    key: Any

    def sign(self, csr_pem: str, *, days: int, now: datetime) -> str:
        """The certificate for a request that was checked, and the chain above it, in PEM.

        Only the names and the key are taken from the request: what it may be used for is ours to
        say. The root is left out: a charge point has it, or must not take it from here.
        """
        request, own = _read_request(csr_pem), self.chain[0]
        not_after = min(now + timedelta(days=days), own.not_valid_after_utc)
        if not_after <= now:
            raise CertificateFault("The certificate authority's own certificate has expired.")
        subject = x509.Name(
            [
                x509.NameAttribute(oid, _names(request.subject, oid)[0])
                for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
            ]
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(own.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - _BACKDATED, own.not_valid_before_utc))
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_DIGITAL_SIGNATURE, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(own.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        edwards = isinstance(self.key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        certificate = builder.sign(self.key, None if edwards else hashes.SHA256())
        above = [each for each in self.chain if each.issuer != each.subject]
        return _checked_length("".join(map(_pem, [certificate, *above])))


_DIGITAL_SIGNATURE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def load_authority(certificate_pem: bytes, key_pem: bytes) -> Authority:
    """The authority out of its two files. Raises CertificateFault; no text of theirs is in it."""
    try:
        chain = x509.load_pem_x509_certificates(certificate_pem)
    except _UNREADABLE as error:
        raise CertificateFault("The certificate is not in PEM.") from error
    try:
        key: Any = serialization.load_pem_private_key(key_pem, password=None)
    except _UNREADABLE as error:
        raise CertificateFault("The key is not an unencrypted private key in PEM.") from error
    own = chain[0]
    if own.public_key() != key.public_key():
        raise CertificateFault("The key is not that of the first certificate.")
    _check_key(key.public_key())
    if not _is_authority(own):
        raise CertificateFault("The first certificate is not that of a certificate authority.")
    _check_links(chain)
    return Authority(tuple(chain), key)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return False


# --- Certificates ---------------------------------------------------------------------------------


def check_chain(chain_pem: str, csr_pem: str, *, now: datetime) -> str:
    """A chain that another authority has signed for a request, tidied up. Raises CertificateFault.

    The charge point's certificate comes first, each next one has signed the one before it.
    """
    chain = _read_certificates(chain_pem)
    own = chain[0]
    if own.public_key() != _read_request(csr_pem).public_key():
        raise CertificateFault("The first certificate is not for the key of the request.")
    if not own.not_valid_before_utc <= now + timedelta(days=366) or own.not_valid_after_utc <= now:
        raise CertificateFault("The first certificate is not valid at this time.")
    for certificate in chain:
        _check_key(certificate.public_key())
    _check_links(chain)
    return _checked_length("".join(map(_pem, chain)))


def _read_certificates(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except _UNREADABLE as error:
        raise CertificateFault("It is not a certificate in PEM.") from error


def _check_links(chain: Sequence[x509.Certificate]) -> None:
    for lower, upper in pairwise(chain):
        try:
            lower.verify_directly_issued_by(upper)
        except (InvalidSignature, *_UNREADABLE) as error:
            raise CertificateFault(
                f"The certificate of {_shown(lower.subject)!r} was not signed by the next one, of "
                f"{_shown(upper.subject)!r}."
            ) from error


def _checked_length(pem: str) -> str:
    if len(pem) > LONGEST_CHAIN:
        raise CertificateFault(
            f"The chain has {len(pem)} characters; CertificateSigned takes {LONGEST_CHAIN}."
        )
    return pem


def describe(pem: str) -> Description:
    """What the first certificate of a PEM says. Raises CertificateFault."""
    own = _read_certificates(pem)[0]
    return Description(
        subject=_shown(own.subject),
        issuer=_shown(own.issuer),
        serial_number=f"{own.serial_number:x}",
        not_before=own.not_valid_before_utc,
        not_after=own.not_valid_after_utc,
        fingerprint_sha256=own.fingerprint(hashes.SHA256()).hex(),
    )


def host_names(pem: str) -> list[str]:
    """The hosts that the first certificate of a PEM is for, addresses among them."""
    own = _read_certificates(pem)[0]
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *_UNREADABLE):
        return []
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def hash_data(pem: str, algorithm: str = "SHA256") -> HashData:
    """What names the first certificate of a PEM on the wire. Raises CertificateFault.

    Its issuer is the second one, or itself where it has signed itself.
    """
    chain = _read_certificates(pem)
    own = chain[0]
    issuer = own if own.issuer == own.subject else next(iter(chain[1:]), None)
    digest = _DIGESTS[algorithm]
    key_hash = None
    if issuer is not None:
        key = issuer.public_key()
        # As in OCSP: of the key's bits, without what says which kind of key they are.
        key_hash = digest(_key_bits(key)).hexdigest()
    name_hash = digest(own.issuer.public_bytes()).hexdigest()
    return HashData(algorithm, name_hash, key_hash, f"{own.serial_number:x}")


def _key_bits(key: Any) -> bytes:
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
    bits: bytes = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return bits


def serial_number(text: str) -> str:
    """A serial number as charge points write it, in one form."""
    return text.strip().lower().removeprefix("0x").replace(":", "").lstrip("0") or "0"


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _shown(name: x509.Name) -> str:
    return name.rfc4514_string()
