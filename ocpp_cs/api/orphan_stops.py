"""`/orphan-stops`: stops that fit no transaction, and what a person makes of them (R29, R30).

They were answered when they came; nothing is sent to a charge point from here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs import resolutions
from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import INT32_MAX, AnyJson, Flags, Text, Time, Whole, number_range
from ocpp_cs.api.lists import Listing, answer, filter_of
from ocpp_cs.api.problems import refuse
from ocpp_cs.api.resolutions import Resolution, ResolvableParameters, Resolved, resolve
from ocpp_cs.db import queries

blueprint = Blueprint(
    "orphan-stops", "Orphan stops: StopTransactions that fit no transaction of their charge point."
)

_FRAME = [
    2,
    "9",
    "StopTransaction",
    {"transactionId": -1, "meterStop": 15000, "timestamp": "2021-11-10T15:15:00.000Z"},
]


class OrphanStop(Resolved):
    """A StopTransaction for a transaction that is unknown, or another charge point's."""

    id = Whole("The orphan stop's id.", 1)
    charge_point_id = Text("The charge point that sent it.", "CB-4711", nullable=True)
    transaction_id = Whole(
        "The transaction id that it claims; -1: the charge point never got one.", -1
    )
    likely_transaction_id = Whole(
        "A hint: the one transaction that was open when it came and that it can belong to.",
        1,
        nullable=True,
    )
    id_tag = Text("The id tag that stopped it, if one did.", "0fc673", nullable=True)
    meter_stop_wh = Whole("Energy register at the stop.", 15000, unit="Wh")
    stopped_at = Time("Stop, by the charge point's clock.", "2021-11-10T15:15:00.000Z")
    stop_reason = Text(
        "Why it stopped, as the charge point said; Local if it said nothing.",
        "PowerLoss",
        nullable=True,
    )
    flags = Flags("What is odd about it; empty for most.", ["naive_time"])
    received_at = Time("When it was received.", "2021-11-10T15:15:01.100Z")


class OrphanStopDetail(OrphanStop):
    """An orphan stop with its frame."""

    frame = AnyJson("The whole frame as JSON; as a text if it is not readable as such.", _FRAME)


class OrphanStopParameters(ResolvableParameters):
    transaction_id = Whole(
        "Only those that claim this transaction id.",
        -1,
        required=False,
        validate=number_range(-INT32_MAX - 1, INT32_MAX),
    )


ORPHAN_STOPS = Listing("orphan-stops", OrphanStop, ("id",), (int,))


@blueprint.route("/orphan-stops")
class OrphanStops(MethodView):
    @ORPHAN_STOPS.view(blueprint, OrphanStopParameters, "list_orphan_stops")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the orphan stops.

        The newest first.
        """
        wanted = filter_of(queries.OrphanStopFilter, parameters)
        return answer(ORPHAN_STOPS, parameters, partial(queries.orphan_stops, wanted))


@blueprint.route("/orphan-stops/<orphan_stop_id>")
class OneOrphanStop(MethodView):
    @blueprint.item(OrphanStopDetail, "get_orphan_stop")
    def get(self, orphan_stop_id: int) -> dict[str, Any]:
        """Get an orphan stop.

        With the frame as it came.
        """
        return _shown(_find(orphan_stop_id))


@blueprint.route("/orphan-stops/<orphan_stop_id>/resolve")
class ResolvedOrphanStop(MethodView):
    @blueprint.item(OrphanStopDetail, "resolve_orphan_stop", refusals=(404, 409))
    @blueprint.body(Resolution)
    def post(self, wish: dict[str, Any], orphan_stop_id: int) -> dict[str, Any]:
        """Link an orphan stop to its transaction, or dismiss it.

        Linked, it ends the transaction, which is active or was closed by an operator, as if it had
        come with that id: with its time, register, reason and meter values. A decision is final.
        """
        found = _find(orphan_stop_id)
        resolve(
            resolutions.resolve_orphan_stop,
            orphan_stop_id,
            wish,
            charge_point=found.stop.charge_point_id or "",
        )
        return _shown(_find(orphan_stop_id))


def _find(id: int) -> queries.OrphanStopDetail:
    found = current_engine().read(lambda: queries.orphan_stop(id))
    return found or refuse(404, f"There is no orphan stop {id}.", code="unknown_orphan_stop")


def _shown(found: queries.OrphanStopDetail) -> dict[str, Any]:
    return {**found.stop._asdict(), "frame": found.frame}
