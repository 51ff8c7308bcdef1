"""`/charge-points`: all of them, to be searched."""

from __future__ import annotations

from functools import partial

from flask import Response

from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.page import Values, show
from ocpp_cs.console.paging import read_page, wanted_choice, wanted_word
from ocpp_cs.db import queries

PRESENCES = ("online", "offline")


@console.get("/charge-points")
def show_charge_points() -> Response:
    filters = {"q": wanted_word("q"), "presence": wanted_choice("presence", PRESENCES)}
    values = {"filters": filters, "presences": PRESENCES}
    return show("charge_points", values, {"rows": _rows})


def _rows() -> Values:
    now, presence = request_time(), wanted_choice("presence", PRESENCES)
    wanted = queries.ChargePointFilter(
        q=wanted_word("q"), online=None if presence is None else presence == "online"
    )
    page = read_page(
        "charge-points",
        (str,),
        partial(queries.charge_points, wanted, now=now),
        lambda row: (row.id,),
    )
    ids = [row.id for row in page.rows]
    return {
        "page": page,
        "connectors": current_engine().read(lambda: queries.connector_statuses(ids)),
    }
