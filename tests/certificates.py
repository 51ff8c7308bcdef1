"""Keys, requests and authorities for tests, made with `cryptography`: none of ours is in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)


@cache
def rsa_key(bits: int = 2048) -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str = "") -> Any:
    """An own key for each name."""
    return ec.generate_private_key(ec.SECP256R1())


def name_of(common_name: str | None, organization: str | None = "Example CPO") -> x509.Name:
    pairs = ((NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs if text is not None])


def csr(
    common_name: str | None = "CP-1",
    organization: str | None = "Example CPO",
    *,
    key: Any = None,
    algorithm: Any = None,
) -> str:
    """A certificate signing request in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        name_of(common_name, organization)
    )
    signed = builder.sign(key or ec_key(), algorithm or hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True)
class Issuer:
    """A certificate authority; `chain` is its certificate and those above it."""

    chain: tuple[x509.Certificate, ...]
    key: Any

    @property
    def chain_pem(self) -> str:
        return "".join(map(pem, self.chain))

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def issue(
        self,
        subject: x509.Name,
        public_key: Any,
        *,
        ca: bool = False,
        not_before: datetime = NOW - YEAR,
        not_after: datetime = NOW + 20 * YEAR,
    ) -> x509.Certificate:
        return certificate(
            subject, public_key, self.chain[0].subject, self.key, ca, not_before, not_after
        )

    def below(self, common_name: str) -> Issuer:
        """An authority that this one has signed."""
        key = ec_key(common_name)
        own = self.issue(name_of(common_name), key.public_key(), ca=True)
        return Issuer((own, *self.chain), key)


def root(common_name: str = "Root", *, key: Any = None, ca: bool = True) -> Issuer:
    key = key or ec_key(common_name)
    subject = name_of(common_name)
    own = certificate(subject, key.public_key(), subject, key, ca, NOW - YEAR, NOW + 20 * YEAR)
    return Issuer((own,), key)


def certificate(
    subject: x509.Name,
    public_key: Any,
    issuer: x509.Name,
    issuer_key: Any,
    ca: bool,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
