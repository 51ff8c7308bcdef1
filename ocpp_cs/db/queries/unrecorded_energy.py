"""Energy that a connector's register shows between two transactions, and none of them recorded.

Each transaction is compared with the one before it at its connector, by the order of their start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN

from ocpp_cs.db.models import ChargePoint, Transaction
from ocpp_cs.db.queries.conditions import key_of, where


class UnrecordedEnergyRow(NamedTuple):
    """A gap between a stop's register and the next start's; energy in Wh."""

    charge_point_id: str
    connector_id: int
    previous_transaction_id: int
    transaction_id: int
    gap_from: datetime
    gap_to: datetime
    meter_stop_wh: int
    meter_start_wh: int
    energy_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrecordedEnergyFilter:
    """Which gaps; None does not filter. `since` and `until` are about where they end."""

    charge_point_id: str | None = None
    connector_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_energy_wh: int = 1


def unrecorded_energy(
    wanted: UnrecordedEnergyFilter, after: tuple[datetime, int] | None, limit: int
) -> list[UnrecordedEnergyRow]:
    """Gaps in the order of their end; the key is (gap_to, transaction_id).

    One after a transaction that has not ended is none: its register at the stop is not known.
    """
    previous = Transaction.alias()
    start, id = Transaction.started_at, Transaction.id
    # Exact numerics, as two hostile registers can differ by 2^64.
    energy = Transaction.meter_start_wh.cast("NUMERIC") - previous.meter_stop_wh.cast("NUMERIC")
    conditions: list[Any] = [
        previous.meter_stop_wh.is_null(False),
        previous.stopped_at.is_null(False),
        energy >= wanted.min_energy_wh,
    ]
    if wanted.charge_point_id is not None:
        conditions.append(Transaction.charge_point_id == key_of(wanted.charge_point_id))
    if wanted.connector_id is not None:
        conditions.append(Transaction.connector_id == wanted.connector_id)
    if wanted.since is not None:
        conditions.append(start >= wanted.since)
    if wanted.until is not None:
        conditions.append(start < wanted.until)
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        conditions += [start >= after[0], (start > after[0]) | (id > after[1])]
    query: Any = (
        Transaction.select(
            ChargePoint.identity,
            Transaction.connector_id,
            previous.id,
            id,
            previous.stopped_at,
            start,
            previous.meter_stop_wh,
            Transaction.meter_start_wh,
        )
        .join(previous, JOIN.INNER, on=(previous.id == _one_before()))
        .join(ChargePoint, JOIN.LEFT_OUTER, on=(ChargePoint.id == Transaction.charge_point_id))
    )
    query = where(query, conditions).order_by(start, id).limit(limit)
    return [UnrecordedEnergyRow._make((*row, row[7] - row[6])) for row in query.tuples()]


def _one_before() -> Any:
    """The id of the transaction before at the same connector: one step in an index per row."""
    other = Transaction.alias()
    return (
        other.select(other.id)
        .where(
            (other.charge_point_id == Transaction.charge_point_id)
            & (other.connector_id == Transaction.connector_id)
            & (other.started_at <= Transaction.started_at)
            & ((other.started_at < Transaction.started_at) | (other.id < Transaction.id))
        )
        .order_by(other.started_at.desc(), other.id.desc())
        .limit(1)
    )
