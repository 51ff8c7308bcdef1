"""Nothing is stored for a charge point that is being deleted, or that is gone.

Looked at once for all that a group stores, at its end: a row of each charge point is read, and
nothing is locked. What another process commits in that very moment, `removal` clears away.
"""

from __future__ import annotations

from collections.abc import Iterable

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.db.statement import Statement, each_of, fn

# One statement for a group: one for each charge point took as long as storing a sample.
_REGISTERED_ON_SQLITE = Statement(
    lambda p: ChargePoint.select(ChargePoint.id).where(
        ChargePoint.id.in_(each_of(p.charge_point_ids)) & ChargePoint.removing_at.is_null()
    )
)
_REGISTERED = Statement(
    lambda p: ChargePoint.select(ChargePoint.id).where(
        (ChargePoint.id == fn.ANY(p.charge_point_ids)) & ChargePoint.removing_at.is_null()
    )
)


class ChargePointRemoved(Exception):
    """The charge point of a connection is not registered any more; nothing was stored."""


def demand_registered(tx: Tx, charge_point_id: int) -> None:
    """Lets the work of this transaction fail with ChargePointRemoved, unless it is registered."""
    tx.later(_look, charge_point_id)


def registered(tx: Tx, charge_point_ids: Iterable[int]) -> set[int]:
    """Those of the charge points that are registered, and not being deleted."""
    asked = set(charge_point_ids)
    if tx.dialect == "sqlite":
        listed = ",".join(map(str, asked))
        rows = tx.all(_REGISTERED_ON_SQLITE, charge_point_ids=f"[{listed}]")
    else:
        rows = tx.all(_REGISTERED, charge_point_ids=list(asked))
    return {row[0] for row in rows}


def _look(tx: Tx, charge_point_ids: list[int]) -> None:
    gone = set(charge_point_ids) - registered(tx, charge_point_ids)
    if gone:
        raise ChargePointRemoved(f"charge points that are gone: {sorted(gone)}")
