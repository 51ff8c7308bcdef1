"""`/reservations`: connectors kept free for somebody, asked for and cancelled (§3.11).

What a charge point makes of it, its answers and reports say; `commands.reservations` keeps track.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Any

from flask import Response, abort
from flask.views import MethodView

from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import (
    INT32_MAX,
    Row,
    Text,
    Time,
    Truth,
    Whole,
    number_range,
    text_range,
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.ordering import (
    IDEMPOTENCY_KEY,
    LOCATION,
    WaitParameters,
    ordered,
    repeatable,
    wait_for_end,
)
from ocpp_cs.api.problems import problem, refuse
from ocpp_cs.audit import Actor
from ocpp_cs.commands import idempotency, reservations, table
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.reservations import Wish
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx

STATUSES = (
    "requested",
    "accepted",
    "unknown",
    "faulted",
    "occupied",
    "rejected",
    "unavailable",
    "used",
    "expired",
    "cancelled",
)
ENDS = ("charge_point", "operator", "transaction", "expiry", "not_delivered", "replacement")
_ID_TAG_MAX = 20
_DELIVER_WITHIN_MAX = 7 * 24 * 3600

blueprint = Blueprint(
    "reservations", "Reservations: a connector that is kept free for an id tag until some time."
)


class Reservation(Row):
    """A reservation."""

    id = Whole("The reservation's id.", 7)
    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711", nullable=True)
    connector_id = Whole("The connector; 0: any one of the charge point.", 1)
    id_tag = Text("Who may charge there.", "0fc673")
    parent_id_tag = Text("The group that may charge there, too.", "fleet-north", nullable=True)
    status = Text(
        "requested until the charge point answers; accepted; unknown if no answer came, so that "
        "it may be in force. The others are ends: faulted, occupied, rejected and unavailable "
        "were answered, used by a transaction, expired, cancelled.",
        "accepted",
        choices=STATUSES,
    )
    ended_by = Text(
        "What ended it: charge_point (its answer or what it reported), operator, transaction, "
        "expiry (of its time, by our clock), not_delivered (ReserveNow could not be sent), "
        "replacement (a ReserveNow with the same number). Null while it is open.",
        "operator",
        nullable=True,
        choices=ENDS,
    )
    expires_at = Time("When it ends by itself.", "2026-11-22T12:00:00.000Z")
    reservation_id = Whole("Its number in OCPP messages.", 7)
    command_id = Whole("The ReserveNow that asked for it.", 17, nullable=True)
    transaction_id = Whole("The transaction that used it.", 1, nullable=True)
    created_by = Text("Who asked for it.", "booking (k3f7x2ab)")
    created_at = Time("When it was asked for.", "2026-11-22T10:00:00.000Z")
    updated_at = Time("When its status changed last.", "2026-11-22T10:00:01.000Z")
    ended_at = Time(
        "When it ended; null while it is open.", "2026-11-22T11:30:00.000Z", nullable=True
    )


class ReservationParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    connector_id = Whole(
        "Only those of this connector; 0: of any one of a charge point.",
        1,
        required=False,
        validate=number_range(0, INT32_MAX),
    )
    id_tag = wanted_text("Only those for this id tag, in any case.", "0fc673")
    status = Text("Only those of this status.", "accepted", required=False, choices=STATUSES)
    active = Truth("Only those that have not ended, or that have.", True, required=False)


class NewReservation(Body):
    """A reservation to ask for."""

    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711", validate=text_range())
    connector_id = Whole(
        "The connector; 0: any one of the charge point, if it can do that "
        "(ReserveConnectorZeroSupported).",
        1,
        validate=number_range(0, INT32_MAX),
    )
    id_tag = Text("Who may charge there.", "0fc673", validate=text_range(_ID_TAG_MAX))
    parent_id_tag = Text(
        "The group that may charge there, too.",
        "fleet-north",
        nullable=True,
        required=False,
        load_default=None,
        validate=text_range(_ID_TAG_MAX),
    )
    expires_at = Time("When it is to end by itself.", "2030-01-01T00:00:00Z")


class ReserveParameters(WaitParameters):
    deliver_within = Whole(
        "How long the request may wait for a charge point that is offline, at most until "
        "expires_at. 0: refuse it then, with 409.",
        0,
        unit="s",
        required=False,
        load_default=0,
        validate=number_range(0, _DELIVER_WITHIN_MAX),
    )


RESERVATIONS = Listing("reservations", Reservation, ("id",), (int,))


@blueprint.route("/reservations")
class Reservations(MethodView):
    @RESERVATIONS.view(blueprint, ReservationParameters, "list_reservations")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the reservations.

        The newest first.
        """
        wanted = filter_of(queries.ReservationFilter, parameters)
        return answer(RESERVATIONS, parameters, partial(queries.reservations, wanted))

    @blueprint.item(
        Reservation,
        "create_reservation",
        status=201,
        refusals=(404, 409),
        parameters=ReserveParameters,
    )
    @blueprint.body(NewReservation)
    @blueprint.doc(
        parameters=[IDEMPOTENCY_KEY], responses={201: {"headers": {"Location": LOCATION}}}
    )
    def post(self, wish: dict[str, Any], wait: int, deliver_within: int) -> Any:
        """Ask a charge point for a reservation.

        Sends ReserveNow, and answers as soon as the charge point has, or after `wait` seconds
        with the status `requested`. With an `Idempotency-Key` it may be sent again: the answer is
        the reservation that it made when it came first.
        """
        identity = wish.pop("charge_point_id")
        within = _seconds_to_deliver(deliver_within, wish["expires_at"])
        id = _reserve(identity, Wish(**wish), within)
        found = _found(id)
        if found.status == "requested" and found.command_id is not None:
            wait_for_end(found.command_id, wait)
            found = _found(id)
        return found, 201, {"Location": f"{BASE_PATH}/reservations/{id}"}


@blueprint.route("/reservations/<reservation_id>")
class OneReservation(MethodView):
    @blueprint.item(Reservation, "get_reservation")
    def get(self, reservation_id: int) -> queries.ReservationRow:
        """Get a reservation."""
        return _found(reservation_id)

    @blueprint.item(
        Reservation,
        "cancel_reservation",
        refusals=(404, 409, 504),
        parameters=WaitParameters,
    )
    @blueprint.alt_response(
        202,
        schema=Reservation,
        description="The charge point has not answered yet.",
        headers={"Location": LOCATION},
    )
    def delete(self, wait: int, reservation_id: int) -> Any:
        """Cancel a reservation.

        Sends CancelReservation, or takes the ReserveNow back if that has not been sent yet.
        Answers 202 with the command's URL if it takes longer than `wait` seconds. The reservation
        stays in the list, as `cancelled`.
        """
        found = _found(reservation_id)
        command_id = _cancel(found)
        if command_id is None:
            return _found(reservation_id)
        end = wait_for_end(command_id, wait)
        if end is None:
            location = f"{BASE_PATH}/commands/{command_id}"
            return _found(reservation_id), 202, {"Location": location}
        if not _accepted(end):
            abort(_not_cancelled(found, command_id, end))
        return _found(reservation_id)


def _found(id: int) -> queries.ReservationRow:
    found = current_engine().read(lambda: queries.reservation(id))
    return found or refuse(404, f"There is no reservation {id}.")


def _seconds_to_deliver(asked_for: int, expires_at: datetime) -> int:
    """ReserveNow is of no use once the reservation has expired."""
    left = int((expires_at - request_time()).total_seconds())
    return min(asked_for, max(left, 0))


def _reserve(identity: str, wish: Wish, deliver_within_s: int) -> int:
    actor, now = current_actor(), request_time()
    asked = repeatable(actor)

    def work(tx: Tx) -> int:
        made = idempotency.begin(tx, asked, now)
        if made is not None:
            return int(made.rpartition("/")[2])
        id, _ = reservations.reserve(
            tx, identity, wish, actor=actor, now=now, deliver_within_s=deliver_within_s
        )
        idempotency.finish(tx, asked, f"reservations/{id}")
        return id

    return ordered(work, charge_point=identity)


def _cancel(row: queries.ReservationRow) -> int | None:
    """As `cancel`; ends the request with 409 if the reservation has ended otherwise."""
    actor, now = current_actor(), request_time()
    return ordered(
        lambda tx: cancel(tx, row.id, actor=actor, now=now), charge_point=row.charge_point_id or ""
    )


def cancel(tx: Tx, id: int, *, actor: Actor, now: datetime) -> int | None:
    """The CancelReservation that was ordered, or None if none is needed. Raises Refused (409) if
    the reservation has ended otherwise."""
    found = reservations.find(tx, id)
    if found.status == "cancelled":
        return None
    if found.ended:
        raise Refused(
            409,
            "reservation_ended",
            f"Reservation {found.id} has ended: it is {found.status}.",
        )
    if found.status == "requested" and _taken_back(tx, found, actor, now):
        return None
    return reservations.order_cancellation(tx, found, actor=actor, now=now)


def _taken_back(tx: Tx, found: reservations.Found, actor: Actor, now: datetime) -> bool:
    """Whether the ReserveNow could be cancelled before it was sent; that ends the reservation."""
    try:
        table.cancel(tx, found.command_id or 0, actor=actor, now=now)
    except Refused:
        return False
    return True


def _accepted(end: queries.CommandEnd) -> bool:
    return end.status == "answered" and _answered_status(end) == "Accepted"


def _answered_status(end: queries.CommandEnd) -> Any:
    """What the charge point answered; None where that was no answer of this action."""
    if end.error_code is not None or end.response is None:
        return None
    return json.loads(end.response).get("status")


def _not_cancelled(
    found: queries.ReservationRow, command_id: int, end: queries.CommandEnd
) -> Response:
    """Why a cancellation that has ended did not cancel."""
    if _answered_status(end) == "Rejected":
        return problem(
            409,
            f"The charge point holds no reservation with the number {found.reservation_id}: it has "
            f"ended there before. Reservation {found.id} is cancelled here, too.",
            code="unknown_to_charge_point",
        )
    if end.status in ("timeout", "unknown"):
        return problem(
            504,
            f"The charge point did not answer command {command_id} in time: reservation {found.id} "
            "may be in force or not. Cancel it again when the charge point is back.",
            code="no_answer",
        )
    return problem(
        409,
        f"The charge point did not cancel reservation {found.id}; command {command_id} is "
        f"{end.status}: {end.error_code}: {end.error_description}",
        code="not_cancelled",
    )
