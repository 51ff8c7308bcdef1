"""What the transactions of a filter add up to, at a bounded cost.

Rows themselves are in `transactions`, exact sums by time in `db.reports`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from peewee import SQL, Case, fn

from ocpp_cs.db.models import Transaction
from ocpp_cs.db.queries.scans import milliseconds_between
from ocpp_cs.db.queries.transaction_filters import TransactionFilter, few, in_time
from ocpp_cs.db.queries.transactions import in_order, select_transactions

TOTALS_MOST = 5000
"""Transactions that are summed up: some 20 ms."""


class TransactionTotals(NamedTuple):
    """Of the newest `transactions` that match; `all`: there are no others, which is not known where
    there are as many as are summed up. Energy in Wh, as known so far; duration in s, of those that
    have stopped."""

    transactions: int
    all: bool
    active: int
    energy_wh: float
    duration_s: float


def transaction_totals(wanted: TransactionFilter, *, most: int = TOTALS_MOST) -> TransactionTotals:
    # As floats, since hostile registers would overflow a sum of whole numbers.
    register = fn.COALESCE(Transaction.meter_stop_wh, Transaction.last_register_wh)
    energy = register.cast("DOUBLE PRECISION") - Transaction.meter_start_wh.cast("DOUBLE PRECISION")
    lasted = milliseconds_between(Transaction.started_at, Transaction.stopped_at)
    lasted = Case(None, ((lasted > 0, lasted),))  # clocks go back, too
    active = Case(None, ((Transaction.stopped_at.is_null(), 1),))
    columns = (active.alias("active"), energy.alias("energy"), lasted.alias("lasted"))
    place = in_time(wanted, None, newest_first=True)
    found = select_transactions(columns, few(wanted, place))
    newest = in_order(found, wanted, place, newest_first=True).limit(most).alias("newest")
    query: Any = Transaction.select(
        fn.COUNT(SQL("1")),
        fn.COUNT(newest.c.active),
        fn.COALESCE(fn.SUM(newest.c.energy), 0.0),
        fn.COALESCE(fn.SUM(newest.c.lasted.cast("DOUBLE PRECISION")), 0.0),
    ).from_(newest)
    [(count, running, energy_wh, lasted_ms)] = query.tuples()
    return TransactionTotals(count, count < most, running, energy_wh, lasted_ms / 1000)
