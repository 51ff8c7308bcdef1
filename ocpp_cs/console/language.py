"""`/language`: which language the viewer wants to read."""

from __future__ import annotations

from flask import redirect, request
from werkzeug.wrappers import Response

from ocpp_cs.console.blueprint import anybody, console, local_path
from ocpp_cs.console.texts import COOKIE, LANGUAGES

_YEAR_S = 365 * 24 * 3600


@console.post("/language")
@anybody
def choose_language() -> Response:
    answer = redirect(local_path(request.form.get("next")), 303)
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        answer.set_cookie(
            COOKIE,
            chosen,
            max_age=_YEAR_S,
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
    return answer
