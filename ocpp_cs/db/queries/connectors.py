"""Connectors as people read them: their latest status, and the transaction that is open there.

What they were set to by command is in `configuration`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from peewee import fn

from ocpp_cs.db.models import ChargePoint, Connector, Transaction
from ocpp_cs.db.queries.conditions import key_of, where


class ConnectorRow(NamedTuple):
    """A connector; 0 is the charge point itself."""

    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    since: datetime
    transaction_id: int | None


def connectors(identity: str, after: tuple[int] | None, limit: int) -> list[ConnectorRow]:
    """Connectors in the order of their numbers; of several open transactions, the latest."""
    conditions: list[Any] = [Connector.charge_point_id == key_of(identity)]
    if after is not None:
        conditions.append(Connector.connector_id > after[0])
    is_open = Transaction.select(fn.MAX(Transaction.id)).where(
        (Transaction.charge_point_id == Connector.charge_point_id)
        & (Transaction.connector_id == Connector.connector_id)
        & Transaction.stopped_at.is_null()
    )
    query = Connector.select(
        Connector.connector_id,
        Connector.status,
        Connector.error_code,
        Connector.info,
        Connector.vendor_id,
        Connector.vendor_error_code,
        Connector.since,
        is_open,
    )
    query = where(query, conditions).order_by(Connector.connector_id).limit(limit)
    return [ConnectorRow(*values) for values in query.tuples()]


def connector_statuses(identities: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    """Number and status of the connectors of charge points, in order; 0 is left out."""
    wanted = list(identities)
    found: dict[str, list[tuple[int, str]]] = {identity: [] for identity in wanted}
    query: Any = (
        Connector.select(ChargePoint.identity, Connector.connector_id, Connector.status)
        .join(ChargePoint, on=(ChargePoint.id == Connector.charge_point_id))
        .where(ChargePoint.identity.in_(wanted) & (Connector.connector_id > 0))
        .order_by(Connector.connector_id)
    )
    for identity, connector_id, status in query.tuples() if wanted else ():
        found[identity].append((connector_id, status))
    return found
