"""`/quarantine`: frames of transactions that could not be read, or not whole (promise 3).

Nothing is repaired here: a person enters elsewhere what a frame was worth, and says so.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs import resolutions
from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import AnyJson, Text, Time, Whole, wanted_text
from ocpp_cs.api.lists import Listing, answer, filter_of
from ocpp_cs.api.problems import refuse
from ocpp_cs.api.resolutions import Resolution, ResolvableParameters, Resolved, resolve
from ocpp_cs.db import queries

blueprint = Blueprint(
    "quarantine", "Quarantine: frames of transactions that could not be read, or not whole."
)


class QuarantinedFrame(Resolved):
    """A StartTransaction, StopTransaction or MeterValues that could not be read, or not whole."""

    id = Whole("Its id in the quarantine.", 1)
    charge_point_id = Text("The charge point that sent it.", "CB-4711", nullable=True)
    action = Text("What it is.", "StopTransaction")
    message_id = Text("The message id that the charge point gave it.", "9")
    error = Text(
        "What is wrong with it.",
        "OccurrenceConstraintViolation: meterStop is missing",
    )
    received = Whole("How often it came.", 1, unit="times")
    received_at = Time("When it came first.", "2021-11-10T15:15:01.100Z")
    last_received_at = Time("When it came last.", "2021-11-10T15:15:01.100Z")


class QuarantinedFrameDetail(QuarantinedFrame):
    """A frame in quarantine, with its text."""

    frame = AnyJson(
        "The whole frame as JSON; as a text if it is not readable as such.",
        [2, "9", "StopTransaction", {"transactionId": 1, "timestamp": "2021-11-10T15:15:00Z"}],
    )


class QuarantineParameters(ResolvableParameters):
    action = wanted_text("Only frames of this action.", "StopTransaction")


QUARANTINE = Listing("quarantine", QuarantinedFrame, ("id",), (int,))


@blueprint.route("/quarantine")
class Quarantine(MethodView):
    @QUARANTINE.view(blueprint, QuarantineParameters, "list_quarantine")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the frames in quarantine.

        The newest first. A frame that came again is counted, and listed once.
        """
        wanted = filter_of(queries.QuarantineFilter, parameters)
        return answer(QUARANTINE, parameters, partial(queries.quarantined_frames, wanted))


@blueprint.route("/quarantine/<quarantined_frame_id>")
class OneQuarantinedFrame(MethodView):
    @blueprint.item(QuarantinedFrameDetail, "get_quarantined_frame")
    def get(self, quarantined_frame_id: int) -> dict[str, Any]:
        """Get a frame in quarantine.

        With its text as it came.
        """
        return _shown(_find(quarantined_frame_id))


@blueprint.route("/quarantine/<quarantined_frame_id>/resolve")
class ResolvedQuarantinedFrame(MethodView):
    @blueprint.item(QuarantinedFrameDetail, "resolve_quarantined_frame", refusals=(404, 409))
    @blueprint.body(Resolution)
    def post(self, wish: dict[str, Any], quarantined_frame_id: int) -> dict[str, Any]:
        """Link a frame in quarantine to its transaction, or dismiss it.

        That is noted, and nothing else: the transaction stays as it is. A decision is final.
        """
        found = _find(quarantined_frame_id)
        resolve(
            resolutions.resolve_quarantined_frame,
            quarantined_frame_id,
            wish,
            charge_point=found.quarantined.charge_point_id or "",
        )
        return _shown(_find(quarantined_frame_id))


def _find(id: int) -> queries.QuarantinedFrameDetail:
    found = current_engine().read(lambda: queries.quarantined_frame(id))
    return found or refuse(
        404, f"There is no quarantined frame {id}.", code="unknown_quarantined_frame"
    )


def _shown(found: queries.QuarantinedFrameDetail) -> dict[str, Any]:
    return {**found.quarantined._asdict(), "frame": found.frame}
