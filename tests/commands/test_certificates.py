"""Certificates on their way to a charge point, what it holds then, and when it needs a new one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.settings import Settings
from ocpp_cs import x509
from ocpp_cs.commands import certificate_requests, held_certificates, table
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.table import Result
from ocpp_cs.db.models import (
    CertificateRequest,
    ChargePoint,
    Command,
    InstalledCertificate,
    SecurityEvent,
)
from ocpp_cs.signing import Signing
from tests.certificates import csr, ec_key, name_of, pem, root
from tests.commands.conftest import ACTOR, Office, store

__all__ = ["store"]

ISSUER = root()
AUTHORITY = x509.load_authority(ISSUER.chain_pem.encode(), ISSUER.key_pem.encode())
CHAIN = pem(ISSUER.issue(name_of("CP-1"), ec_key().public_key()))
ROOT = ISSUER.chain_pem


def asked(office: Office, text: str | None = None) -> int:
    """A certificate request of the charge point; its id."""
    answer = office.desk.send("SignCertificate", {"csr": text or csr()})
    assert answer == {"status": "Accepted"}
    query = CertificateRequest.select().order_by(CertificateRequest.id.desc()).limit(1)
    return int(office.store.row(query)["id"])


def request(office: Office, id: int) -> dict[str, Any]:
    return office.store.row(CertificateRequest.select().where(CertificateRequest.id == id))


def sign(office: Office, id: int) -> None:
    office.run(lambda tx: certificate_requests.sign(tx, id, CHAIN, actor=ACTOR, now=office.now))


def held(office: Office) -> list[dict[str, Any]]:
    return office.store.rows(InstalledCertificate.select().order_by(InstalledCertificate.id))


def event_types(office: Office) -> list[str]:
    return [row["type"] for row in office.store.rows(SecurityEvent.select())]


# --- To the charge point --------------------------------------------------------------------------


def test_a_signed_certificate_is_sent_and_held_once_accepted(office: Office) -> None:
    id = asked(office)
    sign(office, id)
    assert request(office, id)["status"] == "signed"
    claimed = office.answer(status="Accepted")
    assert claimed.action == "CertificateSigned"
    assert claimed.request.certificate_chain == CHAIN  # type: ignore[attr-defined]
    row = request(office, id)
    assert (row["status"], row["command_id"], row["decided_by"]) == (
        "accepted",
        claimed.id,
        ACTOR.name,
    )
    [certificate] = held(office)
    assert certificate["certificate_type"] == held_certificates.OWN
    assert certificate["subject"] == "CN=CP-1,O=Example CPO"
    assert certificate["installed_at"] == office.now
    assert event_types(office) == []


def test_the_newest_one_takes_the_place_of_the_one_before(office: Office) -> None:
    for number in range(2):
        sign(office, asked(office, csr(key=ec_key(str(number)))))
        office.answer(status="Accepted")
    assert len(held(office)) == 1


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (None, "rejected"),
        (Result(status="rejected", error_code="NotSupported"), "failed"),
        (Result(status="timeout", error_code="no_answer"), "failed"),
    ],
)
def test_what_fails_is_left_to_an_operator(office: Office, end: Result | None, status: str) -> None:
    id = asked(office)
    sign(office, id)
    if end is None:
        office.answer(status="Rejected")
    else:
        office.finish(office.claimed(), end)
    assert request(office, id)["status"] == status
    assert request(office, id)["reason"]
    assert held(office) == []
    assert event_types(office) == ["CertificateNotInstalled"]
    assert office.claim() is None  # nothing is tried again by itself
    office.run(lambda tx: certificate_requests.send_again(tx, id, actor=ACTOR, now=office.now))
    office.answer(status="Accepted")
    assert request(office, id)["status"] == "accepted"
    assert len(held(office)) == 1


def test_it_waits_a_day_for_a_charge_point_that_is_offline(office: Office) -> None:
    id = asked(office)
    office.disconnect()
    sign(office, id)
    command = office.store.row(Command.select())
    assert command["expires_at"] - command["created_at"] == timedelta(days=1)
    office.later(86401)
    office.reconnect()
    office.run(lambda tx: table.expire(tx, office.now))
    assert request(office, id)["status"] == "failed"


def test_only_what_is_pending_is_decided(office: Office) -> None:
    id = asked(office)
    office.run(lambda tx: certificate_requests.decline(tx, id, "no", actor=ACTOR, now=office.now))
    row = request(office, id)
    assert (row["status"], row["reason"], row["decided_by"]) == ("declined", "no", ACTOR.name)
    for work in (
        lambda tx: certificate_requests.sign(tx, id, CHAIN, actor=ACTOR, now=office.now),
        lambda tx: certificate_requests.decline(tx, id, "no", actor=ACTOR, now=office.now),
        lambda tx: certificate_requests.send_again(tx, id, actor=ACTOR, now=office.now),
    ):
        with pytest.raises(Refused) as refused:
            office.run(work)
        assert refused.value.status == 409
    with pytest.raises(Refused) as refused:
        office.run(
            lambda tx: certificate_requests.sign(tx, 999, CHAIN, actor=ACTOR, now=office.now)
        )
    assert refused.value.status == 404
    assert office.store.rows(Command.select()) == []


# --- What a charge point holds --------------------------------------------------------------------


def hash_data(text: str, algorithm: str = "SHA256") -> dict[str, Any]:
    """As a charge point says it: in upper case, with leading zeros."""
    data = x509.hash_data(text, algorithm)
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": data.issuer_name_hash.upper(),
        "issuerKeyHash": (data.issuer_key_hash or "00").upper(),
        "serialNumber": data.serial_number.upper(),
    }


TYPE = "CentralSystemRootCertificate"


def install(office: Office, text: str = ROOT, status: str = "Accepted") -> None:
    office.place("InstallCertificate", {"certificateType": TYPE, "certificate": text})
    office.answer(status=status)


def report(office: Office, *told: dict[str, Any]) -> None:
    office.place("GetInstalledCertificateIds", {"certificateType": TYPE})
    if told:
        office.answer(status="Accepted", certificateHashData=list(told))
    else:
        office.answer(status="NotFound")


def test_an_accepted_root_is_held_until_it_is_deleted(office: Office) -> None:
    install(office, status="Rejected")
    assert held(office) == []
    install(office)
    install(office)
    [row] = held(office)
    assert (row["subject"], row["issuer"]) == ("CN=Root,O=Example CPO",) * 2
    assert row["not_after"] == ISSUER.chain[0].not_valid_after_utc
    office.place("DeleteCertificate", {"certificateHashData": hash_data(ROOT, "SHA512")})
    office.answer(status="Failed")
    assert len(held(office)) == 1
    office.place("DeleteCertificate", {"certificateHashData": hash_data(ROOT, "SHA512")})
    office.answer(status="Accepted")
    assert held(office) == []


def test_a_report_says_what_is_there_and_what_is_not(office: Office) -> None:
    install(office)
    office.later(30)
    foreign = root("Of somebody else").chain_pem
    report(office, hash_data(ROOT, "SHA384"), hash_data(foreign))
    ours, other = held(office)
    assert ours["certificate"] == ROOT
    assert ours["reported_at"] == office.now
    assert ours["hash_algorithm"] == "SHA384"
    assert (other["certificate"], other["subject"], other["not_after"]) == (None, None, None)
    assert other["serial_number"] == x509.hash_data(foreign).serial_number
    report(office, hash_data(foreign))
    assert [row["id"] for row in held(office)] == [other["id"]]
    report(office)
    assert held(office) == []


def test_a_certificate_that_was_sent_to_another_charge_point_is_known(office: Office) -> None:
    install(Office(office.store, "CP-2"))
    report(office, hash_data(ROOT))
    assert [row["subject"] for row in held(office)] == ["CN=Root,O=Example CPO"] * 2


# --- The authority of our own, and renewal --------------------------------------------------------


def signing(office: Office, **changes: Any) -> Signing:
    settings = Settings(**changes)
    return Signing(settings, office.store.committer, AUTHORITY)


def with_password(office: Office) -> None:
    office.store.write(ChargePoint.update(security_profile=1))


def test_our_authority_signs_only_for_who_has_shown_a_key(office: Office) -> None:
    id = asked(office)
    assert signing(office).sign() == 0
    assert request(office, id)["status"] == "pending"
    with_password(office)
    assert signing(office).sign() == 1
    row = request(office, id)
    assert (row["status"], row["decided_by"]) == ("signed", "certificate authority")
    assert x509.check_chain(row["certificate_chain"], csr(), now=datetime.now(UTC))
    assert signing(office).sign() == 0
    assert len(office.store.rows(Command.select())) == 1


def test_two_processes_sign_once(office: Office) -> None:
    id = asked(office)
    for _ in range(2):
        office.run(
            lambda tx: certificate_requests.sign_if_possible(
                tx, id, CHAIN, actor=ACTOR, now=office.now
            )
        )
    assert len(office.store.rows(Command.select())) == 1


def test_without_an_authority_requests_wait(office: Office) -> None:
    with_password(office)
    asked(office)
    assert Signing(Settings(), office.store.committer, None).sign() == 0


def due(office: Office, days: int) -> None:
    """The charge point holds a certificate that expires in so many days."""
    end = office.now + timedelta(days=days)
    own = ISSUER.issue(name_of("CP-1"), ec_key().public_key(), not_after=end)
    office.place("CertificateSigned", {"certificateChain": pem(own)})
    office.answer(status="Accepted")


def renewal(office: Office) -> tuple[str | None, bool]:
    [row] = held(office)
    return row["renewal_status"], bool(row["renewal_reason"])


def test_a_new_request_is_asked_for_once_before_the_end(office: Office) -> None:
    keeper = signing(office, certificate_renewal_days=30)
    due(office, 31)
    keeper.renew(office.now)
    assert office.claim() is None
    office.later(2 * 86400)
    for _ in range(3):
        keeper.renew(office.now)
    assert renewal(office) == ("requested", False)
    claimed = office.answer(status="Accepted")
    assert claimed.request.requested_message == "SignChargePointCertificate"  # type: ignore[attr-defined]
    assert renewal(office) == ("accepted", False)
    keeper.renew(office.now)
    assert office.claim() is None
    sign(office, asked(office))
    office.answer(status="Accepted")
    assert renewal(office) == (None, False)


def test_no_renewal_without_the_setting_nor_while_a_request_is_open(office: Office) -> None:
    due(office, 1)
    signing(office).renew(office.now)
    assert office.claim() is None
    asked(office)
    signing(office, certificate_renewal_days=30).renew(office.now)
    assert office.claim() is None


@pytest.mark.parametrize("how", ["rejected", "no answer", "no request", "not accepted here"])
def test_a_renewal_that_fails_is_seen(office: Office, how: str) -> None:
    keeper = signing(office, certificate_renewal_days=30)
    due(office, 1)
    if how == "not accepted here":
        office.store.write(ChargePoint.update(registration="rejected"))
    keeper.renew(office.now)
    if how == "rejected":
        office.answer(status="Rejected")
    elif how == "no answer":
        office.finish(office.claimed(), Result(status="timeout", error_code="no_answer"))
    elif how == "no request":
        office.answer(status="Accepted")
        office.later(86401)
        keeper.renew(office.now)
    assert renewal(office) == ("failed", True)
    assert event_types(office) == ["CertificateRenewalFailed"]
    keeper.renew(office.now)
    assert office.claim() is None
