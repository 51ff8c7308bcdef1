"""What the operator has decided that the API needs to know; from the settings, once per app."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from flask import Flask, current_app, request

from ocpp_cs.files import ANYWHERE, FilePolicy
from ocpp_cs.webhooks.targets import PUBLIC, Targets
from ocpp_cs.x509 import Authority

_NAME = "ocpp_cs.options"


@dataclass(frozen=True, slots=True)
class Options:
    """`authority` signs requests of charge points; None: another one does, elsewhere."""

    files: FilePolicy = ANYWHERE
    authority: Authority | None = None
    certificate_days: int = 365
    webhooks: Targets = PUBLIC


def register_options(app: Flask, options: Options) -> None:
    app.extensions[_NAME] = options


def current_options() -> Options:
    options: Options = current_app.extensions[_NAME]
    return options


def file_policy() -> FilePolicy:
    """For the commands of this request: our own URLs begin as the request's does, unless the
    settings say how."""
    files = current_options().files
    return (
        files
        if files.public_url
        else dataclasses.replace(files, public_url=request.url_root.rstrip("/"))
    )
