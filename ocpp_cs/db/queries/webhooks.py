"""Webhooks and what they were not delivered, as people and the dispatcher read them.

Who changes them is `ocpp_cs.webhooks.table`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import ChargePoint, Webhook, WebhookDelivery
from ocpp_cs.db.queries.conditions import where
from ocpp_cs.db.queries.events import EventFilter, events

COUNTED = 1000
"""Events that wait are counted up to here."""


class WebhookRow(NamedTuple):
    """A webhook without its secret; `event_types` and `charge_point_ids` are JSON."""

    id: int
    url: str
    note: str | None
    event_types: str | None
    charge_point_ids: str | None
    enabled: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    position: int
    claimed_until: datetime | None
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_error: str | None

    @property
    def wanted(self) -> EventFilter:
        """The events that it gets."""
        return EventFilter(
            types=self.event_types and json.loads(self.event_types),
            charge_point_ids=self.charge_point_ids and json.loads(self.charge_point_ids),
        )


class WebhookState(NamedTuple):
    """A webhook with how far behind it is."""

    row: WebhookRow
    events_waiting: int
    oldest_waiting_at: datetime | None
    dead_letters: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


class DeliveryRow(NamedTuple):
    """An event that was given up; `event` is JSON."""

    id: int
    webhook_id: int
    event_id: int
    charge_point_id: str | None
    status: str
    attempts: int
    error: str
    given_up_at: datetime
    delivered_at: datetime | None
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries; None does not filter. `since` inclusive, `until` exclusive."""

    webhook_id: int | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def webhooks(after: tuple[int] | None, limit: int) -> list[WebhookState]:
    """Webhooks in the order in which they were made; the key is (id)."""
    query = _select().where(Webhook.id > (after[0] if after else 0))
    return [_state(WebhookRow(*row)) for row in query.order_by(Webhook.id).limit(limit).tuples()]


def webhook(id: int) -> WebhookState | None:
    found = next(iter(_select().where(Webhook.id == id).tuples()), None)
    return None if found is None else _state(WebhookRow(*found))


def enabled_webhooks() -> list[WebhookRow]:
    """Those that get events; who has waited longest for an attempt comes first."""
    rows = [WebhookRow(*row) for row in _select().where(Webhook.enabled).tuples()]
    return sorted(
        rows,
        key=lambda row: max(
            row.last_success_at or row.created_at, row.last_failure_at or row.created_at
        ),
    )


def with_queued_deliveries() -> set[int]:
    """Webhooks with something to be sent again."""
    query: Any = WebhookDelivery.select(WebhookDelivery.webhook_id).distinct()
    return {row[0] for row in query.where(WebhookDelivery.status == "queued").tuples()}


def deliveries(wanted: DeliveryFilter, after: tuple[int] | None, limit: int) -> list[DeliveryRow]:
    """What was given up, in the order in which that happened; the key is (id)."""
    delivery = WebhookDelivery
    conditions: list[Any] = []
    if wanted.webhook_id is not None:
        conditions.append(delivery.webhook_id == wanted.webhook_id)
    if wanted.status is not None:
        conditions.append(delivery.status == wanted.status)
    if wanted.since is not None:
        conditions.append(delivery.given_up_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(delivery.given_up_at < wanted.until)
    if after is not None:
        conditions.append(delivery.id > after[0])
    query = where(_select_deliveries(), conditions).order_by(delivery.id).limit(limit)
    return [DeliveryRow(*row) for row in query.tuples()]


def delivery(webhook_id: int, id: int) -> DeliveryRow | None:
    query = _select_deliveries().where(
        (WebhookDelivery.id == id) & (WebhookDelivery.webhook_id == webhook_id)
    )
    return next((DeliveryRow(*row) for row in query.tuples()), None)


def _select() -> Any:
    return Webhook.select(*(getattr(Webhook, name) for name in WebhookRow._fields))


def _select_deliveries() -> Any:
    own = [
        ChargePoint.identity if name == "charge_point_id" else getattr(WebhookDelivery, name)
        for name in DeliveryRow._fields
    ]
    on = ChargePoint.id == WebhookDelivery.charge_point_id
    return WebhookDelivery.select(*own).join(ChargePoint, "LEFT OUTER JOIN", on=on)


def _state(row: WebhookRow) -> WebhookState:
    waiting = events(row.wanted, row.position, None, COUNTED)
    dead = WebhookDelivery.select().where(
        (WebhookDelivery.webhook_id == row.id) & (WebhookDelivery.status == "dead")
    )
    return WebhookState(row, len(waiting), waiting[0].at if waiting else None, dead.count())


def webhook_secret(id: int) -> str | None:
    """What its deliveries are signed with: only for who sends one."""
    secret: str | None = Webhook.select(Webhook.secret).where(Webhook.id == id).scalar()
    return secret
