"""`/sign-in` and `/sign-out`: an API key opens the console."""

from __future__ import annotations

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from ocpp_cs.api.keys import KeyRefused
from ocpp_cs.console import session
from ocpp_cs.console.blueprint import anybody, console, local_path
from ocpp_cs.console.page import show


@console.get("/sign-in")
@anybody
def show_sign_in() -> Response:
    caller = session.current_caller()
    if caller is not None and caller.has_key:
        return redirect(local_path(request.args.get("next")), 303)
    return _form(request.args.get("next"))


@console.post("/sign-in")
@anybody
def sign_in() -> Response:
    wanted = request.form.get("next")
    try:
        session.sign_in(request.form.get("key", "").strip())
    except KeyRefused as refused:
        if wait := refused.retry_after_s:
            answer = _form(wanted, wait_s=wait, status=429)
            answer.headers["Retry-After"] = str(wait)
            return answer
        return _form(wanted, refused=True, status=401)
    return redirect(local_path(wanted), 303)


@console.post("/sign-out")
@anybody
def sign_out() -> Response:
    session.sign_out()
    return redirect(url_for("console.show_sign_in"), 303)


def _form(
    wanted: str | None, *, refused: bool = False, wait_s: int = 0, status: int = 200
) -> Response:
    values = {"next": local_path(wanted), "refused": refused, "wait_s": wait_s}
    return show("sign_in", values, status=status)
