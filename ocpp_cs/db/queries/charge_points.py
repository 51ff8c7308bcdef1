"""Charge points as people read them: with their presence and the number of connectors.

The hot road of a connection is in `handlers.connections`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import fn

from ocpp_cs.db.models import (
    ChargePoint,
    Connector,
)
from ocpp_cs.db.queries.conditions import any_contains, where


class ChargePointRow(NamedTuple):
    """A charge point; `id` is its OCPP identity."""

    id: str
    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    registration: str
    security_profile: int
    online: bool
    last_seen_at: datetime | None
    offline_since: datetime | None
    connected_at: datetime | None
    connectors_total: int
    note: str | None
    call_timeout_s: int | None
    heartbeat_interval_s: int | None
    version: str  # of its configuration, for ETag


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePointFilter:
    """Which charge points; None does not filter. `q` is looked for in all the texts of a row."""

    online: bool | None = None
    registration: str | None = None
    q: str | None = None
    vendor: str | None = None
    model: str | None = None


def charge_points(
    wanted: ChargePointFilter, after: tuple[str] | None, limit: int, *, now: datetime
) -> list[ChargePointRow]:
    """Charge points in the order of their ids; the key is (id)."""
    conditions = _conditions(wanted, after, now)
    query = where(_select_charge_points(), conditions).order_by(ChargePoint.identity)
    return [_charge_point_row(values, now) for values in query.limit(limit).tuples()]


def charge_point_ids(
    wanted: ChargePointFilter, after: tuple[str] | None, limit: int, *, now: datetime
) -> list[str]:
    """As `charge_points`, the ids alone, of those that are to stay."""
    conditions = [*_conditions(wanted, after, now), ChargePoint.removing_at.is_null()]
    query = where(ChargePoint.select(ChargePoint.identity), conditions)
    return [row[0] for row in query.order_by(ChargePoint.identity).limit(limit).tuples()]


def _conditions(wanted: ChargePointFilter, after: tuple[str] | None, now: datetime) -> list[Any]:
    conditions: list[Any] = []
    if wanted.online is True:
        conditions.append(ChargePoint.present_until > now)
    elif wanted.online is False:
        conditions.append(ChargePoint.present_until.is_null() | (ChargePoint.present_until <= now))
    if wanted.registration is not None:
        conditions.append(ChargePoint.registration == wanted.registration)
    if wanted.vendor is not None:
        conditions.append(ChargePoint.vendor == wanted.vendor)
    if wanted.model is not None:
        conditions.append(ChargePoint.model == wanted.model)
    if wanted.q is not None:
        conditions.append(any_contains(wanted.q, _CHARGE_POINT_TEXTS))
    if after is not None:
        conditions.append(ChargePoint.identity > after[0])
    return conditions


def charge_point(identity: str, *, now: datetime) -> ChargePointRow | None:
    query = _select_charge_points().where(ChargePoint.identity == identity).tuples()
    return next((_charge_point_row(values, now) for values in query), None)


_CHARGE_POINT_TEXTS = (
    ChargePoint.identity,
    ChargePoint.vendor,
    ChargePoint.model,
    ChargePoint.serial_number,
    ChargePoint.charge_box_serial_number,
    ChargePoint.firmware_version,
    ChargePoint.note,
)


def _select_charge_points() -> Any:
    # Connector 0 is the charge point itself (§4.9).
    connectors = Connector.select(fn.COUNT(Connector.id)).where(
        (Connector.charge_point_id == ChargePoint.id) & (Connector.connector_id > 0)
    )
    return ChargePoint.select(
        ChargePoint.identity,
        ChargePoint.vendor,
        ChargePoint.model,
        # Charge points before OCPP 1.5 named it otherwise; many still do (§6.3).
        fn.COALESCE(ChargePoint.serial_number, ChargePoint.charge_box_serial_number),
        ChargePoint.firmware_version,
        ChargePoint.registration,
        ChargePoint.security_profile,
        ChargePoint.last_seen_at,
        ChargePoint.present_until,
        ChargePoint.offline_since,
        ChargePoint.connected_at,
        connectors,
        ChargePoint.note,
        ChargePoint.call_timeout_s,
        ChargePoint.heartbeat_interval_s,
        # What only the version is made of.
        ChargePoint.id,
        ChargePoint.key_hash,
    )


def _charge_point_row(values: Any, now: datetime) -> ChargePointRow:
    before, (last_seen_at, present_until, offline_since, *after) = values[:7], values[7:-2]
    *_, note, call_timeout_s, heartbeat_interval_s, key, key_hash = values
    version = configuration_version(
        key, values[5], values[6], key_hash, note, call_timeout_s, heartbeat_interval_s
    )
    online = present_until is not None and present_until > now
    # A process that died said no goodbye: its charge points are offline since their presence
    # expired (F6).
    gone_since = None if online else offline_since or present_until
    return ChargePointRow._make((*before, online, last_seen_at, gone_since, *after, version))


class Away(NamedTuple):
    """A charge point that is away, and has not been told offline."""

    id: int
    identity: str


def charge_points_away(before: datetime) -> list[Away]:
    """Those that left before that time, and of which the feed has not told so."""
    query: Any = ChargePoint.select(ChargePoint.id, ChargePoint.identity).where(is_away(before))
    return [Away(*values) for values in query.tuples()]


def is_away(before: Any) -> Any:
    """The condition for that."""
    return (
        ChargePoint.offline_told_at.is_null()
        & ChargePoint.removing_at.is_null()
        & ChargePoint.connected_at.is_null(False)
        # Who left in good order has no presence; of a process that died it has run out (F6).
        & (fn.COALESCE(ChargePoint.present_until, ChargePoint.offline_since) < before)
    )


def configuration_version(*columns: object) -> str:
    """What an operator can change of a charge point, as one text that is another after a change.

    `columns`: key of the row, registration, security profile, hash of the password, note, call
    timeout, Heartbeat interval.
    """
    return "\n".join(map(repr, columns))


def all_charge_points() -> list[ChargePoint]:
    """Every charge point as it is stored, in the order of the ids: for the command line."""
    return list(ChargePoint.select().order_by(ChargePoint.identity))
