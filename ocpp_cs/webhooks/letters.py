"""What is sent: events as the REST API shows them, several in one delivery, signed.

How it is sent stands in `sending`, what follows from the outcome in `dispatcher`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from ocpp_cs import events
from ocpp_cs.db.queries import EventRow
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.webhooks.sending import Outcome, post
from ocpp_cs.webhooks.signature import signed_headers
from ocpp_cs.webhooks.targets import Targets


class Letter(msgspec.Struct, frozen=True):
    """An event in a delivery; the same fields as in `GET /events`."""

    id: int
    type: str
    at: str
    charge_point_id: str | None
    data: msgspec.Raw


def letter(event: EventRow) -> bytes:
    """An event as JSON."""
    return msgspec.json.encode(
        Letter(
            event.id,
            event.type,
            format_time(event.at),
            event.charge_point_id,
            msgspec.Raw(event.data.encode()),
        )
    )


def body_of(webhook_id: int, letters: Sequence[bytes]) -> bytes:
    return b'{"webhook_id":%d,"events":[%s]}' % (webhook_id, b",".join(letters))


def send(
    targets: Targets,
    webhook_id: int,
    url: str,
    secret: str,
    sent: Sequence[tuple[int, bytes]],
    now: datetime,
) -> Outcome:
    """Sends events, each with its id. The same ones have the same delivery id when sent again."""
    body = body_of(webhook_id, [text for _, text in sent])
    id = f"{webhook_id}-{sent[0][0]}-{sent[-1][0]}"
    headers = signed_headers(secret, id, int(now.timestamp()), body)
    return post(targets, url, body, headers)


def send_test(targets: Targets, webhook_id: int, url: str, secret: str, now: datetime) -> Outcome:
    """Sends what is no event, to see whether the receiver takes it."""
    event = EventRow(0, events.TEST, now, None, "{}")
    return send(targets, webhook_id, url, secret, [(0, letter(event))], now)
