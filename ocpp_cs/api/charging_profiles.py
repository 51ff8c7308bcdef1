"""`/charging-profiles`: a library of profiles, and what charge points hold of them (§3.13).

How profiles stack and what comes out of it, GetCompositeSchedule asks the charge point.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NoReturn

from flask import Response
from flask.views import MethodView
from werkzeug.datastructures import ETags

from ocpp_cs.api import etags
from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.commands import Command, DeliveryParameters, answer_with_command
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.fields import (
    INT32_MAX,
    JsonObject,
    Row,
    Text,
    Time,
    Whole,
    number_range,
    text_range,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer
from ocpp_cs.api.ordering import IDEMPOTENCY_KEY, LOCATION, ordered, refuse_order, repeatable
from ocpp_cs.api.payloads import reference
from ocpp_cs.api.problems import refuse
from ocpp_cs.commands import charging_profiles, idempotency
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.ocpp16 import types

PURPOSES = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")
_PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "startSchedule": "2026-11-22T22:00:00Z",
        "duration": 28800,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
    },
}
_WITHOUT_TRANSACTION = {"not": {"required": ["transactionId"]}}
_TX_PROFILE = {"properties": {"chargingProfilePurpose": {"const": "TxProfile"}}}
_ETAG = {"ETag": etags.HEADER}
# In the payload, and here.
_NAMES = {"connectorId": "connector_id", "csChargingProfiles": "profile"}

blueprint = Blueprint(
    "charging-profiles", "Charging profiles: a library, and what charge points hold of it."
)


class ProfileField(JsonObject):
    """A ChargingProfile of OCPP (§7.8) that names no transaction; `tx_profile`: of this purpose."""

    def __init__(
        self, description: str, example: Any, *, tx_profile: bool = False, **arguments: Any
    ) -> None:
        super().__init__(description, example, **arguments)
        parts = [reference(types.ChargingProfile), _WITHOUT_TRANSACTION]
        self.metadata = {**self.metadata, "allOf": [*parts, *([_TX_PROFILE] * tx_profile)]}


class ChargingProfile(Row):
    """A charging profile of the library."""

    id = Whole("The profile's id in the library.", 1)
    name = Text("What it is called here.", "at night 16 A")
    profile = ProfileField("The profile in the names of OCPP, as it goes on the wire.", _PROFILE)
    created_at = Time("When it was made.", "2026-11-20T10:00:00.000Z")
    updated_at = Time("When it was changed last.", "2026-11-20T10:00:00.000Z")


class InstalledChargingProfile(Row):
    """A charging profile that a charge point holds, as far as we know."""

    connector_id = Whole("The connector; 0: the whole charge point, or each of its connectors.", 1)
    charging_profile_id = Whole("Its number in OCPP messages (chargingProfileId).", 1)
    purpose = Text("What it limits.", "TxDefaultProfile", choices=PURPOSES)
    stack_level = Whole("Of several, the highest level counts (§3.13.2).", 0)
    transaction_id = Whole(
        "The transaction that a TxProfile is for, and ends with.", 1, nullable=True
    )
    valid_to = Time("When it ends by itself.", "2027-01-01T00:00:00.000Z", nullable=True)
    installed_at = Time("When the charge point had it.", "2026-11-22T10:00:01.000Z")
    command_id = Whole("The command that brought it.", 17)
    profile = JsonObject("The profile in the names of OCPP, as it was sent.", _PROFILE)


class NewChargingProfile(Body):
    """A charging profile for the library."""

    name = Text("What it is to be called here.", "at night 16 A", validate=text_range())
    profile = ProfileField(
        "The profile in the names of OCPP (§7.8), without transactionId.", _PROFILE
    )


class Application(Body):
    """Where a charging profile is to be sent."""

    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711", validate=text_range())
    connector_id = Whole(
        "The connector. 0: the whole charge point, or for a TxDefaultProfile each of its "
        "connectors. A ChargePointMaxProfile needs 0, a TxProfile another one.",
        1,
        validate=number_range(0, INT32_MAX),
    )
    transaction_id = Whole(
        "The active transaction that a TxProfile is for; without it, the one of that connector.",
        1,
        nullable=True,
        required=False,
        load_default=None,
        validate=number_range(1, INT32_MAX),
    )


PROFILES = Listing("charging-profiles", ChargingProfile, ("id",), (int,))
INSTALLED = Listing(
    "charging-profiles", InstalledChargingProfile, ("connector_id", "id"), (int, int)
)


@blueprint.route("/charging-profiles")
class ChargingProfiles(MethodView):
    @PROFILES.view(blueprint, ListParameters, "list_charging_profiles")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the charging profiles of the library.

        In the order in which they were made.
        """
        return answer(PROFILES, parameters, queries.charging_profiles)

    @blueprint.item(ChargingProfile, "create_charging_profile", status=201, refusals=())
    @blueprint.body(NewChargingProfile)
    @blueprint.doc(responses={201: {"headers": {"Location": LOCATION, **_ETAG}}})
    def post(self, wish: dict[str, Any]) -> Any:
        """Put a charging profile into the library.

        Nothing is sent: `apply` does that.
        """
        profile = _profile(wish)
        actor, now = current_actor(), request_time()

        def work(tx: Tx) -> int:
            return charging_profiles.create(tx, wish["name"], profile, actor=actor, now=now)

        id = ordered(work, charge_point="")
        row = _find(id)
        headers = {"Location": f"{BASE_PATH}/charging-profiles/{id}", "ETag": _etag(row)}
        return row, 201, headers


@blueprint.route("/charging-profiles/<charging_profile_id>")
class OneChargingProfile(MethodView):
    @blueprint.item(ChargingProfile, "get_charging_profile")
    @blueprint.doc(responses={200: {"headers": _ETAG}})
    def get(self, charging_profile_id: int) -> Any:
        """Get a charging profile of the library."""
        row = _find(charging_profile_id)
        return row, 200, {"ETag": _etag(row)}

    @blueprint.item(ChargingProfile, "replace_charging_profile", refusals=(404, 412))
    @blueprint.body(NewChargingProfile)
    @blueprint.doc(parameters=[etags.IF_MATCH], responses={200: {"headers": _ETAG}})
    def put(self, wish: dict[str, Any], charging_profile_id: int) -> Any:
        """Replace a charging profile of the library.

        Charge points that have it keep it as it was: `apply` sends it again.
        """
        profile, wanted = _profile(wish), etags.wanted_version()
        actor, now = current_actor(), request_time()

        def work(tx: Tx) -> None:
            _demand_match(tx, charging_profile_id, wanted)
            charging_profiles.replace(
                tx, charging_profile_id, wish["name"], profile, actor=actor, now=now
            )

        ordered(work, charge_point="")
        row = _find(charging_profile_id)
        return row, 200, {"ETag": _etag(row)}

    @blueprint.item(None, "delete_charging_profile", refusals=(404, 412))
    @blueprint.doc(parameters=[etags.IF_MATCH])
    def delete(self, charging_profile_id: int) -> None:
        """Take a charging profile out of the library.

        Charge points that have it keep it: ClearChargingProfile takes it from them.
        """
        wanted = etags.wanted_version()
        actor, now = current_actor(), request_time()

        def work(tx: Tx) -> None:
            _demand_match(tx, charging_profile_id, wanted)
            charging_profiles.delete(tx, charging_profile_id, actor=actor, now=now)

        ordered(work, charge_point="")


@blueprint.route("/charging-profiles/<charging_profile_id>/apply")
class AppliedChargingProfile(MethodView):
    @blueprint.item(
        Command, "apply_charging_profile", refusals=(404, 409), parameters=DeliveryParameters
    )
    @blueprint.body(Application)
    @blueprint.alt_response(
        202,
        schema=Command,
        description="The command, which is not final after `wait` seconds.",
        headers={"Location": LOCATION},
    )
    @blueprint.doc(parameters=[IDEMPOTENCY_KEY])
    def post(
        self, place: dict[str, Any], wait: int, deliver_within: int, charging_profile_id: int
    ) -> Any:
        """Send a charging profile to a charge point.

        As SetChargingProfile; the answer is that command. With an `Idempotency-Key` it may be sent
        again: the answer is the command that it made when it came first.
        """
        command_id = _apply(charging_profile_id, place, deliver_within)
        return answer_with_command(command_id, wait)


@blueprint.route("/charge-points/<charge_point_id>/charging-profiles")
class InstalledChargingProfiles(MethodView):
    @INSTALLED.view(blueprint, ListParameters, "list_installed_charging_profiles")
    @blueprint.doc(responses={404: "NOT_FOUND"})
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List the charging profiles that a charge point holds.

        As far as we know: those it has accepted, until they were replaced or cleared, their
        transaction stopped, or their time was over. In the order of the connectors.
        """
        if not current_engine().read(lambda: queries.charge_point_exists(charge_point_id)):
            refuse(404, f"There is no charge point {charge_point_id!r}.")
        read = partial(queries.installed_charging_profiles, charge_point_id, now=request_time())
        return answer(INSTALLED, parameters, read)


def _apply(id: int, place: dict[str, Any], deliver_within_s: int) -> int:
    actor, now = current_actor(), request_time()
    asked = repeatable(actor)

    def work(tx: Tx) -> int:
        made = idempotency.begin(tx, asked, now)
        if made is not None:
            return int(made.rpartition("/")[2])
        command_id = charging_profiles.apply(
            tx,
            id,
            place["charge_point_id"],
            place["connector_id"],
            transaction_id=place["transaction_id"],
            deliver_within_s=deliver_within_s,
            actor=actor,
            now=now,
        )
        idempotency.finish(tx, asked, f"commands/{command_id}")
        return command_id

    try:
        return write(work, charge_point=place["charge_point_id"])
    except Refused as refused:
        refuse_order(refused.renamed(_NAMES))


def _profile(wish: dict[str, Any]) -> types.ChargingProfile:
    """The profile, judged by OCPP's rules; ends the request with 422 where it breaks them."""
    try:
        return charging_profiles.read_profile(wish["profile"])
    except Refused as refused:
        refuse_order(refused)


def _demand_match(tx: Tx, id: int, wanted: ETags | None) -> None:
    """Raises Refused: 412 if another version is meant, 404 if there is none."""
    if wanted is not None:
        etags.demand_match(wanted, etags.etag_of(*charging_profiles.find(tx, id)))


def _etag(row: queries.ChargingProfileRow) -> str:
    return etags.etag_of(row.name, row.profile)


def _find(id: int) -> queries.ChargingProfileRow:
    found = current_engine().read(lambda: queries.charging_profile(id))
    return found or _refuse_unknown(id)


def _refuse_unknown(id: int) -> NoReturn:
    refuse(404, f"There is no charging profile {id}.", code="unknown_charging_profile")
