"""Deletes finished transactions with all that belongs to them, when a person asks for it.

Nothing does so by itself, and nothing here touches one that is active.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import MeterValue, RegisterReading, Transaction, TransactionEvidence
from ocpp_cs.ocpp16.times import format_time

if TYPE_CHECKING:
    from ocpp_cs.retention import Store

_CHUNK = 20  # each may have thousands of samples


def count(store: Store, before: datetime) -> int:
    """Finished transactions whose stop lies before this time."""
    return store.engine.read(lambda: int(Transaction.select().where(_due(before)).count()))


def prune(store: Store, before: datetime, *, actor: Actor, now: datetime) -> Iterator[int]:
    """Deletes them, after each step the number of transactions that are gone.

    The first step leaves a line in the audit trail, with the deed in one transaction.
    """
    detail = {"before": format_time(before), "transactions": count(store, before)}
    first = True
    while True:
        keys = store.engine.read(lambda: _next(before))
        if not keys:
            return

        def work(tx: Tx) -> int:
            if first:  # noqa: B023
                audit.record(tx, actor, "transaction.prune", "transactions", now, detail)
            return _delete(tx, keys, before)  # noqa: B023

        yield store.write(work)
        first = False


def _due(before: datetime) -> Any:
    # Of an active one `stopped_at` is null, and null is before nothing.
    return Transaction.stopped_at < before


def _next(before: datetime) -> list[tuple[int, int]]:
    query: Any = (
        Transaction.select(Transaction.id, Transaction.charge_point_id)
        .where(_due(before))
        .order_by(Transaction.id)
        .limit(_CHUNK)
    )
    return list(query.tuples())


def _delete(tx: Tx, keys: list[tuple[int, int]], before: datetime) -> int:
    deleted = 0
    for id, charge_point_id in keys:
        gone = tx.run(Transaction.delete().where((Transaction.id == id) & _due(before))).rowcount
        if not gone:
            continue
        deleted += 1
        for table in (MeterValue, RegisterReading):  # their keys begin with the charge point
            belongs = (table.charge_point_id == charge_point_id) & (table.transaction_id == id)
            tx.run(table.delete().where(belongs))
        tx.run(TransactionEvidence.delete().where(TransactionEvidence.transaction_id == id))
    return deleted
