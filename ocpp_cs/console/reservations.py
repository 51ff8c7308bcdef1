"""`/charge-points/{id}/reservations`: those of a charge point; asked for and cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.reservations import NewReservation, cancel
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.reservations import Wish, reserve
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.charge_point import show_tab
from ocpp_cs.console.command_forms import sent_time
from ocpp_cs.console.command_words import refusal_text
from ocpp_cs.console.options import current_options, wanted_zone
from ocpp_cs.console.page import Values
from ocpp_cs.console.paging import read_page
from ocpp_cs.db import queries

_MOST_CONNECTORS = 100
_NO_ERRORS: Mapping[str, list[str]] = {}


@console.get("/charge-points/<charge_point_id>/reservations")
def show_reservations(charge_point_id: str) -> Response:
    return _show(charge_point_id)


@console.post("/charge-points/<charge_point_id>/reservations")
def change_reservations(charge_point_id: str) -> AnyResponse:
    """Cancels the one that is named, else asks for one."""
    if "cancel" in request.form:
        return _cancel(charge_point_id, request.form.get("cancel", type=int))
    wish = {
        "charge_point_id": charge_point_id,
        "connector_id": request.form.get("connector_id", type=int),
        "id_tag": request.form.get("id_tag", "").strip(),
        "expires_at": sent_time(request.form.get("expires_at", ""), wanted_zone()),
    }
    # What the API demands of one.
    schema = NewReservation()
    errors = schema.validate(wish)
    if errors:
        return _show(charge_point_id, errors, status=422)
    wanted = schema.load(wish)
    identity, actor, now = wanted.pop("charge_point_id"), current_actor(), request_time()
    try:
        write(
            lambda tx: reserve(tx, identity, Wish(**wanted), actor=actor, now=now),
            charge_point=charge_point_id,
        )
    except Refused as refused:
        if refused.status == 404:
            raise NotFound from None
        text = "" if refused.errors else refusal_text(refused)
        return _show(charge_point_id, refused.errors, text, status=refused.status)
    return _back(charge_point_id)


def _cancel(charge_point_id: str, reservation_id: int | None) -> AnyResponse:
    found = current_engine().read(lambda: queries.reservation(reservation_id or 0))
    if found is None or found.charge_point_id != charge_point_id:
        raise NotFound
    actor, now = current_actor(), request_time()
    try:
        write(lambda tx: cancel(tx, found.id, actor=actor, now=now), charge_point=charge_point_id)
    except Refused as refused:
        return _show(charge_point_id, refusal=refusal_text(refused), status=refused.status)
    return _back(charge_point_id)


def _back(charge_point_id: str) -> AnyResponse:
    return redirect(url_for("console.show_reservations", charge_point_id=charge_point_id), 303)


def _show(
    charge_point_id: str,
    errors: Mapping[str, list[str]] = _NO_ERRORS,
    refusal: str = "",
    *,
    status: int = 200,
) -> Response:
    wanted = queries.ReservationFilter(charge_point_id=charge_point_id)
    read = partial(queries.reservations, wanted)
    connectors = current_engine().read(
        lambda: queries.connectors(charge_point_id, None, _MOST_CONNECTORS)
    )

    def rows() -> Values:
        return {"page": read_page("reservations", (int,), read, lambda row: (row.id,))}

    values = {
        "entered": request.form,
        "errors": errors,
        "refusal": refusal,
        "numbers": [row.connector_id for row in connectors if row.connector_id],
        "zone": current_options().zone.key,
    }
    parts = {"rows": rows}
    tab = "console.show_reservations"
    return show_tab("reservations", charge_point_id, parts, values, tab=tab, status=status)
