"""Charging profiles: the library, and what each charge point holds as far as we know.

Whether a charge point follows one, it alone knows (§3.13).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import ChargingProfile, InstalledChargingProfile
from ocpp_cs.db.queries.conditions import key_of, where


class ChargingProfileRow(NamedTuple):
    """A profile of the library; `profile` is JSON text."""

    id: int
    name: str
    profile: str
    created_at: datetime
    updated_at: datetime


class InstalledChargingProfileRow(NamedTuple):
    """A profile that a charge point has accepted; `id` is the row's, for the order alone."""

    connector_id: int
    charging_profile_id: int
    purpose: str
    stack_level: int
    transaction_id: int | None
    valid_to: datetime | None
    installed_at: datetime
    command_id: int
    profile: str
    id: int


def charging_profiles(after: tuple[int] | None, limit: int) -> list[ChargingProfileRow]:
    """The library in the order of its ids; the key is (id)."""
    conditions = [] if after is None else [ChargingProfile.id > after[0]]
    query = where(_select(), conditions).order_by(ChargingProfile.id).limit(limit)
    return [ChargingProfileRow(*values) for values in query.tuples()]


def charging_profile(id: int) -> ChargingProfileRow | None:
    query = _select().where(ChargingProfile.id == id).tuples()
    return next((ChargingProfileRow(*values) for values in query), None)


def installed_charging_profiles(
    identity: str, after: tuple[int, int] | None, limit: int, *, now: datetime
) -> list[InstalledChargingProfileRow]:
    """Those of a charge point whose time is not over, by connector; the key is (connector_id, id).

    One that begins to be valid later is among them.
    """
    held = InstalledChargingProfile
    conditions: list[Any] = [
        held.charge_point_id == key_of(identity),
        held.valid_to.is_null() | (held.valid_to > now),
    ]
    if after is not None:
        connector_id, id = after
        conditions += [
            held.connector_id >= connector_id,
            (held.connector_id > connector_id) | (held.id > id),
        ]
    query = held.select(
        held.connector_id,
        held.charging_profile_id,
        held.purpose,
        held.stack_level,
        held.transaction_id,
        held.valid_to,
        held.installed_at,
        held.command_id,
        held.profile,
        held.id,
    )
    query = where(query, conditions).order_by(held.connector_id, held.id).limit(limit)
    return [InstalledChargingProfileRow(*values) for values in query.tuples()]


def _select() -> Any:
    return ChargingProfile.select(
        ChargingProfile.id,
        ChargingProfile.name,
        ChargingProfile.profile,
        ChargingProfile.created_at,
        ChargingProfile.updated_at,
    )
