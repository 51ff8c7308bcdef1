"""`/charge-points`: who they are and whether they are there. Reading only, so far.

Presence is what the gateway writes; nothing here asks a connection.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint, request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import Row, Text, Time, Truth, Whole, wanted_text
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.problems import refuse
from ocpp_cs.db import queries

REGISTRATIONS = ("accepted", "pending", "rejected")

blueprint = Blueprint("charge-points", "Charge points: the devices that connect to this server.")


class ChargePoint(Row):
    """A charge point."""

    id = Text("Its OCPP identity, the last part of its connection URL.", "CB-4711")
    vendor = Text("Vendor, from its latest BootNotification.", "ACME", nullable=True)
    model = Text("Model, from its latest BootNotification.", "WALLBOX", nullable=True)
    serial_number = Text(
        "Serial number, from its latest BootNotification: of the charge point, else of its box.",
        "SN-000123",
        nullable=True,
    )
    firmware_version = Text("Firmware, from its latest BootNotification.", "1.4.2", nullable=True)
    registration = Text(
        "Whether it may work here: accepted, pending an operator's decision, or rejected.",
        "accepted",
        choices=REGISTRATIONS,
    )
    security_profile = Whole(
        "OCPP security profile: 0 none, 1 password, 2 password within TLS, 3 client certificate.",
        0,
    )
    online = Truth("Whether it is connected now.", True)
    last_seen_at = Time(
        "When the last sign of life came from it.", "2026-11-22T10:15:00.000Z", nullable=True
    )
    offline_since = Time(
        "Since when it is away; null while it is online, and if it was never here.",
        "2026-11-22T10:16:20.000Z",
        nullable=True,
    )
    connected_at = Time(
        "When its connection, or the last one that it had, began.",
        "2026-11-22T08:00:00.000Z",
        nullable=True,
    )
    connectors_total = Whole("Connectors that it has reported.", 2, unit="connectors")
    note = Text("Free text of the operator.", "car park, level 2", nullable=True)


class ChargePointParameters(ListParameters):
    online = Truth("Only those that are, or are not, connected now.", True, required=False)
    registration = Text(
        "Only those of this registration.", "accepted", required=False, choices=REGISTRATIONS
    )
    q = wanted_text(
        "Only those with this text in id, vendor, model, serial number, firmware version or note; "
        "A is the same as a.",
        "4711",
    )
    vendor = wanted_text("Only those of exactly this vendor.", "ACME")
    model = wanted_text("Only those of exactly this model.", "WALLBOX")


CHARGE_POINTS = Listing("charge-points", ChargePoint, ("id",), (str,))


@blueprint.route("/charge-points")
class ChargePoints(MethodView):
    @CHARGE_POINTS.view(blueprint, ChargePointParameters, "list_charge_points")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the charge points.

        In the order of their ids.
        """
        wanted = filter_of(queries.ChargePointFilter, parameters)
        read = partial(queries.charge_points, wanted, now=request_time())
        return answer(CHARGE_POINTS, parameters, read)


@blueprint.route("/charge-points/<charge_point_id>")
class OneChargePoint(MethodView):
    @blueprint.item(ChargePoint, "get_charge_point")
    def get(self, charge_point_id: str) -> queries.ChargePointRow:
        """Get a charge point."""
        query = partial(queries.charge_point, charge_point_id, now=request_time())
        found = current_engine().read(query)
        return found or refuse(404, f"There is no charge point {charge_point_id!r}.")
