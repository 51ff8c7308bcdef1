"""The operator's console: pages for people, rendered here, which keep themselves up to date.

It never talks to a charge point's connection: what it knows, the database told it, and what it
orders goes through `commands` as over REST. A page is a module here and a folder in `templates`;
docs/console.md says how one is added.
"""

from __future__ import annotations

from flask import Flask

from ocpp_cs.console import (
    charge_point,
    charge_points,
    charging_profiles,
    commands,
    configuration,
    conformance,
    events,
    files,
    id_tag,
    id_tag_imports,
    id_tag_learning,
    id_tags,
    language,
    message_log,
    onboarding,
    overview,
    reservations,
    sign_in,
    status_history,
    transaction,
    transactions,
)
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.options import ConsoleOptions, register_options

__all__ = ["PAGES", "ConsoleOptions", "init_console"]

# Each puts its views into the blueprint when it is loaded.
PAGES = (
    files,
    language,
    sign_in,
    overview,
    charge_points,
    charge_point,
    onboarding,
    transactions,
    transaction,
    id_tags,
    id_tag,
    id_tag_imports,
    id_tag_learning,
    commands,
    message_log,
    status_history,
    configuration,
    charging_profiles,
    reservations,
    events,
    conformance,
)
_DEFAULTS = ConsoleOptions()


def init_console(app: Flask, options: ConsoleOptions = _DEFAULTS) -> None:
    """Puts the pages into an app that has the API: they share its database, keys and roles."""
    register_options(app, options)
    overview.register_energy(app)
    app.register_blueprint(console)
