"""The table of webhooks: how they are made and changed, and how far they have got.

Whoever delivers holds a claim that ends by itself, so that the death of a process holds up nothing
for long. Each step of a delivery compares the claim: who has lost it changes nothing any more.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, Webhook, WebhookDelivery
from ocpp_cs.db.queries import EventFilter, EventRow
from ocpp_cs.webhooks.letters import letter
from ocpp_cs.webhooks.signature import new_secret

TOPIC = "webhooks"
"""Notices of it say that a webhook was changed, or is to be sent something again."""

STATUSES = ("dead", "queued", "delivered")


class UnknownWebhook(Exception):
    """There is no such webhook, or no such delivery of it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A webhook that this thread may deliver to, until the claim runs out."""

    id: int
    claim: str
    url: str
    secret: str
    wanted: EventFilter
    position: int
    failures: int
    failing_since: datetime | None


# --- For people -----------------------------------------------------------------------------------


def create(
    tx: Tx, wanted: Mapping[str, Any], position: int, *, actor: Actor, now: datetime
) -> tuple[int, str]:
    """Makes a webhook; its id and its secret. `wanted`: columns as the API names them."""
    secret = new_secret()
    row = {
        "position": position,
        "secret": secret,
        "created_by": actor.name,
        "created_at": now,
        "updated_at": now,
        **_columns(wanted),
    }
    id = int(tx.run(Webhook.insert(row).returning(Webhook.id)).fetchone()[0])
    audit.record(tx, actor, "webhook.create", f"webhooks/{id}", now, dict(wanted))
    tx.notify(TOPIC, id)
    return id, secret


def change(
    tx: Tx,
    id: int,
    wanted: Mapping[str, Any],
    *,
    position: int | None,
    new: bool,
    actor: Actor,
    now: datetime,
) -> str | None:
    """Changes a webhook, which then is tried at once, whoever delivers to it now.

    `position` sends it elsewhere in the feed. `new`: a new secret, which is returned. Raises
    UnknownWebhook.
    """
    secret = new_secret() if new else None
    changes: dict[str, Any] = {**_columns(wanted), **_FRESH, "updated_at": now}
    told = dict(wanted)
    if position is not None:
        changes["position"] = told["after"] = position
    if secret is not None:
        changes["secret"], told["new_secret"] = secret, True
    if not tx.run(Webhook.update(changes).where(Webhook.id == id)).rowcount:
        raise UnknownWebhook
    audit.record(tx, actor, "webhook.change", f"webhooks/{id}", now, told)
    tx.notify(TOPIC, id)
    return secret


def delete(tx: Tx, id: int, *, actor: Actor, now: datetime) -> None:
    """Deletes a webhook with its deliveries. Raises UnknownWebhook."""
    if not tx.run(Webhook.delete().where(Webhook.id == id)).rowcount:
        raise UnknownWebhook
    tx.run(WebhookDelivery.delete().where(WebhookDelivery.webhook_id == id))
    audit.record(tx, actor, "webhook.delete", f"webhooks/{id}", now)


def retry(tx: Tx, id: int, delivery_id: int | None, *, actor: Actor, now: datetime) -> int:
    """Queues a dead letter to be sent again, or all of a webhook; how many there were."""
    delivery = WebhookDelivery
    dead = (delivery.webhook_id == id) & (delivery.status == "dead")
    target = f"webhooks/{id}"
    if delivery_id is not None:
        dead &= delivery.id == delivery_id
        target += f"/deliveries/{delivery_id}"
    queued = int(tx.run(delivery.update(status="queued").where(dead)).rowcount)
    audit.record(tx, actor, "webhook.retry", target, now, {"deliveries": queued})
    tx.notify(TOPIC, id)
    return queued


# --- For the dispatcher ---------------------------------------------------------------------------

_FRESH = {
    "claim": None,
    "claimed_until": None,
    "failures": 0,
    "failing_since": None,
    "next_attempt_at": None,
}


def forget_claims(tx: Tx) -> None:
    """Of a process that died: where there is only one, nobody else can hold any."""
    tx.run(Webhook.update(claim=None, claimed_until=None).where(Webhook.claim.is_null(False)))


def claim(tx: Tx, id: int, now: datetime, until: datetime) -> Claimed | None:
    """Takes the webhook, unless another one holds it, or it is not due any more."""
    token = secrets.token_hex(8)
    row = tx.run(
        Webhook.update(claim=token, claimed_until=until)
        .where(
            (Webhook.id == id)
            & Webhook.enabled
            & (Webhook.claimed_until.is_null() | (Webhook.claimed_until < now))
            & (Webhook.next_attempt_at.is_null() | (Webhook.next_attempt_at <= now))
        )
        .returning(
            Webhook.url,
            Webhook.secret,
            Webhook.event_types,
            Webhook.charge_point_ids,
            Webhook.position,
            Webhook.failures,
            Webhook.failing_since,
        )
    ).fetchone()
    if row is None:
        return None
    url, secret, types, identities, position, failures, failing_since = row
    wanted = EventFilter(
        types=types and json.loads(types), charge_point_ids=identities and json.loads(identities)
    )
    since = read_time(failing_since)
    return Claimed(id, token, url, secret, wanted, position, failures, since)


def release(tx: Tx, held: Claimed) -> None:
    _change_held(tx, held, claim=None, claimed_until=None)


def advance(
    tx: Tx, held: Claimed, position: int, now: datetime, until: datetime | None
) -> Claimed | None:
    """What lies up to `position` has arrived. `until` keeps the claim; None gives it back."""
    changes: dict[str, Any] = {**_FRESH, "position": position, "last_success_at": now}
    if until is not None:
        changes |= {"claim": held.claim, "claimed_until": until}
    if not _change_held(tx, held, **changes) or until is None:
        return None
    return replace(held, position=position, failures=0, failing_since=None)


def skip(tx: Tx, held: Claimed, position: int) -> None:
    """What lies up to `position` does not concern this webhook."""
    _change_held(tx, held, position=position, claim=None, claimed_until=None)


def fail(tx: Tx, held: Claimed, error: str, now: datetime, next_attempt_at: datetime) -> None:
    """An attempt has failed; the claim is given back until the next one."""
    _change_held(
        tx,
        held,
        claim=None,
        claimed_until=None,
        failures=held.failures + 1,
        failing_since=held.failing_since or now,
        next_attempt_at=next_attempt_at,
        last_failure_at=now,
        last_error=error,
    )


def give_up(
    tx: Tx,
    held: Claimed,
    events: Sequence[EventRow],
    error: str,
    now: datetime,
    next_attempt_at: datetime | None,
) -> None:
    """Makes dead letters of the events, the next ones of the webhook, and goes on behind them.

    `next_attempt_at`: the receiver does not answer, so the webhook goes on failing; None: only this
    event is refused.
    """
    changes: dict[str, Any] = {"last_failure_at": now, "last_error": error}
    if next_attempt_at is None:
        changes |= _FRESH
    else:
        changes |= {
            "claim": None,
            "claimed_until": None,
            "failures": held.failures + 1,
            "failing_since": held.failing_since or now,
            "next_attempt_at": next_attempt_at,
        }
    if not _change_held(tx, held, position=events[-1].id, **changes):
        return
    identities = {each.charge_point_id for each in events} - {None}
    query = ChargePoint.select(ChargePoint.identity, ChargePoint.id)
    keys = dict(tx.run(query.where(ChargePoint.identity.in_(list(identities)))).fetchall())
    rows = [
        {
            "webhook_id": held.id,
            "event_id": event.id,
            "charge_point_id": keys.get(event.charge_point_id),
            "event": letter(event).decode(),
            "status": "dead",
            "attempts": held.failures + 1,
            "error": error,
            "given_up_at": now,
        }
        for event in events
    ]
    delivery = WebhookDelivery
    # It was there before, where a webhook was sent back in the feed.
    tx.run(
        delivery.insert_many(rows).on_conflict(
            conflict_target=[delivery.webhook_id, delivery.event_id],
            preserve=[delivery.status, delivery.attempts, delivery.error, delivery.given_up_at],
            update={delivery.delivered_at: None},
        )
    )


def resent(
    tx: Tx, held: Claimed, delivery_id: int, error: str | None, now: datetime, until: datetime
) -> Claimed | None:
    """A dead letter has arrived after all; or is dead again, which says nothing of the others."""
    delivery = WebhookDelivery
    changes: dict[Any, Any] = {delivery.attempts: delivery.attempts + 1}
    if error is None:
        changes |= {delivery.status: "delivered", delivery.delivered_at: now}
    else:
        changes |= {delivery.status: "dead", delivery.error: error}
    tx.run(delivery.update(changes).where(delivery.id == delivery_id))
    return held if _change_held(tx, held, claimed_until=until) else None


def _change_held(tx: Tx, held: Claimed, **changes: Any) -> bool:
    """Whether the claim was still held."""
    mine = (Webhook.id == held.id) & (Webhook.claim == held.claim)
    return bool(tx.run(Webhook.update(**changes).where(mine)).rowcount)


def _columns(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Lists become JSON."""
    return {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
        for name, value in wanted.items()
    }
