"""Security profiles (W1, W2, W3, W7): this transport and these credentials in, that out.

Through a proxy that is trusted, which can say anything; real TLS is tested in `test_tls`.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ocpp_cs.db.models import SecurityEvent
from ocpp_cs.gateway.transport import Transport, read_transport
from tests.authority import Authority, Pair
from tests.gateway.conftest import PATH, UPGRADE, Gate, RawPeer, StartGate, basic

KEY = bytes(range(20))
PASSWORD = basic("CP1", KEY)
PROXY = (ip_network("127.0.0.1/32"),)
TLS = {"X-Forwarded-Proto": "https"}
OPERATOR = "Example Ltd"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def proxied(start_gate: StartGate) -> Gate:
    """A gateway behind a trusted proxy: the tests' own peers."""
    return start_gate(trusted_proxies=PROXY, operator_name=OPERATOR)


def with_subject(subject: str, verify: str = "SUCCESS") -> dict[str, str]:
    return {**TLS, "X-SSL-Client-Verify": verify, "X-SSL-Client-S-DN": subject}


OWN = with_subject(f"CN=CP1,O={OPERATOR}")


def attempt(gate: Gate, headers: dict[str, str]) -> str:
    """What an upgrade ends with: `accepted`, or the reason that the peer is told."""
    with RawPeer(gate.port) as peer:
        status, _, body = peer.request(f"{PATH}CP1", {**UPGRADE, **headers})
        return "accepted" if status == 101 else f"{status} {json.loads(body)['reason']}"


def profile(gate: Gate) -> int:
    return int(gate.charge_point().security_profile)


def events(gate: Gate) -> list[tuple[str, str, str]]:
    rows = gate.read(SecurityEvent.select().order_by(SecurityEvent.id))
    return [(row.type, row.tech_info, row.source) for row in rows]


# --- One profile at a time (W1), never a lower one (W2) -----------------------------------------


@pytest.mark.parametrize(
    ("stored", "headers", "outcome", "after"),
    [
        (1, PASSWORD, "accepted", 1),
        (1, {}, "401 unauthorized", 1),
        (1, {**TLS, **PASSWORD}, "accepted", 2),
        (1, TLS, "401 unauthorized", 1),
        (1, OWN, "accepted", 3),
        (1, {**OWN, **PASSWORD}, "accepted", 2),  # a certificate beside what is asked for anyway
        (2, PASSWORD, "403 tls_required", 2),
        (2, {**TLS, **PASSWORD}, "accepted", 2),
        (2, TLS, "401 unauthorized", 2),
        (2, OWN, "accepted", 3),
        (3, PASSWORD, "403 tls_required", 3),
        (3, {**TLS, **PASSWORD}, "403 client_certificate_required", 3),
        (3, OWN, "accepted", 3),
        (3, {**OWN, **basic("CP1", b"x" * 20)}, "accepted", 3),  # no password is asked for
    ],
)
def test_the_profile_decides_what_is_asked_for(
    proxied: Gate, stored: int, headers: dict[str, str], outcome: str, after: int
) -> None:
    proxied.add_charge_point("CP1", key=KEY, security_profile=stored)
    assert attempt(proxied, headers) == outcome
    assert profile(proxied) == after


def test_a_higher_profile_that_was_used_is_asked_for_from_then_on(proxied: Gate) -> None:
    proxied.add_charge_point("CP1", key=KEY)
    for headers, outcome in (
        (PASSWORD, "accepted"),
        ({**TLS, **PASSWORD}, "accepted"),
        (PASSWORD, "403 tls_required"),
        (OWN, "accepted"),
        ({**TLS, **PASSWORD}, "403 client_certificate_required"),
        (PASSWORD, "403 tls_required"),
        (OWN, "accepted"),
    ):
        assert attempt(proxied, headers) == outcome
    raised = [told for type, told, _ in events(proxied) if type.startswith("Reconfiguration")]
    assert raised == ["security profile 1 raised to 2", "security profile 2 raised to 3"]


def test_a_failed_login_raises_nothing(proxied: Gate) -> None:
    proxied.add_charge_point("CP1", key=KEY)
    assert attempt(proxied, {**TLS, **basic("CP1", bytes(20))}) == "401 unauthorized"
    assert attempt(proxied, with_subject(f"CN=CP2,O={OPERATOR}")) == "401 unauthorized"
    offered = {"Sec-WebSocket-Protocol": "ocpp2.0.1"}
    assert attempt(proxied, {**TLS, **PASSWORD, **offered}) == "400 unsupported_subprotocol"
    assert profile(proxied) == 1


def test_without_a_key_tls_alone_is_no_login(proxied: Gate) -> None:
    proxied.add_charge_point("CP1")
    assert attempt(proxied, TLS) == "accepted"
    assert profile(proxied) == 0
    assert attempt(proxied, {}) == "accepted"


def test_an_unknown_charge_point_with_a_certificate_of_ours(proxied: Gate) -> None:
    assert attempt(proxied, OWN) == "accepted"
    assert profile(proxied) == 3
    assert attempt(proxied, {}) == "403 tls_required"


def test_the_new_key_over_tls(proxied: Gate) -> None:
    proxied.add_charge_point("CP1", next_key=KEY)
    assert attempt(proxied, {**TLS, **PASSWORD}) == "accepted"
    assert profile(proxied) == 2
    assert attempt(proxied, TLS) == "401 unauthorized"


# --- Without TLS only from where it is allowed (W3) ---------------------------------------------


def test_plain_connections_come_from_networks_that_are_named(start_gate: StartGate) -> None:
    gate = start_gate(trusted_proxies=PROXY, plain_networks=(ip_network("10.0.0.0/8"),))
    gate.add_charge_point("CP1", key=KEY)
    for address, headers, outcome in (
        ("10.1.1.1", {}, "accepted"),
        ("192.0.2.7", {}, "403 tls_required"),
        ("192.0.2.7", TLS, "accepted"),
    ):
        shown = {**PASSWORD, **headers, "X-Forwarded-For": address}
        assert attempt(gate, shown) == outcome
    assert attempt(gate, PASSWORD) == "403 tls_required"


# --- Certificates (W7) --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "verify", "outcome"),
    [
        (f"CN=CP1,O={OPERATOR}", "SUCCESS", "accepted"),
        (f"O={OPERATOR},CN=SN-1", "SUCCESS", "accepted"),
        (f"CN=BOX-1,O={OPERATOR},C=DE,emailAddress=a@b", "SUCCESS", "accepted"),
        (f"CN=CP1,O=Somebody,O={OPERATOR}", "SUCCESS", "accepted"),
        (f"CN=cp1,O={OPERATOR}", "SUCCESS", "403 client_certificate_of_another"),
        (f"CN=CP2,O={OPERATOR}", "SUCCESS", "403 client_certificate_of_another"),
        (f"O={OPERATOR}", "SUCCESS", "403 client_certificate_of_another"),
        (f"CN=CP1\\,O\\={OPERATOR}", "SUCCESS", "403 client_certificate_of_others"),
        ("CN=CP1,O=Example", "SUCCESS", "403 client_certificate_of_others"),
        ("CN=CP1", "SUCCESS", "403 client_certificate_of_others"),
        ("garbage", "SUCCESS", "403 client_certificate_unverified"),
        (f"CN=CP1,O={OPERATOR}", "FAILED:certificate has expired", "403 client_certificate_unver"),
        (f"CN=CP1,O={OPERATOR}", "success", "403 client_certificate_unverified"),
        (f"CN=CP1,O={OPERATOR}", "NONE", "403 client_certificate_required"),
        (f"CN=CP1,O={OPERATOR}", "", "403 client_certificate_required"),
    ],
)
def test_whose_certificate_it_is(proxied: Gate, subject: str, verify: str, outcome: str) -> None:
    serials: dict[str, Any] = {"serial_number": "SN-1", "charge_box_serial_number": "BOX-1"}
    proxied.add_charge_point("CP1", security_profile=3, **serials)
    assert attempt(proxied, with_subject(subject, verify)).startswith(outcome)


def test_nobody_is_of_an_operator_without_a_name(start_gate: StartGate) -> None:
    gate = start_gate(trusted_proxies=PROXY)
    gate.add_charge_point("CP1", security_profile=3)
    for subject in ("CN=CP1", "CN=CP1,O="):
        assert attempt(gate, with_subject(subject)) == "403 client_certificate_of_others"


def der(pair: Pair) -> str:
    certificate = x509.load_pem_x509_certificate(pair.pem.encode())
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def test_a_whole_certificate_as_proxies_pass_it_on(proxied: Gate, authority: Authority) -> None:
    pair = authority.client("CP1", OPERATOR)
    proxied.add_charge_point("CP1", security_profile=3)
    forms = (quote(pair.pem, safe=""), pair.pem.replace("\n", " "), der(pair))
    for form in forms:
        headers = {**TLS, "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": form}
        assert attempt(proxied, headers) == "accepted"
        # It counts more than the subject beside it.
        wrong = {**headers, "X-SSL-Client-S-DN": "CN=CP2,O=Somebody"}
        assert attempt(proxied, wrong) == "accepted"
    for bad in ("x", "%", der(pair)[:-40], quote(pair.pem[:200])):
        headers = {**TLS, "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": bad}
        assert attempt(proxied, headers) == "403 client_certificate_unverified"


def test_an_expired_certificate_that_slipped_through(proxied: Gate, authority: Authority) -> None:
    pair = authority.client("CP1", OPERATOR, valid=timedelta(seconds=-1))
    proxied.add_charge_point("CP1", security_profile=3)
    headers = {**TLS, "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": quote(pair.pem)}
    assert attempt(proxied, headers) == "403 client_certificate_expired"


def test_a_certificate_needs_tls() -> None:
    environ = {
        "wsgi.url_scheme": "http",
        "ocpp_cs.through_proxy": True,
        "HTTP_X_SSL_CLIENT_VERIFY": "SUCCESS",
        "HTTP_X_SSL_CLIENT_S_DN": "CN=CP1",
    }
    assert read_transport(environ) == Transport(secure=False, unverified=True)


# --- Who is believed (A19), and counted (A3) ----------------------------------------------------


def test_spoofed_headers_change_nothing(gate: Gate) -> None:
    gate.add_charge_point("CP1", key=KEY, security_profile=2)
    gate.add_charge_point("CP2", security_profile=3)
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert attempt(gate, {**TLS, **PASSWORD, **forwarded}) == "403 tls_required"
    assert attempt(gate, {**OWN, **forwarded}) == "403 tls_required"
    with RawPeer(gate.port) as peer:
        subject = with_subject(f"CN=CP2,O={OPERATOR}")
        assert peer.request(f"{PATH}CP2", {**UPGRADE, **subject})[0] == 403
    address = "SELECT DISTINCT remote_address FROM connection_attempts"
    with gate.engine.writable().connection_context():
        assert gate.engine.writable().execute_sql(address).fetchall() == [("127.0.0.1",)]


def test_a_fleet_behind_a_proxy_is_not_counted_as_one(start_gate: StartGate) -> None:
    gate = start_gate(trusted_proxies=PROXY, login_attempts_per_address=2)
    gate.add_charge_point("CP1", key=KEY)
    wrong = basic("CP1", bytes(20))
    for number in range(5):
        headers = {**wrong, "X-Forwarded-For": f"192.0.2.{number}"}
        assert attempt(gate, headers) == "401 unauthorized"
    assert attempt(gate, {**PASSWORD, "X-Forwarded-For": "192.0.2.9"}) == "accepted"
    # A guesser cannot hide behind addresses of its own making.
    found = [
        attempt(gate, {**wrong, "X-Forwarded-For": f"198.51.100.{number}, 192.0.2.50"})
        for number in range(4)
    ]
    assert found == ["401 unauthorized"] * 2 + ["429 too_many_failed_logins"] * 2


# --- What is recorded (W13), and what is told (A4) ----------------------------------------------


def test_a_refusal_for_security_is_an_event_once_an_hour(proxied: Gate) -> None:
    proxied.add_charge_point("CP1", key=KEY, security_profile=3)
    for _ in range(3):
        attempt(proxied, PASSWORD)
        attempt(proxied, with_subject(f"CN=CP2,O={OPERATOR}"))
    assert set(events(proxied)) == {
        ("LowerSecurityProfileRefused", "tls_required, from 127.0.0.1", "central_system"),
        (
            "InvalidChargePointCertificate",
            "client_certificate_of_another, from 127.0.0.1",
            "central_system",
        ),
    }
    assert len(events(proxied)) <= 4  # two, unless the hour has just ended
    assert ("CP1", "tls_required", 403, 3) in proxied.attempts()


def test_a_wrong_password_is_an_event_and_a_stranger_none(start_gate: StartGate) -> None:
    gate = start_gate(unknown_charge_points="closed")
    assert attempt(gate, basic("CP1", bytes(20))) == "404 unknown_charge_point"
    gate.add_charge_point("CP1", key=KEY)
    attempt(gate, basic("CP1", bytes(20)))
    (found,) = gate.read(SecurityEvent.select())
    assert (found.type, found.critical) == ("FailedToAuthenticateAtCentralSystem", False)
    assert bytes(20).hex() not in found.tech_info


def test_hidden_profiles_look_like_a_wrong_password(start_gate: StartGate) -> None:
    gate = start_gate(
        trusted_proxies=PROXY,
        operator_name=OPERATOR,
        hide_unknown=True,
        unknown_charge_points="closed",
    )
    gate.add_charge_point("CP2", key=KEY, security_profile=2)
    gate.add_charge_point("CP3", security_profile=3)

    def answer(identity: str, headers: dict[str, str]) -> tuple[Any, ...]:
        status, answered, body = gate.request(PATH + identity, {**UPGRADE, **headers})
        del answered["date"]
        return status, answered, body

    for headers in ({}, TLS, with_subject(f"CN=CPx,O={OPERATOR}")):
        for password in ({}, {"Authorization": basic("CP2", bytes(20))["Authorization"]}):
            shown = {**headers, **password}
            unknown = answer("CP1", shown)
            assert unknown[0] == 401
            assert answer("CP2", shown) == answer("CP3", shown) == unknown
    right = basic("CP2", KEY)
    assert answer("CP2", right)[0] == 401
    assert ("CP2", "tls_required", 401, 2) in gate.attempts()


def test_no_certificate_reaches_the_log_or_the_database(
    proxied: Gate, authority: Authority
) -> None:
    proxied.add_charge_point("CP1", security_profile=3)
    pair = authority.client("CP2", OPERATOR)
    headers = {**TLS, "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": der(pair)}
    attempt(proxied, headers)
    files = Path(proxied.engine.path).parent.glob("test.db*")
    stored = b"".join(file.read_bytes() for file in files)
    assert b"CP1" in stored
    assert der(pair).encode() not in stored
    assert not any(der(pair) in line for line in proxied.log.texts())
