"""Checks of what was decided: variables that mean nothing, doors that stand open, keys."""

from __future__ import annotations

from collections.abc import Iterator

from config.settings import misspelt
from ocpp_cs.db import queries
from ocpp_cs.doctor.deployment import Deployment, Finding


def settings(deployment: Deployment) -> Iterator[Finding]:
    """Values that cannot be used have ended the command before it began."""
    for sentence in misspelt(deployment.environ):
        yield Finding("warning", sentence, "Correct its name, or take it away.")


def open_doors(deployment: Deployment) -> Iterator[Finding]:
    chosen = deployment.settings
    if chosen.unknown_charge_points == "open":
        yield Finding(
            "warning",
            "UNKNOWN_CHARGE_POINTS=open: whoever names any identity is accepted.",
            "Set it to closed, or to pending while charge points are put up.",
        )
    if chosen.unknown_id_tags == "open":
        yield Finding(
            "warning",
            "UNKNOWN_ID_TAGS=open: any card may charge.",
            "Set it to closed, unless charging is free.",
        )
    if chosen.api_without_key:
        yield Finding(
            "warning" if deployment.on_loopback else "error",
            "API_WITHOUT_KEY=1: whoever reaches this port reads all transactions and id tags.",
            "Take it away; `flask --app wsgi api-key create` makes keys.",
        )


def api_keys(deployment: Deployment) -> Iterator[Finding]:
    if deployment.state is None:
        return
    rows = deployment.engine.read(lambda: queries.all_api_keys(now=deployment.now))
    if not any(row.status == "valid" and row.role == "admin" for row in rows):
        yield Finding(
            "error",
            "There is no valid API key of the role admin: nobody can make others over REST.",
            "Run `flask --app wsgi api-key create NAME --role admin`.",
        )
