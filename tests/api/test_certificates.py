"""Certificate requests over REST: taken to an authority, brought back, declined, sent again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs import x509
from ocpp_cs.api.options import Options, register_options
from tests.api.commanded import Commanded
from tests.api.conftest import Client
from tests.api.rows import Rows
from tests.certificates import csr, ec_key, name_of, pem, root

ISSUER = root()
NOW = datetime.now(UTC)
REQUEST = csr("CB-4711")


@pytest.fixture
def commanded(client: Client, rows: Rows) -> Commanded:
    return Commanded(client, rows)


def chain(**changes: Any) -> str:
    given = {"not_before": NOW - timedelta(days=1), "not_after": NOW + timedelta(days=90)}
    public = ec_key().public_key()
    return pem(ISSUER.issue(name_of("CB-4711"), public, **{**given, **changes}))


def waiting(commanded: Commanded, rows: Rows, **values: Any) -> str:
    """Path of a request of the charge point."""
    id = rows.certificate_request(commanded.charge_point_id, csr=REQUEST, **values)
    return f"/certificate-requests/{id}"


def post(commanded: Commanded, path: str, body: Any) -> Any:
    return commanded.request("POST", path, json=body)


def test_the_chain_of_an_authority_elsewhere_goes_to_the_charge_point(
    commanded: Commanded, rows: Rows
) -> None:
    path = waiting(commanded, rows)
    taken = commanded.get(f"{path}/csr")
    assert taken.text == REQUEST
    assert taken.mimetype == "application/x-pem-file"
    assert "attachment" in taken.headers["Content-Disposition"]
    answer = post(commanded, f"{path}/sign", {"certificate_chain": chain()})
    assert answer.status_code == 200, answer.text
    assert answer.json["status"] == "signed"
    assert answer.json["decided_by"].startswith("the operator")
    with commanded.answering(status="Accepted"):
        pass
    assert commanded.get(path).json["status"] == "accepted"
    [held] = commanded.get("/certificates?charge_point_id=CB-4711").json["items"]
    assert held["subject"] == "CN=CB-4711,O=Example CPO"
    assert held["certificate_type"] == "ChargePointCertificate"
    later = (NOW + timedelta(days=91)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert commanded.get(f"/certificates?expires_before={later}").json["items"] == [held]
    now = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert commanded.get(f"/certificates?expires_before={now}").json["items"] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("junk", "not a certificate"),
        (ISSUER.chain_pem, "not for the key"),
        (chain(not_after=NOW - timedelta(hours=1)), "not valid at this time"),
    ],
)
def test_a_chain_that_will_not_do_is_refused(
    commanded: Commanded, rows: Rows, text: str, fault: str
) -> None:
    path = waiting(commanded, rows)
    answer = post(commanded, f"{path}/sign", {"certificate_chain": text})
    assert answer.status_code == 422
    assert fault in answer.json["errors"]["certificate_chain"][0]
    assert commanded.get(path).json["status"] == "pending"


def test_our_own_authority_signs_when_it_is_asked(
    commanded: Commanded, client: Client, rows: Rows
) -> None:
    path = waiting(commanded, rows)
    answer = post(commanded, f"{path}/sign", {"certificate_chain": None})
    assert (answer.status_code, answer.json["code"]) == (409, "no_authority")
    authority = x509.load_authority(ISSUER.chain_pem.encode(), ISSUER.key_pem.encode())
    register_options(client.application, Options(authority=authority, certificate_days=7))
    answer = post(commanded, f"{path}/sign", {"certificate_chain": None})
    assert answer.status_code == 200, answer.text
    signed = x509.describe(answer.json["certificate_chain"])
    assert NOW + timedelta(days=6) < signed.not_after < NOW + timedelta(days=8)
    again = post(commanded, f"{path}/sign", {"certificate_chain": None})
    assert (again.status_code, again.json["code"]) == (409, "not_pending")


def test_declined_and_sent_again(commanded: Commanded, rows: Rows) -> None:
    path = waiting(commanded, rows)
    answer = post(commanded, f"{path}/decline", {"reason": "returned"})
    assert (answer.json["status"], answer.json["reason"]) == ("declined", "returned")
    assert post(commanded, f"{path}/send", {}).json["code"] == "not_failed"
    failed = waiting(commanded, rows, status="failed", certificate_chain=chain())
    assert post(commanded, f"{failed}/send", {}).json["status"] == "signed"
    with commanded.answering(status="Accepted"):
        pass
    assert commanded.get(failed).json["status"] == "accepted"


def test_lists_and_roles(commanded: Commanded, rows: Rows) -> None:
    path = waiting(commanded, rows)
    waiting(commanded, rows, status="invalid", reason="x")
    items = commanded.get("/certificate-requests").json["items"]
    assert [item["status"] for item in items] == ["invalid", "pending"]
    pending = commanded.get("/certificate-requests?status=pending&charge_point_id=CB-4711")
    assert [item["id"] for item in pending.json["items"]] == [items[1]["id"]]
    for action, body in (("sign", {"certificate_chain": chain()}), ("decline", {"reason": "x"})):
        answer = commanded.analyst.post(f"/api/v1{path}/{action}", json=body)
        assert answer.status_code == 403
    for action in ("", "/csr"):
        assert commanded.get(f"/certificate-requests/999{action}").status_code == 404
