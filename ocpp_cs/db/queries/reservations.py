"""Reservations as people read them, newest first.

How one comes to its status stands in `commands.reservations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, fn

from ocpp_cs.db.models import ChargePoint, Reservation
from ocpp_cs.db.queries.conditions import key_of, where


class ReservationRow(NamedTuple):
    """A reservation; `id` is the row's, `reservation_id` the number on the wire."""

    id: int
    charge_point_id: str
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    status: str
    ended_by: str | None
    expires_at: datetime
    reservation_id: int
    command_id: int | None
    transaction_id: int | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationFilter:
    """Which reservations; None does not filter. `active`: those that have not ended."""

    charge_point_id: str | None = None
    connector_id: int | None = None
    id_tag: str | None = None
    status: str | None = None
    active: bool | None = None


def reservations(
    wanted: ReservationFilter, after: tuple[int] | None, limit: int
) -> list[ReservationRow]:
    """Reservations, the newest first; the key is (id)."""
    conditions: list[Any] = []
    if wanted.charge_point_id is not None:
        conditions.append(Reservation.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.connector_id is not None:
        conditions.append(Reservation.connector_id == wanted.connector_id)
    if wanted.id_tag is not None:
        # Only PostgreSQL knows the case of other letters than A to Z.
        same = fn.LOWER(Reservation.id_tag) == fn.LOWER(wanted.id_tag)
        conditions.append((Reservation.id_tag == wanted.id_tag) | same)
    if wanted.status is not None:
        conditions.append(Reservation.status == wanted.status)
    if wanted.active is not None:
        conditions.append(Reservation.ended_at.is_null(wanted.active))
    if after is not None:
        conditions.append(Reservation.id < after[0])
    query = where(_select_reservations(), conditions).order_by(Reservation.id.desc()).limit(limit)
    return [ReservationRow(*values) for values in query.tuples()]


def reservation(id: int) -> ReservationRow | None:
    query = _select_reservations().where(Reservation.id == id).tuples()
    return next((ReservationRow(*values) for values in query), None)


def _select_reservations() -> Any:
    return Reservation.select(
        Reservation.id,
        ChargePoint.identity,
        Reservation.connector_id,
        Reservation.id_tag,
        Reservation.parent_id_tag,
        Reservation.status,
        Reservation.ended_by,
        Reservation.expires_at,
        Reservation.reservation_id,
        Reservation.command_id,
        Reservation.transaction_id,
        Reservation.created_by,
        Reservation.created_at,
        Reservation.updated_at,
        Reservation.ended_at,
    ).join(
        # Outer, so that no engine begins with the charge points and sorts all their reservations.
        ChargePoint,
        JOIN.LEFT_OUTER,
        on=(ChargePoint.id == Reservation.charge_point_id),
    )
