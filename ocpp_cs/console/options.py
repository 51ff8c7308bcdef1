"""What the operator has decided about the console; from the settings, once per app."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from flask import Flask, current_app, request

_NAME = "ocpp_cs.console"


@dataclass(frozen=True, slots=True)
class ConsoleOptions:
    """`zone` is that of the days in charts, and of times until a browser shows its own.
    `endpoint` is the path that charge points connect to, without their identity.
    `open_to_strangers`: those that nobody registered are let in, so that one may be registered
    without a password, too. `archive`: the frames of charge points are kept.
    """

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    session_lasts: timedelta = timedelta(hours=12)
    endpoint: str = "/ocpp"
    open_to_strangers: bool = False
    archive: bool = True


def register_options(app: Flask, options: ConsoleOptions) -> None:
    app.extensions[_NAME] = options


def current_options() -> ConsoleOptions:
    options: ConsoleOptions = current_app.extensions[_NAME]
    return options


def wanted_zone() -> ZoneInfo:
    """The viewer's time zone, as the script of the page has put it into the form."""
    try:
        return ZoneInfo(request.form.get("time_zone", ""))
    except (ValueError, KeyError, OSError):
        return current_options().zone
