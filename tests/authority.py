"""TLS in the tests: a small authority that signs what it is asked to, good and bad."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files, PEM."""

    cert: Path
    key: Path

    @property
    def pem(self) -> str:
        return self.cert.read_text(encoding="ascii")


class Authority:
    """Signs certificates, and writes them into a folder."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self._name, self._name, self._key, DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self.cert = folder / f"{name}.pem"
        _write(self.cert, builder.sign(self._key, hashes.SHA256()))

    def server(self, *, kind: str = "ec") -> Pair:
        """For 127.0.0.1 and localhost."""
        names: list[x509.GeneralName] = [
            x509.IPAddress(ip_address("127.0.0.1")),
            x509.DNSName("localhost"),
        ]
        alternative = x509.SubjectAlternativeName(names)
        return self._sign("localhost", "Example Ltd", kind, alternative, DAY, client=False)

    def client(
        self,
        common_name: str,
        organization: str = "Example Ltd",
        *,
        valid: timedelta = DAY,
        kind: str = "ec",
    ) -> Pair:
        """For a charge point; a negative `valid` gives one that has expired."""
        return self._sign(common_name, organization, kind, None, valid, client=True)

    def _sign(
        self,
        common_name: str,
        organization: str,
        kind: str,
        alternative: x509.SubjectAlternativeName | None,
        valid: timedelta,
        *,
        client: bool,
    ) -> Pair:
        key = _key(kind)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            ]
        )
        builder = _builder(subject, self._name, key, valid)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        if alternative is not None:
            builder = builder.add_extension(alternative, False)
        number = len(list(self._folder.iterdir()))
        pair = Pair(self._folder / f"{number}.pem", self._folder / f"{number}.key")
        _write(pair.cert, builder.sign(self._key, hashes.SHA256()))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair


def _key(kind: str) -> Key:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, valid: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 10 * DAY)
        .not_valid_after(now + valid)
    )


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
