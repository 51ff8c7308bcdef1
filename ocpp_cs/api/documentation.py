"""The API's description of itself: the OpenAPI document, and Swagger UI to read and try it.

Every file of Swagger UI comes from this server; nothing is fetched from elsewhere.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import flask_smorest
import flask_swagger_ui
from flask import Blueprint, Flask, Response, current_app, send_from_directory
from flask_smorest.utils import prepare_response
from werkzeug.exceptions import HTTPException

from ocpp_cs.api import problems
from ocpp_cs.api.blueprint import SECURITY_SCHEME, first_paragraph
from ocpp_cs.api.formats import to_json

TITLE = "OCPP central system"
VERSION = "1.0.0"
OPENAPI_VERSION = "3.1.0"
DESCRIPTION = """\
What charge points reported, and what they are told, for programs and people.

- A request shows an API key: `Authorization: Bearer ocs_...`. A key has a role: analyst reads,
  operator also commands and changes, admin does everything. Each operation says what it needs.
- Times are RFC 3339 in UTC with milliseconds. Ranges are half-open: `from` is inclusive, `to` is
  exclusive; a time without an offset is refused.
- Units are a part of the name: `energy_wh`, `duration_s`, `average_power_w`.
- A list comes in pages of `limit` rows with a `next_cursor`, or whole as CSV
  (`Accept: text/csv` or `?format=csv`) or JSON Lines (`Accept: application/jsonl` or
  `?format=jsonl`), with the same filters and columns.
- An unknown or malformed parameter is refused with 422 and named. Errors are problems of RFC 9457.
- Fields may be added to answers at any time.
"""

_FILES = Path(flask_swagger_ui.__file__).parent / "dist"
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OCPP central system: API</title>
<link rel="icon" type="image/png" href="favicon-32x32.png" sizes="32x32">
<link rel="stylesheet" href="swagger-ui.css">
<script src="swagger-ui-bundle.js" defer></script>
<script src="start.js" defer></script>
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the description itself is <a href="../openapi.json">
openapi.json</a>.</noscript>
</body>
</html>
"""
# validatorUrl: null, as the default asks a server of others whether the document is valid.
_START = """\
window.ui = SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
# Swagger UI sets styles of its own at run time and draws its icons from data: URLs.
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

blueprint = Blueprint("documentation", __name__)


class Api(flask_smorest.Api):
    """flask-smorest's registry of resources, with problems as its errors."""

    ERROR_SCHEMA = problems.Problem

    def handle_http_exception(self, error: HTTPException) -> Response:
        return problems.http_problem(error)

    def _register_responses(self) -> None:
        responses: dict[str, str] = {
            status.name: status.phrase for status in HTTPStatus if status >= 400
        }
        responses["DEFAULT_ERROR"] = "Any other error"
        for name, description in responses.items():
            response: dict[str, Any] = {"description": description, "schema": self.ERROR_SCHEMA}
            prepare_response(response, self.spec, problems.MEDIA_TYPE)
            self.spec.components.response(name, response, lazy=True)

    def _register_pagination_header(self) -> None:
        """Its pagination is not used: see `lists`."""


def create_api(app: Flask) -> Api:
    api = Api(
        app,
        spec_kwargs={
            "title": TITLE,
            "version": VERSION,
            "openapi_version": OPENAPI_VERSION,
            "info": {"description": DESCRIPTION},
            "servers": [{"url": "/"}],
        },
    )
    api.spec.components.security_scheme(
        SECURITY_SCHEME,
        {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "ocs_<id>_<secret>",
            "description": "An API key. `flask --app wsgi api-key create` makes the first one.",
        },
    )
    app.extensions["ocpp_cs.api"] = api
    app.register_blueprint(blueprint)
    return api


@blueprint.get("/openapi.json")
def openapi() -> Response:
    api: Api = current_app.extensions["ocpp_cs.api"]
    return Response(_document(api), mimetype="application/json")


def _document(api: Api) -> bytes:
    """Written once per process: no resource is added after the first request."""
    known: bytes | None = getattr(api, "document", None)
    if known is None:
        _describe_schemas(api)
        known = api.document = to_json(api.spec.to_dict()) + b"\n"
    return known


def _describe_schemas(api: Api) -> None:
    """Docstrings of the schemas, which the library leaves out."""
    for key, name in api.ma_plugin.converter.refs.items():
        kind = key[0] if isinstance(key[0], type) else type(key[0])
        text = first_paragraph(kind)
        if text:
            api.spec.components.schemas[name].setdefault("description", text)


@blueprint.get("/swagger-ui/")
def swagger_ui() -> Response:
    page = Response(_PAGE, mimetype="text/html")
    page.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    return page


@blueprint.get("/swagger-ui/start.js")
def start() -> Response:
    return Response(_START, mimetype="text/javascript")


@blueprint.get("/swagger-ui/<path:name>")
def swagger_ui_file(name: str) -> Response:
    return send_from_directory(_FILES, name)
