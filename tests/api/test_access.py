"""Who gets in, with which key and for what, and the headers that every answer carries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs import api_keys, credentials
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import ApiKey
from tests.api.conftest import Client, client_of, closing_client, committer_of, key_of, with_key
from tests.servers import wait_until

BASE = "/api/v1"
HOUR = timedelta(hours=1)


@pytest.fixture
def closed(sqlite_url: str, tables: None) -> Iterator[Client]:
    """A client without a key, of an API that needs one."""
    engine = Engine(sqlite_url)
    migrate.upgrade(engine)
    with closing_client(engine, api_without_key=False) as client:
        yield client
    engine.close()


@pytest.fixture
def open_to_read(sqlite_url: str, tables: None) -> Iterator[Client]:
    """A client without a key, of an API as `make run` has it."""
    engine = Engine(sqlite_url)
    migrate.upgrade(engine)
    with closing_client(engine) as client:
        yield client
    engine.close()


def revoke(client: Client, text: str) -> None:
    def work(tx: Tx) -> None:
        api_keys.revoke(tx, text.split("_")[1], actor=COMMAND_LINE, now=datetime.now(UTC))

    committer_of(client).run(0, work)


def unauthorized(answer: Any) -> str:
    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.json["detail"]) if answer.data else ""  # HEAD


# --- Without a key ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/transactions",
        "/transactions/x",
        "/charge-points?x=1",
        "/id-tags/a%00",
        "/api-keys",
        "/audit-events",
        "/nowhere",
        "/",
        "",
    ],
)
def test_nothing_below_the_base_path_without_a_key(closed: Client, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
        unauthorized(closed.open(BASE + path, method=method))
    told = unauthorized(closed.get(BASE + path))
    assert "Authorization: Bearer ocs_" in told
    assert "api-key create" in told


@pytest.mark.parametrize("path", ["//api/v1/id-tags", "/api//v1/id-tags", "/API/v1/id-tags"])
def test_no_way_around(closed: Client, path: str) -> None:
    answer = closed.get(path, follow_redirects=True)
    assert answer.status_code in (401, 404)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/swagger-ui/"])
def test_what_is_open_to_everybody(closed: Client, path: str) -> None:
    assert closed.get(path).status_code == 200


def test_reading_may_be_open(open_to_read: Client) -> None:
    for path in ("/charge-points", "/transactions?format=csv", "/id-tags"):
        assert open_to_read.get(BASE + path).status_code == 200
        assert open_to_read.head(BASE + path).status_code == 200
    assert open_to_read.get(f"{BASE}/nowhere").status_code == 404
    assert open_to_read.post(f"{BASE}/transactions").status_code == 405


@pytest.mark.parametrize("path", ["/api-keys", "/api-keys/x", "/audit-events"])
def test_what_is_the_admins_is_never_open(open_to_read: Client, path: str) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert open_to_read.open(BASE + path, method=method).status_code == 401
    unauthorized(open_to_read.get(BASE + path))


def test_changing_is_never_open(open_to_read: Client) -> None:
    """Whatever the document names, except what reads."""
    document = open_to_read.get("/openapi.json").json
    changing = [
        (method, path)
        for path, item in document["paths"].items()
        for method in item
        if path.startswith(BASE) and method not in ("get", "parameters")
    ]
    assert len(changing) >= 2
    for method, path in changing:
        answer = open_to_read.open(path, method=method.upper(), json={})
        assert answer.status_code == 401, (method, path)


def test_a_key_that_is_shown_is_checked_also_where_none_is_needed(open_to_read: Client) -> None:
    wrong = with_key(open_to_read, "ocs_aaaaaaaa_" + "a" * 52)
    unauthorized(wrong.get(f"{BASE}/charge-points"))


def test_the_login_of_a_proxy_is_no_key(open_to_read: Client, closed: Client) -> None:
    header = {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}
    assert open_to_read.get(f"{BASE}/charge-points", headers=header).status_code == 200
    unauthorized(closed.get(f"{BASE}/charge-points", headers=header))


# --- With a key ---------------------------------------------------------------------------------

# Method and path of something that each role may do, and those before it may not.
DEEDS: dict[Role, tuple[str, str]] = {
    "analyst": ("GET", f"{BASE}/transactions"),
    "operator": ("POST", f"{BASE}/reservations"),
    "admin": ("GET", f"{BASE}/api-keys"),
}


@pytest.mark.parametrize("role", api_keys.ROLES)
def test_roles(client_as: Callable[[Role | None], Client], role: Role) -> None:
    client = client_as(role)
    for needed, (method, path) in DEEDS.items():
        answer = client.open(path, method=method)
        if api_keys.covers(role, needed):
            assert answer.status_code not in (401, 403), (needed, answer.text)
        else:
            assert answer.status_code == 403
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert f"role {needed}; yours is {role}" in answer.json["detail"]


@pytest.mark.parametrize("role", api_keys.ROLES)
def test_what_is_not_there_needs_a_key_and_no_role(closed: Client, role: Role) -> None:
    client = with_key(closed, key_of(closed, role))
    assert client.get(f"{BASE}/nowhere").status_code == 404
    assert client.delete(f"{BASE}/transactions").status_code == 405
    assert client.options(f"{BASE}/transactions").status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_name_of_the_scheme_in_any_case(closed: Client, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {key_of(closed, 'analyst')} "}
    assert closed.get(f"{BASE}/id-tags", headers=header).status_code == 200


def damaged(text: str) -> list[str]:
    prefix, key_id, secret = text.split("_")
    other = "b" if secret[-2] == "a" else "a"
    return [
        f"{prefix}_{key_id}_{secret[:-2]}{other}{secret[-1]}",
        f"{prefix}_{key_id}_{secret.upper()}",
        f"{prefix}_{key_id}_{secret[:-1]}",
        f"{prefix}_{key_id}_{secret}a",
        f"{prefix}_{key_id}_",
        f"{prefix}_aaaaaaaa_{secret}",
        f"{key_id}_{secret}",
        f"{text} x",
        "",
        "\x80\xff",
        "ocs_' OR 1=1 --_" + "a" * 52,
    ]


@pytest.mark.parametrize("number", range(11))
def test_a_damaged_key_is_wrong(closed: Client, number: int) -> None:
    text = key_of(closed, "admin")
    told = unauthorized(with_key(closed, damaged(text)[number]).get(f"{BASE}/id-tags"))
    assert told == "There is no such API key."


def test_a_revoked_key_is_dead_at_once(client_as: Callable[[Role | None], Client]) -> None:
    nobody = client_as(None)
    text = key_of(nobody, "admin")
    client = with_key(nobody, text)
    assert client.get(f"{BASE}/id-tags").status_code == 200
    revoke(nobody, text)
    assert unauthorized(client.get(f"{BASE}/id-tags")) == "This API key was revoked."


def test_a_key_revoked_by_another_process_is_dead_at_once(engine: Engine) -> None:
    with (
        closing_client(engine, api_without_key=False) as here,
        closing_client(Engine(engine.url), api_without_key=False) as there,
    ):
        text = key_of(here, "admin")
        for app in (here, there):
            assert with_key(app, text).get(f"{BASE}/id-tags").status_code == 200
        revoke(there, text)
        for app in (here, there):
            unauthorized(with_key(app, text).get(f"{BASE}/id-tags"))
        there.application.extensions["ocpp_cs.committer"].engine.close()


def test_an_expired_key_is_refused(client_as: Callable[[Role | None], Client]) -> None:
    nobody = client_as(None)
    now = datetime.now(UTC)
    fresh = key_of(nobody, "analyst", expires_at=now + HOUR)
    stale = key_of(nobody, "analyst", now=now - 2 * HOUR, expires_at=now - HOUR)
    assert with_key(nobody, fresh).get(f"{BASE}/id-tags").status_code == 200
    refused = with_key(nobody, stale).get(f"{BASE}/id-tags")
    assert unauthorized(refused) == "This API key has expired."


def test_why_a_key_is_refused_is_told_to_its_holder_only(closed: Client) -> None:
    text = key_of(closed, "admin")
    revoke(closed, text)
    guess = text[:13] + "a" * 52
    assert unauthorized(with_key(closed, guess).get(BASE)) == "There is no such API key."


def test_an_unknown_id_is_checked_like_a_known_one(
    closed: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same work is done for both, so that the time tells nothing (A4)."""
    checked: list[tuple[str, bytes]] = []
    verify = credentials.verify

    def watched(hash_text: str, presented: bytes) -> bool:
        checked.append((hash_text.partition("$")[0], presented))
        return verify(hash_text, presented)

    monkeypatch.setattr(credentials, "verify", watched)
    known = key_of(closed, "analyst").split("_")[1]
    for key_id in (known, "aaaaaaaa"):
        unauthorized(with_key(closed, f"ocs_{key_id}_{'a' * 52}").get(f"{BASE}/id-tags"))
    assert checked == [("hmac-sha256", b"a" * 52)] * 2


# --- Failures -----------------------------------------------------------------------------------


def wrong_key(key_id: str) -> str:
    return f"ocs_{key_id}_{'a' * 52}"


def test_too_many_failures_of_a_key(closed: Client) -> None:
    text = key_of(closed, "analyst")
    guesser = with_key(closed, wrong_key(text.split("_")[1]))
    for _ in range(5):
        unauthorized(guesser.get(f"{BASE}/id-tags"))
    answer = guesser.get(f"{BASE}/id-tags")
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 50 <= int(answer.headers["Retry-After"]) <= 60
    # Other keys from there, and this one from elsewhere, fail as before.
    unauthorized(with_key(closed, wrong_key("bbbbbbbb")).get(f"{BASE}/id-tags"))
    elsewhere = {"REMOTE_ADDR": "192.0.2.99"}
    unauthorized(guesser.get(f"{BASE}/id-tags", environ_overrides=elsewhere))


def test_too_many_failures_of_an_address(closed: Client) -> None:
    statuses = [
        with_key(closed, wrong_key(f"{a}{b}aaaaaa")).get(f"{BASE}/id-tags").status_code
        for a in "abcdefghijk"
        for b in "abcdefghij"
    ]
    assert statuses == [401] * 100 + [429] * 10


def test_nobody_locks_out_a_right_key(closed: Client) -> None:
    """Neither by guesses at its id, nor from the same address."""
    text = key_of(closed, "analyst")
    for _ in range(10):
        with_key(closed, wrong_key(text.split("_")[1])).get(f"{BASE}/id-tags")
    assert with_key(closed, text).get(f"{BASE}/id-tags").status_code == 200


def test_requests_without_a_key_are_no_guesses(closed: Client) -> None:
    for _ in range(120):
        unauthorized(closed.get(f"{BASE}/id-tags"))


def test_a_refused_key_is_in_the_log_without_its_secret(
    closed: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    text = key_of(closed, "analyst")
    revoke(closed, text)
    with_key(closed, text).get(f"{BASE}/id-tags")
    with_key(closed, "what is \x1b[31m that").get(f"{BASE}/id-tags")
    lines = [record for record in caplog.records if record.name == "ocpp_cs.api.keys"]
    assert [record.getMessage() for record in lines] == [
        f"API key {text.split('_')[1]} refused: This API key was revoked.",
        "API key of no known form refused: There is no such API key.",
    ]
    assert {record.__dict__["remote_address"] for record in lines} == {"127.0.0.1"}
    assert text.split("_")[2] not in caplog.text


# --- Last use -----------------------------------------------------------------------------------


def last_used(engine: Engine) -> list[datetime | None]:
    return engine.read(lambda: [key.last_used_at for key in ApiKey.select().order_by(ApiKey.id)])


def test_use_is_noted(engine: Engine, client_as: Callable[[Role | None], Client]) -> None:
    nobody = client_as(None)
    used, _unused = (key_of(nobody, "analyst") for _ in range(2))
    began = datetime.now(UTC).replace(microsecond=0)
    assert with_key(nobody, used).get(f"{BASE}/id-tags").status_code == 200
    wait_until(lambda: last_used(engine)[0])
    first, second = last_used(engine)
    assert first is not None
    assert began <= first <= datetime.now(UTC)
    assert second is None


def test_a_use_that_cannot_be_noted_fails_no_request(
    closed: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The writer is gone, as with a disk that is full."""
    client = with_key(closed, key_of(closed, "analyst"))
    committer_of(closed).close()
    assert client.get(f"{BASE}/id-tags").status_code == 200
    wait_until(lambda: "could not be noted" in caplog.text)


def test_no_request_waits_until_its_use_is_noted(closed: Client) -> None:
    client = with_key(closed, key_of(closed, "analyst"))
    let_go = threading.Event()
    busy = threading.Thread(
        target=committer_of(closed).run, args=(0, lambda _tx: let_go.wait(10)), daemon=True
    )
    busy.start()
    try:
        for _ in range(3):
            assert client.get(f"{BASE}/id-tags").status_code == 200
        assert busy.is_alive()
        noting = [thread for thread in threading.enumerate() if thread.name == "api-key"]
        assert len(noting) == 1
    finally:
        let_go.set()
        busy.join(10)


# --- Headers ------------------------------------------------------------------------------------


def test_health_says_that_the_process_answers(closed: Client) -> None:
    assert closed.get("/healthz").json == {"status": "ok"}


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/transactions",
        f"{BASE}/transactions?format=csv",
        f"{BASE}/transactions/1",
        f"{BASE}/api-keys",
        f"{BASE}/nowhere",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/swagger-ui/",
        "/swagger-ui/swagger-ui.css",
        "/",
    ],
)
def test_headers(sqlite_client: Client, path: str) -> None:
    headers = sqlite_client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers
    if path.startswith(BASE):
        assert headers["Cache-Control"] == "no-store"


def test_no_database_is_503_for_whoever_shows_a_key() -> None:
    client = with_key(
        client_of(Engine("postgresql://ocpp_cs@127.0.0.1:9/x")), wrong_key("aaaaaaaa")
    )
    answer = client.get(f"{BASE}/id-tags")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
