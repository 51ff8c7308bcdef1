"""`/id-tags`: who may charge.

Whether a tag is accepted at a given moment is `rules`' decision, not this resource's. What charge
points hold of them in their local lists changes when it is sent.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from flask import Response
from flask.views import MethodView
from werkzeug.datastructures import ETags

from ocpp_cs import inventory, rules
from ocpp_cs.api import etags
from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import (
    INT32_MAX,
    Row,
    Text,
    Time,
    Whole,
    number_range,
    text_range,
    wanted_text,
)
from ocpp_cs.api.formats import to_json
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.ordering import LOCATION, ordered
from ocpp_cs.api.problems import refuse, refuse_fields
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx

STATUSES = ("accepted", "blocked")
_ID_TAG_MAX = 20
_NOTE_MAX = 1000
_ETAG = {"ETag": etags.HEADER}

blueprint = Blueprint("id-tags", "Id tags: the cards and tokens that may start a transaction.")


class IdTag(Row):
    """An id tag."""

    id_tag = Text("The tag's text as it was registered; case does not matter.", "0fc673")
    parent_id_tag = Text(
        "The group that it belongs to: its members may stop each other's transactions.",
        "fleet-north",
        nullable=True,
    )
    status = Text("Whether it may charge.", "accepted", choices=STATUSES)
    expires_at = Time(
        "From then on it may not charge; null: no end.", "2027-01-01T00:00:00.000Z", nullable=True
    )
    max_active_transactions = Whole(
        "Transactions that it may have open at one time; null: no limit.",
        1,
        unit="transactions",
        nullable=True,
    )
    note = Text("Free text of the operator.", "replacement card", nullable=True)


class IdTagProperties(Body):
    """What is to hold for an id tag; what is left out has its default."""

    id_tag = Text(
        "How it is spelled; left out, as it was registered, or else as in the path.",
        "0fc673",
        required=False,
        validate=text_range(_ID_TAG_MAX),
    )
    parent_id_tag = Text(
        "The group that it belongs to: its members may stop each other's transactions.",
        "fleet-north",
        nullable=True,
        required=False,
        load_default=None,
        validate=text_range(_ID_TAG_MAX),
    )
    status = Text(
        "Whether it may charge.",
        "accepted",
        required=False,
        load_default="accepted",
        choices=STATUSES,
    )
    expires_at = Time(
        "From then on it may not charge; null: no end.",
        "2030-01-01T00:00:00.000Z",
        nullable=True,
        required=False,
        load_default=None,
    )
    max_active_transactions = Whole(
        "Transactions that it may have open at one time; null: no limit.",
        1,
        unit="transactions",
        nullable=True,
        required=False,
        load_default=1,
        validate=number_range(1, INT32_MAX),
    )
    note = Text(
        "Free text of the operator.",
        "replacement card",
        nullable=True,
        required=False,
        load_default=None,
        validate=text_range(_NOTE_MAX),
    )


class NewIdTag(IdTagProperties):
    """An id tag to be registered."""

    id_tag = Text(
        "The tag's text; case does not matter.", "0fc673", validate=text_range(_ID_TAG_MAX)
    )


class IdTagParameters(ListParameters):
    status = Text("Only tags of this status.", "accepted", required=False, choices=STATUSES)
    q = wanted_text(
        "Only tags with this text in id_tag, parent_id_tag or note; A is the same as a.", "0fc"
    )


ID_TAGS = Listing("id-tags", IdTag, ("key",), (str,))


@blueprint.route("/id-tags")
class IdTags(MethodView):
    @ID_TAGS.view(blueprint, IdTagParameters, "list_id_tags")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the id tags.

        In the order of their text.
        """
        wanted = filter_of(queries.IdTagFilter, parameters)
        return answer(ID_TAGS, parameters, partial(queries.id_tags, wanted))

    @blueprint.item(IdTag, "create_id_tag", status=201, refusals=(409,))
    @blueprint.body(NewIdTag)
    @blueprint.doc(responses={201: {"headers": {"Location": LOCATION, **_ETAG}}})
    def post(self, wish: dict[str, Any]) -> Any:
        """Register an id tag.

        One that is there, in any case, is not changed: PUT does that.
        """
        _demand_id_tags(id_tag=wish["id_tag"], parent_id_tag=wish["parent_id_tag"])
        id_tag = wish.pop("id_tag")
        actor, now = current_actor(), request_time()

        def work(tx: Tx) -> None:
            if not inventory.put_id_tag(tx, id_tag, **wish, only_new=True, actor=actor, now=now):
                told = f"There is an id tag {id_tag!r} already."
                raise Refused(409, "id_tag_exists", told)

        ordered(work, charge_point="")
        row = _find(id_tag)
        location = f"{BASE_PATH}/id-tags/{quote(row.id_tag, safe='')}"
        return row, 201, {"Location": location, "ETag": version_of(row)}


@blueprint.route("/id-tags/<path:id_tag>")
class OneIdTag(MethodView):
    @blueprint.item(IdTag, "get_id_tag")
    @blueprint.doc(responses={200: {"headers": _ETAG}})
    def get(self, id_tag: str) -> Any:
        """Get an id tag."""
        row = _find(id_tag)
        return row, 200, {"ETag": version_of(row)}

    @blueprint.item(IdTag, "put_id_tag", refusals=(412,))
    @blueprint.alt_response(
        201, schema=IdTag, description="It is new.", headers={"Location": LOCATION, **_ETAG}
    )
    @blueprint.body(IdTagProperties)
    @blueprint.doc(parameters=[etags.IF_MATCH], responses={200: {"headers": _ETAG}})
    def put(self, wish: dict[str, Any], id_tag: str) -> Any:
        """Register an id tag, or replace the properties of one that is there.

        What is left out has its default, as with POST.
        """
        spelled = wish.pop("id_tag", None)
        _demand_id_tags(id_tag=spelled or id_tag, parent_id_tag=wish["parent_id_tag"])
        if spelled is not None and rules.id_tag_key(spelled) != rules.id_tag_key(id_tag):
            refuse_fields({"id_tag": ["Must be the id tag of the path, in any case."]})
        wanted, actor, now = etags.wanted_version(), current_actor(), request_time()

        def work(tx: Tx) -> bool:
            found = inventory.find_id_tag(tx, id_tag)
            _demand_match(wanted, found)
            text = spelled or (id_tag if found is None else found.id_tag)
            inventory.put_id_tag(tx, text, **wish, actor=actor, now=now)
            return found is None

        is_new = ordered(work, charge_point="")
        row = _find(id_tag)
        if not is_new:
            return row, 200, {"ETag": version_of(row)}
        location = f"{BASE_PATH}/id-tags/{quote(row.id_tag, safe='')}"
        return row, 201, {"Location": location, "ETag": version_of(row)}

    @blueprint.item(None, "delete_id_tag", refusals=(404, 412))
    @blueprint.doc(parameters=[etags.IF_MATCH])
    def delete(self, id_tag: str) -> None:
        """Remove an id tag.

        Its transactions stay. From then on it is unknown, and the policy says whether it may
        charge. `pseudonymise` also takes it out of what it has charged.
        """
        wanted, actor, now = etags.wanted_version(), current_actor(), request_time()

        def work(tx: Tx) -> None:
            found = inventory.find_id_tag(tx, id_tag)
            if found is None:
                raise Refused(404, "unknown_id_tag", f"There is no id tag {id_tag!r}.")
            _demand_match(wanted, found)
            inventory.delete_id_tag(tx, id_tag, actor=actor, now=now)

        ordered(work, charge_point="")


def _demand_match(wanted: ETags | None, found: queries.IdTagRow | None) -> None:
    """Raises Refused (412) if another version is meant; even `*` means something that is there."""
    if wanted is not None:
        if found is None:
            raise Refused(412, "changed_meanwhile", "There is no such id tag any more.")
        etags.demand_match(wanted, version_of(found))


def _demand_id_tags(**texts: str | None) -> None:
    """Ends the request with 422 if one of the fields can be no id tag."""
    told = "Must be 1 to 20 characters of one line, without a blank at its ends."
    bad = {
        name: [told]
        for name, text in texts.items()
        if text is not None and not rules.is_id_tag(text)
    }
    if bad:
        refuse_fields(bad)


def version_of(row: queries.IdTagRow) -> str:
    """Its ETag."""
    return etags.etag_of(to_json(row).decode())


def _find(id_tag: str) -> queries.IdTagRow:
    found = current_engine().read(lambda: queries.id_tag(id_tag))
    return found or refuse(404, f"There is no id tag {id_tag!r}.")
