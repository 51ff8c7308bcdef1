"""What one charge point may fill the database with in an hour (A9).

Nothing is refused for good: who is over a quota gets no answer, and has to send it again (§3.7).
"""

from __future__ import annotations

from datetime import timedelta

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import REFUSED_START, Transaction
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.handlers.context import CallContext

_HOUR = timedelta(hours=1)
_REFUSED_SINCE = Statement(
    lambda p: Transaction.select(fn.COUNT(Transaction.id)).where(
        (Transaction.charge_point_id == p.charge_point_id)
        & (Transaction.received_at > p.since)
        & REFUSED_START
    )
)


class QuotaReached(Exception):
    """The start was not stored; the connection ends, and the charge point is to come again later.

    What else is known by it stays: that an older transaction of the connector has ended.
    """


def demand_refused_start(tx: Tx, context: CallContext) -> None:
    """Raises QuotaReached where too many transactions with a refused id tag were stored."""
    limit = context.policy.refused_starts_per_hour
    if not limit:
        return
    row = tx.one(_REFUSED_SINCE, charge_point_id=context.charge_point.id, since=context.now - _HOUR)
    if row is not None and row[0] >= limit:
        raise QuotaReached(f"{row[0]} transactions with a refused id tag in an hour")
