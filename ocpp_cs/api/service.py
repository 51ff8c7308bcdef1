"""Whether the process is up; the one resource outside the base path and without a key.

It asks no database, so that an orchestrator does not restart a server whose database is away.
"""

from __future__ import annotations

import flask_smorest
from flask.views import MethodView

from ocpp_cs.api.fields import Row, Text

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
