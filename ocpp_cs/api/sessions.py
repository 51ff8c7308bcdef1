"""`/charge-points/{id}/sessions`: charging that was asked for, and what it led to (§5.11).

Not the transactions themselves: those have a resource of their own, whoever began them.
"""

from __future__ import annotations

from functools import partial
from typing import Any, get_args
from urllib.parse import quote

import msgspec
from flask import Response
from flask.views import MethodView
from marshmallow import fields

from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.charging_profiles import ProfileField
from ocpp_cs.api.database import current_engine
from ocpp_cs.api.fields import (
    INT32_MAX,
    Row,
    Text,
    Time,
    Whole,
    example_of,
    number_range,
    text_range,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer
from ocpp_cs.api.ordering import (
    IDEMPOTENCY_KEY,
    LOCATION,
    WaitParameters,
    ordered,
    refuse_order,
    repeatable,
    wait_for,
)
from ocpp_cs.api.problems import refuse
from ocpp_cs.api.transactions import Transaction
from ocpp_cs.commands import idempotency, remote_starts
from ocpp_cs.commands.orders import read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.ocpp16.messages.core import RemoteStartTransactionRequest

OUTCOMES = get_args(remote_starts.Outcome)
REASONS = get_args(remote_starts.Reason)
_ID_TAG_MAX = 20
_START_WITHIN_S = 120
# In the payload, and here.
_NAMES = {"idTag": "id_tag", "connectorId": "connector_id", "chargingProfile": "charging_profile"}
_PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
    },
}

blueprint = Blueprint("sessions", "Sessions: charging asked for, with the transaction it led to.")


class Session(Row):
    """A session that was asked for."""

    id = Whole("The session's id.", 3)
    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711")
    connector_id = Whole(
        "The connector that was asked for; null: any. Where it charges, the transaction says.",
        1,
        nullable=True,
    )
    id_tag = Text("Who is to charge.", "0fc673")
    outcome = Text(
        "pending until the end is known; started; rejected by the charge point; not_started for "
        "another reason.",
        "started",
        choices=OUTCOMES,
    )
    reason = Text(
        "Why there is no transaction. rejected_by_charge_point: it answered Rejected; "
        "error_from_charge_point: with an error; nobody_plugged_in: it accepted, and no "
        "transaction began in time; no_answer and connection_lost: none began either, and whether "
        "the charge point has taken the command is not known (while pending: a transaction may "
        "still begin); not_delivered: the command could not be sent; cancelled: the command was "
        "taken back. Null if it started, or while all is well.",
        "nobody_plugged_in",
        nullable=True,
        choices=REASONS,
    )
    command_id = Whole("The RemoteStartTransaction.", 17)
    transaction_id = Whole("The transaction that it led to.", 1, nullable=True)
    waits_until = Time(
        "Until when a transaction may begin; null while the charge point has not answered.",
        "2021-11-10T14:02:00.000Z",
        nullable=True,
    )
    created_by = Text("Who asked for it.", "booking (k3f7x2ab)")
    created_at = Time("When it was asked for.", "2021-11-10T13:59:58.000Z")
    finished_at = Time(
        "When its outcome was known; null while it is pending.",
        "2021-11-10T14:00:01.250Z",
        nullable=True,
    )


class SessionDetail(Session):
    """A session that was asked for, with its transaction."""

    transaction = fields.Nested(
        Transaction,
        allow_none=True,
        metadata={
            "description": "The transaction that it led to.",
            "example": example_of(Transaction),
        },
    )


class NewSession(Body):
    """A session to ask for."""

    id_tag = Text("Who is to charge.", "0fc673", validate=text_range(_ID_TAG_MAX))
    connector_id = Whole(
        "The connector; without it the charge point chooses.",
        1,
        nullable=True,
        required=False,
        load_default=None,
        validate=number_range(1, INT32_MAX),
    )
    charging_profile = ProfileField(
        "A TxProfile without transactionId, in the names of OCPP, for the transaction (§5.16.2).",
        _PROFILE,
        tx_profile=True,
        required=False,
    )
    start_within_s = Whole(
        "How long, once the charge point has accepted, somebody has to plug in.",
        _START_WITHIN_S,
        unit="s",
        required=False,
        load_default=_START_WITHIN_S,
        validate=number_range(5, 3600),
    )


SESSIONS = Listing("sessions", Session, ("id",), (int,))


@blueprint.route("/charge-points/<charge_point_id>/sessions")
class Sessions(MethodView):
    @SESSIONS.view(blueprint, ListParameters, "list_sessions")
    @blueprint.doc(responses={404: "NOT_FOUND"})
    def get(self, parameters: dict[str, Any], charge_point_id: str) -> Response:
        """List the sessions that a charge point was asked for.

        The newest first.
        """
        if not current_engine().read(lambda: queries.charge_point_exists(charge_point_id)):
            refuse(404, f"There is no charge point {charge_point_id!r}.")
        return answer(SESSIONS, parameters, partial(queries.remote_starts, charge_point_id))

    @blueprint.item(
        SessionDetail,
        "create_session",
        status=201,
        refusals=(404, 409),
        parameters=WaitParameters,
    )
    @blueprint.body(NewSession)
    @blueprint.alt_response(
        202,
        schema=SessionDetail,
        description="The outcome is not known yet.",
        headers={"Location": LOCATION},
    )
    @blueprint.doc(
        parameters=[IDEMPOTENCY_KEY], responses={201: {"headers": {"Location": LOCATION}}}
    )
    def post(self, wish: dict[str, Any], wait: int, charge_point_id: str) -> Any:
        """Ask a charge point for a charging session.

        Sends RemoteStartTransaction, and answers with the transaction as soon as it has begun, or
        with the reason why none has; with 202 if that is not known after `wait` seconds. With an
        `Idempotency-Key` it may be sent again: nobody charges twice.
        """
        id = _ask(charge_point_id, wish)
        found = wait_for(
            id, wait, lambda: _session(charge_point_id, id), _is_finished, topic="remote_start"
        )
        location = f"{BASE_PATH}/charge-points/{quote(charge_point_id)}/sessions/{id}"
        return found, 201 if _is_finished(found) else 202, {"Location": location}


@blueprint.route("/charge-points/<charge_point_id>/sessions/<session_id>")
class OneSession(MethodView):
    @blueprint.item(SessionDetail, "get_session")
    def get(self, charge_point_id: str, session_id: int) -> dict[str, Any]:
        """Get a session that a charge point was asked for."""
        found = current_engine().read(lambda: _session(charge_point_id, session_id))
        return found or refuse(
            404, f"Charge point {charge_point_id!r} has no session {session_id}."
        )


def _ask(charge_point_id: str, wish: dict[str, Any]) -> int:
    actor, now = current_actor(), request_time()
    asked, request = repeatable(actor), _request(wish)

    def work(tx: Tx) -> int:
        made = idempotency.begin(tx, asked, now)
        if made is not None:
            return int(made.rpartition("/")[2])
        id = remote_starts.start(
            tx,
            charge_point_id,
            request,
            start_within_s=wish["start_within_s"],
            actor=actor,
            now=now,
        )
        idempotency.finish(tx, asked, f"sessions/{id}")
        return id

    return ordered(work, charge_point=charge_point_id)


def _request(wish: dict[str, Any]) -> RemoteStartTransactionRequest:
    """As it goes on the wire; ends the request with 422 where OCPP forbids it."""
    payload = {name: wish[ours] for name, ours in _NAMES.items() if wish.get(ours) is not None}
    try:
        request = read_request("RemoteStartTransaction", msgspec.json.encode(payload))
    except Refused as refused:
        refuse_order(refused.renamed(_NAMES))
    assert isinstance(request, RemoteStartTransactionRequest)
    return request


def _session(charge_point_id: str, id: int) -> dict[str, Any] | None:
    """Runs inside a read."""
    row = queries.remote_start(charge_point_id, id)
    if row is None:
        return None
    transaction = None
    if row.transaction_id is not None:
        transaction = queries.transaction_row(row.transaction_id, now=request_time())
    return {**row._asdict(), "transaction": transaction}


def _is_finished(session: dict[str, Any] | None) -> bool:
    return session is not None and session["outcome"] != "pending"
