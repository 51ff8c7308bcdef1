"""Prunes meter values, a bounded chunk at a time, so that no report changes by it.

In the transaction that deletes the samples of a session, what reports need of them is stored as
register readings. How long samples are kept, and when this runs, is the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import from_milliseconds
from ocpp_cs.db.models import ChargePoint, MeterValue, RegisterReading, Transaction
from ocpp_cs.db.registers import Series, milliseconds, points, register_series
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.energy import Curve

if TYPE_CHECKING:
    from ocpp_cs.retention import Store

# Rows that a chunk deletes: on SQLite their statements run on the event loop. The registers of one
# transaction go together, however many they are.
_CHUNK = 1000
# Transactions that a chunk looks at.
_LOOKED_AT = 1000

_SESSION = Statement(
    lambda p: Transaction.select(
        Transaction.charge_point_id,
        Transaction.started_at,
        Transaction.meter_start_wh,
        Transaction.stopped_at,
        Transaction.meter_stop_wh,
    ).where((Transaction.id == p.transaction_id) & (Transaction.stopped_at < p.before))
)
_DELETE_SAMPLES = Statement(
    lambda p: (
        MeterValue.delete()
        .where(
            (MeterValue.charge_point_id == p.charge_point_id)
            & (MeterValue.transaction_id == p.transaction_id)
        )
        .returning(MeterValue.sampled_at, MeterValue.series_id, MeterValue.value)
    )
)
_READINGS = Statement(
    lambda p: RegisterReading.select(RegisterReading.read_at, RegisterReading.register_wh).where(
        (RegisterReading.charge_point_id == p.charge_point_id)
        & (RegisterReading.transaction_id == p.transaction_id)
    )
)
_DELETE_READINGS = Statement(
    lambda p: RegisterReading.delete().where(
        (RegisterReading.charge_point_id == p.charge_point_id)
        & (RegisterReading.transaction_id == p.transaction_id)
    )
)
_INSERT_READING = Statement(
    lambda p: RegisterReading.insert(
        charge_point_id=p.charge_point_id,
        transaction_id=p.transaction_id,
        read_at=p.read_at,
        register_wh=p.register_wh,
    )
)
_DELETE_LOOSE = Statement(
    lambda p: MeterValue.delete().where(
        (MeterValue.charge_point_id == p.charge_point_id)
        & (MeterValue.transaction_id == 0)
        & (MeterValue.sampled_at <= p.until)
        & (MeterValue.sampled_at < p.before)
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a run has come: first through the transactions by their stop, then through the
    charge points with samples of no transaction."""

    stopped: tuple[datetime, datetime, int] | None = None
    charge_point_id: int | None = None


class Pruned(NamedTuple):
    """What a chunk came to. `more`: there may be more, from `place` on."""

    removed: int  # rows
    more: bool
    place: Place


class _Candidate(NamedTuple):
    stopped_at: datetime
    started_at: datetime
    id: int
    charge_point_id: int


def steps(store: Store, before: datetime, dry_run: bool) -> Iterator[int]:
    """All of them, chunk by chunk: the rows that each deleted, or would delete."""
    place = Place()
    more = True
    while more:
        look = _count if dry_run else prune_meter_values
        removed, more, place = look(store, before, place)
        yield removed


def prune_meter_values(store: Store, before: datetime, place: Place | None = None) -> Pruned:
    """Deletes one chunk of the samples of transactions that stopped before a time, and of samples
    of no transaction that are older than that.

    To be called again with the `place` that it returned, until there is no more. A run from the
    beginning finds what came late, too.
    """
    place = place or Place()
    if place.charge_point_id is None:
        return _prune_sessions(store, before, place)
    return _prune_loose(store, before, place.charge_point_id)


def _count(store: Store, before: datetime, place: Place) -> Pruned:
    """What a chunk would delete."""

    def sessions() -> Pruned:
        found, end = _sessions(before, place)
        rows = sum(_samples(each) for each in found)
        return Pruned(rows, True, Place(charge_point_id=0) if end is None else Place(end))

    def loose() -> Pruned:
        old = (MeterValue.transaction_id == 0) & (MeterValue.sampled_at < before)
        query: Any = (
            MeterValue.select(fn.COUNT(MeterValue.sampled_at))
            .join(ChargePoint, on=(ChargePoint.id == MeterValue.charge_point_id))
            .where(old)
        )
        return Pruned(int(query.scalar()), False, place)

    return store.engine.read(sessions if place.charge_point_id is None else loose)


def _prune_sessions(store: Store, before: datetime, place: Place) -> Pruned:
    found, end = store.engine.read(lambda: _sessions(before, place))
    removed = 0
    if len(found) == 1:
        removed = _thin(store, found[0])
        if removed:
            return Pruned(removed, True, place)
    if found:
        removed = store.write(lambda tx: _prune(tx, [each.id for each in found], before))
    return Pruned(removed, True, Place(charge_point_id=0) if end is None else Place(end))


def _sessions(
    before: datetime, place: Place
) -> tuple[list[_Candidate], tuple[datetime, datetime, int] | None]:
    """Transactions with samples, and up to which one it was looked; None: there are no more."""
    stop, start, id = Transaction.stopped_at, Transaction.started_at, Transaction.id
    query: Any = Transaction.select(stop, start, id, Transaction.charge_point_id)
    query = query.where(stop < before)
    if place.stopped is not None:
        last_stop, last_start, last_id = place.stopped
        same_stop = (start > last_start) | ((start == last_start) & (id > last_id))
        query = query.where(stop >= last_stop, (stop > last_stop) | same_stop)
    query = query.order_by(stop, start, id).limit(_LOOKED_AT)
    candidates = [_Candidate(*row) for row in query.tuples()]
    found: list[_Candidate] = []
    rows, last = 0, place.stopped
    for candidate in candidates:
        samples = _samples(candidate)
        if found and samples > _CHUNK:
            return found, last  # it gets chunks of its own
        last = candidate[:3]
        if samples:
            found.append(candidate)
            rows += samples
        if rows >= _CHUNK:
            return found, last
    more = len(candidates) == _LOOKED_AT
    return found, last if more else None


def _thin(store: Store, candidate: _Candidate) -> int:
    """Deletes a chunk of what no report needs, where a session has more of it than a chunk."""

    def others(series: Series) -> Any:
        return (
            (MeterValue.charge_point_id == candidate.charge_point_id)
            & (MeterValue.transaction_id == candidate.id)
            & MeterValue.series_id.not_in(sorted(series))
        )

    def last_of_a_chunk() -> Any:
        times: Any = MeterValue.select(MeterValue.sampled_at).where(others(register_series()))
        times = times.order_by(MeterValue.sampled_at).offset(_CHUNK - 1).limit(1)
        return next((row[0] for row in times.tuples()), None)

    def delete(tx: Tx) -> int:
        query = MeterValue.delete().where(
            others(register_series(tx)), MeterValue.sampled_at <= until
        )
        return int(tx.run(query).rowcount)

    until = store.engine.read(last_of_a_chunk)
    return 0 if until is None else store.write(delete)


def _samples(candidate: _Candidate) -> int:
    query: Any = MeterValue.select(fn.COUNT(MeterValue.sampled_at)).where(
        (MeterValue.charge_point_id == candidate.charge_point_id)
        & (MeterValue.transaction_id == candidate.id)
    )
    return int(query.scalar())


def _prune(tx: Tx, transaction_ids: list[int], before: datetime) -> int:
    series = register_series(tx)
    return sum(_prune_session(tx, id, before, series) for id in transaction_ids)


def _prune_session(tx: Tx, transaction_id: int, before: datetime, series: Series) -> int:
    row = tx.one(_SESSION, transaction_id=transaction_id, before=before)
    if row is None:
        return 0
    charge_point_id, started_at, meter_start_wh, stopped_at, meter_stop_wh = row
    key = {"charge_point_id": charge_point_id, "transaction_id": transaction_id}
    # What is deleted is what is counted, also if a sample arrives just now.
    deleted = tx.all(_DELETE_SAMPLES, **key)
    known = points(
        sorted(row for row in deleted if row[1] in series and row[2] is not None), series
    )
    kept = [(milliseconds(at), register_wh) for at, register_wh in tx.all(_READINGS, **key)]
    curve = Curve(
        (milliseconds(started_at), meter_start_wh),
        [*known, *kept],
        (milliseconds(stopped_at), meter_stop_wh),
    )
    if kept:
        tx.execute(_DELETE_READINGS, **key)
    readings = [
        {**key, "read_at": from_milliseconds(at), "register_wh": register_wh}
        for at, register_wh in curve.readings()
    ]
    if readings:
        tx.execute_many(_INSERT_READING, readings)
    return len(deleted)


def _prune_loose(store: Store, before: datetime, charge_point_id: int) -> Pruned:
    found = store.engine.read(lambda: _loose(before, charge_point_id))
    if found is None:
        return Pruned(0, False, Place(charge_point_id=charge_point_id))
    values = {"charge_point_id": found[0], "until": found[1], "before": before}
    removed: int = store.write(lambda tx: tx.execute(_DELETE_LOOSE, **values).rowcount)
    return Pruned(removed, True, Place(charge_point_id=found[0]))


def _loose(before: datetime, charge_point_id: int) -> tuple[int, datetime] | None:
    """The next charge point with such samples, and the time of the last one of a chunk."""
    old = (
        (MeterValue.charge_point_id == ChargePoint.id)
        & (MeterValue.transaction_id == 0)
        & (MeterValue.sampled_at < before)
    )
    query: Any = (
        ChargePoint.select(ChargePoint.id)
        .where(ChargePoint.id >= charge_point_id, fn.EXISTS(MeterValue.select().where(old)))
        .order_by(ChargePoint.id)
        .limit(1)
    )
    id = query.scalar()
    if id is None:
        return None
    times: Any = (
        MeterValue.select(MeterValue.sampled_at)
        .where(
            (MeterValue.charge_point_id == id)
            & (MeterValue.transaction_id == 0)
            & (MeterValue.sampled_at < before)
        )
        .order_by(MeterValue.sampled_at)
        .offset(_CHUNK - 1)
        .limit(1)
    )
    return id, next((row[0] for row in times.tuples()), before)
