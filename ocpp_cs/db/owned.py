"""What belongs to a charge point: the tables with `charge_point_id`, and how their rows go.

Made of the list of tables, so that none is forgotten. When rows may go, others decide.
"""

from __future__ import annotations

from typing import Any

import peewee

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import TABLES, Command, Table, Transaction, TransactionEvidence


def _rank(table: type[Table]) -> int:
    """Commands first, since the end of one may write into other tables; transactions last, since
    their evidence is found by them, and since they are what keeps a charge point from going."""
    return 0 if table is Command else 2 if table is Transaction else 1


OWNED: tuple[type[Table], ...] = tuple(
    sorted((table for table in TABLES if "charge_point_id" in table._meta.fields), key=_rank)
)
"""Tables whose rows each belong to a charge point, in the order in which they are to go."""


def delete_owned(tx: Tx, table: type[Table], charge_point_id: int, limit: int) -> int:
    """Deletes up to `limit` rows of a charge point; how many there were."""
    key = _key(table)
    rows = table.select(*key).where(_owned(table, charge_point_id)).limit(limit)
    place = key[0] if len(key) == 1 else peewee.Tuple(*key)
    return int(tx.run(table.delete().where(place.in_(rows))).rowcount)


def owns_transactions(tx: Tx, charge_point_id: int) -> bool:
    query = Transaction.select(Transaction.id).where(_owned(Transaction, charge_point_id)).limit(1)
    return tx.run(query).fetchone() is not None


def _key(table: type[Table]) -> list[Any]:
    primary = table._meta.primary_key
    if isinstance(primary, peewee.CompositeKey):
        return [getattr(table, name) for name in primary.field_names]
    return [primary]


def _owned(table: Any, charge_point_id: int) -> Any:
    condition = table.charge_point_id == charge_point_id
    if table is TransactionEvidence:  # the only one without an index that begins with it
        of_charge_point = Transaction.select(Transaction.id).where(
            Transaction.charge_point_id == charge_point_id
        )
        condition &= TransactionEvidence.transaction_id.in_(of_charge_point)
    return condition
