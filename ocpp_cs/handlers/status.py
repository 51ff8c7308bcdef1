"""StatusNotification (§4.9): the history of a connector, and its latest status by event time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ocpp_cs import events, rules
from ocpp_cs.commands import availability, reservations
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.events import note_event
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import Connector, StatusEvent, Transaction
from ocpp_cs.db.statement import EXCLUDED, Statement
from ocpp_cs.handlers.context import (
    RETRANSMISSION_WINDOW,
    CallContext,
    note_deviation,
)
from ocpp_cs.ocpp16.messages.core import StatusNotificationRequest, StatusNotificationResponse

_CHARGE_POINT_STATUSES = ("Available", "Unavailable", "Faulted")  # connector 0 (§6.47)
_NOT_RESERVED = ("Available", "Unavailable", "Faulted")  # what may end a reservation (§5.13)

_INSERT_EVENT = Statement(
    lambda p: (
        StatusEvent.insert(
            charge_point_id=p.charge_point_id,
            connector_id=p.connector_id,
            status=p.status,
            error_code=p.error_code,
            info=p.info,
            vendor_id=p.vendor_id,
            vendor_error_code=p.vendor_error_code,
            occurred_at=p.occurred_at,
            received_at=p.received_at,
            message_id=p.message_id,
            event_key=p.event_key,
        )
        .on_conflict(
            action="nothing",
            conflict_target=[StatusEvent.charge_point_id, StatusEvent.event_key],
        )
        .returning(
            StatusEvent.id,
            *(
                Connector.select(column).where(
                    (Connector.charge_point_id == p.charge_point_id)
                    & (Connector.connector_id == p.connector_id)
                )
                for column in (Connector.status, Connector.error_code, Connector.since)
            ),
        )
    )
)
_RECENT_EVENT = Statement(
    lambda p: StatusEvent.select(StatusEvent.id).where(
        (StatusEvent.charge_point_id == p.charge_point_id)
        & (StatusEvent.received_at > p.since)
        & (StatusEvent.message_id == p.message_id)
        & (StatusEvent.connector_id == p.connector_id)
        & (StatusEvent.status == p.status)
        & (StatusEvent.error_code == p.error_code)
    )
)
_SET_LATEST = Statement(
    lambda p: Connector.insert(
        charge_point_id=p.charge_point_id,
        connector_id=p.connector_id,
        status=p.status,
        error_code=p.error_code,
        info=p.info,
        vendor_id=p.vendor_id,
        vendor_error_code=p.vendor_error_code,
        since=p.since,
        received_at=p.received_at,
    ).on_conflict(
        conflict_target=[Connector.charge_point_id, Connector.connector_id],
        preserve=[
            Connector.status,
            Connector.error_code,
            Connector.info,
            Connector.vendor_id,
            Connector.vendor_error_code,
            Connector.since,
            Connector.received_at,
        ],
        # A late old status must not overwrite a newer one (R38).
        where=(EXCLUDED.since >= Connector.since),
    )
)
_SUSPECT_CONNECTOR = Statement(
    lambda p: (
        Transaction.update(
            flags=Transaction.flags.bin_or(int(rules.TransactionFlag.SUSPECT_OPEN)),
            suspect_since=p.at,
        )
        .where(
            (Transaction.charge_point_id == p.charge_point_id)
            & (Transaction.connector_id == p.connector_id)
            & Transaction.stopped_at.is_null()
            & Transaction.suspect_since.is_null()
            & (Transaction.started_at < p.at)
        )
        .returning(Transaction.id)
    )
)


def status_notification(
    tx: Tx, context: CallContext, request: StatusNotificationRequest
) -> StatusNotificationResponse:
    """Stores the event once, updates the connector's latest status if it is newer (R38)."""
    charge_point_id = context.charge_point.id
    if request.connector_id == 0 and request.status not in _CHARGE_POINT_STATUSES:
        note_deviation(
            tx, context.charge_point, "status_of_connector_0", request.status, context.now
        )
    occurred_at, key = _time_and_key(tx, context, request)
    if key is None:
        return StatusNotificationResponse()
    row = {
        "charge_point_id": charge_point_id,
        "connector_id": request.connector_id,
        "status": request.status,
        "error_code": request.error_code,
        "info": request.info,
        "vendor_id": request.vendor_id,
        "vendor_error_code": request.vendor_error_code,
        "received_at": context.now,
    }
    inserted = tx.one(
        _INSERT_EVENT,
        **row,
        occurred_at=occurred_at,
        message_id=context.call.message_id,
        event_key=key,
    )
    if inserted is None:  # a retransmission: it was news when it came first
        return StatusNotificationResponse()
    # A clock that runs ahead must not shut out the statuses that follow it.
    since = min(occurred_at, context.now)
    tx.execute(_SET_LATEST, **row, since=since)
    _tell_faults(tx, context, request, since, inserted[1:])
    if request.status in _NOT_RESERVED:
        reservations.status_changed(
            tx, charge_point_id, request.connector_id, request.status, since, context.now
        )
    if request.status == "Unavailable":
        availability.unavailable(tx, charge_point_id, request.connector_id, since)
    if request.status == "Available" and request.connector_id > 0:
        suspects = tx.all(
            _SUSPECT_CONNECTOR,
            charge_point_id=charge_point_id,
            connector_id=request.connector_id,
            at=since,
        )
        for (transaction_id,) in suspects:
            tell_suspect(tx, context, transaction_id, request.connector_id, since)
    return StatusNotificationResponse()


def tell_suspect(
    tx: Tx, context: CallContext, transaction_id: int, connector_id: int, since: datetime
) -> None:
    """Tells the feed that a transaction seems to have ended without a stop."""
    suspect = events.TransactionSuspect(
        transaction_id=transaction_id,
        connector_id=connector_id,
        suspect_since=events.instant(since),
    )
    note_event(tx, context.charge_point.id, suspect, context.now)


def _tell_faults(
    tx: Tx,
    context: CallContext,
    request: StatusNotificationRequest,
    since: datetime,
    previous: Sequence[Any],
) -> None:
    """Tells the feed of a connector that is Faulted now, or not any more. `previous`: its status,
    error and time before; a late old status changes nothing (R38)."""
    status, error_code, previous_since = previous[0], previous[1], read_time(previous[2])
    if previous_since is not None and since < previous_since:
        return
    event: events.Event
    if request.status == "Faulted" and (status, error_code) != ("Faulted", request.error_code):
        event = events.Faulted(
            connector_id=request.connector_id,
            error_code=request.error_code,
            info=request.info,
            vendor_id=request.vendor_id,
            vendor_error_code=request.vendor_error_code,
            since=events.instant(since),
        )
    elif request.status != "Faulted" and status == "Faulted":
        event = events.Recovered(
            connector_id=request.connector_id,
            status=request.status,
            since=events.instant(since),
            faulted_since=events.instant(previous_since or since),
        )
    else:
        return
    note_event(tx, context.charge_point.id, event, context.now)


def _time_and_key(
    tx: Tx, context: CallContext, request: StatusNotificationRequest
) -> tuple[datetime, str | None]:
    """When it happened and what identifies it; no key when it is a retransmission."""
    if request.timestamp is not None:
        time = context.event_time(tx, request.timestamp)
        if time.readable and time.clock_set:
            key = (
                f"{request.connector_id}|{time.key}|{request.status}|{request.error_code}"
                f"|{request.vendor_error_code or ''}"
            )
            return time.at, key
    # No usable time (R38: the time of receipt is taken): only the message id can tell a
    # retransmission from a new event, and some firmware counts from 1 at every boot.
    recent = tx.one(
        _RECENT_EVENT,
        charge_point_id=context.charge_point.id,
        since=context.now - RETRANSMISSION_WINDOW,
        message_id=context.call.message_id,
        connector_id=request.connector_id,
        status=request.status,
        error_code=request.error_code,
    )
    if recent is not None:
        return context.now, None
    return context.now, (
        f"{context.call.message_id}|{context.now.isoformat()}|{request.connector_id}"
        f"|{request.status}|{request.error_code}"
    )
