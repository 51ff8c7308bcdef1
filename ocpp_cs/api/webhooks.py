"""`/webhooks`: where events are sent to, how that goes, and what did not arrive; for admins.

Nothing is delivered from here but a test: that is for `ocpp_cs.webhooks`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NoReturn

from flask import Response
from flask.views import MethodView
from marshmallow import validate

from ocpp_cs import events
from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Body, request_time
from ocpp_cs.api.database import current_engine, current_feed, write
from ocpp_cs.api.events import Event
from ocpp_cs.api.fields import (
    INT64_MAX,
    JsonObject,
    Row,
    Text,
    Time,
    Truth,
    Whole,
    Words,
    example_of,
    number_range,
    text_range,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer
from ocpp_cs.api.options import current_options
from ocpp_cs.api.ordering import LOCATION
from ocpp_cs.api.problems import refuse, refuse_fields
from ocpp_cs.db import queries
from ocpp_cs.webhooks import table
from ocpp_cs.webhooks.letters import send_test
from ocpp_cs.webhooks.sending import Outcome
from ocpp_cs.webhooks.table import UnknownWebhook
from ocpp_cs.webhooks.targets import LONGEST_URL, BadTarget

_TYPES = tuple(events.TYPES)
_MOST_CHARGE_POINTS = 1000
_SECRET = "whsec_" + "x" * 43 + "="

blueprint = Blueprint(
    "webhooks",
    "Webhooks: where events are sent to, how that goes, and what did not arrive.",
    role="admin",
)


def _types(description: str) -> Words:
    return Words(
        description,
        ["offline", "faulted"],
        Text("A type of events.", "offline", choices=_TYPES),
        nullable=True,
        required=False,
        validate=validate.Length(min=1, max=len(_TYPES)),
    )


def _charge_points(description: str) -> Words:
    return Words(
        description,
        ["CB-4711"],
        Text("An OCPP identity.", "CB-4711", validate=text_range()),
        nullable=True,
        required=False,
        validate=validate.Length(min=1, max=_MOST_CHARGE_POINTS),
    )


def _url(**also: Any) -> Text:
    return Text(
        "Where events are sent to: https://, or http:// where WEBHOOK_PLAIN_HTTP allows that.",
        "https://example.com/ocpp-events",
        validate=text_range(LONGEST_URL),
        **also,
    )


def _note(**also: Any) -> Text:
    return Text("What it is for.", "booking", nullable=True, validate=text_range(), **also)


def _enabled(**also: Any) -> Truth:
    return Truth("Whether events are sent; else they wait.", True, **also)


def _after(description: str) -> Whole:
    return Whole(description, 1017, required=False, validate=number_range(0, INT64_MAX))


class Webhook(Row):
    """A webhook, without its secret, and how its deliveries go."""

    id = Whole("Its number.", 3)
    url = _url()
    note = _note()
    event_types = _types("The types of events that it gets; null: all.")
    charge_point_ids = _charge_points("The charge points whose events it gets; null: all events.")
    enabled = _enabled()
    created_by = Text("Who made it.", "admin (p2qy6mzn)")
    created_at = Time("When it was made.", "2026-11-22T10:15:00.000Z")
    updated_at = Time("When it was changed last.", "2026-11-22T10:15:00.000Z")
    position = Whole("Its place in the feed: up to there, events have arrived or were given up.", 1)
    events_waiting = Whole(
        f"Events that it has not got yet; {queries.COUNTED} stands for that many or more.",
        0,
        unit="events",
    )
    oldest_waiting_at = Time(
        "When the first of them was noted.", "2026-11-22T10:15:00.000Z", nullable=True
    )
    dead_letters = Whole("Events that were given up, and not sent again.", 0, unit="events")
    failures = Whole("Attempts that failed since the last good one.", 0, unit="attempts")
    failing_since = Time("When the first of them was.", "2026-11-22T10:15:00.000Z", nullable=True)
    next_attempt_at = Time("When the next one is due.", "2026-11-22T10:15:00.000Z", nullable=True)
    last_success_at = Time(
        "When a delivery arrived last.", "2026-11-22T10:15:00.000Z", nullable=True
    )
    last_failure_at = Time("When one failed last.", "2026-11-22T10:10:00.000Z", nullable=True)
    last_error = Text("Why that one failed.", "it answered 500 Internal Error", nullable=True)


class CreatedWebhook(Webhook):
    """A webhook with its secret, which is shown only here."""

    secret = Text(
        "What deliveries are signed with; null: it was not changed.", _SECRET, nullable=True
    )


class NewWebhook(Body):
    """The webhook that is wanted."""

    url = _url()
    note = _note(required=False)
    event_types = _types("The types of events that it is to get; without them, all.")
    charge_point_ids = _charge_points(
        "The charge points whose events it is to get; without them, all events."
    )
    enabled = _enabled(required=False)
    after = _after("The place in the feed behind which it begins; without it, now.")


class ChangedWebhook(Body):
    """What is to be changed of a webhook; the rest stays."""

    url = _url(required=False)
    note = _note(required=False)
    event_types = _types("The types of events that it is to get; null: all.")
    charge_point_ids = _charge_points(
        "The charge points whose events it is to get; null: all events."
    )
    enabled = _enabled(required=False)
    after = _after("The place in the feed behind which it goes on: events before are sent again.")
    new_secret = Truth("Makes a new secret: the old one is used no more.", True, required=False)


class TestDelivery(Row):
    """What came of a test delivery."""

    delivered = Truth("Whether it has arrived.", True)
    http_status = Whole("What the receiver answered.", 200, nullable=True)
    error = Text("Why it has not arrived.", "it answered 404 Not Found", nullable=True)
    duration_ms = Whole("How long it took.", 83, unit="ms")


class WebhookDelivery(Row):
    """An event that a webhook did not get: a dead letter."""

    id = Whole("Its number.", 5)
    webhook_id = Whole("The webhook.", 3)
    event_id = Whole("The event's place in the feed.", 1017)
    charge_point_id = Text("The charge point that the event is of.", "CB-4711", nullable=True)
    status = Text(
        "dead: given up; queued: to be sent again; delivered: it has arrived after all.",
        "dead",
        choices=table.STATUSES,
    )
    attempts = Whole("How often it was sent.", 12, unit="attempts")
    error = Text("Why the last attempt failed.", "it answered 500 Internal Error")
    given_up_at = Time("When it was given up.", "2026-11-22T10:15:00.000Z")
    delivered_at = Time("When it arrived after all.", "2026-11-23T09:00:00.000Z", nullable=True)
    event = JsonObject("The event, as it is sent.", example_of(Event))


class DeliveryParameters(ListParameters):
    status = Text("Only those of this status.", "dead", required=False, choices=table.STATUSES)
    since = Time(
        "Only those given up at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only those given up before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )


class Retried(Row):
    """What is going to be sent again."""

    deliveries_queued = Whole("How many dead letters were queued.", 12, unit="deliveries")


WEBHOOKS = Listing("webhooks", Webhook, ("id",), (int,))
DELIVERIES = Listing("webhook-deliveries", WebhookDelivery, ("id",), (int,))


@blueprint.route("/webhooks")
class Webhooks(MethodView):
    @WEBHOOKS.view(blueprint, ListParameters, "list_webhooks")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the webhooks.

        In the order in which they were made.
        """
        return answer(WEBHOOKS, parameters, queries.webhooks)

    @blueprint.item(CreatedWebhook, "create_webhook", status=201, refusals=())
    @blueprint.body(NewWebhook)
    @blueprint.doc(responses={201: {"headers": {"Location": LOCATION}}})
    def post(self, wanted: dict[str, Any]) -> Any:
        """Make a webhook.

        Events are sent to it from now on, or from the place `after`; docs/events.md says how to
        verify them. The answer has the secret, which is shown only once.
        """
        _check(wanted)
        after = wanted.pop("after", None)
        position = current_feed().settled() if after is None else after
        actor, now = current_actor(), request_time()
        columns = {**dict.fromkeys(_COLUMNS), "enabled": True, **wanted}
        id, secret = write(lambda tx: table.create(tx, columns, position, actor=actor, now=now))
        return _shown(_find(id), secret), 201, {"Location": f"{BASE_PATH}/webhooks/{id}"}


@blueprint.route("/webhooks/<webhook_id>")
class OneWebhook(MethodView):
    @blueprint.item(Webhook, "get_webhook")
    def get(self, webhook_id: int) -> queries.WebhookState:
        """Get a webhook, and how its deliveries go."""
        return _find(webhook_id)

    @blueprint.item(CreatedWebhook, "change_webhook")
    @blueprint.body(ChangedWebhook)
    def patch(self, wanted: dict[str, Any], webhook_id: int) -> dict[str, Any]:
        """Change a webhook.

        It is then tried at once, also where it was failing.
        """
        _check(wanted)
        position, new = wanted.pop("after", None), wanted.pop("new_secret", False)
        actor, now = current_actor(), request_time()
        try:
            secret = write(
                lambda tx: table.change(
                    tx, webhook_id, wanted, position=position, new=new, actor=actor, now=now
                )
            )
        except UnknownWebhook:
            _refuse_unknown(webhook_id)
        return _shown(_find(webhook_id), secret)

    @blueprint.item(None, "delete_webhook")
    def delete(self, webhook_id: int) -> None:
        """Delete a webhook, with its dead letters."""
        actor, now = current_actor(), request_time()
        try:
            write(lambda tx: table.delete(tx, webhook_id, actor=actor, now=now))
        except UnknownWebhook:
            _refuse_unknown(webhook_id)


@blueprint.route("/webhooks/<webhook_id>/test")
class TestedWebhook(MethodView):
    @blueprint.item(TestDelivery, "test_webhook")
    def post(self, webhook_id: int) -> Outcome:
        """Send a test delivery.

        One event of the type `test`, with the id 0, signed as any other; also where the webhook is
        not enabled. The answer is there after WEBHOOK_TIMEOUT at the latest.
        """
        secret = current_engine().read(lambda: queries.webhook_secret(webhook_id))
        if secret is None:
            _refuse_unknown(webhook_id)
        found = _find(webhook_id)
        targets = current_options().webhooks
        return send_test(targets, webhook_id, found.url, secret, request_time())


@blueprint.route("/webhooks/<webhook_id>/deliveries")
class WebhookDeliveries(MethodView):
    @DELIVERIES.view(blueprint, DeliveryParameters, "list_webhook_deliveries")
    @blueprint.doc(responses={404: "NOT_FOUND"})
    def get(self, parameters: dict[str, Any], webhook_id: int) -> Response:
        """List the events that a webhook did not get.

        In the order in which they were given up. What has arrived at once is not in it.
        """
        _find(webhook_id)
        wanted = queries.DeliveryFilter(
            webhook_id=webhook_id,
            status=parameters.get("status"),
            since=parameters.get("since"),
            until=parameters.get("until"),
        )
        return answer(DELIVERIES, parameters, partial(queries.deliveries, wanted))


@blueprint.route("/webhooks/<webhook_id>/retry")
class RetriedWebhook(MethodView):
    @blueprint.item(Retried, "retry_webhook")
    def post(self, webhook_id: int) -> dict[str, int]:
        """Send all dead letters of a webhook again.

        In their order, before what is new. Each is tried once; if that fails, it is dead again.
        """
        _find(webhook_id)
        return {"deliveries_queued": _retry(webhook_id, None)}


@blueprint.route("/webhooks/<webhook_id>/deliveries/<delivery_id>/retry")
class RetriedDelivery(MethodView):
    @blueprint.item(WebhookDelivery, "retry_webhook_delivery", refusals=(404, 409))
    def post(self, webhook_id: int, delivery_id: int) -> queries.DeliveryRow:
        """Send a dead letter again."""
        found = _find_delivery(webhook_id, delivery_id)
        if not _retry(webhook_id, delivery_id):
            refuse(409, f"The delivery {delivery_id} is {found.status}.", code="not_dead")
        return _find_delivery(webhook_id, delivery_id)


_COLUMNS = ("url", "note", "event_types", "charge_point_ids", "enabled")


def _check(wanted: dict[str, Any]) -> None:
    """Refuses a URL that no webhook may have."""
    if "url" in wanted:
        try:
            current_options().webhooks.check(wanted["url"])
        except BadTarget as refused:
            refuse_fields({"url": [str(refused)]})


def _retry(webhook_id: int, delivery_id: int | None) -> int:
    actor, now = current_actor(), request_time()
    return write(lambda tx: table.retry(tx, webhook_id, delivery_id, actor=actor, now=now))


def _shown(found: queries.WebhookState, secret: str | None) -> dict[str, Any]:
    names = Webhook().fields
    return {**{name: getattr(found, name) for name in names}, "secret": secret}


def _find(id: int) -> queries.WebhookState:
    found = current_engine().read(lambda: queries.webhook(id))
    return found or _refuse_unknown(id)


def _find_delivery(webhook_id: int, id: int) -> queries.DeliveryRow:
    found = current_engine().read(lambda: queries.delivery(webhook_id, id))
    return found or refuse(404, f"Webhook {webhook_id} has no delivery {id}.")


def _refuse_unknown(id: int) -> NoReturn:
    refuse(404, f"There is no webhook {id}.")
