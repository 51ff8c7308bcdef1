"""The blueprint that all pages are views of: who may see them, and what browsers are told.

Roles are those of the API: reading needs an analyst's key and a form an operator's, unless a view
says otherwise. What a role may not do is refused here, whatever a page shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, redirect, request, url_for
from werkzeug.exceptions import Forbidden, HTTPException, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs.api.access import within_api
from ocpp_cs.api.problems import MEDIA_TYPE, failure_of
from ocpp_cs.api_keys import Role
from ocpp_cs.console import session
from ocpp_cs.console.page import FRAGMENT, show

View = TypeVar("View", bound=Callable[..., Any])

_NEEDS = "needed_role"
_TAKES = "largest_form"
_LARGEST_FORM = 1024 * 1024  # bytes
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
}
# Errors that have words of their own; others are told by the class of their status.
_TOLD = (400, 403, 404, 405, 409, 413, 422, 429, 503)

console = Blueprint("console", __name__)


class ForeignForm(Forbidden):
    """What is posted did not come from a page of ours, or that page is too old."""


def needs(role: Role) -> Callable[[View], View]:
    """A view that needs another role than its method says."""

    def mark(view: View) -> View:
        setattr(view, _NEEDS, role)
        return view

    return mark


def takes(largest: int) -> Callable[[View], View]:
    """A view whose forms may have so many bytes, more than others."""

    def mark(view: View) -> View:
        setattr(view, _TAKES, largest)
        return view

    return mark


def anybody(view: View) -> View:
    """A view that needs nobody to be signed in."""
    setattr(view, _NEEDS, None)
    return view


def local_path(wanted: str | None) -> str:
    """The path of this server that a `next` names; the overview for anything else."""
    text = wanted or ""
    parts = urlsplit(text)
    plain = text.isprintable() and "\\" not in text and not text.startswith("//")
    local = text.startswith("/") and plain and not parts.scheme and not parts.netloc
    return text if local else url_for("console.show_overview")


@console.before_request
def admit() -> AnyResponse | None:
    """Lets a request pass, or shows the way in."""
    session.begin_visit()
    view = current_app.view_functions[request.endpoint or ""]
    request.max_content_length = getattr(view, _TAKES, _LARGEST_FORM)
    if request.method == "POST" and not session.is_our_form():
        raise ForeignForm
    needed = _needed_role()
    if needed is None or session.may(needed):
        return None
    caller = session.current_caller()
    if caller is not None and caller.has_key:
        raise Forbidden
    if FRAGMENT in request.args:
        raise Unauthorized  # the script goes there by itself
    here = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("console.show_sign_in", next=here), 303)


@console.after_request
def protect(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers[name] = value
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
        session.keep_token(response)
    return response


@console.errorhandler(Exception)
def show_error(error: Exception) -> AnyResponse:
    """Every error is a page; what went wrong inside stands in the log, under its reference."""
    if isinstance(error, HTTPException):
        status, reference = error.get_response().status_code, ""
        kind = "form" if isinstance(error, ForeignForm) else str(status)
    else:
        failure = failure_of(error)
        status, reference, kind = failure.status, failure.reference, str(failure.status)
    if FRAGMENT in request.args:
        return Response("", status)
    if kind != "form" and status not in _TOLD:
        kind = "500" if status >= 500 else "400"
    return show("error", {"kind": kind, "reference": reference}, status=status)


@console.after_app_request
def show_nothing_there(response: Response) -> AnyResponse:
    """Who looks for a page where there is none gets one that says so; programs get JSON."""
    status = response.status_code
    if request.url_rule is not None or status not in (404, 405) or within_api():
        return response
    wanted = request.accept_mimetypes
    if wanted["text/html"] <= max(wanted["application/json"], wanted[MEDIA_TYPE]):
        return response
    session.begin_visit()
    page = show("error", {"kind": str(status), "reference": ""}, status=status)
    if "Allow" in response.headers:
        page.headers["Allow"] = response.headers["Allow"]
    return protect(page)


def _needed_role() -> Role | None:
    view = current_app.view_functions[request.endpoint or ""]
    default: Role = "analyst" if request.method in ("GET", "HEAD", "OPTIONS") else "operator"
    needed: Role | None = getattr(view, _NEEDS, default)
    return needed
