"""`/events`: what has happened, in an order that never changes, for programs that follow it.

Nothing can be changed here. What the types are stands in `ocpp_cs.events`.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Response
from flask.views import MethodView
from marshmallow import validate

from ocpp_cs import events
from ocpp_cs.api.blueprint import Blueprint
from ocpp_cs.api.columns import Rows
from ocpp_cs.api.cursors import Key
from ocpp_cs.api.database import current_committer, current_engine, current_feed
from ocpp_cs.api.fields import (
    INT64_MAX,
    JsonObject,
    Row,
    Text,
    Time,
    Whole,
    number_range,
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer
from ocpp_cs.db import queries
from ocpp_cs.db.events import TOPIC

_WAIT_MAX_S = 60
# What another process has noted is not told here: how long until it is looked for.
_LOOK_AGAIN_S = 1.0

blueprint = Blueprint(
    "events", "Events: what has happened, in an order that never changes, to be followed."
)


class Event(Row):
    """Something that has happened."""

    id = Whole("Its place in the feed: later events have greater ones, with gaps.", 1017)
    type = Text("What has happened.", "session_stopped", choices=tuple(events.TYPES))
    at = Time("When it was noted, by our clock.", "2026-11-22T10:15:00.120Z")
    charge_point_id = Text(
        "OCPP identity of the charge point; null: of none that is registered.",
        "CB-4711",
        nullable=True,
    )
    data = JsonObject(
        "What is told of it, as the type says (docs/events.md, /asyncapi.json).",
        events.example(events.SessionStopped),
    )


class EventParameters(ListParameters):
    after = Whole(
        "Only those behind this place: the next_after of the answer before, or the id of the last "
        "event that you have. 0: from the first one that is kept.",
        1017,
        required=False,
        load_default=0,
        validate=number_range(0, INT64_MAX),
    )
    types = Text(
        "Only those of these types, separated by commas.",
        "offline,faulted",
        required=False,
        validate=validate.Regexp(
            f"^({'|'.join(events.TYPES)})(,({'|'.join(events.TYPES)}))*$",
            error=f"Must be of {', '.join(events.TYPES)}, separated by commas.",
        ),
    )
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    since = Time(
        "Only those noted at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )
    until = Time(
        "Only those noted before this time.",
        "2026-12-01T00:00:00Z",
        data_key="to",
        required=False,
    )
    wait = Whole(
        "How long the answer may wait for a first event, if there is none yet.",
        0,
        unit="s",
        required=False,
        load_default=0,
        validate=number_range(0, _WAIT_MAX_S),
    )


EVENTS = Listing(
    "events",
    Event,
    ("id",),
    (int,),
    also={
        "next_after": Whole(
            "What to give as after to get what comes next. Also where items is empty: so far "
            "was looked.",
            1017,
        )
    },
)


@blueprint.route("/events")
class Events(MethodView):
    @EVENTS.view(blueprint, EventParameters, "list_events")
    def get(self, parameters: dict[str, Any]) -> Response:
        """Follow the events.

        The oldest first. Ask with `after` for what comes after the events that you have, again and
        again: no event is ever skipped, and none comes twice. Each is there once what it tells of
        is stored. They are kept for FEED_DAYS.
        """
        types = parameters.get("types")
        identity = parameters.get("charge_point_id")
        wanted = queries.EventFilter(
            types=None if types is None else types.split(","),
            charge_point_ids=None if identity is None else [identity],
            since=parameters.get("since"),
            until=parameters.get("until"),
        )
        reader = _Reader(wanted, parameters["after"], parameters["wait"])
        return answer(EVENTS, parameters, reader.read, in_steps=True, also=reader.place)


class _Reader:
    """The feed as one request reads it: up to where it is settled when the request is answered."""

    def __init__(self, wanted: queries.EventFilter, after: int, wait_s: int) -> None:
        self._wanted = wanted
        self._after = after
        self._give_up_at = time.monotonic() + wait_s
        # A stream is read after the view has returned.
        self._engine, self._feed = current_engine(), current_feed()
        self._notices = current_committer().notices
        self._last: int | None = None

    def read(self, key: Key | None, limit: int) -> list[queries.EventRow]:
        after = self._after if key is None else max(self._after, key[0])
        if self._last is not None:
            return self._rows(after, limit)
        with self._notices.watch(TOPIC, "") as told:
            while True:
                told.clear()
                self._last = self._feed.settled()
                rows = self._rows(after, limit)
                remaining = self._give_up_at - time.monotonic()
                if rows or remaining <= 0 or self._notices.closed:
                    return rows
                told.wait(min(remaining, _LOOK_AGAIN_S))

    def place(self, rows: Rows, more: bool) -> dict[str, Any]:
        """Where to go on: behind the last row, or behind all that was looked through."""
        if more:
            return {"next_after": rows[-1].id}
        return {"next_after": max(self._after, self._last or 0)}

    def _rows(self, after: int, limit: int) -> list[queries.EventRow]:
        return self._engine.read(lambda: queries.events(self._wanted, after, self._last, limit))
