"""A central system for charge points that speak OCPP 1.6J.

The rooms are put together in `app.py`, which is imported when an application is made: whoever
needs only a part, such as `ocpp_cs.ocpp16`, loads that part alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from config.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The application for `settings`, or for the environment's; see `ocpp_cs.app`."""
    from ocpp_cs import app

    return app.create_app(settings)
