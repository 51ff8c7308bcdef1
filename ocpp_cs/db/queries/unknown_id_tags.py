"""Id tags that charge points ask about, and that nobody has registered.

They stand in no table of their own: the archive of frames has what was asked, transactions have
what was started.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from peewee import fn

from ocpp_cs.db.models import ChargePoint, Message, Transaction
from ocpp_cs.db.queries.id_tags import id_tags_of
from ocpp_cs.rules import id_tag_key, is_id_tag

_ACTIONS = ("Authorize", "StartTransaction")
# Looked at after a moment: far more cards than are held to readers in a few minutes.
_MOST = 500


class UnknownIdTag(NamedTuple):
    """A tag as it was sent; `action` is that of the message."""

    id_tag: str
    charge_point_id: str
    action: str
    seen_at: datetime


def latest_transaction_id() -> int:
    """0 without any. Later ones have a higher one, whatever their clocks say."""
    query: Any = Transaction.select(fn.MAX(Transaction.id))
    return int(query.scalar() or 0)


def unknown_id_tag(since: datetime, until: datetime, after_id: int) -> UnknownIdTag | None:
    """The first one that came from `since` on and before `until`, or started a transaction after
    that of this id."""
    found = [*_asked(since, until), *_started(since, until, after_id)]
    found.sort(key=lambda each: each.seen_at)
    usable = [each for each in found if is_id_tag(each.id_tag)]
    keys = {id_tag_key(each.id_tag) for each in usable}
    known = {row.key for row in id_tags_of(sorted(keys))} if keys else set()
    return next((each for each in usable if id_tag_key(each.id_tag) not in known), None)


def _asked(since: datetime, until: datetime) -> Iterable[UnknownIdTag]:
    query: Any = (
        Message.select(Message.request, ChargePoint.identity, Message.action, Message.sent_at)
        .join(ChargePoint, on=(ChargePoint.id == Message.charge_point_id))
        .where((Message.sent_at >= since) & (Message.sent_at < until))
        .where(Message.action.in_(_ACTIONS) & (Message.direction == "from_charge_point"))
        .order_by(Message.sent_at, Message.id)
        .limit(_MOST)
    )
    for request, *rest in query.tuples():
        id_tag = _id_tag_of(request)
        if id_tag is not None:
            yield UnknownIdTag(id_tag, *rest)


def _started(since: datetime, until: datetime, after_id: int) -> Iterable[UnknownIdTag]:
    query: Any = (
        Transaction.select(Transaction.id_tag, ChargePoint.identity, Transaction.received_at)
        .join(ChargePoint, on=(ChargePoint.id == Transaction.charge_point_id))
        .where(Transaction.id > after_id)
        .where((Transaction.received_at >= since) & (Transaction.received_at < until))
        .order_by(Transaction.id)
        .limit(_MOST)
    )
    for id_tag, identity, received_at in query.tuples():
        yield UnknownIdTag(id_tag, identity, "StartTransaction", received_at)


def _id_tag_of(request: str) -> str | None:
    """The tag in an archived frame, which may be anything."""
    try:
        frame = json.loads(request)
        id_tag = frame[3]["idTag"]
        storable = isinstance(id_tag, str) and b"\x00" not in id_tag.encode()
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return id_tag if storable else None
