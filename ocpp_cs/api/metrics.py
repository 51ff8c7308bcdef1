"""The metrics of the server, outside the base path, for whoever shows the token or an API key.

What they are stands in `monitoring.exposition`.
"""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, abort

from ocpp_cs.api.access import demand_caller, shown_key
from ocpp_cs.api.options import current_options
from ocpp_cs.api.problems import problem

PATH = "/metrics"

blueprint = Blueprint("metrics", __name__)


@blueprint.get(PATH)
def metrics() -> Response:
    """The token needs no database, so that a scraper sees that it is away."""
    options = current_options()
    token, shown = options.metrics_token, shown_key()
    if not (token and shown and hmac.compare_digest(token.encode(), shown.encode())):
        demand_caller()
    if options.metrics is None:
        abort(problem(404))
    return Response(
        options.metrics(),
        content_type="text/plain; version=0.0.4; charset=utf-8",
        headers={"Cache-Control": "no-store"},
    )
