"""`/charge-points/{id}/messages`: the archive of frames, each call with its answer."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from flask import Response

from ocpp_cs.console.blueprint import console
from ocpp_cs.console.charge_point import show_tab
from ocpp_cs.console.page import Values
from ocpp_cs.console.paging import read_page, wanted_choice
from ocpp_cs.db import queries
from ocpp_cs.ocpp16.messages import ACTIONS

DIRECTIONS = ("from_charge_point", "from_central_system")


@console.get("/charge-points/<charge_point_id>/messages")
def show_messages(charge_point_id: str) -> Response:
    filters = {
        "action": wanted_choice("action", tuple(ACTIONS)),
        "direction": wanted_choice("direction", DIRECTIONS),
        "errors": wanted_choice("errors", ("1",)),
    }
    values = {"filters": filters, "actions": sorted(ACTIONS), "directions": DIRECTIONS}
    wanted = queries.MessageFilter(
        charge_point_id=charge_point_id,
        action=filters["action"],
        direction=filters["direction"],
        error=True if filters["errors"] else None,
    )

    def rows() -> Values:
        read = partial(queries.messages, wanted)
        key = (datetime, int)
        return {"page": read_page("messages", key, read, lambda row: (row.sent_at, row.id))}

    return show_tab("message_log", charge_point_id, {"rows": rows}, values)
