"""Connectors as people read them: their latest status, and the transaction that is open there.

What they were set to by command is in `configuration`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from peewee import fn

from ocpp_cs.db.models import Connector, Transaction
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
