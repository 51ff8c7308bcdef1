"""`/charge-points/{id}/connectors` and `/deviations`: how a charge point is, and how it behaves.

The latest of each; what happened before, `histories` has.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint, named_refusals
from ocpp_cs.api.charge_points import demand_charge_point
from ocpp_cs.api.fields import Row, Text, Time, Whole, wanted_text
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.db import queries

blueprint = Blueprint(
    "connectors", "Connectors with their status, and the rules that a charge point breaks."
)


class Connector(Row):
    """A connector as it is now, as far as the charge point has told."""

    connector_id = Whole("The connector; 0: the charge point itself.", 1)
    status = Text("Its status, as in OCPP.", "Charging")
    error_code = Text("Its error, as in OCPP; NoError where there is none.", "NoError")
    info = Text("What the charge point says of the error.", "door open", nullable=True)
    vendor_id = Text("The vendor whose error code it is.", "com.example", nullable=True)
    vendor_error_code = Text("The vendor's own error code.", "E17", nullable=True)
    since = Time("When that began, by the charge point's clock.", "2026-11-22T10:15:00.000Z")
    transaction_id = Whole(
        "The transaction that is open there; of several, the latest.", 1, nullable=True
    )


class Deviation(Row):
    """A rule of OCPP that a charge point breaks."""

    firmware_version = Text("The firmware that it had then; empty: not known.", "1.4.2")
    code = Text("The rule, or the code of the CALLERROR that a message got.", "too_long")
    rule = Text(
        "The same in words; null for a code of another version.",
        "A text that is longer than OCPP allows; kept whole",
        nullable=True,
    )
    detail = Text("The message or field; may be empty.", "StatusNotification.info")
    seen = Whole("How often.", 12, unit="times")
    first_seen_at = Time("When it was seen first.", "2026-11-20T08:00:00.000Z")
    last_seen_at = Time("When it was seen last.", "2026-11-22T10:15:00.000Z")


class DeviationParameters(ListParameters):
    firmware_version = wanted_text("Only those of exactly this firmware.", "1.4.2")
    code = wanted_text("Only those with this code.", "too_long")
    since = Time(
        "Only those that were seen at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only those that were seen last before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )


CONNECTORS = Listing("connectors", Connector, ("connector_id",), (int,))
DEVIATIONS = Listing(
    "deviations", Deviation, ("firmware_version", "code", "detail"), (str, str, str)
)


@blueprint.route("/charge-points/<charge_point_id>/connectors")
class Connectors(MethodView):
    @CONNECTORS.view(blueprint, ListParameters, "list_connectors")
    @blueprint.doc(responses=named_refusals((404,)))
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List the connectors of a charge point.

        Those that it has reported, with their latest status by the time of the event, in the order
        of their numbers.
        """
        demand_charge_point(charge_point_id)
        return answer(CONNECTORS, parameters, partial(queries.connectors, charge_point_id))


@blueprint.route("/charge-points/<charge_point_id>/deviations")
class Deviations(MethodView):
    @DEVIATIONS.view(blueprint, DeviationParameters, "list_deviations")
    @blueprint.doc(responses=named_refusals((404,)))
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List the rules of OCPP that a charge point breaks.

        Its conformance card: what its messages had to be read in spite of, or were refused for,
        counted by firmware, rule and field.
        """
        demand_charge_point(charge_point_id)
        wanted = filter_of(queries.DeviationFilter, parameters)
        return answer(DEVIATIONS, parameters, partial(queries.deviations, charge_point_id, wanted))
