"""`/audit-events`: who did what, when and from where, for admins.

Nothing can be changed here: the trail is written with the deeds.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from flask import Response
from flask.views import MethodView

from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.fields import JsonObject, Row, Text, Time, Whole, wanted_text
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.db import queries

blueprint = Blueprint(
    "audit-events",
    "The audit trail: every command and every change, and who made it.",
    role="admin",
)


class AuditEvent(Row):
    """Something that somebody did."""

    id = Whole("Number of the line.", 1)
    at = Time("When it was done.", "2026-11-22T10:15:00.000Z")
    actor = Text(
        "Who did it: an API key by name and id, the command line, or the central system itself.",
        "nightly export (k3f7x2ab)",
    )
    remote_address = Text(
        "Address that the request came from: behind a proxy that is none of TRUSTED_PROXIES, that "
        "of the proxy.",
        "192.0.2.17",
        nullable=True,
    )
    action = Text("What was done.", "api_key.create")
    target = Text("To what: a resource below the base path.", "api-keys/p2qy6mzn")
    detail = JsonObject("How, without secrets.", {"role": "analyst"}, nullable=True)


class AuditEventParameters(ListParameters):
    actor = wanted_text("Only what exactly this one did.", "nightly export (k3f7x2ab)")
    action = wanted_text("Only this action.", "api_key.create")
    target = wanted_text("Only what was done to exactly this.", "charge-points/CB-4711")
    since = Time(
        "Only what was done at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only what was done before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )


AUDIT_EVENTS = Listing("audit-events", AuditEvent, ("at", "id"), (datetime, int))


@blueprint.route("/audit-events")
class AuditEvents(MethodView):
    @AUDIT_EVENTS.view(blueprint, AuditEventParameters, "list_audit_events")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List what was done.

        The newest first.
        """
        wanted = filter_of(queries.AuditEventFilter, parameters)
        return answer(AUDIT_EVENTS, parameters, partial(queries.audit_events, wanted))
