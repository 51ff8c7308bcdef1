"""The REST API: resources to read, their OpenAPI document, and the errors of all of HTTP.

It never talks to a charge point's connection: what it knows, the database told it.
"""

from __future__ import annotations

from typing import Any, cast

from flask import Flask

from ocpp_cs.api import charge_points, id_tags, service, transactions
from ocpp_cs.api.access import BASE_PATH, register_access
from ocpp_cs.api.database import register_engine
from ocpp_cs.api.documentation import create_api
from ocpp_cs.api.problems import register_problems
from ocpp_cs.db.engine import Engine

__all__ = ["init_api"]


def init_api(app: Flask, engine: Engine, *, api_without_key: bool) -> None:
    """Puts the API into the app. It reads from `engine`, and reads alone.

    `api_without_key` opens it to whoever reaches the port; otherwise every request below
    /api/v1 is answered with 401.
    """
    json = cast(Any, app.json)
    json.sort_keys, json.ensure_ascii, json.compact = False, False, True
    register_engine(app, engine)
    register_problems(app)
    register_access(app, api_without_key=api_without_key)
    api = create_api(app)
    for resource in (charge_points, transactions, id_tags):
        api.register_blueprint(resource.blueprint, url_prefix=BASE_PATH)
    api.register_blueprint(service.blueprint)
