"""The list of transactions in bulk: the values of `transactions`, column by column.

What filters and order mean stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from peewee import fn

from ocpp_cs.db.models import ChargePoint, Transaction
from ocpp_cs.db.queries.scans import Scan, milliseconds_between, time_text
from ocpp_cs.db.queries.transaction_filters import TransactionFilter, few, in_time
from ocpp_cs.db.queries.transactions import in_order, select_transactions


def transaction_scan(
    wanted: TransactionFilter,
    after: tuple[datetime, int] | None,
    limit: int,
    *,
    now: datetime,
    newest_first: bool = True,
) -> Scan:
    """What `transactions` gives, as columns with the names of `TransactionRow`."""
    place = in_time(wanted, after, newest_first=newest_first)
    query = select_transactions(_values(now), few(wanted, place))
    return Scan(in_order(query, wanted, place, newest_first=newest_first).limit(limit), _columns)


def _values(now: datetime) -> tuple[Any, ...]:
    start, stop = Transaction.started_at, Transaction.stopped_at
    return (
        Transaction.id,
        ChargePoint.identity,
        Transaction.connector_id,
        Transaction.id_tag,
        Transaction.parent_id_tag,
        Transaction.id_tag_status,
        time_text(start),
        time_text(stop),
        time_text(Transaction.received_at),
        Transaction.meter_start_wh,
        Transaction.meter_stop_wh,
        Transaction.max_power_w,
        Transaction.stop_reason,
        Transaction.stop_id_tag,
        Transaction.reservation_id,
        Transaction.flags,
        Transaction.last_register_wh,
        milliseconds_between(start, fn.COALESCE(stop, now)),
        milliseconds_between(start, fn.COALESCE(stop, Transaction.last_register_at)),
    )


_NAMES = (
    "id",
    "charge_point_id",
    "connector_id",
    "id_tag",
    "parent_id_tag",
    "id_tag_status",
    "started_at",
    "stopped_at",
    "received_at",
    "meter_start_wh",
    "meter_stop_wh",
    "max_power_w",
    "stop_reason",
    "stop_id_tag",
    "reservation_id",
    "flags",
)


def _columns(rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    *stored, last_register_wh, lasting_ms, measured_ms = zip(*rows, strict=True)
    columns: dict[str, Sequence[Any]] = dict(zip(_NAMES, stored, strict=True))
    stopped = columns["stopped_at"]
    registers = zip(stopped, columns["meter_stop_wh"], last_register_wh, strict=True)
    register_wh = [last if stop is None else final for stop, final, last in registers]
    # Not by the database: two hostile registers can differ by more than it can count.
    energy_wh = columns["energy_wh"] = [
        None if register is None else register - start
        for register, start in zip(register_wh, columns["meter_start_wh"], strict=True)
    ]
    columns["duration_s"] = [ms / 1000 for ms in lasting_ms]
    columns["average_power_w"] = [
        None if wh is None or ms is None or ms <= 0 else round(wh * 3600 / (ms / 1000), 1)
        for wh, ms in zip(energy_wh, measured_ms, strict=True)
    ]
    columns["status"] = ["active" if stop is None else "completed" for stop in stopped]
    return columns
