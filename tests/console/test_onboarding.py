"""Onboarding: what a person enters, what the page tells to enter elsewhere, why nothing came."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ocpp_cs import credentials
from ocpp_cs.api.options import Options, register_options
from ocpp_cs.console.endpoint import endpoint_of
from ocpp_cs.console.near_misses import near_misses
from ocpp_cs.console.options import ConsoleOptions
from ocpp_cs.console.options import register_options as register_console_options
from ocpp_cs.db import models
from ocpp_cs.db.queries import ConnectionAttemptRow
from ocpp_cs.files import FilePolicy
from tests.api.rows import Rows
from tests.console.conftest import Console
from tests.console.test_pages import NOW, SOON, connector, words

KEY = re.compile(r'id="key" value="([0-9a-f]{40})"')


def value_of(answer: TestResponse, id: str) -> str:
    """What stands in a field that is to be copied."""
    found = re.search(rf'id="{id}" value="([^"]*)"', answer.text)
    assert found, f"no field {id}"
    return unescape(found[1])


def refuse(rows: Rows, identity: str, outcome: str, at: datetime = NOW, **values: object) -> None:
    usual = {"remote_address": "192.0.2.7", "http_status": 404, "attempted_at": at}
    rows.insert(
        models.ConnectionAttempt,
        identity=identity,
        outcome=outcome,
        last_attempted_at=at,
        **{**usual, **values},
    )


def key_hash_of(rows: Rows, identity: str) -> str | None:
    table = models.ChargePoint
    with rows.bound(table):
        found: str | None = table.get(table.identity == identity).key_hash
        return found


def test_a_charge_point_is_added_and_its_key_shown_once(console: Console, rows: Rows) -> None:
    visitor = console.visitor_as("operator")
    answer = visitor.post("/onboarding", identity=" BOX 17 ", security_profile="1")
    assert answer.status_code == 200
    assert value_of(answer, "url") == "ws://localhost/ocpp"
    assert value_of(answer, "whole-url") == "ws://localhost/ocpp/BOX%2017"
    assert value_of(answer, "user") == "BOX 17"
    assert "This address is good on this machine only" in answer.text
    key = value_of(answer, "key")
    stored = key_hash_of(rows, "BOX 17")
    assert stored is not None
    assert credentials.verify(stored, key.encode())
    page = visitor.get("/onboarding/BOX%2017")
    assert key not in page.text
    assert not KEY.search(page.text)
    # Whoever has lost it has another one made.
    other = value_of(visitor.post("/onboarding/BOX%2017/key"), "key")
    stored = key_hash_of(rows, "BOX 17")
    assert stored is not None
    assert other != key
    assert credentials.verify(stored, other.encode())
    table = models.AuditEvent
    with rows.bound(table):
        told = [row.action for row in table.select().order_by(table.id)]
    assert told[-2:] == ["charge_point.create", "charge_point.set_password"]


@pytest.mark.parametrize(
    ("seen_at", "public_url", "profile", "url", "notes"),
    [
        ("http://ocpp.example.com:8081/", "", 1, "ws://ocpp.example.com:8081/ocpp", ""),
        ("https://ocpp.example.com/", "", 1, "wss://ocpp.example.com/ocpp", ""),
        ("http://10.0.0.5/", "", 2, "wss://10.0.0.5/ocpp", "without_tls"),
        ("http://127.0.0.1:8081/", "", 1, "ws://127.0.0.1:8081/ocpp", "only_here"),
        ("http://[::1]:8081/", "", 0, "ws://[::1]:8081/ocpp", "only_here"),
        ("http://inside/", "https://ev.example.com/cs", 2, "wss://ev.example.com/cs/ocpp", ""),
    ],
)
def test_the_address_is_that_of_the_settings_or_of_the_request(
    seen_at: str, public_url: str, profile: int, url: str, notes: str
) -> None:
    app = Flask(__name__)
    register_options(app, Options(FilePolicy(public_url=public_url)))
    register_console_options(app, ConsoleOptions())
    with app.test_request_context(base_url=seen_at):
        endpoint = endpoint_of("BOX 17", profile)
    assert endpoint.url == url
    assert endpoint.whole_url == f"{url}/BOX%2017"
    assert [each for each in ("only_here", "without_tls") if getattr(endpoint, each)] == (
        notes.split()
    )


@pytest.mark.parametrize(
    ("identity", "status", "told"),
    [
        ("", 422, "That cannot be an identity"),
        ("A/B", 422, "That cannot be an identity"),
        ("A:B", 422, "That cannot be an identity"),
        ("A" * 49, 422, "That cannot be an identity"),
        ("CB-1", 409, "There is a charge point of this identity already"),
    ],
)
def test_what_cannot_be_added_says_why(
    console: Console, rows: Rows, identity: str, status: int, told: str
) -> None:
    rows.charge_point("CB-1")
    visitor = console.visitor_as("operator")
    answer = visitor.post("/onboarding", identity=identity, security_profile="2")
    assert answer.status_code == status
    assert told in answer.text
    # What was entered is still there.
    assert f'value="{identity}"' in answer.text
    assert 'value="2" checked' in answer.text


def test_roles_are_respected(console: Console, rows: Rows) -> None:
    rows.charge_point("CB-1", security_profile=1)
    analyst = console.visitor_as("analyst")
    assert analyst.get("/onboarding").status_code == 403
    assert analyst.get("/onboarding/CB-1").status_code == 403
    assert analyst.post("/onboarding", identity="A", security_profile="1").status_code == 403
    assert analyst.post("/onboarding/CB-1/key").status_code == 403
    assert "onboarding" not in analyst.get("/charge-points").text
    operator = console.visitor_as("operator")
    assert 'href="/onboarding"' in operator.get("/charge-points").text
    assert console.visitor().get("/onboarding").status_code == 303


def test_no_password_is_for_admins_or_where_strangers_are_let_in(console: Console) -> None:
    operator, admin = console.visitor_as("operator"), console.visitor_as("admin")
    assert 'name="security_profile" value="0"' not in operator.get("/onboarding").text
    answer = operator.post("/onboarding", identity="BOX-1", security_profile="0")
    assert (answer.status_code, "Choose one of" in answer.text) == (422, True)
    assert 'name="security_profile" value="0"' in admin.get("/onboarding").text
    answer = admin.post("/onboarding", identity="BOX-1", security_profile="0")
    assert "leave both empty" in answer.text
    assert not KEY.search(answer.text)


def test_a_certificate_has_no_key(console: Console) -> None:
    visitor = console.visitor_as("operator")
    answer = visitor.post("/onboarding", identity="BOX-1", security_profile="3")
    assert value_of(answer, "url") == "wss://localhost/ocpp"
    assert "docs/certificates.md" in answer.text
    assert not KEY.search(answer.text)
    assert visitor.post("/onboarding/BOX-1/key").status_code == 409


def test_what_arrives_fills_the_list(console: Console, rows: Rows) -> None:
    visitor = console.visitor_as("operator")

    def shown(identity: str) -> str:
        return words(visitor.get(f"/onboarding/{identity}?fragment=progress").text)

    rows.charge_point("BOX-1", security_profile=1)
    text = shown("BOX-1")
    assert "Registered Done" in text
    assert "Connected Waiting No attempt yet" in text
    assert "Introduced itself Waiting" in text
    refuse(rows, "BOX-1", "wrong_password", http_status=401)
    assert "Connected Refused Enter the right password" in shown("BOX-1")
    key = rows.charge_point(
        "BOX-2",
        security_profile=1,
        last_seen_at=NOW,
        present_until=SOON,
        vendor="ACME",
        model="WALLBOX",
    )
    text = shown("BOX-2")
    assert "Introduced itself Done ACME WALLBOX" in text
    assert "Told its status Waiting" in text
    assert "It works" not in text
    connector(rows, key, 1, "Available")
    text = shown("BOX-2")
    assert "Told its status Done 1 Available" in text
    assert "It works. BOX-2" in text
    page = visitor.get("/onboarding/BOX-2").text
    assert "its key is not shown again" in page
    # It has the key: another one would lock it out.
    assert visitor.post("/onboarding/BOX-2/key").status_code == 409


def test_what_nearly_fits_is_shown(console: Console, rows: Rows) -> None:
    rows.charge_point("BOX-17", security_profile=1)
    rows.charge_point("BOX-18")
    refuse(rows, "box-17", "unknown_charge_point")
    refuse(rows, "BOX-18", "wrong_password")  # is another one
    refuse(rows, "EARLIER", "wrong_path", NOW - timedelta(days=1))
    visitor = console.visitor_as("operator")
    text = words(visitor.get("/onboarding/BOX-17").text)
    assert "Meant? box-17" in text
    assert "That is BOX-17 in another spelling" in text
    assert "BOX-18" not in text
    assert "EARLIER" not in text


def test_strangers_are_offered(console: Console, rows: Rows) -> None:
    rows.charge_point("KNOWN")
    refuse(rows, "BOX-17", "unknown_charge_point", NOW - timedelta(minutes=2), attempts=3)
    refuse(rows, "KNOWN", "unknown_charge_point")
    refuse(rows, "A/B", "wrong_path")
    refuse(rows, "<b>", "wrong_path")
    refuse(rows, "LONG-AGO", "unknown_charge_point", NOW - timedelta(days=8))
    visitor = console.visitor_as("operator")
    page = visitor.get("/onboarding").text
    text = words(page)
    assert re.search(r"BOX-17 \d+ min ago Add BOX-17 From 192\.0\.2\.7, 3 times\.", text)
    assert "<b>" not in page
    for absent in ("KNOWN", "A/B", "LONG-AGO"):
        assert absent not in text
    assert 'name="identity" value="BOX-17"' in visitor.get("/onboarding?identity=BOX-17").text
    # The overview leads there, too, for those who may.
    assert "/onboarding?identity=BOX-17" in visitor.get("/").text
    assert "/onboarding" not in console.visitor_as("analyst").get("/").text


@pytest.mark.parametrize(
    ("tried", "outcome", "address", "kind"),
    [
        ("box-17", "unknown_charge_point", "a", "case"),
        ("BOX-17 ", "unknown_charge_point", "a", "case"),
        ("B0X-17", "unknown_charge_point", "a", "similar"),
        ("CP-4711", "unknown_charge_point", "a", None),
        ("CP-4711", "unknown_charge_point", "own", "address"),
        ("CP-4711", "wrong_path", "a", "path"),
        ("", "bad_identity", "a", "no_identity"),
        ("", "tls_version_too_old", "a", "tls"),
    ],
)
def test_near_misses(tried: str, outcome: str, address: str, kind: str | None) -> None:
    at = datetime(2026, 7, 1, tzinfo=UTC)
    row = ConnectionAttemptRow(1, tried, address, outcome, 404, 1, at, at, "", "")
    assert [miss.kind for miss in near_misses("BOX-17", [row], {"own"})] == ([kind] if kind else [])
