"""Who may use the API, and what every answer tells the browser that holds it.

A key is looked up at each request, so that one that was revoked is dead at once, in every process.
What a role may do stands in `Blueprint.role_for`; what is done with a key, in `api_keys`.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, cast

from flask import Flask, Response, abort, current_app, g, request

from ocpp_cs import api_keys, credentials
from ocpp_cs.api.blueprint import Blueprint, request_time
from ocpp_cs.api.database import current_committer, current_engine
from ocpp_cs.api.problems import problem, refuse
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import Actor
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Committer
from ocpp_cs.throttle import FailureLimits

BASE_PATH = "/api/v1"
_NAME = "ocpp_cs.guard"
_NO_KEY = (
    "This needs an API key, sent as the header Authorization: Bearer ocs_... "
    "`flask --app wsgi api-key create` makes one."
)
_WRONG_KEY = "There is no such API key."
_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Caller:
    actor: Actor
    role: Role
    has_key: bool = True


def register_access(app: Flask, *, api_without_key: bool, limits: FailureLimits) -> None:
    """Puts the guard before every request below the base path, the unknown paths among them."""
    app.config["API_WITHOUT_KEY"] = api_without_key
    guard = app.extensions[_NAME] = _Guard(api_without_key, limits)
    app.before_request(guard.check)
    app.after_request(_protect)


def demand_caller() -> None:
    """For a view outside the base path that whoever may read may see; others get 401."""
    guard: _Guard = current_app.extensions[_NAME]
    guard.identify()


def current_actor() -> Actor:
    """Who makes this request below the base path."""
    caller: _Caller = g.api_caller
    return caller.actor


def demand_role(needed: Role) -> None:
    """For a view that asks for more than its resource does; ends the request with 403."""
    caller: _Caller = g.api_caller
    if not api_keys.covers(caller.role, needed):
        if not caller.has_key:
            _refuse_401(_NO_KEY)
        refuse(403, f"This needs an API key of the role {needed}; yours is {caller.role}.")


def has_role(role: Role) -> bool:
    """Whether who makes this request may do what needs the role."""
    caller: _Caller = g.api_caller
    return api_keys.covers(caller.role, role)


class _Guard:
    """Lets a request pass or ends it."""

    def __init__(self, without_key: bool, limits: FailureLimits) -> None:
        self._without_key = without_key
        self._limits = limits
        self._noting: set[str] = set()
        self._lock = threading.Lock()

    def check(self) -> None:
        if _within_api():
            self.identify()
            demand_role(_needed_role())

    def identify(self) -> None:
        """Who it is, by the key that is shown; 401 for who shows none and needs one."""
        shown = shown_key()
        if shown is not None:
            g.api_caller = self._caller_of(shown)
        elif self._without_key:
            nobody = Actor("without key", _remote_address())
            g.api_caller = _Caller(nobody, "analyst", has_key=False)
        else:
            _refuse_401(_NO_KEY)

    def _caller_of(self, shown: str) -> _Caller:
        """The holder of the key. A right one is never refused for the failures of others."""
        key_id, secret = credentials.parse_api_key(shown) or ("", "")
        found = current_engine().read(lambda: queries.api_key_secret(key_id))
        hash_text = credentials.DUMMY_API_KEY_HASH if found is None else found.secret_hash
        if not credentials.verify(hash_text, secret.encode()) or found is None:
            self._refuse_key(key_id, _WRONG_KEY)
        # Who holds the secret may know why it is refused all the same.
        now = request_time()
        if found.revoked_at is not None:
            self._refuse_key(key_id, "This API key was revoked.")
        if not api_keys.is_valid(found.revoked_at, found.expires_at, now):
            self._refuse_key(key_id, "This API key has expired.")
        self._note_use(found, now)
        name = api_keys.actor_name(found.id, found.name)
        return _Caller(Actor(name, _remote_address()), cast(Role, found.role))

    def _refuse_key(self, key_id: str, why: str) -> NoReturn:
        """401, or 429 after too many of these (A3)."""
        address = _remote_address()
        if wait := self._limits.begin(address, key_id):
            seconds = {"Retry-After": str(wait)}
            abort(problem(429, "Too many requests with a wrong API key.", headers=seconds))
        self._limits.failed(address)
        told = (key_id or "of no known form", why)
        logger.info("API key %s refused: %s", *told, extra={"remote_address": address})
        _refuse_401(why)

    def _note_use(self, key: queries.ApiKeySecret, now: datetime) -> None:
        """Beside the request, which neither waits for it nor fails with it."""
        used_at = key.last_used_at
        if used_at is not None and now - used_at < api_keys.USE_NOTED_EVERY:
            return
        with self._lock:
            if key.id in self._noting:
                return
            self._noting.add(key.id)
        arguments = (current_committer(), key.id, now)
        threading.Thread(target=self._touch, args=arguments, name="api-key", daemon=True).start()

    def _touch(self, committer: Committer, key_id: str, now: datetime) -> None:
        try:
            committer.run(0, lambda tx: api_keys.touch(tx, key_id, now))
        except Exception as error:
            logger.warning("the use of API key %s could not be noted: %s", key_id, error)
        finally:
            with self._lock:
                self._noting.discard(key_id)


def _refuse_401(why: str) -> NoReturn:
    abort(problem(401, why, headers={"WWW-Authenticate": "Bearer"}))


def shown_key() -> str | None:
    """What stands behind Bearer. Other schemes are those of proxies, and say nothing to us."""
    scheme, _, shown = request.headers.get("Authorization", "").strip().partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else None


def _remote_address() -> str:
    return request.remote_addr or ""


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
    if _within_api():
        headers["Cache-Control"] = "no-store"
    return response


def _within_api() -> bool:
    return request.path == BASE_PATH or request.path.startswith(BASE_PATH + "/")
