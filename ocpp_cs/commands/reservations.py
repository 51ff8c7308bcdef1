"""Reservations, in step with ReserveNow, CancelReservation and what charge points report (§3.11).

It judges no id tag and enforces nothing: that a reserved connector charges nobody else is the
charge point's affair.

A reservation is open while it is requested, accepted, or unknown: no answer came, and it may be in
force. Each change compares that it is open still, so that it ends once. One exception: a start that
names a reservation is proof that it was used, also if it had run out by our clock; an offline
charge point tells of it later (§3.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from ocpp_cs.audit import Actor
from ocpp_cs.commands.addressee import find_addressee
from ocpp_cs.commands.ends import End
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place, place_at
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, Command, Reservation, StatusEvent
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.ocpp16.messages.reservation import (
    CancelReservationRequest,
    CancelReservationResponse,
    ReserveNowRequest,
    ReserveNowResponse,
)
from ocpp_cs.ocpp16.times import format_time, parse_time

HIGHEST_NUMBER = 2**31 - 1
"""Of a reservation on the wire: an integer of 32 bits."""

_INSERT = Statement(
    lambda p: Reservation.insert(
        charge_point_id=p.charge_point_id,
        reservation_id=p.reservation_id,
        connector_id=p.connector_id,
        id_tag=p.id_tag,
        parent_id_tag=p.parent_id_tag,
        status=p.status,
        expires_at=p.expires_at,
        command_id=p.command_id,
        created_by=p.created_by,
        created_at=p.created_at,
        updated_at=p.now,
    ).returning(Reservation.id)
)
_OPEN_NUMBERS = Statement(
    lambda p: Reservation.select(Reservation.reservation_id).where(
        (Reservation.charge_point_id == p.charge_point_id)
        & Reservation.ended_at.is_null()
        & (Reservation.id != p.id)
    )
)
_ORDERED = Statement(
    lambda p: Reservation.update(reservation_id=p.reservation_id, command_id=p.command_id).where(
        Reservation.id == p.id
    )
)
_FIND = Statement(
    lambda p: (
        Reservation.select(
            Reservation.id,
            ChargePoint.identity,
            Reservation.reservation_id,
            Reservation.status,
            Reservation.command_id,
            Reservation.ended_at,
        )
        .join(ChargePoint, on=(ChargePoint.id == Reservation.charge_point_id))
        .where(Reservation.id == p.id)
    )
)
_OF_COMMAND = Statement(
    lambda p: Reservation.select(Reservation.id).where(Reservation.command_id == p.command_id)
)
_COMMAND_CREATED_AT = Statement(
    lambda p: Command.select(Command.created_at).where(Command.id == p.command_id)
)
# Those that the charge point may hold: not what is still on its way to it.
_IN_FORCE = ("accepted", "unknown")
_IN_FORCE_OF_NUMBER = Statement(
    lambda p: Reservation.select(Reservation.id).where(
        (Reservation.charge_point_id == p.charge_point_id)
        & (Reservation.reservation_id == p.reservation_id)
        & Reservation.ended_at.is_null()
        & Reservation.status.in_(_IN_FORCE)
    )
)
_SET_STATUS = Statement(
    lambda p: Reservation.update(status=p.status, updated_at=p.now).where(
        (Reservation.id == p.id) & Reservation.ended_at.is_null()
    )
)
_END = Statement(
    lambda p: Reservation.update(
        status=p.status, ended_by=p.ended_by, ended_at=p.now, updated_at=p.now
    ).where((Reservation.id == p.id) & Reservation.ended_at.is_null())
)
_EXPIRE = Statement(
    lambda p: Reservation.update(
        status="expired", ended_by="expiry", ended_at=p.now, updated_at=p.now
    ).where(Reservation.ended_at.is_null() & (Reservation.expires_at <= p.now))
)
# A number may be used again, by whoever writes ReserveNow by hand: the latest one is meant.
_USE = Statement(
    lambda p: Reservation.update(
        status="used",
        ended_by="transaction",
        transaction_id=p.transaction_id,
        ended_at=p.now,
        updated_at=p.now,
    ).where(
        (
            Reservation.id
            == Reservation.select(fn.MAX(Reservation.id)).where(
                (Reservation.charge_point_id == p.charge_point_id)
                & (Reservation.reservation_id == p.reservation_id)
            )
        )
        & (Reservation.ended_at.is_null() | (Reservation.status == "expired"))
    )
)
# Those that a connector which was seen as reserved has left: the status before is told by the
# events since, whatever order they arrived in.
_LEFT_BY_CONNECTOR = Statement(
    lambda p: Reservation.select(Reservation.id, Reservation.expires_at).where(
        (Reservation.charge_point_id == p.charge_point_id)
        & (Reservation.connector_id == p.connector_id)
        & Reservation.ended_at.is_null()
        & Reservation.status.in_(_IN_FORCE)
        & fn.EXISTS(
            StatusEvent.select(StatusEvent.id).where(
                (StatusEvent.charge_point_id == p.charge_point_id)
                & (StatusEvent.received_at >= Reservation.created_at)
                & (StatusEvent.connector_id == p.connector_id)
                & (StatusEvent.status == "Reserved")
                & (StatusEvent.occurred_at <= p.at)
            )
        )
    )
)
_DROPPED_BY_CONNECTOR = Statement(
    lambda p: Reservation.select(Reservation.id, Reservation.expires_at).where(
        (Reservation.charge_point_id == p.charge_point_id)
        & (Reservation.connector_id == p.connector_id)
        & Reservation.ended_at.is_null()
        & Reservation.status.in_(_IN_FORCE)
        & (Reservation.created_at <= p.at)
    )
)
_DROPPED_BY_CHARGE_POINT = Statement(
    lambda p: Reservation.select(Reservation.id, Reservation.expires_at).where(
        (Reservation.charge_point_id == p.charge_point_id)
        & Reservation.ended_at.is_null()
        & Reservation.status.in_(_IN_FORCE)
        & (Reservation.created_at <= p.at)
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A reservation as it is asked for; connector 0 is any one of the charge point."""

    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A reservation that somebody wants to cancel; `reservation_id` is its number on the wire."""

    id: int
    charge_point_id: str
    reservation_id: int
    status: str
    command_id: int | None
    ended: bool


# --- Asked for and cancelled ----------------------------------------------------------------------


def reserve(
    tx: Tx,
    identity: str,
    wish: Wish,
    *,
    actor: Actor,
    now: datetime,
    deliver_within_s: int = 0,
) -> tuple[int, int]:
    """A new reservation and the ReserveNow that asks for it: the ids of both. Raises Refused."""
    addressee = find_addressee(tx, identity)
    if wish.expires_at <= now:
        text = "Must lie in the future."
        raise Refused(422, "bad_reservation", f"expires_at: {text}", {"expires_at": [text]})
    [id] = tx.execute(
        _INSERT,
        charge_point_id=addressee.id,
        reservation_id=0,
        connector_id=wish.connector_id,
        id_tag=wish.id_tag,
        parent_id_tag=wish.parent_id_tag,
        status="requested",
        expires_at=wish.expires_at,
        command_id=None,
        created_by=actor.name,
        created_at=now,
        now=now,
    ).fetchone()
    number = _free_number(tx, addressee.id, id)
    request = ReserveNowRequest(
        connector_id=wish.connector_id,
        expiry_date=format_time(wish.expires_at),
        id_tag=wish.id_tag,
        parent_id_tag=wish.parent_id_tag,
        reservation_id=number,
    )
    order = Order(action="ReserveNow", request=request, deliver_within_s=deliver_within_s)
    command_id = place_at(tx, addressee, order, actor=actor, now=now)
    tx.execute(_ORDERED, id=id, reservation_id=number, command_id=command_id)
    return id, command_id


def find(tx: Tx, id: int) -> Found:
    """Raises Refused (404) where there is none of that id."""
    row = tx.one(_FIND, id=id)
    if row is None:
        raise Refused(404, "unknown_reservation", f"There is no reservation {id}.")
    id, identity, number, status, command_id, ended_at = row
    return Found(id, identity, number, status, command_id, ended_at is not None)


def order_cancellation(tx: Tx, found: Found, *, actor: Actor, now: datetime) -> int:
    """Asks the charge point to cancel a reservation that it may hold; the id of the command."""
    order = Order(
        action="CancelReservation",
        request=CancelReservationRequest(reservation_id=found.reservation_id),
    )
    return place(tx, found.charge_point_id, order, actor=actor, now=now)


def _free_number(tx: Tx, charge_point_id: int, id: int) -> int:
    """The row's id, unless a ReserveNow that was written by hand has taken that number: the charge
    point would replace its reservation (§5.13)."""
    taken = {row[0] for row in tx.all(_OPEN_NUMBERS, charge_point_id=charge_point_id, id=id)}
    number = next(number for number in count(id) if number not in taken)
    if number > HIGHEST_NUMBER:
        raise Refused(409, "no_number_left", "All numbers of reservations are used up.")
    return number


# --- What answers bring ---------------------------------------------------------------------------


def reserved(tx: Tx, end: End) -> None:
    """A ReserveNow has ended, ours or one written by hand (§5.13)."""
    assert isinstance(end.request, ReserveNowRequest)
    response = end.response
    status = response.status if isinstance(response, ReserveNowResponse) else None
    row = tx.one(_OF_COMMAND, command_id=end.command_id)
    if row is None and status == "Accepted":
        row = (_keep(tx, end, end.request),)
    if row is None:
        return
    id = row[0]
    if status == "Accepted":
        _replace(tx, end, end.request.reservation_id, id)
        tx.execute(_SET_STATUS, id=id, status="accepted", now=end.now)
    elif status is not None:
        _end(tx, id, status.lower(), "charge_point", end.now)
    elif end.status in _NOT_MADE:
        _end(tx, id, *_NOT_MADE[end.status], end.now)
    else:  # no answer, or none that can be read: the charge point may hold it
        tx.execute(_SET_STATUS, id=id, status="unknown", now=end.now)


_NOT_MADE = {
    "rejected": ("rejected", "charge_point"),
    "expired": ("cancelled", "not_delivered"),
    "cancelled": ("cancelled", "operator"),
}
"""Status and end of a reservation by the end of a ReserveNow that surely made none."""


def cancelled(tx: Tx, end: End) -> None:
    """A CancelReservation has ended (§5.1). `Rejected`: the charge point holds no such reservation,
    so it has ended there, whatever we thought."""
    assert isinstance(end.request, CancelReservationRequest)
    if not isinstance(end.response, CancelReservationResponse):
        return
    ended_by = "operator" if end.response.status == "Accepted" else "charge_point"
    for id in _in_force(tx, end.charge_point_id, end.request.reservation_id):
        _end(tx, id, "cancelled", ended_by, end.now)


def _keep(tx: Tx, end: End, request: ReserveNowRequest) -> int:
    """The row of a reservation that was asked for by a command written by hand."""
    [created_at] = tx.one(_COMMAND_CREATED_AT, command_id=end.command_id) or (end.now,)
    [id] = tx.execute(
        _INSERT,
        charge_point_id=end.charge_point_id,
        reservation_id=request.reservation_id,
        connector_id=request.connector_id,
        id_tag=request.id_tag,
        parent_id_tag=request.parent_id_tag,
        status="requested",
        expires_at=parse_time(request.expiry_date).at or end.now,
        command_id=end.command_id,
        created_by=end.created_by,
        created_at=created_at,
        now=end.now,
    ).fetchone()
    return int(id)


def _replace(tx: Tx, end: End, reservation_id: int, by: int) -> None:
    for id in _in_force(tx, end.charge_point_id, reservation_id):
        if id != by:
            _end(tx, id, "cancelled", "replacement", end.now)


def _in_force(tx: Tx, charge_point_id: int, reservation_id: int) -> list[int]:
    rows = tx.all(
        _IN_FORCE_OF_NUMBER, charge_point_id=charge_point_id, reservation_id=reservation_id
    )
    return [row[0] for row in rows]


def _end(tx: Tx, id: int, status: str, ended_by: str, now: datetime) -> None:
    tx.execute(_END, id=id, status=status, ended_by=ended_by, now=now)


# --- What charge points and the clock bring -------------------------------------------------------


def use(
    tx: Tx, charge_point_id: int, reservation_id: int, transaction_id: int, now: datetime
) -> None:
    """A transaction has started that names a reservation of its charge point (§4.8)."""
    tx.execute(
        _USE,
        charge_point_id=charge_point_id,
        reservation_id=reservation_id,
        transaction_id=transaction_id,
        now=now,
    )


def status_changed(
    tx: Tx, charge_point_id: int, connector_id: int, status: str, at: datetime, now: datetime
) -> None:
    """A connector, or with 0 the charge point, has reported a status in which it is not reserved.

    Faulted and Unavailable end a reservation (§5.13); Available does if the connector was Reserved
    before: one that comes after our request and before the charge point reserved it does not.
    """
    values: dict[str, Any] = {"charge_point_id": charge_point_id, "at": at}
    if connector_id == 0:
        ended = [] if status == "Available" else tx.all(_DROPPED_BY_CHARGE_POINT, **values)
    else:
        which = _LEFT_BY_CONNECTOR if status == "Available" else _DROPPED_BY_CONNECTOR
        ended = tx.all(which, **values, connector_id=connector_id)
    for id, expires_at in ended:
        expired = (read_time(expires_at) or now) <= now
        _end(tx, id, "expired" if expired else "cancelled", "charge_point", now)


def expire(tx: Tx, now: datetime) -> None:
    """Ends those whose time has passed: the charge point does the same by its clock (§5.13)."""
    tx.execute(_EXPIRE, now=now)
