"""What happened to a transaction, in the order of time: out of its row, samples and evidence.

Nothing is decided here, and what a line says stands in the texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from ocpp_cs.db import queries

EVENTS_MOST = 60
"""Status notifications that are shown."""
_AROUND = timedelta(minutes=10)  # of the connector before the start and after the stop
_LATE = timedelta(minutes=1)


class Event(NamedTuple):
    """`kind` names its text; `status` is that of the connector, `text` what somebody said."""

    at: datetime
    kind: str
    status: str = ""
    text: str = ""


def timeline(
    detail: queries.TransactionDetail, statuses: list[queries.StatusEventRow]
) -> list[Event]:
    row, closing = detail.transaction, detail.closing
    found = [Event(row.started_at, "start", text=row.id_tag)]
    if row.received_at - row.started_at > _LATE:
        found.append(Event(row.received_at, "received"))
    for each in statuses:
        code = "" if each.error_code == "NoError" else each.error_code
        found.append(Event(each.occurred_at, "status", each.status, code))
    found += _samples(detail.samples)
    if row.stopped_at is not None and closing.closed_at is None:
        found.append(Event(row.stopped_at, "stop", text=row.stop_reason or ""))
    for evidence in detail.evidence:
        if evidence.kind == "conflicting_stop":
            found.append(Event(evidence.received_at, "conflicting_stop"))
    if row.stopped_at is not None and closing.closed_at is not None:
        found.append(Event(row.stopped_at, "supposed_end"))
        found.append(Event(closing.closed_at, "closed", text=closing.closed_by or ""))
    return sorted(found, key=lambda event: event.at)


def status_period(row: queries.TransactionRow, now: datetime) -> tuple[datetime, datetime]:
    """From when to when the connector's status belongs to it."""
    return _moved(row.started_at, -_AROUND), _moved(row.stopped_at or now, _AROUND)


def _moved(at: datetime, by: timedelta) -> datetime:
    try:
        return at + by
    except OverflowError:  # a charge point's clock may stand at the end of the calendar
        return at


def _samples(samples: list[queries.SampleSummary]) -> Iterator[Event]:
    if samples:
        first = min(each.first_sampled_at for each in samples)
        last = max(each.last_sampled_at for each in samples)
        yield Event(first, "first_sample")
        if last != first:
            yield Event(last, "last_sample")
