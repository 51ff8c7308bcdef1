"""Configuration keys of charge points, and the availability of connectors, as people read them.

Both are as of the latest answers; nothing is asked for here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import ChargePoint, ConfigurationKey, ConnectorAvailability
from ocpp_cs.db.queries.conditions import key_of, where


class ConfigurationRow(NamedTuple):
    """A configuration key; `key_key`, what keys are compared by, is only its place in the list."""

    key: str
    value: str | None
    readonly: bool | None
    reboot_required: bool
    read_at: datetime | None
    changed_at: datetime | None
    key_key: str


class AvailabilityRow(NamedTuple):
    """What ChangeAvailability has set; connector 0 is the whole charge point."""

    connector_id: int
    availability: str
    scheduled: bool
    since: datetime


def charge_point_exists(identity: str) -> bool:
    return ChargePoint.select().where(ChargePoint.identity == identity).exists()


def configuration(identity: str, after: tuple[str] | None, limit: int) -> list[ConfigurationRow]:
    """Keys in the order of their casefolded text."""
    conditions: list[Any] = [ConfigurationKey.charge_point_id == key_of(identity)]
    if after is not None:
        conditions.append(ConfigurationKey.key_key > after[0])
    query = ConfigurationKey.select(
        ConfigurationKey.key,
        ConfigurationKey.value,
        ConfigurationKey.readonly,
        ConfigurationKey.reboot_required,
        ConfigurationKey.read_at,
        ConfigurationKey.changed_at,
        ConfigurationKey.key_key,
    )
    query = where(query, conditions).order_by(ConfigurationKey.key_key).limit(limit)
    return [ConfigurationRow(*values) for values in query.tuples()]


def availability(identity: str, after: tuple[int] | None, limit: int) -> list[AvailabilityRow]:
    """Connectors in the order of their numbers."""
    conditions: list[Any] = [ConnectorAvailability.charge_point_id == key_of(identity)]
    if after is not None:
        conditions.append(ConnectorAvailability.connector_id > after[0])
    query = ConnectorAvailability.select(
        ConnectorAvailability.connector_id,
        ConnectorAvailability.availability,
        ConnectorAvailability.scheduled,
        ConnectorAvailability.since,
    )
    query = where(query, conditions).order_by(ConnectorAvailability.connector_id).limit(limit)
    return [AvailabilityRow(*values) for values in query.tuples()]
