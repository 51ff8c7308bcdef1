"""What the operator has decided that the API needs to know; from the settings, once per app."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Flask, current_app, request

from ocpp_cs.files import ANYWHERE, FilePolicy
from ocpp_cs.webhooks.targets import PUBLIC, Targets
from ocpp_cs.x509 import Authority

_NAME = "ocpp_cs.options"


@dataclass(frozen=True, slots=True)
class Options:
    """`authority` signs requests of charge points; None: another one does, elsewhere.

    `obstacles` says why the process is not ready, as pairs of code and sentence; `metrics` makes
    the text of `/metrics`, which `metrics_token` opens, if it is not empty.
    """

    files: FilePolicy = ANYWHERE
    authority: Authority | None = None
    certificate_days: int = 365
    obstacles: Callable[[], Sequence[tuple[str, str]]] = tuple
    metrics: Callable[[], bytes] | None = None
    metrics_token: str = dataclasses.field(default="", repr=False)
    webhooks: Targets = PUBLIC


def register_options(app: Flask, options: Options) -> None:
    app.extensions[_NAME] = options


def current_options() -> Options:
    options: Options = current_app.extensions[_NAME]
    return options


def public_url() -> str:
    """How URLs of this server begin, without a slash at the end: as the settings say, else as that
    of this request does."""
    return current_options().files.public_url or request.url_root.rstrip("/")


def file_policy() -> FilePolicy:
    """For the commands of this request."""
    return dataclasses.replace(current_options().files, public_url=public_url())
