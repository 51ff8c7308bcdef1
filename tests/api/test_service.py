"""`/readyz` and `/metrics` as HTTP: what they say is tested in `tests/monitoring`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from ocpp_cs.api import Options, init_api
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.throttle import FailureLimits
from tests.api.conftest import Client, committer_of, key_of, with_key

TOKEN = "a-token-of-a-scraper"


def app_with(engine: Engine, *, api_without_key: bool = False, **options: Any) -> Client:
    app = Flask(__name__, static_folder=None)
    limits = FailureLimits(per_id=5, per_address=100)
    init_api(
        app,
        Committer(engine),
        api_without_key=api_without_key,
        limits=limits,
        options=Options(metrics=lambda: b"ocpp_cs_workers 1.0\n", **options),
    )
    return app.test_client()


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    engine = Engine(sqlite_url)
    migrate.upgrade(engine)
    try:
        yield engine
    finally:
        engine.close()


def test_ready(engine: Engine) -> None:
    answer = app_with(engine).get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_not_ready_says_why(engine: Engine) -> None:
    obstacles = [("draining", "The process is shutting down.")]
    answer = app_with(engine, obstacles=lambda: obstacles).get("/readyz")
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == "draining"
    assert answer.json["detail"] == "The process is shutting down."
    assert answer.headers["Cache-Control"] == "no-store"


def test_metrics_are_closed_by_default(engine: Engine) -> None:
    client = app_with(engine)
    assert client.get("/metrics").status_code == 401
    assert with_key(client, TOKEN).get("/metrics").status_code == 401
    assert with_key(client, "").get("/metrics").status_code == 401


def test_metrics_open_to_any_api_key(engine: Engine) -> None:
    client = app_with(engine)
    answer = with_key(client, key_of(client, "analyst")).get("/metrics")
    assert (answer.status_code, answer.text) == (200, "ocpp_cs_workers 1.0\n")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    committer_of(client).close()


def test_metrics_open_where_reading_is(engine: Engine) -> None:
    assert app_with(engine, api_without_key=True).get("/metrics").status_code == 200


def test_the_token_opens_metrics_and_nothing_else_without_the_database() -> None:
    away = Engine("postgresql://ocpp_cs@127.0.0.1:9/x")
    client = with_key(app_with(away, metrics_token=TOKEN), TOKEN)
    assert client.get("/metrics").status_code == 200
    assert client.get("/api/v1/charge-points").status_code != 200
    assert with_key(client, TOKEN + "x").get("/metrics").status_code == 503
