"""`/charge-points`: who they are and whether they are there, and how an operator keeps them.

Presence is what the gateway writes; nothing here asks a connection. A password is shown once, by
the request that made it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from flask import Response, abort
from flask.views import MethodView
from werkzeug.datastructures import ETags

from ocpp_cs import credentials, inventory, removal
from ocpp_cs.api import etags
from ocpp_cs.api.access import BASE_PATH, current_actor, demand_role, has_role
from ocpp_cs.api.blueprint import Blueprint, Parameters, request_time
from ocpp_cs.api.charge_point_fields import (
    REGISTRATIONS,
    ChangedChargePoint,
    ChargePoint,
    ChargePointChanges,
    NewChargePoint,
)
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.fields import Text, Truth, wanted_text
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.ordering import LOCATION, refuse_order
from ocpp_cs.api.problems import problem, refuse, refuse_fields
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.offload import offload
from ocpp_cs.inventory import ChargePointRefused

_ETAG = {"ETag": etags.HEADER}

T = TypeVar("T")

blueprint = Blueprint("charge-points", "Charge points: the devices that connect to this server.")


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


class RemovalParameters(Parameters):
    cascade = Truth(
        "Whether its transactions and all that they consist of are deleted, too. Only an admin may "
        "say so.",
        False,
        required=False,
        load_default=False,
    )


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

    @blueprint.item(ChangedChargePoint, "register_charge_point", status=201, refusals=(409,))
    @blueprint.body(NewChargePoint)
    @blueprint.doc(responses={201: {"headers": {"Location": LOCATION, **_ETAG}}})
    def post(self, wish: dict[str, Any]) -> Any:
        """Register a charge point.

        It is accepted, and may connect at once. Its password is shown here and never again.
        """
        actor, now, identity = current_actor(), request_time(), wish["id"]
        key_hash, made = _hash(wish["password"]), None
        if wish["password"] is None and wish["security_profile"] in (1, 2):
            made, key_hash = _make_key()

        def work(tx: Tx) -> None:
            inventory.add_charge_point(
                tx,
                identity,
                key_hash=key_hash,
                security_profile=wish["security_profile"],
                note=wish["note"],
                actor=actor,
                now=now,
            )

        _write(work, identity)
        row = _find(identity)
        location = f"{BASE_PATH}/charge-points/{quote(identity, safe='')}"
        return _shown(row, made), 201, {"Location": location, "ETag": _etag(row)}


@blueprint.route("/charge-points/<charge_point_id>")
class OneChargePoint(MethodView):
    @blueprint.item(ChargePoint, "get_charge_point")
    @blueprint.doc(responses={200: {"headers": _ETAG}})
    def get(self, charge_point_id: str) -> Any:
        """Get a charge point.

        The ETag is that of what an operator can change, so that it stays while it reports.
        """
        row = _find(charge_point_id)
        return row, 200, {"ETag": _etag(row)}

    @blueprint.item(ChangedChargePoint, "change_charge_point", refusals=(404, 409, 412))
    @blueprint.body(ChargePointChanges)
    @blueprint.doc(parameters=[etags.IF_MATCH], responses={200: {"headers": _ETAG}})
    def patch(self, wish: dict[str, Any], charge_point_id: str) -> Any:
        """Change a charge point.

        What is absent stays, null is the default. A connection goes on: a new password or security
        profile counts when it connects again.
        """
        actor, now, wanted = current_actor(), request_time(), etags.wanted_version()
        changes = {name: value for name, value in wish.items() if name != "password"}
        made, default_key_hash = _make_key()
        may_lower = has_role("admin")
        if "password" in wish:
            changes["key_hash"] = _hash(wish["password"])

        def work(tx: Tx) -> bool:
            _demand_match(tx, charge_point_id, wanted)
            return inventory.change_charge_point(
                tx,
                charge_point_id,
                changes,
                default_key_hash=default_key_hash,
                may_lower=may_lower,
                actor=actor,
                now=now,
            )

        by_default = _write(work, charge_point_id)
        row = _find(charge_point_id)
        return _shown(row, made if by_default else None), 200, {"ETag": _etag(row)}

    @blueprint.item(
        None, "delete_charge_point", refusals=(404, 409, 412), parameters=RemovalParameters
    )
    @blueprint.doc(parameters=[etags.IF_MATCH])
    def delete(self, cascade: bool, charge_point_id: str) -> None:
        """Delete a charge point.

        With all that is known of it but the audit trail, and the end of its connection. Refused
        with 409 while it has transactions, unless an admin says `cascade=true`: then they are
        deleted, too. If it breaks off, the charge point is let in no more, and the request can be
        repeated.
        """
        if cascade:
            demand_role("admin")
        wanted = etags.wanted_version()
        try:
            removal.remove_charge_point(
                partial(write, charge_point=charge_point_id),
                charge_point_id,
                cascade=cascade,
                actor=current_actor(),
                now=request_time(),
                check=lambda tx: _demand_match(tx, charge_point_id, wanted),
            )
        except (Refused, ChargePointRefused) as refused:
            _refuse(refused)


def demand_charge_point(identity: str) -> None:
    """Ends the request with 404 if there is no such charge point."""
    if not current_engine().read(lambda: queries.charge_point_exists(identity)):
        refuse(404, f"There is no charge point {identity!r}.")


def _write(work: Callable[[Tx], T], identity: str) -> T:
    try:
        return write(work, charge_point=identity)
    except (Refused, ChargePointRefused) as refused:
        _refuse(refused)


def _refuse(refused: Refused | ChargePointRefused) -> NoReturn:
    if isinstance(refused, Refused):
        refuse_order(refused)
    text = str(refused)
    detail = f"{text[:1].upper()}{text[1:]}."
    errors = {refused.field: [detail]} if refused.field else None
    shown = f"{refused.field}: {detail}" if refused.field else detail
    abort(problem(refused.status, shown, errors=errors, code=refused.code))


def _shown(row: queries.ChargePointRow, password: str | None) -> dict[str, Any]:
    return {**row._asdict(), "password": password}


def _make_key() -> tuple[str, str]:
    """A new password, and what is stored of it."""
    made = credentials.generate_key()
    return made, credentials.hash_key(made.encode(), generated=True)


def _hash(password: str | None) -> str | None:
    """What is stored of a password that somebody chose. Takes 50 ms: not in a transaction."""
    if password is None:
        return None
    try:
        return offload(lambda: credentials.hash_key(password.encode(), generated=False))
    except ValueError as error:
        refuse_fields({"password": [f"Must be one: {error}."]})


def _demand_match(tx: Tx, identity: str, wanted: ETags | None) -> None:
    """Raises Refused (412) if another version is meant, ChargePointRefused if there is none."""
    if wanted is not None:
        found = inventory.find_charge_point(tx, identity)
        etags.demand_match(wanted, etags.etag_of(found.version))


def _etag(row: queries.ChargePointRow) -> str:
    return etags.etag_of(row.version)


def _find(identity: str) -> queries.ChargePointRow:
    found = current_engine().read(partial(queries.charge_point, identity, now=request_time()))
    return found or refuse(404, f"There is no charge point {identity!r}.")
