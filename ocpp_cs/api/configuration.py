"""`/charge-points/{id}/configuration` and `/availability`: what a charge point is set to.

As of its latest answers; with `refresh` it is asked first. Settings are changed by commands.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, abort
from flask.views import MethodView

from ocpp_cs.api.access import current_actor, demand_role
from ocpp_cs.api.blueprint import Blueprint, named_refusals, request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import Row, Text, Time, Truth, Whole
from ocpp_cs.api.lists import Listing, ListParameters, answer
from ocpp_cs.api.ordering import WAIT_S, ordered, wait_for_end
from ocpp_cs.api.problems import problem, refuse
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.ocpp16.messages.core import GetConfigurationRequest

blueprint = Blueprint(
    "configuration", "Configuration: what a charge point is set to, as far as is known."
)


class ConfigurationKey(Row):
    """A configuration key."""

    key = Text("The key as the charge point spells it.", "HeartbeatInterval")
    value = Text(
        "Its value; null if it has none, and with secret keys such as AuthorizationKey.",
        "14400",
        nullable=True,
    )
    readonly = Truth("Whether it cannot be changed; null: not reported yet.", False, nullable=True)
    reboot_required = Truth("Whether a change takes effect only after a reboot.", False)
    read_at = Time(
        "When the charge point reported it last.", "2026-11-22T10:15:00.000Z", nullable=True
    )
    changed_at = Time(
        "When ChangeConfiguration changed it last.", "2026-11-22T10:14:00.000Z", nullable=True
    )


class Availability(Row):
    """What ChangeAvailability has set for a connector."""

    connector_id = Whole(
        "The connector. 0: the charge point, and each connector that is not listed itself.", 1
    )
    availability = Text(
        "Operative: it may charge. Inoperative: it may not.",
        "Inoperative",
        choices=("Operative", "Inoperative"),
    )
    scheduled = Truth("Whether it takes effect only when the running transaction has ended.", False)
    since = Time("When the charge point answered so.", "2026-11-22T10:15:00.000Z")


class ConfigurationParameters(ListParameters):
    refresh = Truth(
        "Whether to ask the charge point first (GetConfiguration), which takes up to "
        f"{WAIT_S} s and needs the role operator. Not on the pages after the first one.",
        False,
        required=False,
        load_default=False,
    )


CONFIGURATION = Listing("configuration", ConfigurationKey, ("key_key",), (str,))
AVAILABILITY = Listing("availability", Availability, ("connector_id",), (int,))


@blueprint.route("/charge-points/<charge_point_id>/configuration")
class Configuration(MethodView):
    @CONFIGURATION.view(blueprint, ConfigurationParameters, "list_configuration")
    @blueprint.doc(responses=named_refusals((404, 409, 502, 504)))
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List the configuration keys of a charge point.

        As it reported them last, in the order of their names.
        """
        if parameters["refresh"] and "cursor" not in parameters:
            demand_role("operator")  # it is a command
            _ask(charge_point_id)
        else:
            _require(charge_point_id)
        read = partial(queries.configuration, charge_point_id)
        return answer(CONFIGURATION, parameters, read)


@blueprint.route("/charge-points/<charge_point_id>/availability")
class Availabilities(MethodView):
    @AVAILABILITY.view(blueprint, ListParameters, "list_availability")
    @blueprint.doc(responses=named_refusals((404,)))
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List what ChangeAvailability has set.

        In the order of the connectors. A connector without an entry is as connector 0, and
        operative where that has none either. Whether it is free, its status says.
        """
        _require(charge_point_id)
        return answer(AVAILABILITY, parameters, partial(queries.availability, charge_point_id))


def _require(charge_point_id: str) -> None:
    if not current_engine().read(lambda: queries.charge_point_exists(charge_point_id)):
        refuse(404, f"There is no charge point {charge_point_id!r}.")


def _ask(charge_point_id: str) -> None:
    """Lets the charge point report its configuration, or ends the request."""
    actor, now = current_actor(), request_time()
    order = Order(action="GetConfiguration", request=GetConfigurationRequest())

    def work(tx: Tx) -> int:
        return place(tx, charge_point_id, order, actor=actor, now=now)

    command_id = ordered(work, charge_point=charge_point_id)
    end = wait_for_end(command_id, WAIT_S)
    if end is None or end.status in ("timeout", "unknown", "expired", "cancelled"):
        abort(
            problem(
                504,
                f"The charge point has not answered command {command_id} within {WAIT_S} s; "
                "without refresh you get what it reported before.",
                code="no_answer",
            )
        )
    if end.status != "answered" or end.error_code is not None:
        abort(
            problem(
                502,
                f"The charge point has not answered command {command_id} as it should: "
                f"{end.error_code}: {end.error_description}",
                code="bad_answer",
            )
        )
