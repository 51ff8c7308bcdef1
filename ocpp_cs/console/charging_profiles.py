"""`/charge-points/{id}/charging-profiles`: limits over time, as pictures.

What the charge point holds as far as we know, the sum of it as it told last, and the library.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.commands.charging_profiles import apply
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.charge_point import show_tab
from ocpp_cs.console.command_rows import latest_part
from ocpp_cs.console.command_words import refusal_text
from ocpp_cs.console.limits import Curve, curve
from ocpp_cs.console.page import Part, Values
from ocpp_cs.db import queries
from ocpp_cs.ocpp16.times import parse_time

_TAB = "console.show_charging_profiles"
_ACTIONS = ("SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule")
_MOST = 50
_MOST_CONNECTORS = 100


class Drawn(NamedTuple):
    """A profile, out of its row, and its picture; `begins` is that of an absolute schedule."""

    row: Any
    profile: dict[str, Any]
    curve: Curve | None
    begins: datetime | None


@console.get("/charge-points/<charge_point_id>/charging-profiles")
def show_charging_profiles(charge_point_id: str) -> Response:
    return _show(charge_point_id)


@console.post("/charge-points/<charge_point_id>/charging-profiles")
def apply_charging_profile(charge_point_id: str) -> AnyResponse:
    profile_id, connector_id = request.form.get("profile", ""), request.form.get("connector", "")
    if not (profile_id.isdecimal() and connector_id.isdecimal()):
        raise NotFound
    actor, now = current_actor(), request_time()
    try:
        write(
            lambda tx: apply(
                tx,
                int(profile_id),
                charge_point_id,
                int(connector_id),
                transaction_id=None,
                deliver_within_s=0,
                actor=actor,
                now=now,
            ),
            charge_point=charge_point_id,
        )
    except Refused as refused:
        if refused.status == 404:
            raise NotFound from None
        return _show(charge_point_id, refusal_text(refused), status=refused.status)
    return redirect(url_for(_TAB, charge_point_id=charge_point_id), 303)


def _show(charge_point_id: str, refusal: str = "", *, status: int = 200) -> Response:
    def read() -> tuple[list[queries.ChargingProfileRow], list[queries.ConnectorRow]]:
        connectors = queries.connectors(charge_point_id, None, _MOST_CONNECTORS)
        return queries.charging_profiles(None, _MOST), connectors

    library, connectors = current_engine().read(read)
    values = {
        "refusal": refusal,
        "library": [_drawn(row, row.profile) for row in library],
        "numbers": [row.connector_id for row in connectors if row.connector_id],
    }
    parts: dict[str, Part] = {
        "latest": partial(latest_part, charge_point_id, actions=_ACTIONS),
        "composite": partial(_composite, charge_point_id),
        "installed": partial(_installed, charge_point_id),
    }
    return show_tab("charging_profiles", charge_point_id, parts, values, tab=_TAB, status=status)


def _installed(charge_point_id: str) -> Values:
    now = request_time()
    rows = current_engine().read(
        lambda: queries.installed_charging_profiles(charge_point_id, None, _MOST, now=now)
    )
    return {"installed": [_drawn(row, row.profile) for row in rows]}


def _composite(charge_point_id: str) -> Values:
    """The latest answer to GetCompositeSchedule that has a schedule."""
    wanted = queries.CommandFilter(
        charge_point_id=charge_point_id, action="GetCompositeSchedule", status="answered"
    )
    rows = current_engine().read(lambda: queries.commands(wanted, None, 1))
    for row in rows:
        # An answer that breaks its schema has a fault noted.
        answer = json.loads(row.response or "{}") if row.error_code is None else {}
        if answer.get("chargingSchedule"):
            return {
                "connector_id": answer.get("connectorId", 0),
                "composite": curve(answer["chargingSchedule"]),
                "begins": _time(answer.get("scheduleStart")),
                "told_at": row.finished_at,
            }
    return {"composite": None}


def _drawn(row: Any, text: str) -> Drawn:
    profile: dict[str, Any] = json.loads(text)
    schedule = profile["chargingSchedule"]
    drawn = curve(schedule, profile.get("recurrencyKind"))
    return Drawn(row, profile, drawn, _time(schedule.get("startSchedule")))


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text).at
