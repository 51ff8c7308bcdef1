"""Who looks at a page: the browser's token, the API key that it signed in with, and its forms.

Every browser gets a random token as a cookie. Signing in takes a new one, of which a digest is
stored (`console_sessions`); the key behind it is looked up at each request, so that whoever holds
a revoked key is out at once, in every process. Forms carry a digest of the token.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import cast

from flask import current_app, g, request
from werkzeug.wrappers import Response

from ocpp_cs import api_keys, console_sessions
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.keys import Caller, KeyRefused, current_keys, remote_address, without_key
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import Actor
from ocpp_cs.console.options import current_options
from ocpp_cs.db import queries

FORM_FIELD = "csrf"
"""The field of each form that says that it is ours."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NOBODY = "nobody"  # as the actor of a refused sign-in


def begin_visit() -> None:
    """Finds out who asks, once per request."""
    token = request.cookies.get(_cookie_name(), "")
    g.console_token = token if _TOKEN.fullmatch(token) else secrets.token_urlsafe(32)
    g.console_caller = _holder(token) if token == g.console_token else None
    if g.console_caller is None and current_app.config["API_WITHOUT_KEY"]:
        g.console_caller = without_key()
    # What is shared with the API asks there who acts.
    g.api_caller = g.console_caller


def current_caller() -> Caller | None:
    """Who looks at the page; None: nobody has signed in, and that is needed."""
    caller: Caller | None = g.console_caller
    return caller


def may(role: Role) -> bool:
    """Whether the viewer may do what needs the role."""
    caller = current_caller()
    return caller is not None and api_keys.covers(caller.role, role)


def form_token() -> str:
    """What forms of this browser carry."""
    return hmac.digest(g.console_token.encode(), b"form", "sha256").hex()


def is_our_form() -> bool:
    """Whether what is posted came from a page that this browser got from us."""
    return hmac.compare_digest(request.form.get(FORM_FIELD, "").encode(), form_token().encode())


def sign_in(key: str) -> None:
    """Begins a session with an API key; raises KeyRefused, which is in the audit trail by then."""
    now = request_time()
    try:
        caller = current_keys().holder(key)
    except KeyRefused as refused:
        if not refused.retry_after_s:  # beyond the limit nobody fills the trail
            key_id, why = refused.key_id, str(refused)
            nobody = Actor(_NOBODY, remote_address())
            write(lambda tx: console_sessions.refuse(tx, key_id, why, actor=nobody, now=now))
        raise
    token, lasts = secrets.token_urlsafe(32), current_options().session_lasts
    write(
        lambda tx: console_sessions.begin(
            tx, token, caller.key_id, lasts=lasts, actor=caller.actor, now=now
        )
    )
    g.console_token, g.console_caller = token, caller


def sign_out() -> None:
    caller, token, now = current_caller(), g.console_token, request_time()
    if caller is not None and caller.has_key:
        key_id, actor = caller.key_id, caller.actor
        write(lambda tx: console_sessions.end(tx, token, key_id, actor=actor, now=now))
    g.console_token, g.console_caller = secrets.token_urlsafe(32), None


def keep_token(response: Response) -> None:
    """Gives the browser its token, unless it has shown it already."""
    if request.cookies.get(_cookie_name()) != g.console_token:
        response.set_cookie(
            _cookie_name(),
            g.console_token,
            max_age=current_options().session_lasts,
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )


def _holder(token: str) -> Caller | None:
    now = request_time()
    hashed = console_sessions.digest(token)
    found = current_engine().read(lambda: queries.console_session(hashed, now=now))
    if found is None or not api_keys.is_valid(found.revoked_at, found.key_expires_at, now):
        return None
    actor = Actor(api_keys.actor_name(found.key_id, found.name), remote_address())
    return Caller(actor, cast(Role, found.role), found.key_id)


def _cookie_name() -> str:
    # Browsers let nobody but this very host set a cookie of this prefix, and only over TLS.
    return "__Host-console" if request.is_secure else "console"
