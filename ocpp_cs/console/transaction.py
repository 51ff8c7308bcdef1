"""`/transactions/{id}`: one of them: figures, curves, what happened, the frames; and its close."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from ocpp_cs import resolutions
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.transactions import Closing
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.console.blueprint import console
from ocpp_cs.console.curves import Course, course
from ocpp_cs.console.forms import check
from ocpp_cs.console.page import Values, show
from ocpp_cs.console.timeline import EVENTS_MOST, status_period, timeline
from ocpp_cs.db import queries
from ocpp_cs.rules import flag_names

_ID_MAX = 2**31 - 1


@console.get("/transactions/<int:transaction_id>")
def show_transaction(transaction_id: int) -> Response:
    return _page(transaction_id)


@console.post("/transactions/<int:transaction_id>/close")
def close_transaction(transaction_id: int) -> AnyResponse:
    found = _find(transaction_id)
    form = check(Closing(), {"reason": request.form.get("reason", "").strip()})
    sure = request.form.get("sure") == "yes"
    if form.wrong or not sure:
        return _page(transaction_id, close_fault="reason" if form.wrong else "sure", status=422)
    actor, now = current_actor(), request_time()
    reason = form.values["reason"]
    try:
        write(
            lambda tx: resolutions.close(tx, transaction_id, reason, actor=actor, now=now),
            charge_point=found.charge_point_id,
        )
    except Refused as refused:
        return _page(transaction_id, close_fault=refused.code, status=refused.status)
    return redirect(url_for("console.show_transaction", transaction_id=transaction_id), 303)


def _find(transaction_id: int) -> queries.TransactionRow:
    """Raises NotFound."""
    row = None
    if transaction_id <= _ID_MAX:
        read = partial(queries.transaction_row, transaction_id, now=request_time())
        row = current_engine().read(read)
    if row is None:
        raise NotFound
    return row


def _page(transaction_id: int, *, close_fault: str = "", status: int = 200) -> Response:
    """The page; `close_fault` names why it was not closed."""
    row = _find(transaction_id)
    values = {
        "row": row,
        "flag_names": flag_names(row.flags),
        "close_fault": close_fault,
        "reason": request.form.get("reason", ""),
    }
    parts = {"figures": partial(_figures, row), "events": partial(_events, row)}
    return show("transaction", values, parts, status=status)


def _figures(row: queries.TransactionRow) -> Values:
    power_w: float | None = None
    if row.status == "active":
        now = request_time()
        powers = current_engine().read(lambda: queries.powers_now([row.id], now=now))
        power_w = powers.get(row.id)
    return {"power_w": power_w, "course": current_engine().read(lambda: _course(row))}


def _course(row: queries.TransactionRow) -> Course:
    until = row.stopped_at or max(request_time(), row.started_at)
    curve = queries.transaction_curve(row.id, row.started_at, until)
    return course(row, curve, until)


def _events(row: queries.TransactionRow) -> Values:
    now = request_time()

    def read() -> Values:
        detail = queries.transaction(row.id, now=now)
        if detail is None:
            raise NotFound  # removed with its charge point meanwhile
        since, until = status_period(row, now)
        statuses = queries.connector_status_events(
            row.charge_point_id, row.connector_id, since, until, EVENTS_MOST
        )
        return {
            "closing": detail.closing,
            "samples": sum(each.samples for each in detail.samples),
            "events": timeline(detail, statuses),
            "evidence": detail.evidence,
            "pretty": _pretty,
        }

    return current_engine().read(read)


def _pretty(frame: str) -> str:
    """A frame on several lines; as it came where it is no JSON that can be shown so."""
    with suppress(ValueError, RecursionError):
        read: Any = json.loads(frame)
        text = json.dumps(read, indent=2, ensure_ascii=False)
        text.encode()  # half a character would end the page
        return text
    return frame
