"""`/id-tags/{id_tag}/pseudonymise`: an id tag taken out of the database, for admins.

What is replaced, and where, stands in `ocpp_cs.pseudonyms`.
"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields, validate

from ocpp_cs import pseudonyms
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import Blueprint, Parameters, request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.fields import Row, Text, Whole, text_range
from ocpp_cs.api.ordering import refuse_order
from ocpp_cs.commands.refusals import Refused

_NO_PSEUDONYM = 'Must be "anon-" and 12 hexadecimal digits.'
_EXAMPLE = "anon-0a1b2c3d4e5f"

blueprint = Blueprint(
    "pseudonyms", "Pseudonyms: id tags that are taken out of the database.", role="admin"
)


class Pseudonym(Row):
    """What an id tag was replaced by, and where."""

    pseudonym = Text("What stands in its place now.", _EXAMPLE)
    rows_total = Whole("Rows that were changed or removed.", 4, unit="rows")
    rows = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={
            "description": "The same by table; tables in which it did not stand are left out.",
            "example": {"transactions": 1, "transaction_evidence": 2, "id_tags": 1},
        },
    )


class PseudonymParameters(Parameters):
    pseudonym = Text(
        "What is to stand in its place; left out, it is made here. Chosen by the client, the "
        "request can be sent again if no answer came, and goes on where it was.",
        _EXAMPLE,
        required=False,
        validate=[text_range(17, 17), validate.Regexp("^anon-[0-9a-f]{12}$", error=_NO_PSEUDONYM)],
    )


@blueprint.route("/id-tags/<path:id_tag>/pseudonymise")
class PseudonymisedIdTag(MethodView):
    @blueprint.item(
        Pseudonym, "pseudonymise_id_tag", refusals=(409,), parameters=PseudonymParameters
    )
    def post(self, id_tag: str, pseudonym: str | None = None) -> dict[str, Any]:
        """Replace an id tag by a random pseudonym, wherever it stands.

        In transactions and the frames behind them, in commands, reservations, the archive of
        frames and the audit trail; the registered id tag is removed. Figures stay countable by the
        pseudonym. It cannot be undone. Refused with 409 while the id tag has an active transaction.
        """
        try:
            done = pseudonyms.pseudonymise(
                current_engine(),
                write,
                id_tag,
                pseudonym or pseudonyms.new_pseudonym(),
                actor=current_actor(),
                now=request_time(),
            )
        except Refused as refused:
            refuse_order(refused)
        total = sum(done.rows.values())
        return {"pseudonym": done.pseudonym, "rows": done.rows, "rows_total": total}
