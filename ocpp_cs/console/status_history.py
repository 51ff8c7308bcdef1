"""`/charge-points/{id}/history`: the status of each connector over a day or a week."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from flask import Response

from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.charge_point import show_tab
from ocpp_cs.console.page import Values
from ocpp_cs.console.paging import read_page, wanted_choice
from ocpp_cs.console.status_bars import timelines
from ocpp_cs.db import queries

SPANS = {"day": timedelta(days=1), "week": timedelta(days=7)}
_MOST_EVENTS = 2000
_MOST_CONNECTORS = 100


@console.get("/charge-points/<charge_point_id>/history")
def show_history(charge_point_id: str) -> Response:
    span = wanted_choice("span", tuple(SPANS)) or "day"
    parts = {
        "timeline": partial(_timeline, charge_point_id, SPANS[span]),
        "rows": partial(_rows, charge_point_id),
    }
    values = {"span": span, "spans": tuple(SPANS)}
    return show_tab("status_history", charge_point_id, parts, values)


def _timeline(charge_point_id: str, span: timedelta) -> Values:
    """What is drawn begins later where there were more events than can be drawn."""
    now = request_time()
    since = now - span

    def read() -> Values:
        connectors = queries.connectors(charge_point_id, None, _MOST_CONNECTORS)
        within = queries.StatusEventFilter(since=since)
        events = queries.status_events(charge_point_id, within, None, _MOST_EVENTS)
        ids = [row.connector_id for row in connectors]
        before = [
            event
            for id in ids
            for event in queries.status_events(
                charge_point_id,
                queries.StatusEventFilter(connector_id=id, until=since),
                None,
                1,
            )
        ]
        cut = len(events) == _MOST_EVENTS
        begins = min(event.occurred_at for event in events) if cut else since
        return {
            "timelines": timelines(ids, [*before, *events], begins, now),
            "begins": begins,
            "ends": now,
        }

    return current_engine().read(read)


def _rows(charge_point_id: str) -> Values:
    read = partial(queries.status_events, charge_point_id, queries.StatusEventFilter())
    key = (datetime, int)
    return {"page": read_page("status-events", key, read, lambda row: (row.received_at, row.id))}
