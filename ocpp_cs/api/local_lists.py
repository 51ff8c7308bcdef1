"""`/charge-points/{id}/local-list`: the id tags that it may take without asking (§3.5.2).

What to send and what is known to be there, `commands.local_lists` decides.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from flask import Response
from flask.views import MethodView
from marshmallow import fields

from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.commands import DeliveryParameters
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import Row, Text, Time, Whole, example_of
from ocpp_cs.api.lists import Listing, ListParameters, answer
from ocpp_cs.api.ordering import IDEMPOTENCY_KEY, LOCATION, ordered, repeatable, wait_for
from ocpp_cs.api.problems import refuse
from ocpp_cs.api.transactions import ID_TAG_STATUSES
from ocpp_cs.commands import idempotency, local_lists
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx

UPDATE_TYPES = ("full", "differential")
STATUSES = ("sending", "accepted", "failed", "not_supported", "version_mismatch")

blueprint = Blueprint(
    "local-lists", "Local lists: the id tags that a charge point takes without asking."
)


class LocalListUpdate(Row):
    """Id tags that were sent to a charge point as its local list."""

    id = Whole("The update's id.", 4)
    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711")
    update_type = Text("All of them, or what has changed.", "full", choices=UPDATE_TYPES)
    list_version = Whole("The version that the list has with it.", 3)
    status = Text(
        "sending until all of it was answered; accepted; failed, so that it is not known what the "
        "charge point has; not_supported by the charge point; version_mismatch: it had another "
        "version, and the list is sent again in full.",
        "accepted",
        choices=STATUSES,
    )
    entries_total = Whole("Entries that were sent; 0: nothing had changed.", 250, unit="entries")
    commands_total = Whole("SendLocalList commands that it takes.", 3, unit="commands")
    retry_of = Whole("The update that it repeats in full.", 3, nullable=True)
    created_by = Text("Who asked for it.", "booking (k3f7x2ab)")
    created_at = Time("When it was asked for.", "2026-11-22T10:00:00.000Z")
    finished_at = Time(
        "When its status became final; null before.", "2026-11-22T10:00:04.000Z", nullable=True
    )


class LocalListUpdateDetail(LocalListUpdate):
    """Id tags that were sent to a charge point as its local list, with the commands for it."""

    commands = fields.List(
        fields.Integer(),
        required=True,
        metadata={"description": "Its SendLocalList commands.", "example": [17, 18, 19]},
    )
    retried_by = Whole("The update that repeats it in full.", 5, nullable=True)


class LocalList(Row):
    """The local list of a charge point, as far as we know."""

    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711")
    list_version = Whole(
        "Its version, as the charge point last told; null: not known, 0: empty, -1: it has none.",
        3,
        nullable=True,
    )
    list_version_at = Time(
        "When the charge point told that.", "2026-11-22T10:00:04.000Z", nullable=True
    )
    entries_total = Whole(
        "Entries in it; null: it is not known what is in it, the next update is a full one.",
        250,
        unit="entries",
        nullable=True,
    )
    latest_update = fields.Nested(
        LocalListUpdate,
        required=True,
        allow_none=True,
        metadata={
            "description": "The latest update; null before the first.",
            "example": example_of(LocalListUpdate),
        },
    )


class LocalListEntry(Row):
    """An entry of a local list."""

    id_tag = Text("The id tag.", "0fc673")
    status = Text("What the charge point takes it for.", "Accepted", choices=ID_TAG_STATUSES)
    expires_at = Time(
        "From then on it takes it for expired.", "2027-01-01T00:00:00.000Z", nullable=True
    )
    parent_id_tag = Text("The group that it belongs to.", "fleet-north", nullable=True)


class NewLocalListUpdate(Body):
    """What to send."""

    update_type = Text(
        "full: all id tags. differential: what has changed since. Without it the changes, if it is "
        "known what the charge point has, else all.",
        "full",
        nullable=True,
        required=False,
        load_default=None,
        choices=UPDATE_TYPES,
    )


ENTRIES = Listing("local-list", LocalListEntry, ("key",), (str,))
UPDATES = Listing("local-list-updates", LocalListUpdate, ("id",), (int,))


@blueprint.route("/charge-points/<charge_point_id>/local-list")
class OneLocalList(MethodView):
    @blueprint.item(LocalList, "get_local_list")
    def get(self, charge_point_id: str) -> queries.LocalListRow:
        """Get what is known of the local list of a charge point.

        As its answers to SendLocalList and GetLocalListVersion told.
        """
        found = current_engine().read(lambda: queries.local_list(charge_point_id))
        return found or _refuse_unknown(charge_point_id)

    @blueprint.item(
        LocalListUpdateDetail,
        "send_local_list",
        refusals=(404, 409),
        parameters=DeliveryParameters,
    )
    @blueprint.body(NewLocalListUpdate)
    @blueprint.alt_response(
        202,
        schema=LocalListUpdateDetail,
        description="The charge point has not answered all of it yet.",
        headers={"Location": LOCATION},
    )
    @blueprint.doc(
        parameters=[IDEMPOTENCY_KEY], responses={200: {"headers": {"Location": LOCATION}}}
    )
    def post(
        self, wish: dict[str, Any], wait: int, deliver_within: int, charge_point_id: str
    ) -> Any:
        """Send a charge point the id tags as its local list.

        In as many SendLocalList as it needs (SendLocalListMaxLength, else 100 entries each). A
        charge point that has another version than we thought, or fails to take a change, gets the
        whole list, once; the answer is that second update then. 409 `local_list_update_running`
        while another one is under way, `local_list_too_long` where it cannot hold so many
        (LocalAuthListMaxLength), `local_list_unknown` for a differential update where it is not
        known what it has.
        """
        id = _send(charge_point_id, wish["update_type"], deliver_within)
        found = _wait(charge_point_id, id, wait)
        location = f"{BASE_PATH}/charge-points/{quote(charge_point_id)}/local-list/updates/"
        status = 202 if found.update.finished_at is None else 200
        return _shown(found), status, {"Location": f"{location}{found.update.id}"}


@blueprint.route("/charge-points/<charge_point_id>/local-list/entries")
class LocalListEntries(MethodView):
    @ENTRIES.view(blueprint, ListParameters, "list_local_list_entries")
    @blueprint.doc(responses={404: "NOT_FOUND"})
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List the entries of the local list of a charge point.

        As it accepted them, in the order of their text; none where that is not known.
        """
        _require(charge_point_id)
        return answer(ENTRIES, parameters, partial(queries.local_list_entries, charge_point_id))


@blueprint.route("/charge-points/<charge_point_id>/local-list/updates")
class LocalListUpdates(MethodView):
    @UPDATES.view(blueprint, ListParameters, "list_local_list_updates")
    @blueprint.doc(responses={404: "NOT_FOUND"})
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List the updates of the local list of a charge point.

        The newest first.
        """
        _require(charge_point_id)
        return answer(UPDATES, parameters, partial(queries.local_list_updates, charge_point_id))


@blueprint.route("/charge-points/<charge_point_id>/local-list/updates/<local_list_update_id>")
class OneLocalListUpdate(MethodView):
    @blueprint.item(LocalListUpdateDetail, "get_local_list_update")
    def get(self, charge_point_id: str, local_list_update_id: int) -> dict[str, Any]:
        """Get an update of the local list of a charge point."""
        found = current_engine().read(
            lambda: queries.local_list_update(charge_point_id, local_list_update_id)
        )
        if found is None:
            refuse(
                404,
                f"Charge point {charge_point_id!r} has no update {local_list_update_id} of its "
                "local list.",
            )
        return _shown(found)


def _send(identity: str, update_type: Any, deliver_within_s: int) -> int:
    actor, now = current_actor(), request_time()
    asked = repeatable(actor)

    def work(tx: Tx) -> int:
        made = idempotency.begin(tx, asked, now)
        if made is not None:
            return int(made.rpartition("/")[2])
        id = local_lists.send(
            tx, identity, update_type, deliver_within_s=deliver_within_s, actor=actor, now=now
        )
        idempotency.finish(tx, asked, f"local-list-updates/{id}")
        return id

    return ordered(work, charge_point=identity)


def _wait(identity: str, id: int, wait_s: float) -> queries.LocalListUpdateDetail:
    found = wait_for(
        id,
        wait_s,
        lambda: _update_or_retry(identity, id),
        lambda found: found is None or found.update.finished_at is not None,
        topic="local_list_update",
    )
    return found or _refuse_unknown(identity)  # deleted in this very moment


def _update_or_retry(identity: str, id: int) -> queries.LocalListUpdateDetail | None:
    """Runs inside a read."""
    found = queries.local_list_update(identity, id)
    if found is None or found.retried_by is None:
        return found
    return queries.local_list_update(identity, found.retried_by)


def _shown(found: queries.LocalListUpdateDetail) -> dict[str, Any]:
    return {
        **found.update._asdict(),
        "commands": found.commands,
        "retried_by": found.retried_by,
    }


def _require(identity: str) -> None:
    if not current_engine().read(lambda: queries.charge_point_exists(identity)):
        _refuse_unknown(identity)


def _refuse_unknown(identity: str) -> Any:
    refuse(404, f"There is no charge point {identity!r}.")
