"""`/charge-points/{id}/configuration`: the keys as they were read last; they are changed and read
anew by commands."""

from __future__ import annotations

from functools import partial

from flask import Response

from ocpp_cs.console.blueprint import console
from ocpp_cs.console.charge_point import show_tab
from ocpp_cs.console.command_rows import latest_part
from ocpp_cs.console.page import Values
from ocpp_cs.console.paging import read_page
from ocpp_cs.db import queries

_ACTIONS = ("GetConfiguration", "ChangeConfiguration")


@console.get("/charge-points/<charge_point_id>/configuration")
def show_configuration(charge_point_id: str) -> Response:
    parts = {
        "latest": partial(latest_part, charge_point_id, actions=_ACTIONS),
        "keys": partial(_keys, charge_point_id),
    }
    return show_tab("configuration", charge_point_id, parts)


def _keys(charge_point_id: str) -> Values:
    read = partial(queries.configuration, charge_point_id)
    return {"page": read_page("configuration", (str,), read, lambda row: (row.key_key,))}
