"""Where the views find the database of their app.

What they ask it stands in `db.queries`; what they change, in the rooms below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from flask import Flask, current_app

from ocpp_cs.api_keys import ApiKeyError, LastAdminKey, UnknownApiKey
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Committer, Tx, lane_of
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.feed import Feed
from ocpp_cs.inventory import InventoryError
from ocpp_cs.webhooks.table import UnknownWebhook

_NAME = "ocpp_cs.committer"
_FEED = "ocpp_cs.feed"
_REFUSALS = (Refused, InventoryError, ApiKeyError, UnknownApiKey, LastAdminKey, UnknownWebhook)
T = TypeVar("T")


def register_database(app: Flask, committer: Committer) -> None:
    app.extensions[_NAME] = committer
    app.extensions[_FEED] = Feed(committer.engine)


def current_committer() -> Committer:
    committer: Committer = current_app.extensions[_NAME]
    return committer


def current_engine() -> Engine:
    return current_committer().engine


def current_feed() -> Feed:
    feed: Feed = current_app.extensions[_FEED]
    return feed


def write(work: Callable[[Tx], T], *, charge_point: str = "") -> T:
    """The result of `work(tx)` after its commit.

    What concerns a charge point runs on its own lane, so that two lanes never wait for each
    other's rows. Raises what `work` raises, and StoreUnavailable, which is answered with 503.
    A refusal undoes the work alone, not the messages of charge points in its group (promise 4).
    """

    def guarded(tx: Tx) -> tuple[T, None] | tuple[None, Exception]:
        try:
            with tx.savepoint():
                return work(tx), None
        except _REFUSALS as refused:
            return None, refused

    lane = lane_of(charge_point) if charge_point else 0
    result, refused = current_committer().run(lane, guarded)
    if refused is not None:
        raise refused
    return cast(T, result)
