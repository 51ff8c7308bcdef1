"""`/connection-attempts`: who tried to connect, what came of it, and what to do about it.

Nothing can be changed here, and no secret is in it. Rows that are alike were counted.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.fields import Row, Text, Time, Truth, Whole, wanted_text
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.db import queries
from ocpp_cs.hints import HINTS

blueprint = Blueprint(
    "connection-attempts", "Connection attempts: every handshake, those that were refused, too."
)


class ConnectionAttempt(Row):
    """Handshakes of one identity from one address with one outcome."""

    id = Whole("Number of the row.", 1)
    charge_point_id = Text(
        "The identity as it was sent, whatever it was; at a wrong path, the last part of that; "
        "empty where it ended within TLS.",
        "CB-4711",
    )
    remote_address = Text(
        "Address that it came from, as a proxy in TRUSTED_PROXIES says; else the proxy's own.",
        "192.0.2.17",
    )
    outcome = Text(
        "accepted, or the reason it was refused for.", "wrong_password", choices=tuple(HINTS)
    )
    accepted = Truth("Whether it was let in.", False)
    http_status = Whole("The status that it was answered with; 0: it ended within TLS.", 401)
    attempts = Whole("How many there were.", 12, unit="attempts")
    first_attempted_at = Time("When the first one came.", "2026-11-20T08:00:00.000Z")
    last_attempted_at = Time("When the latest one came.", "2026-11-22T10:15:00.000Z")
    subprotocols = Text("What the latest one offered; may be empty.", "ocpp1.6")
    user_agent = Text("How the latest one called itself; may be empty.", "WALLBOX/1.4.2")
    hint = Text("What to do about it.", HINTS["wrong_path"].replace("`", ""), nullable=True)


class ConnectionAttemptParameters(ListParameters):
    charge_point_id = wanted_text("Only those that sent exactly this identity.", "CB-4711")
    remote_address = wanted_text("Only those from exactly this address.", "192.0.2.17")
    outcome = Text(
        "Only those of this outcome.", "wrong_password", required=False, choices=tuple(HINTS)
    )
    accepted = Truth("Only those that were, or were not, let in.", False, required=False)
    since = Time(
        "Only those whose latest one came at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only those whose latest one came before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )


ATTEMPTS = Listing(
    "connection-attempts", ConnectionAttempt, ("last_attempted_at", "id"), (datetime, int)
)


@blueprint.route("/connection-attempts")
class ConnectionAttempts(MethodView):
    @ATTEMPTS.view(blueprint, ConnectionAttemptParameters, "list_connection_attempts")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the handshakes.

        The latest first; those alike (identity, address, outcome) are one row, which comes to the
        top again with the next of its kind. The 20,000 latest are kept.
        """
        wanted = filter_of(queries.ConnectionAttemptFilter, parameters)
        return answer(ATTEMPTS, parameters, partial(queries.connection_attempts, wanted))
