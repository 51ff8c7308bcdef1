"""The REST API: its resources, their OpenAPI document, and the errors of all of HTTP.

It never talks to a charge point's connection: what it knows, the database told it.
"""

from __future__ import annotations

from typing import Any, cast

from flask import Flask

from ocpp_cs.api import (
    api_keys,
    asyncapi,
    audit_events,
    certificates,
    charge_points,
    charging_profiles,
    command_batches,
    commands,
    configuration,
    connection_attempts,
    connectors,
    drop,
    events,
    files,
    histories,
    id_tag_imports,
    id_tags,
    local_lists,
    messages,
    meter_values,
    metrics,
    orphan_stops,
    payloads,
    pseudonyms,
    quarantine,
    reports,
    reservations,
    service,
    sessions,
    transactions,
    webhooks,
)
from ocpp_cs.api.access import BASE_PATH, register_access
from ocpp_cs.api.database import register_database
from ocpp_cs.api.documentation import create_api
from ocpp_cs.api.options import Options, register_options
from ocpp_cs.api.problems import register_problems
from ocpp_cs.db.commit import Committer
from ocpp_cs.throttle import FailureLimits

__all__ = ["Options", "init_api"]

_NO_OPTIONS = Options()


def init_api(
    app: Flask,
    committer: Committer,
    *,
    api_without_key: bool,
    limits: FailureLimits,
    options: Options = _NO_OPTIONS,
) -> None:
    """Puts the API into the app. It reads from the committer's engine and writes through it.

    `api_without_key` lets whoever reaches the port read; otherwise every request below /api/v1
    needs an API key. `limits` counts those with a wrong one; `options` is what else was decided.
    """
    json = cast(Any, app.json)
    json.sort_keys, json.ensure_ascii, json.compact = False, False, True
    register_database(app, committer)
    register_options(app, options)
    register_problems(app)
    register_access(app, api_without_key=api_without_key, limits=limits)
    api = create_api(app)
    payloads.add_schemas(api.spec)
    for resource in (
        charge_points,
        connectors,
        histories,
        connection_attempts,
        commands,
        command_batches,
        configuration,
        transactions,
        reports,
        orphan_stops,
        quarantine,
        meter_values,
        id_tags,
        id_tag_imports,
        pseudonyms,
        reservations,
        sessions,
        charging_profiles,
        local_lists,
        messages,
        events,
        webhooks,
        certificates,
        files,
        api_keys,
        audit_events,
    ):
        api.register_blueprint(resource.blueprint, url_prefix=BASE_PATH)
    api.register_blueprint(service.blueprint)
    app.register_blueprint(asyncapi.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(drop.blueprint)
