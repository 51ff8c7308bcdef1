"""`/api-keys`: the keys of this API, for admins.

A key is shown once, when it is made; what is asked of one that is shown stands in `access`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, url_for
from flask.views import MethodView
from marshmallow import validate

from ocpp_cs import api_keys
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.fields import Row, Text, Time, text_range
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.ordering import LOCATION
from ocpp_cs.api.problems import refuse, refuse_fields
from ocpp_cs.db import queries

STATUSES = ("valid", "expired", "revoked")

blueprint = Blueprint(
    "api-keys", "API keys: who may use this API, and in which role.", role="admin"
)

_NAME = Text("What it is for, or whose it is.", "nightly export")
_ROLE = Text(
    "What it may do: analyst reads, operator also commands and changes, admin does everything.",
    "analyst",
    choices=api_keys.ROLES,
)


class ApiKey(Row):
    """An API key, without its secret."""

    id = Text("Its id: what stands between the underscores of the key.", "k3f7x2ab")
    name = _NAME
    role = _ROLE
    status = Text("Whether it can be used.", "valid", choices=STATUSES)
    created_by = Text("Who made it.", "admin (p2qy6mzn)")
    created_at = Time("When it was made.", "2026-11-22T10:15:00.000Z")
    expires_at = Time(
        "From then on it cannot be used; null: no end.", "2027-02-01T00:00:00.000Z", nullable=True
    )
    last_used_at = Time(
        "When it was last used, to the minute.", "2026-11-22T12:00:00.000Z", nullable=True
    )
    revoked_at = Time("When it was revoked.", "2026-11-23T09:30:00.000Z", nullable=True)


class CreatedApiKey(ApiKey):
    """An API key with its secret, which is shown only here."""

    api_key = Text(
        "The key itself, to be sent as `Authorization: Bearer`. Only its hash is stored.",
        f"ocs_k3f7x2ab_{'x' * 52}",
    )


class NewApiKey(Body):
    """The API key that is wanted."""

    name = Text(
        "What it is for, or whose it is. It stands in the audit trail.",
        "nightly export",
        validate=(
            text_range(api_keys.LONGEST_NAME),
            validate.Regexp(api_keys.NAME_PATTERN, error=api_keys.BAD_NAME),
        ),
    )
    role = _ROLE
    expires_at = Time(
        "From then on it cannot be used; null: no end.",
        "2030-02-01T00:00:00.000Z",
        nullable=True,
        required=False,
        load_default=None,
    )


class ApiKeyParameters(ListParameters):
    role = Text("Only keys of this role.", "admin", required=False, choices=api_keys.ROLES)
    status = Text("Only keys of this status.", "valid", required=False, choices=STATUSES)


_API_KEYS = Listing("api-keys", ApiKey, ("key",), (int,))


@blueprint.route("/api-keys")
class ApiKeys(MethodView):
    @_API_KEYS.view(blueprint, ApiKeyParameters, "list_api_keys")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the API keys.

        In the order in which they were made. Keys that were revoked stay in the list.
        """
        wanted = filter_of(queries.ApiKeyFilter, parameters)
        read = partial(queries.api_keys, wanted, now=request_time())
        return answer(_API_KEYS, parameters, read)

    @blueprint.item(CreatedApiKey, "create_api_key", status=201, refusals=())
    @blueprint.body(NewApiKey)
    @blueprint.doc(responses={201: {"headers": {"Location": LOCATION}}})
    def post(self, wanted: dict[str, Any]) -> Any:
        """Make an API key.

        The answer is the only place that ever shows it.
        """
        actor, now = current_actor(), request_time()
        try:
            made = write(lambda tx: api_keys.create(tx, **wanted, actor=actor, now=now))
        except api_keys.ApiKeyError as error:
            refuse_fields({error.field: [error.message]})
        location = url_for("api-keys.OneApiKey", api_key_id=made.id)
        shown = {**_find(made.id)._asdict(), "api_key": made.text}
        return shown, 201, {"Location": location}


@blueprint.route("/api-keys/<api_key_id>")
class OneApiKey(MethodView):
    @blueprint.item(ApiKey, "get_api_key")
    def get(self, api_key_id: str) -> queries.ApiKeyRow:
        """Get an API key."""
        return _find(api_key_id)

    @blueprint.item(None, "revoke_api_key", refusals=(404, 409))
    def delete(self, api_key_id: str) -> None:
        """Revoke an API key.

        It is refused from now on, and stays in the list. One that was revoked before stays so. The
        last valid key of an admin cannot be revoked here, only on the command line.
        """
        actor, now = current_actor(), request_time()
        try:
            write(
                lambda tx: api_keys.revoke(tx, api_key_id, actor=actor, now=now, keep_an_admin=True)
            )
        except api_keys.UnknownApiKey:
            _refuse_unknown(api_key_id)
        except api_keys.LastAdminKey:
            refuse(
                409,
                "This is the last valid key of an admin: make another one before. On the command "
                "line, `flask --app wsgi api-key revoke` revokes it all the same.",
                code="last_admin_key",
            )


def _find(key_id: str) -> queries.ApiKeyRow:
    found = current_engine().read(partial(queries.api_key, key_id, now=request_time()))
    return found or _refuse_unknown(key_id)


def _refuse_unknown(key_id: str) -> Any:
    refuse(404, f"There is no API key {key_id!r}.")
