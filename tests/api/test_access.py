"""Who gets in, and the headers that every answer carries."""

from __future__ import annotations

import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from tests.api.conftest import Client, client_of

BASE = "/api/v1"


@pytest.fixture
def closed(sqlite_url: str) -> Client:
    """A client of an API that needs a key."""
    engine = Engine(sqlite_url)
    migrate.upgrade(engine)
    return client_of(engine, api_without_key=False)


@pytest.mark.parametrize(
    "path",
    [
        "/transactions",
        "/transactions/x",
        "/charge-points?x=1",
        "/id-tags/a%00",
        "/nowhere",
        "/",
        "",
    ],
)
def test_nothing_below_the_base_path_without_a_key(closed: Client, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
        answer = closed.open(BASE + path, method=method, headers={"Authorization": "Bearer x"})
        assert answer.status_code == 401, method
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/problem+json"
    detail = closed.get(BASE + path).json["detail"]
    assert "API_WITHOUT_KEY=1" in detail
    assert "later release" in detail


@pytest.mark.parametrize("path", ["//api/v1/id-tags", "/api//v1/id-tags", "/API/v1/id-tags"])
def test_no_way_around(closed: Client, path: str) -> None:
    answer = closed.get(path, follow_redirects=True)
    assert answer.status_code in (401, 404)


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/swagger-ui/"])
def test_what_is_open_to_everybody(closed: Client, path: str) -> None:
    assert closed.get(path).status_code == 200


def test_health_says_that_the_process_answers(closed: Client) -> None:
    assert closed.get("/healthz").json == {"status": "ok"}


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/transactions",
        f"{BASE}/transactions?format=csv",
        f"{BASE}/transactions/1",
        f"{BASE}/nowhere",
        "/healthz",
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
