"""`/onboarding`: a charge point is added, and waited for until it works, or it is clear why not.

Registering is `inventory`'s, as over REST. A key is shown by the request that made it and never
again: whoever lost it has another one made, as long as the charge point has never connected.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Response, request
from werkzeug.exceptions import Conflict

from ocpp_cs import credentials, inventory
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.console import session
from ocpp_cs.console.blueprint import console, needs
from ocpp_cs.console.charge_point import find_charge_point
from ocpp_cs.console.endpoint import endpoint_of
from ocpp_cs.console.near_misses import near_misses
from ocpp_cs.console.options import current_options
from ocpp_cs.console.page import Values, show
from ocpp_cs.db import queries
from ocpp_cs.inventory import ChargePointRefused
from ocpp_cs.ocpp16.identity import LONGEST_IDENTITY, check_identity

WITH_KEY = (1, 2)
"""Security profiles in which a charge point shows a key."""

_PROFILES = ("0", "1", "2", "3")
_USUAL_PROFILE = "1"
_OFFERED_FOR = timedelta(days=7)
_OFFERED = 8  # shown
_NEAR_WITHIN = timedelta(hours=1)
_LOOKED_AT = 200  # handshakes of strangers
_ATTEMPTS = 5  # shown
# What is refused for being a stranger's, or before that could be seen.
_STRANGE = ("unknown_charge_point", "wrong_path", "no_password", "wrong_user_name", "tls_required")


@console.get("/onboarding")
@needs("operator")
def show_onboarding() -> Response:
    return _form(request.args.get("identity", "")[:LONGEST_IDENTITY], _USUAL_PROFILE)


@console.post("/onboarding")
def add_charge_point() -> Response:
    identity = request.form.get("identity", "").strip()
    profile = request.form.get("security_profile", "")
    if profile not in _profiles():
        return _form(identity, _USUAL_PROFILE, "profile", 422)
    key, key_hash = _make_key() if int(profile) in WITH_KEY else (None, None)
    try:
        _write(
            inventory.add_charge_point,
            identity,
            key_hash=key_hash,
            security_profile=int(profile),
            note=None,
        )
    except ChargePointRefused as refused:
        return _form(identity, profile, refused.code, refused.status)
    return _wait(identity, key)


@console.get("/onboarding/<charge_point_id>")
@needs("operator")
def show_arrival(charge_point_id: str) -> Response:
    return _wait(charge_point_id)


@console.post("/onboarding/<charge_point_id>/key")
def make_new_key(charge_point_id: str) -> Response:
    row = find_charge_point(charge_point_id)
    if row.last_seen_at is not None or row.security_profile not in WITH_KEY:
        raise Conflict
    key, key_hash = _make_key()
    _write(inventory.set_key, charge_point_id, key_hash=key_hash)
    return _wait(charge_point_id, key)


def _form(identity: str, profile: str, fault: str = "", status: int = 200) -> Response:
    values = {
        "identity": identity,
        "longest": LONGEST_IDENTITY,
        "profile": profile,
        "profiles": _profiles(),
        "fault": fault,
    }
    return show("onboarding", values, {"strangers": _strangers}, status=status)


def _profiles() -> tuple[str, ...]:
    """Those to choose from. Without a password whoever knows the identity may claim to be it: only
    where strangers are let in anyway, or for those who may lower profiles."""
    allowed = current_options().open_to_strangers or session.may("admin")
    return _PROFILES if allowed else _PROFILES[1:]


def _strangers() -> Values:
    """The latest handshake of each identity that can be registered."""
    latest: dict[str, queries.ConnectionAttemptRow] = {}
    for row in _refused_strangers(_OFFERED_FOR):
        if row.outcome in _STRANGE and check_identity(row.charge_point_id) is None:
            latest.setdefault(row.charge_point_id, row)
    return {"strangers": list(latest.values())[:_OFFERED]}


def _wait(identity: str, key: str | None = None) -> Response:
    row = find_charge_point(identity)
    values = {
        "charge_point": row,
        "endpoint": endpoint_of(identity, row.security_profile),
        "key": key,
        "with_key": row.security_profile in WITH_KEY,
    }
    return show("arrival", values, {"progress": partial(_progress, row)})


def _progress(row: queries.ChargePointRow) -> Values:
    own = queries.ConnectionAttemptFilter(charge_point_id=row.id)
    engine = current_engine()
    attempts = engine.read(lambda: queries.connection_attempts(own, None, _ATTEMPTS))
    connectors = engine.read(lambda: queries.connector_statuses([row.id]))[row.id]
    strangers = [] if row.last_seen_at else _refused_strangers(_NEAR_WITHIN)
    return {
        "attempts": attempts,
        "connectors": connectors,
        "near": near_misses(row.id, strangers, {each.remote_address for each in attempts}),
    }


def _refused_strangers(within: timedelta) -> list[queries.ConnectionAttemptRow]:
    """Refused handshakes of identities that nobody has registered, the latest first."""
    wanted = queries.ConnectionAttemptFilter(
        accepted=False, registered=False, since=request_time() - within
    )
    return current_engine().read(lambda: queries.connection_attempts(wanted, None, _LOOKED_AT))


def _make_key() -> tuple[str, str]:
    """A new key, and what is stored of it."""
    key = credentials.generate_key()
    return key, credentials.hash_key(key.encode(), generated=True)


def _write(work: Callable[..., None], identity: str, **values: Any) -> None:
    actor, now = current_actor(), request_time()
    write(lambda tx: work(tx, identity, actor=actor, now=now, **values), charge_point=identity)
