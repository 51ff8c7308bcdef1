"""Nothing is stored for a charge point that is being deleted, or that is gone.

Looked at once for all that a group stores, at its end: a row of each charge point is read, and
nothing is locked. What another process commits in that very moment, `removal` clears away.
"""

from __future__ import annotations

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.db.statement import Statement, fn

_REGISTERED = Statement(
    lambda p: ChargePoint.select(ChargePoint.id).where(
        (ChargePoint.id == p.charge_point_id) & ChargePoint.removing_at.is_null()
    )
)
# Of PostgreSQL alone, where each statement is a journey to the server.
_ALL_REGISTERED = Statement(
    lambda p: ChargePoint.select(ChargePoint.id).where(
        (ChargePoint.id == fn.ANY(p.charge_point_ids)) & ChargePoint.removing_at.is_null()
    )
)


class ChargePointRemoved(Exception):
    """The charge point of a connection is not registered any more; nothing was stored."""


def demand_registered(tx: Tx, charge_point_id: int) -> None:
    """Lets the work of this transaction fail with ChargePointRemoved, unless it is registered."""
    tx.later(_look, charge_point_id)


def _look(tx: Tx, charge_point_ids: list[int]) -> None:
    asked = set(charge_point_ids)
    if tx.dialect == "sqlite":
        found = {id for id in asked if tx.one(_REGISTERED, charge_point_id=id) is not None}
    else:
        found = {row[0] for row in tx.all(_ALL_REGISTERED, charge_point_ids=list(asked))}
    if asked - found:
        raise ChargePointRemoved(f"charge points that are gone: {sorted(asked - found)}")
