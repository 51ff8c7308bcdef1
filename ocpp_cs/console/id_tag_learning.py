"""`/id-tags/learn`: waits for the next card that nobody has registered, to be added.

The URL says since when: whoever loads the page anew still waits for the same card.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.id_tags import STATUSES
from ocpp_cs.console.blueprint import console, needs
from ocpp_cs.console.forms import whole
from ocpp_cs.console.id_tag_forms import Form
from ocpp_cs.console.options import current_options
from ocpp_cs.console.page import Values, show
from ocpp_cs.db import queries
from ocpp_cs.db.fields import from_milliseconds, to_milliseconds

WAITS_FOR = timedelta(minutes=3)
"""How long a card is waited for: so long, too, is what is searched in the archive."""


@console.get("/id-tags/learn")
@needs("operator")
def show_id_tag_learning() -> AnyResponse:
    if "since" not in request.args:
        return _begin()
    since, after_id = _moment(), whole(request.args.get("after", ""))
    if not isinstance(after_id, int) or after_id >= 2**31:
        raise BadRequest
    until = since + WAITS_FOR

    def card() -> Values:
        found = current_engine().read(lambda: queries.unknown_id_tag(since, until, after_id))
        form = Form()
        return {
            "found": found,
            "over": request_time() >= until,
            "until": until,
            "typed": {**form.typed, "id_tag": found.id_tag if found else ""},
        }

    values = {
        "archive": current_options().archive,
        "wrong": frozenset(),
        "exists": False,
        "statuses": STATUSES,
    }
    return show("id_tag_learning", values, {"card": card})


def _begin() -> AnyResponse:
    now = to_milliseconds(request_time())
    after_id = current_engine().read(queries.latest_transaction_id)
    return redirect(url_for("console.show_id_tag_learning", since=now, after=after_id), 303)


def _moment() -> datetime:
    """Since when; raises BadRequest for what is no moment, or one still to come."""
    since = whole(request.args.get("since", ""))
    if not isinstance(since, int) or since > to_milliseconds(request_time()):
        raise BadRequest
    return from_milliseconds(since)
