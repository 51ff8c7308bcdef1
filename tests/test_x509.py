"""Requests that may be signed and those that may not; what is made of them; what names them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509 as oracle
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ocpp_cs import x509
from ocpp_cs.x509 import CertificateFault
from tests import certificates
from tests.certificates import NOW, csr, ec_key, name_of, pem, root, rsa_key


def check(text: str, organization: str = "Example CPO") -> str:
    return x509.check_request(text, organization=organization, common_names={"CP-1", "SN 7"})


@pytest.mark.parametrize(
    "key",
    [
        rsa_key(),
        rsa.generate_private_key(public_exponent=65537, key_size=3072),
        ec_key(),
        ec.generate_private_key(ec.SECP224R1()),
        ec.generate_private_key(ec.SECP384R1()),
    ],
    ids=["RSA 2048", "RSA 3072", "P-256", "P-224", "P-384"],
)
@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA512()], ids=["SHA256", "SHA512"])
def test_a_good_request(key: Any, algorithm: Any) -> None:
    assert check(csr(key=key, algorithm=algorithm)) == "CP-1"


def test_any_name_of_the_charge_point_and_any_operator_where_none_is_set() -> None:
    assert check(csr("SN 7")) == "SN 7"
    assert check(csr(organization="Somebody else"), organization="") == "CP-1"


def _tampered() -> str:
    """The same key and subject, a signature over something else."""
    der = bytearray(
        oracle.load_pem_x509_csr(csr().encode()).public_bytes(serialization.Encoding.DER)
    )
    place = der.index(b"CP-1")
    der[place : place + 4] = b"SN 7"
    changed = oracle.load_der_x509_csr(bytes(der))
    return changed.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (csr(key=rsa_key(1024)), "1024 bits; 2048"),
        (csr(key=ec.generate_private_key(ec.SECP192R1())), "192 bits; 224"),
        (csr(algorithm=hashes.SHA224()), "sha224; SHA-256"),
        (_tampered(), "signature does not fit"),
        (csr(organization=None), "no organization"),
        (csr(organization="Other"), "'Other'; 'Example CPO' is needed"),
        (csr(None), "common name ''"),
        (csr("CP-2"), "common name 'CP-2'"),
        (csr("cp-1"), "common name 'cp-1'"),
        ("", "not one certificate signing request"),
        ("-----BEGIN CERTIFICATE REQUEST-----", "not one certificate signing request"),
        (csr() + csr(), "not one certificate signing request"),
        (root().chain_pem, "not one certificate signing request"),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
            "cannot be read",
        ),
        (csr().replace("-----BEGIN", "before\n-----BEGIN"), "not one certificate signing request"),
    ],
)
def test_a_bad_request(text: str, fault: str) -> None:
    with pytest.raises(CertificateFault, match=fault):
        check(text)


def test_two_names_are_none() -> None:
    names = [oracle.NameAttribute(NameOID.COMMON_NAME, text) for text in ("CP-1", "CP-2")]
    organization = oracle.NameAttribute(NameOID.ORGANIZATION_NAME, "Example CPO")
    builder = oracle.CertificateSigningRequestBuilder()
    signed = builder.subject_name(oracle.Name([organization, *names])).sign(
        ec_key(), hashes.SHA256()
    )
    with pytest.raises(CertificateFault, match="common name"):
        check(signed.public_bytes(serialization.Encoding.PEM).decode())


# --- Signing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [rsa_key(), ec_key("authority")], ids=["RSA", "EC"])
def test_what_our_authority_signs_is_trusted_for_clients_only(key: Any) -> None:
    issuer = root(key=key).below("Intermediate")
    authority = x509.load_authority(issuer.chain_pem.encode(), issuer.key_pem.encode())
    chain = oracle.load_pem_x509_certificates(authority.sign(csr(), days=90, now=NOW).encode())
    own, above = chain
    assert above == issuer.chain[0]  # and no root
    assert own.subject == name_of("CP-1")
    assert own.public_key() == ec_key().public_key()
    assert own.not_valid_before_utc <= NOW
    assert own.not_valid_after_utc == NOW + timedelta(days=90)
    extensions = own.extensions
    assert not extensions.get_extension_for_class(oracle.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(oracle.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    key_usage = extensions.get_extension_for_class(oracle.KeyUsage).value
    assert key_usage.digital_signature
    assert not key_usage.key_cert_sign
    own.verify_directly_issued_by(above)
    above.verify_directly_issued_by(issuer.chain[1])


def test_nothing_of_a_request_but_its_names_and_key_is_signed() -> None:
    """A charge point may ask to be an authority, or any server."""
    wanted = (
        oracle.CertificateSigningRequestBuilder()
        .subject_name(name_of("CP-1"))
        .add_extension(oracle.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            oracle.SubjectAlternativeName([oracle.DNSName("csms.example.com")]), critical=False
        )
        .sign(ec_key(), hashes.SHA256())
    )
    issuer = root()
    authority = x509.load_authority(issuer.chain_pem.encode(), issuer.key_pem.encode())
    text = wanted.public_bytes(serialization.Encoding.PEM).decode()
    [own] = oracle.load_pem_x509_certificates(authority.sign(text, days=1, now=NOW).encode())
    assert not own.extensions.get_extension_for_class(oracle.BasicConstraints).value.ca
    with pytest.raises(oracle.ExtensionNotFound):
        own.extensions.get_extension_for_class(oracle.SubjectAlternativeName)


def test_no_certificate_outlives_its_authority() -> None:
    issuer = root()
    authority = x509.load_authority(issuer.chain_pem.encode(), issuer.key_pem.encode())
    end = issuer.chain[0].not_valid_after_utc
    late = end - timedelta(days=1)
    assert x509.describe(authority.sign(csr(), days=90, now=late)).not_after == end
    with pytest.raises(CertificateFault, match="expired"):
        authority.sign(csr(), days=90, now=end)


@pytest.mark.parametrize(
    ("certificate", "key", "fault"),
    [
        ("", root().key_pem, "certificate is not in PEM"),
        (root().chain_pem, "no key", "not an unencrypted private key"),
        (root().chain_pem, root("Other").key_pem, "not that of the first certificate"),
        (root(ca=False).chain_pem, root(ca=False).key_pem, "not that of a certificate authority"),
        (
            root().below("A").chain_pem.split("-----END")[0]
            + "-----END CERTIFICATE-----\n"
            + root("Other").chain_pem,
            root().below("A").key_pem,
            "was not signed by the next one",
        ),
    ],
)
def test_an_authority_that_is_none(certificate: str, key: str, fault: str) -> None:
    with pytest.raises(CertificateFault, match=fault):
        x509.load_authority(certificate.encode(), key.encode())


# --- Chains of others -----------------------------------------------------------------------------


def leaf(issuer: certificates.Issuer, **changes: Any) -> str:
    return pem(issuer.issue(name_of("CP-1"), ec_key().public_key(), **changes))


def test_the_chain_of_another_authority_is_checked_and_tidied_up() -> None:
    issuer = root().below("Intermediate")
    text = leaf(issuer) + issuer.chain_pem
    assert x509.check_chain(f"junk\n{text}\n\n", csr(), now=NOW) == text


@pytest.mark.parametrize(
    ("chain", "fault"),
    [
        ("", "not a certificate"),
        (root().chain_pem, "not for the key of the request"),
        (leaf(root()) + root("Other").chain_pem, "was not signed by the next one"),
        (leaf(root(), not_after=NOW), "not valid at this time"),
        (leaf(root()) + 20 * root().chain_pem, "characters; CertificateSigned takes 10000"),
        (
            pem(root().issue(name_of("CP-1"), rsa_key(1024).public_key())),
            "not for the key of the request",
        ),
    ],
)
def test_a_chain_that_will_not_do(chain: str, fault: str) -> None:
    with pytest.raises(CertificateFault, match=fault):
        x509.check_chain(chain, csr(), now=NOW)


# --- What names a certificate ---------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize("key", [rsa_key(), ec_key("authority")], ids=["RSA", "EC"])
def test_hashes_are_those_of_ocsp(key: Any, algorithm: str) -> None:
    issuer = root(key=key)
    own = issuer.issue(name_of("CP-1"), ec_key().public_key())
    wanted = getattr(hashes, algorithm)()
    asked = ocsp.OCSPRequestBuilder().add_certificate(own, issuer.chain[0], wanted).build()
    found = x509.hash_data(pem(own) + issuer.chain_pem, algorithm)
    assert found.issuer_name_hash == asked.issuer_name_hash.hex()
    assert found.issuer_key_hash == asked.issuer_key_hash.hex()
    assert int(found.serial_number, 16) == asked.serial_number
    # Without its issuer the key is unknown; who has signed itself is its own issuer.
    assert x509.hash_data(pem(own), algorithm).issuer_key_hash is None
    own_hash = x509.hash_data(issuer.chain_pem, algorithm).issuer_key_hash
    assert own_hash == asked.issuer_key_hash.hex()


def test_serial_numbers_are_compared_in_one_form() -> None:
    assert {x509.serial_number(text) for text in ("0x00AB", "ab", " 00:AB ", "0ab")} == {"ab"}
    assert x509.serial_number("0") == "0"


def test_ed25519_is_a_key_as_well() -> None:
    builder = oracle.CertificateSigningRequestBuilder().subject_name(name_of("CP-1"))
    text = builder.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(
        serialization.Encoding.PEM
    )
    assert check(text.decode()) == "CP-1"
