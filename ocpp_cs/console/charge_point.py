"""`/charge-points/{id}`: one charge point, as tabs: each is a page of its own below this URL.

Another tab is a module that calls `show_tab`, a line in `TABS`, and a folder of templates whose
page extends `charge_point/tab.html`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from flask import Response
from werkzeug.exceptions import NotFound

from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.command_rows import latest_part
from ocpp_cs.console.page import Part, Values, show
from ocpp_cs.console.paging import read_page
from ocpp_cs.db import queries

TABS = (
    ("console.show_charge_point", "charge_point.tab.status"),
    ("console.show_commands", "charge_point_tab.commands"),
    ("console.show_messages", "charge_point_tab.messages"),
    ("console.show_history", "charge_point_tab.history"),
    ("console.show_configuration", "charge_point_tab.configuration"),
    ("console.show_charging_profiles", "charge_point_tab.charging_profiles"),
    ("console.show_reservations", "charge_point_tab.reservations"),
    ("console.show_events", "charge_point_tab.events"),
    ("console.show_conformance", "charge_point_tab.conformance"),
    ("console.show_attempts", "charge_point.tab.attempts"),
)
"""View and text of each tab, in their order."""

_FOLDER = "charge_point"  # of the fragments that tabs share
_MOST_CONNECTORS = 100
# The commands of the forms beside connectors.
_AT_CONNECTORS = ("RemoteStartTransaction", "RemoteStopTransaction")
_NOTHING: Values = {}


def show_tab(
    page: str,
    charge_point_id: str,
    parts: Mapping[str, Part],
    values: Values = _NOTHING,
    *,
    tab: str = "",
    status: int = 200,
) -> Response:
    """A tab of a charge point, whose row templates find as `charge_point`.

    `tab` is the view of the tab that a page without one of its own belongs to.
    """
    row = find_charge_point(charge_point_id)
    common = {"charge_point": row, "tabs": TABS, "tab": tab, **values}
    return show(page, common, {"head": dict, **parts}, shared=_FOLDER, status=status)


def find_charge_point(charge_point_id: str) -> queries.ChargePointRow:
    """Raises NotFound."""
    now = request_time()
    row = current_engine().read(lambda: queries.charge_point(charge_point_id, now=now))
    if row is None:
        raise NotFound
    return row


@console.get("/charge-points/<charge_point_id>")
def show_charge_point(charge_point_id: str) -> Response:
    read = partial(queries.connectors, charge_point_id, None, _MOST_CONNECTORS)

    def connectors() -> Values:
        return {"connectors": current_engine().read(read)}

    latest = partial(latest_part, charge_point_id, actions=_AT_CONNECTORS)
    parts: dict[str, Part] = {"connectors": connectors, "latest": latest, "identity": dict}
    return show_tab("charge_point", charge_point_id, parts)


@console.get("/charge-points/<charge_point_id>/connection-attempts")
def show_attempts(charge_point_id: str) -> Response:
    wanted = queries.ConnectionAttemptFilter(charge_point_id=charge_point_id)
    read = partial(queries.connection_attempts, wanted)

    def rows() -> Values:
        types = (datetime, int)
        page = read_page("attempts", types, read, lambda row: (row.last_attempted_at, row.id))
        return {"page": page}

    return show_tab("connection_attempts", charge_point_id, {"rows": rows})
