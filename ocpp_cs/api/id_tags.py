"""`/id-tags`: who may charge. Reading only, so far.

Whether a tag is accepted at a given moment is `rules`' decision, not this resource's.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import Row, Text, Time, Whole, wanted_text
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.problems import refuse
from ocpp_cs.db import queries

STATUSES = ("accepted", "blocked")

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


@blueprint.route("/id-tags/<path:id_tag>")
class OneIdTag(MethodView):
    @blueprint.item(IdTag, "get_id_tag")
    def get(self, id_tag: str) -> queries.IdTagRow:
        """Get an id tag."""
        found = current_engine().read(lambda: queries.id_tag(id_tag))
        return found or refuse(404, f"There is no id tag {id_tag!r}.")
