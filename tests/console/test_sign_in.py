"""Signing in and out: keys, sessions, forms, roles; and what every answer tells the browser."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs import console_sessions
from ocpp_cs.console.blueprint import local_path
from ocpp_cs.db import models, queries
from ocpp_cs.db.engine import Engine
from tests.api.rows import Rows
from tests.console.conftest import Console, Visitor

PAGES = ("/", "/charge-points", "/charge-points/CB-1", "/charge-points/CB-1/connection-attempts")
FRAGMENTS = ("/?fragment=now", "/?fragment=energy", "/charge-points?fragment=rows")


def audited(engine: Engine) -> list[tuple[str, str, str]]:
    events = engine.read(lambda: queries.audit_events(queries.AuditEventFilter(), None, 50))
    return [(each.action, each.actor, each.target) for each in events]


def cookie(visitor: Visitor) -> Any:
    return visitor.client.get_cookie("console")


def test_pages_lead_to_the_way_in_and_back(console: Console, rows: Rows) -> None:
    rows.charge_point("CB-1")
    visitor = console.visitor()
    for path in PAGES:
        answer = visitor.get(path)
        assert answer.status_code == 303
        assert answer.location.startswith("/sign-in?next=")
    for path in FRAGMENTS:
        assert visitor.get(path).status_code == 401
    assert visitor.get("/sign-in?next=/charge-points?q=a").status_code == 200
    key = console.key("analyst")
    answer = visitor.post("/sign-in", key=f" {key.text}\n", next="/charge-points?q=a")
    assert (answer.status_code, answer.location) == (303, "/charge-points?q=a")
    for path in (*PAGES, *FRAGMENTS):
        assert visitor.get(path).status_code == 200, path
    assert visitor.get("/sign-in").location == "/"
    visitor.get("/")
    assert visitor.post("/sign-out").location == "/sign-in"
    assert visitor.get("/").status_code == 303
    holder = f"the analyst ({key.id})"
    target = f"api-keys/{key.id}"
    assert audited(console.committer.engine)[:2] == [
        ("console.sign_out", holder, target),
        ("console.sign_in", holder, target),
    ]


def test_a_session_ends_in_the_database_when_it_is_signed_out(console: Console, rows: Rows) -> None:
    visitor = console.visitor_as("operator")
    token = cookie(visitor).value
    visitor.post("/sign-out")
    visitor.client.set_cookie("console", token)
    assert visitor.get("/").status_code == 303


def test_the_token_is_stored_as_a_digest_and_is_a_new_one(console: Console) -> None:
    visitor = console.visitor()
    visitor.get("/sign-in")
    before = cookie(visitor).value
    visitor.post("/sign-in", key=console.key("analyst").text)
    after = cookie(visitor)
    assert after.value != before
    assert (after.http_only, after.same_site, after.secure) == (True, "Lax", False)
    engine = console.committer.engine
    [stored] = engine.read(lambda: [row.token_hash for row in models.ConsoleSession.select()])
    assert stored == console_sessions.digest(after.value)
    assert after.value not in stored


def test_over_https_the_cookie_is_for_this_host_over_tls_alone(console: Console) -> None:
    answer = console.app.test_client().get("/sign-in", base_url="https://console.example")
    [given] = answer.headers.getlist("Set-Cookie")
    assert given.startswith("__Host-console=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(given.split("; "))


@pytest.mark.parametrize("shown", ["", "hello", "ocs_aaaaaaaa_" + "a" * 52])
def test_a_wrong_key_is_refused_and_audited(console: Console, shown: str) -> None:
    visitor = console.visitor()
    answer = visitor.sign_in(shown)
    assert answer.status_code == 401
    assert "not valid" in answer.text
    assert "aaaaaaaa" not in answer.text
    [(action, actor, _)] = audited(console.committer.engine)
    assert (action, actor) == ("console.sign_in_refused", "nobody")


def test_wrong_keys_are_limited_and_a_right_one_is_not(console: Console) -> None:
    visitor = console.visitor()
    for _ in range(3):
        assert visitor.sign_in("ocs_aaaaaaaa_" + "a" * 52).status_code == 401
    answer = visitor.sign_in("ocs_aaaaaaaa_" + "a" * 52)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert len(audited(console.committer.engine)) == 3
    assert visitor.sign_in(console.key("analyst").text).status_code == 303


def test_a_session_ends_with_its_key(console: Console) -> None:
    key = console.key("admin")
    visitor = console.visitor()
    visitor.sign_in(key.text)
    assert visitor.get("/").status_code == 200
    console.revoke(key.id)
    assert visitor.get("/").status_code == 303
    assert visitor.get("/?fragment=now").status_code == 401
    assert visitor.sign_in(key.text).status_code == 401


def test_a_session_ends_with_its_time_and_that_of_its_key(console: Console, rows: Rows) -> None:
    visitor = console.visitor_as("analyst")
    past = datetime.now(UTC) - timedelta(seconds=1)
    with rows.bound(models.ApiKey):
        models.ApiKey.update(expires_at=past).execute()
    assert visitor.get("/").status_code == 303
    with rows.bound(models.ApiKey):
        models.ApiKey.update(expires_at=None).execute()
    assert visitor.get("/").status_code == 200
    with rows.bound(models.ConsoleSession):
        models.ConsoleSession.update(expires_at=past).execute()
    assert visitor.get("/").status_code == 303
    console.visitor_as("analyst")  # which forgets the other one
    engine = console.committer.engine
    assert engine.read(models.ConsoleSession.select().count) == 1


def test_forms_of_others_are_refused(console: Console) -> None:
    visitor = console.visitor_as("admin")
    other = console.visitor()
    other.get("/sign-in")
    for token in ("", "0" * 64, other.form_token, "\N{SNOWMAN}"):
        for path in ("/sign-out", "/language", "/sign-in"):
            answer = visitor.client.post(path, data={"csrf": token})
            assert answer.status_code == 403, path
            assert "too old" in answer.text
    assert visitor.get("/").status_code == 200


def test_what_a_role_may_not_do_is_refused(console: Console, monkeypatch: Any) -> None:
    view = console.app.view_functions["console.choose_language"]
    monkeypatch.delattr(view, "needed_role")  # a form like any other
    for role, status in (("analyst", 403), ("operator", 303), ("admin", 303)):
        visitor = console.visitor_as(role)  # type: ignore[arg-type]
        visitor.get("/")
        assert visitor.post("/language", language="de").status_code == status


def test_without_key_everybody_looks_and_may_sign_in(open_console: Console, rows: Rows) -> None:
    rows.charge_point("CB-1")
    visitor = open_console.visitor()
    for path in (*PAGES, *FRAGMENTS):
        assert visitor.get(path).status_code == 200
    assert "Sign in" in visitor.get("/").text
    assert visitor.sign_in(open_console.key("operator").text).status_code == 303
    page = visitor.get("/").text
    assert "the operator (" in page
    assert "Sign out" in page


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "x",
        "/\tx",
        "",
        None,
        "/\n/evil.example",
        "///evil.example",
    ],
)
def test_next_is_a_path_of_ours(console: Console, wanted: str | None) -> None:
    with console.app.test_request_context():
        assert local_path(wanted) == "/"
        assert local_path("/charge-points?q=a&b=c") == "/charge-points?q=a&b=c"


def test_every_page_says_what_a_browser_may_do_with_it(console: Console) -> None:
    visitor = console.visitor_as("analyst")
    paths = (*PAGES, *FRAGMENTS, "/charge-points/nobody", "/?fragment=../base")
    answers = [visitor.get(path) for path in paths] + [console.visitor().get("/sign-in")]
    for answer in answers:
        headers = answer.headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "://" not in answer.text.replace("ws://", "")
        assert "style=" not in answer.text


def test_files_are_kept_for_good_under_their_digest(console: Console) -> None:
    visitor = console.visitor()
    page = visitor.get("/sign-in").text
    urls = [part.split('"')[0] for part in page.split('"') if part.startswith("/console/files/")]
    assert len(urls) == 3
    for url in urls:
        answer = visitor.client.get(url)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
    assert visitor.client.get("/console/files/0123456789abcdef/console.css").status_code == 404
    assert visitor.client.get("/console/files/x/%2e%2e").status_code == 404


def test_the_api_does_as_before(console: Console) -> None:
    visitor = console.visitor_as("admin")
    answer = visitor.client.get("/api/v1/charge-points")  # a session is no key
    assert answer.status_code == 401
    assert json.loads(answer.text)["status"] == 401
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
