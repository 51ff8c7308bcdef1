"""What the transactions of a filter add up to, at a bounded cost.

Rows themselves are in `transactions`, exact sums by time in `db.reports`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from peewee import fn

from ocpp_cs.db.models import Transaction
from ocpp_cs.db.queries.scans import milliseconds_between
from ocpp_cs.db.queries.transaction_filters import TransactionFilter, few, in_time
from ocpp_cs.db.queries.transactions import in_order, select_transactions

TOTALS_MOST = 5000
"""Transactions that are summed up: some 10 ms."""


class TransactionTotals(NamedTuple):
    """Of the newest `transactions` that match; `all`: there are no others. Energy in Wh, as known
    so far; duration in s, of those that have stopped."""

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
    place = in_time(wanted, None, newest_first=True)
    columns = (
        energy.alias("energy_wh"),
        lasted.alias("lasted_ms"),
        Transaction.stopped_at.alias("stopped"),
    )
    query = select_transactions(columns, few(wanted, place))
    newest = in_order(query, wanted, place, newest_first=True).limit(most + 1)
    rows: list[tuple[float | None, int | None, datetime | None]] = list(newest.tuples())
    counted = rows[:most]
    return TransactionTotals(
        transactions=len(counted),
        all=len(rows) <= most,
        active=sum(stopped is None for _, _, stopped in counted),
        energy_wh=sum(energy_wh or 0.0 for energy_wh, _, _ in counted),
        duration_s=sum(max(lasted_ms or 0, 0) for _, lasted_ms, _ in counted) / 1000,
    )
