"""`/charge-points/{id}/commands`: a form for each command, and what became of those sent."""

from __future__ import annotations

import contextlib
import re
from functools import partial

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.ordering import read_order
from ocpp_cs.commands import table
from ocpp_cs.commands.orders import place
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.console.blueprint import console, local_path, needs
from ocpp_cs.console.charge_point import find_charge_point, show_tab
from ocpp_cs.console.command_forms import Form, Values, entered, form_of, payload_of
from ocpp_cs.console.command_rows import commands_part
from ocpp_cs.console.command_words import refusal_text
from ocpp_cs.console.options import current_options, wanted_zone
from ocpp_cs.console.texts import current_language
from ocpp_cs.db import queries
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM, Action

FREQUENT = (
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "Reset",
    "UnlockConnector",
    "ChangeAvailability",
    "TriggerMessage",
    "GetConfiguration",
    "ChangeConfiguration",
    "SetChargingProfile",
    "ClearChargingProfile",
)
RARE = tuple(name for name in FROM_CENTRAL_SYSTEM if name not in FREQUENT)
WAITS_S = (0, 3600, 86400, 604800)
"""How long a command may wait for a charge point that is offline."""

_TAB = "console.show_commands"
_MORE = "more"  # the button that adds a row to a list
# What is said of a field, by what the checks say.
_WORDS = (
    (re.compile("missing required field"), "form_error.missing"),
    (re.compile("^Expected `int`, "), "form_error.whole"),
    (re.compile("^Expected `float`, "), "form_error.number"),
    (re.compile("^Expected an RFC 3339 date-time"), "form_error.time"),
    (re.compile("^Invalid enum value"), "form_error.choice"),
)


@console.get("/charge-points/<charge_point_id>/commands")
def show_commands(charge_point_id: str) -> Response:
    parts = {"commands": partial(commands_part, charge_point_id)}
    return show_tab("commands", charge_point_id, parts, {"frequent": FREQUENT, "rare": RARE})


@console.get("/charge-points/<charge_point_id>/commands/<action>")
@needs("operator")
def show_command_form(charge_point_id: str, action: str) -> Response:
    known = _action(action)
    return _show_form(charge_point_id, known, form_of(known, entered(request.args), {}))


@console.post("/charge-points/<charge_point_id>/commands/<action>")
def send_command(charge_point_id: str, action: str) -> AnyResponse:
    known, values = _action(action), entered(request.form)
    if more := request.form.get(_MORE):
        return _show_form(charge_point_id, known, form_of(known, values, {}, more))
    try:
        _place(charge_point_id, known, values)
    except Refused as refused:
        if refused.status == 404:
            raise NotFound from None
        form = form_of(known, values, refused.errors)
        return _show_form(charge_point_id, known, form, refused)
    wanted = request.form.get("next")
    here = url_for(_TAB, charge_point_id=charge_point_id)
    return redirect(local_path(wanted) if wanted else here, 303)


@console.post("/charge-points/<charge_point_id>/commands/<int:command_id>/cancel")
def cancel_command(charge_point_id: str, command_id: int) -> AnyResponse:
    found = current_engine().read(lambda: queries.command(command_id))
    if found is None or found.charge_point_id != charge_point_id:
        raise NotFound
    actor, now = current_actor(), request_time()
    with contextlib.suppress(Refused):  # it was sent in this moment, as the list will say
        write(
            lambda tx: table.cancel(tx, command_id, actor=actor, now=now),
            charge_point=charge_point_id,
        )
    return redirect(url_for(_TAB, charge_point_id=charge_point_id), 303)


def _action(name: str) -> Action:
    action = FROM_CENTRAL_SYSTEM.get(name)
    if action is None:
        raise NotFound
    return action


def _place(charge_point_id: str, action: Action, values: Values) -> None:
    """Raises Refused."""
    waits = request.form.get("deliver_within", "0")
    within_s = int(waits) if waits in map(str, WAITS_S) else 0
    order = read_order(action.name, payload_of(action, values, wanted_zone()), within_s)
    actor, now = current_actor(), request_time()
    write(
        lambda tx: place(tx, charge_point_id, order, actor=actor, now=now),
        charge_point=charge_point_id,
    )


def _show_form(
    charge_point_id: str, action: Action, form: Form, refused: Refused | None = None
) -> Response:
    values = {
        "action": action.name,
        "form": form,
        "error_text": _error_text,
        "waits_s": WAITS_S,
        "deliver_within": request.form.get("deliver_within", "0"),
        "next": request.form.get("next", ""),
        "zone": current_options().zone.key,
        # What is wrong with a field stands at that.
        "refusal": refusal_text(refused) if refused and not refused.errors else "",
        "online": find_charge_point(charge_point_id).online,
    }
    status = refused.status if refused else 200
    return show_tab("command", charge_point_id, {}, values, tab=_TAB, status=status)


def _error_text(text: str) -> str:
    """What is wrong with a field, in the viewer's language if there are words for it."""
    keys = (key for pattern, key in _WORDS if pattern.search(text))
    key = next(keys, None)
    return current_language().plain(key) if key else text
