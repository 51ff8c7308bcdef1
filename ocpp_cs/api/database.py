"""Where the views find the database of their app.

What they ask it stands in `db.queries`.
"""

from __future__ import annotations

from flask import Flask, current_app

from ocpp_cs.db.engine import Engine

_NAME = "ocpp_cs.engine"


def register_engine(app: Flask, engine: Engine) -> None:
    app.extensions[_NAME] = engine


def current_engine() -> Engine:
    engine: Engine = current_app.extensions[_NAME]
    return engine
