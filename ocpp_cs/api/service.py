"""Whether the process is up, and ready; the resources outside the base path and without a key.

The first asks no database, so that an orchestrator does not restart a server whose database is
away; the second does, so that a load balancer takes another one.
"""

from __future__ import annotations

import flask_smorest
from flask import Response
from flask.views import MethodView

from ocpp_cs.api.fields import Row, Text
from ocpp_cs.api.options import current_options
from ocpp_cs.api.problems import problem

blueprint = flask_smorest.Blueprint(
    "service", __name__, description="The server itself, for load balancers and supervisors."
)


class Health(Row):
    """What a process that answers says of itself."""

    status = Text('"ok" whenever there is an answer.', "ok", choices=("ok",))


@blueprint.route("/healthz")
class HealthView(MethodView):
    @blueprint.doc(operationId="get_health", security=[])
    @blueprint.response(200, Health)
    def get(self) -> dict[str, str]:
        """Say that the process answers.

        The database is not asked.
        """
        return {"status": "ok"}


class Ready(Row):
    """What a process that can do its work says of itself."""

    status = Text('"ready" with 200.', "ready", choices=("ready",))


@blueprint.route("/readyz")
class ReadyView(MethodView):
    @blueprint.doc(operationId="get_readiness", security=[])
    @blueprint.response(200, Ready)
    @blueprint.alt_response(503, "SERVICE_UNAVAILABLE")
    def get(self) -> dict[str, str] | Response:
        """Say whether the process can do its work.

        Not while it shuts down, its database gives no answer within 2 s or takes nothing, or
        migrations are to be applied: then it answers 503, and `code` says which it is.
        """
        obstacles = current_options().obstacles()
        if not obstacles:
            return {"status": "ready"}
        code, detail = obstacles[0]
        return problem(503, detail, code=code)
