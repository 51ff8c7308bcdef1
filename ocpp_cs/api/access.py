"""Who may use the API, and what every answer tells the browser that holds it.

Keys and roles come later; until then the API is open on one's own machine or not at all.
"""

from __future__ import annotations

from flask import Flask, Response, request

from ocpp_cs.api.problems import problem

BASE_PATH = "/api/v1"
_CLOSED = (
    "The API needs a key, and keys come with a later release. On your own machine, starting the "
    "server with API_WITHOUT_KEY=1 opens it."
)
_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'"


def register_access(app: Flask, *, api_without_key: bool) -> None:
    """Puts the guard before every request below the base path, the unknown paths among them."""
    if not api_without_key:
        app.before_request(_demand_key)
    app.after_request(_protect)


def _demand_key() -> Response | None:
    if not _within_api():
        return None
    return problem(401, _CLOSED, headers={"WWW-Authenticate": "Bearer"})


def _protect(response: Response) -> Response:
    """Headers for answers that carry other people's data, unless the view has set its own."""
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
    if _within_api():
        headers["Cache-Control"] = "no-store"
    return response


def _within_api() -> bool:
    return request.path == BASE_PATH or request.path.startswith(BASE_PATH + "/")
