"""The energy registers of sessions, from their samples and from what was kept of pruned ones.

Which of them make the curve of a session, `energy` decides; when samples are pruned, `retention`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from ocpp_cs.db import models
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import to_milliseconds
from ocpp_cs.db.models import MeterSeries
from ocpp_cs.energy import Point
from ocpp_cs.metering import Measurement, Totals, measurement

_OUTLET = "Outlet"  # what was delivered, where a charge point measures elsewhere, too (§7.32)

_SAMPLES = """
WITH wanted (charge_point_id, transaction_id) AS (VALUES {sessions})
SELECT m.transaction_id, m.sampled_at, m.series_id, m.value
FROM wanted CROSS JOIN meter_values AS m
WHERE m.charge_point_id = wanted.charge_point_id AND m.transaction_id = wanted.transaction_id
    AND m.series_id IN ({series}) AND m.value IS NOT NULL
ORDER BY m.transaction_id, m.sampled_at, m.series_id, m.value
"""
_READINGS = """
WITH wanted (charge_point_id, transaction_id) AS (VALUES {sessions})
SELECT r.transaction_id, r.read_at, r.register_wh
FROM wanted CROSS JOIN register_readings AS r
WHERE r.charge_point_id = wanted.charge_point_id AND r.transaction_id = wanted.transaction_id
"""


class Session(NamedTuple):
    """What samples are found by."""

    charge_point_id: int
    transaction_id: int


Series = dict[int, Measurement]  # by their id


def milliseconds(value: Any) -> int:
    """A time as either driver returns it, in milliseconds since 1970."""
    return to_milliseconds(value) if isinstance(value, datetime) else int(value)


def register_series(tx: Tx | None = None) -> Series:
    """The series that energy registers are read from: in a transaction, or in `Engine.read`."""
    return {id: kind for id, kind in _series(tx).items() if kind.import_register}


def power_series() -> Series:
    """The series that the power of a transaction is read from."""
    power = MeterSeries.measurand == "Power.Active.Import"
    return {id: kind for id, kind in _series(None, power).items() if kind.import_power}


def _series(tx: Tx | None, *conditions: Any) -> Series:
    """The series that count for a whole transaction: its total, or one phase of it."""
    query: Any = MeterSeries.select(
        MeterSeries.id,
        MeterSeries.measurand,
        MeterSeries.phase,
        MeterSeries.sent_unit,
        MeterSeries.context,
        MeterSeries.location,
        MeterSeries.format,
    )
    for condition in conditions:
        query = query.where(condition)
    rows = query.tuples() if tx is None else tx.run(query).fetchall()
    kinds = ((id, measurement(*rest)) for id, *rest in rows)
    return {id: kind for id, kind in kinds if kind.total or kind.one_phase}


def registers(sessions: Sequence[Session], series: Series) -> dict[int, list[Point]]:
    """The registers known of at most 500 sessions, by transaction: inside `Engine.read`.

    A reading stands after the sample of the same time, so that it counts.
    """
    found: defaultdict[int, list[Point]] = defaultdict(list)
    if not sessions:
        return found
    places = ", ".join(["(?, ?)"] * len(sessions))
    ids = [id for session in sessions for id in session]
    if series:
        marks = ", ".join("?" * len(series))
        rows = select(_SAMPLES.format(sessions=places, series=marks), [*ids, *series])
        for transaction_id, samples in groupby(rows, itemgetter(0)):
            found[transaction_id] = points((row[1:] for row in samples), series)
    for transaction_id, at, register_wh in select(_READINGS.format(sessions=places), ids):
        found[transaction_id].append((milliseconds(at), register_wh))
    return found


def points(samples: Iterable[Sequence[Any]], series: Series) -> list[Point]:
    """The registers of a session's samples: rows of time, series and value, in that order.

    Samples of one instant are summed up as `metering.Totals` does it, each place and context for
    itself; the outlet's count most.
    """
    found: list[Point] = []
    for at, instant in groupby(samples, itemgetter(0)):
        totals: dict[tuple[bool, str, str], Totals] = {}
        for _, series_id, value in instant:
            kind = series[series_id]
            place = (kind.location == _OUTLET, kind.location, kind.context)
            totals.setdefault(place, Totals()).add(kind, value)
        known = [(place, total.register_wh) for place, total in totals.items()]
        counted = [(place, register) for place, register in known if register is not None]
        if counted:
            found.append((milliseconds(at), max(counted)[1]))
    return found


def select(sql: str, parameters: Sequence[Any]) -> list[Any]:
    """The rows of a statement whose shape depends on its input; `?` is a parameter."""
    database = models.database.obj
    if database.param != "?":
        sql = sql.replace("?", database.param)
    rows: list[Any] = database.execute_sql(sql, parameters).fetchall()
    return rows
