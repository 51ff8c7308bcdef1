"""Who may use the API, and what every answer tells the browser that holds it.

A key is looked up at each request (`keys`), so that one that was revoked is dead at once, in every
process. What a role may do stands in `Blueprint.role_for`; what is done with a key, in `api_keys`.
"""

from __future__ import annotations

from typing import NoReturn

from flask import Flask, Response, abort, current_app, g, request

from ocpp_cs import api_keys
from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.keys import Caller, KeyCheck, KeyRefused, register_keys, without_key
from ocpp_cs.api.problems import problem, refuse
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import Actor
from ocpp_cs.throttle import FailureLimits

BASE_PATH = "/api/v1"
_NAME = "ocpp_cs.guard"
_NO_KEY = (
    "This needs an API key, sent as the header Authorization: Bearer ocs_... "
    "`flask --app wsgi api-key create` makes one."
)
_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'"


def register_access(app: Flask, *, api_without_key: bool, limits: FailureLimits) -> None:
    """Puts the guard before every request below the base path, the unknown paths among them."""
    app.config["API_WITHOUT_KEY"] = api_without_key
    guard = app.extensions[_NAME] = _Guard(api_without_key, register_keys(app, limits))
    app.before_request(guard.check)
    app.after_request(_protect)


def demand_caller() -> None:
    """For a view outside the base path that whoever may read may see; others get 401."""
    guard: _Guard = current_app.extensions[_NAME]
    guard.identify()


def current_actor() -> Actor:
    """Who makes this request below the base path."""
    caller: Caller = g.api_caller
    return caller.actor


def demand_role(needed: Role) -> None:
    """For a view that asks for more than its resource does; ends the request with 403."""
    caller: Caller = g.api_caller
    if not api_keys.covers(caller.role, needed):
        if not caller.has_key:
            _refuse_401(_NO_KEY)
        refuse(403, f"This needs an API key of the role {needed}; yours is {caller.role}.")


def has_role(role: Role) -> bool:
    """Whether who makes this request may do what needs the role."""
    caller: Caller = g.api_caller
    return api_keys.covers(caller.role, role)


class _Guard:
    """Lets a request pass or ends it."""

    def __init__(self, without_key: bool, check: KeyCheck) -> None:
        self._without_key = without_key
        self._check = check

    def check(self) -> None:
        if within_api():
            self.identify()
            demand_role(_needed_role())

    def identify(self) -> None:
        """Who it is, by the key that is shown; 401 for who shows none and needs one."""
        shown = shown_key()
        if shown is not None:
            g.api_caller = self._holder(shown)
        elif self._without_key:
            g.api_caller = without_key()
        else:
            _refuse_401(_NO_KEY)

    def _holder(self, shown: str) -> Caller:
        try:
            return self._check.holder(shown)
        except KeyRefused as refused:
            if refused.retry_after_s:
                seconds = {"Retry-After": str(refused.retry_after_s)}
                abort(problem(429, "Too many requests with a wrong API key.", headers=seconds))
            _refuse_401(str(refused))


def _refuse_401(why: str) -> NoReturn:
    abort(problem(401, why, headers={"WWW-Authenticate": "Bearer"}))


def shown_key() -> str | None:
    """What stands behind Bearer. Other schemes are those of proxies, and say nothing to us."""
    scheme, _, shown = request.headers.get("Authorization", "").strip().partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else None


def _needed_role() -> Role:
    if request.url_rule is None:  # nothing is there: 404, 405, or the way to where something is
        return "analyst"
    resource = current_app.blueprints.get(request.blueprint or "")
    # What is no resource of ours has no business below the base path.
    return resource.role_for(request.method) if isinstance(resource, Blueprint) else "admin"


def _protect(response: Response) -> Response:
    """Headers for answers that carry other people's data, unless the view has set its own."""
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
    if within_api():
        headers["Cache-Control"] = "no-store"
    return response


def within_api() -> bool:
    """Whether what is asked for is below the base path."""
    return request.path == BASE_PATH or request.path.startswith(BASE_PATH + "/")
