"""The reports against a model that splits by brute force, in any zone and grouping; and the same
reports again after their samples were pruned.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocpp_cs.buckets import UNITS, zone_names
from ocpp_cs.db import models
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import from_milliseconds, to_milliseconds
from ocpp_cs.db.reports import (
    EnergyFilter,
    Grouping,
    UtilisationFilter,
    energy_report,
    utilisation_report,
)
from ocpp_cs.retention import meter_values
from tests.api.rows import Rows
from tests.retention import store_of

QUARTER_HOUR = 15 * 60 * 1000
DAY = 96 * QUARTER_HOUR
# After the beginning: when it is, and what sessions may lie within.
NOW = 4 * DAY
SPAN = (-DAY, 6 * DAY)
KEYS = ("charge_point_id", "connector_id", "id_tag", "parent_id_tag")
CHARGE_POINTS = {1: "CB-2", 2: "CB-1"}
STATUSES = ("Available", "Charging", "Faulted")
by_brute_force = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass
class Session:
    charge_point: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    start: int
    length: int
    meter_start_wh: int
    energy_wh: int
    active: bool
    samples: list[tuple[int, int]]  # since the start, over the register there

    def value(self, key: str) -> Any:
        return CHARGE_POINTS[self.charge_point] if key == KEYS[0] else getattr(self, key)


offsets = st.integers(-QUARTER_HOUR, 2 * DAY) | st.integers(0, 200).map(lambda n: n * QUARTER_HOUR)
sessions = st.builds(
    Session,
    charge_point=st.sampled_from(sorted(CHARGE_POINTS)),
    connector_id=st.integers(1, 2),
    id_tag=st.sampled_from(["a", "b"]),
    parent_id_tag=st.sampled_from([None, "fleet"]),
    start=offsets,
    length=offsets,
    meter_start_wh=st.integers(0, 100),
    energy_wh=st.integers(-50, 20_000),
    active=st.booleans(),
    samples=st.lists(st.tuples(offsets, st.integers(-50, 21_000)), max_size=8),
)
# Around the changes of most clocks, and the new year.
begins = st.sampled_from(
    [
        to_milliseconds(datetime(*day, tzinfo=UTC))
        for day in ((2018, 11, 3), (2024, 3, 30), (2024, 10, 26), (2025, 12, 30), (2026, 3, 8))
    ]
)
windows = st.tuples(st.none() | offsets, st.none() | offsets)
groupings = st.builds(
    Grouping,
    keys=st.sets(st.sampled_from(KEYS)).map(lambda keys: tuple(k for k in KEYS if k in keys)),
    unit=st.sampled_from([*UNITS, None]),
    zone=st.sampled_from(sorted(zone_names())).map(ZoneInfo),
)


def store(rows: Rows, begin: int, each: list[Session]) -> None:
    rows.clear(models.Transaction, models.MeterValue, models.RegisterReading, models.ChargePoint)
    with rows.together():
        for key, identity in CHARGE_POINTS.items():
            rows.charge_point(identity, id=key)
        for session in each:
            start = begin + session.start
            id = rows.transaction(
                session.charge_point,
                connector_id=session.connector_id,
                id_tag=session.id_tag,
                id_tag_key=session.id_tag,
                parent_id_tag=session.parent_id_tag,
                parent_id_tag_key=session.parent_id_tag,
                started_at=from_milliseconds(start),
                meter_start_wh=session.meter_start_wh,
                **end_of(session, start + session.length),
            )
            for at, over in dict(session.samples).items():
                rows.sample(
                    id,
                    from_milliseconds(start + at),
                    "",
                    value=session.meter_start_wh + over,
                    charge_point_id=session.charge_point,
                )


def end_of(session: Session, at: int) -> dict[str, Any]:
    register = session.meter_start_wh + session.energy_wh
    if session.active:
        return {"last_register_at": from_milliseconds(at), "last_register_wh": register}
    return {"stopped_at": from_milliseconds(at), "meter_stop_wh": register}


# --- the model


def register_at(session: Session, begin: int, time: int) -> int:
    """Over the register of the start."""
    start = begin + session.start
    end = start + session.length
    if time <= start:
        return 0
    if time >= end:
        return session.energy_wh
    usable = [(start, 0)]
    for at, over in sorted(dict(session.samples).items()):
        if start < start + at < end and usable[-1][1] <= over <= session.energy_wh:
            usable.append((start + at, over))
    for (since, low), (until, high) in pairwise([*usable, (end, session.energy_wh)]):
        if since <= time < until:
            return round(low + Fraction((high - low) * (time - since), until - since))
    raise AssertionError


def duration_at(session: Session, begin: int, time: int) -> int:
    start = begin + session.start
    end = begin + NOW if session.active else start + session.length
    if time <= start:
        return 0
    return end - start if time >= end else time - start


def bucket_at(grouping: Grouping, at: int) -> str | None:
    local = from_milliseconds(at).astimezone(grouping.zone)
    week = local.isocalendar()
    names = {
        "hour": f"{local:%Y-%m-%dT%H}{local.isoformat()[-6:]}",
        "day": f"{local:%Y-%m-%d}",
        "week": f"{week.year}-W{week.week:02}",
        "month": f"{local:%Y-%m}",
        "year": f"{local:%Y}",
    }
    return names[grouping.unit] if grouping.unit else None


def quarters(grouping: Grouping, window: tuple[int, int]) -> list[tuple[int, int, str | None]]:
    """The window in pieces of a quarter hour at most, with the bucket that each lies in."""
    first = window[0] - window[0] % QUARTER_HOUR
    cuts = sorted({*window, *range(first + QUARTER_HOUR, window[1], QUARTER_HOUR)})
    found: list[tuple[int, int, str | None]] = []
    for since, until in pairwise(cuts):
        name = bucket_at(grouping, since)
        # A date that has begun stays, even if the clock goes back over midnight.
        if found and name and grouping.unit != "hour":
            name = max(name, found[-1][2] or "")
        found.append((since, until, name))
    return found


def modelled(
    each: list[Session], begin: int, grouping: Grouping, window: tuple[int, int]
) -> dict[Any, list[int]]:
    """What is not zero, by bucket and key."""
    found: defaultdict[Any, list[int]] = defaultdict(lambda: [0, 0, 0])
    for session in each:
        key = tuple(session.value(key) for key in grouping.keys)
        for since, until, name in quarters(grouping, window):
            cell = found[(name, *key)]
            cell[0] += register_at(session, begin, until) - register_at(session, begin, since)
            cell[1] += since <= begin + session.start < until
            cell[2] += duration_at(session, begin, until) - duration_at(session, begin, since)
    return {key: cell for key, cell in found.items() if any(cell)}


def cut(begin: int, window: tuple[int | None, int | None]) -> tuple[int, int]:
    since, until = (begin + side for side in SPAN)
    return (
        since if window[0] is None else begin + window[0],
        until if window[1] is None else begin + window[1],
    )


def filtered(begin: int, window: tuple[int | None, int | None]) -> dict[str, Any]:
    sides = zip(("since", "until"), window, strict=True)
    return {name: from_milliseconds(begin + at) for name, at in sides if at is not None}


def reported(engine: Engine, begin: int, grouping: Grouping, **wanted: Any) -> list[Any]:
    now = from_milliseconds(begin + NOW)
    return energy_report(engine, EnergyFilter(**wanted), grouping, now=now).read(None, 10**6)


def bucket_of(row: Any, grouping: Grouping) -> Any:
    return row.bucket[:13] + row.bucket[-6:] if grouping.unit == "hour" else row.bucket


def key_of(row: Any, grouping: Grouping) -> Any:
    return tuple(getattr(row, key) for key in grouping.keys)


# --- the reports


@by_brute_force
@given(begins, st.lists(sessions, max_size=4), groupings, windows)
def test_energy_is_as_by_brute_force(
    engine: Engine,
    rows: Rows,
    begin: int,
    each: list[Session],
    grouping: Grouping,
    window: tuple[int | None, int | None],
) -> None:
    store(rows, begin, each)
    found = reported(engine, begin, grouping, **filtered(begin, window))
    figures = {
        (bucket_of(row, grouping), *key_of(row, grouping)): [
            row.energy_wh,
            row.transactions,
            round(row.duration_s * 1000),
        ]
        for row in found
    }
    assert len(figures) == len(found)
    inside = cut(begin, window)
    expected = modelled(each, begin, grouping, inside) if inside[0] < inside[1] else {}
    assert {key: cell for key, cell in figures.items() if any(cell)} == expected
    # Every group in every bucket, and buckets that meet.
    groups = sorted({key_of(row, grouping) for row in found}, key=str)
    starts = sorted({(row.begins, row.bucket_end) for row in found}, key=str)
    assert len(found) == len(groups) * len(starts)
    ends = [end for _, end in starts[:-1]]
    assert ends == [from_milliseconds(begins) for begins, _ in starts[1:]]


@by_brute_force
@given(begins, st.lists(sessions, max_size=4), groupings)
def test_buckets_add_up_to_the_sessions(
    engine: Engine, rows: Rows, begin: int, each: list[Session], grouping: Grouping
) -> None:
    store(rows, begin, each)
    found = reported(engine, begin, grouping)
    assert sum(row.energy_wh for row in found) == sum(session.energy_wh for session in each)
    assert sum(row.transactions for row in found) == len(each)
    lengths = [NOW - each.start if each.active else each.length for each in each]
    assert sum(round(row.duration_s * 1000) for row in found) == sum(lengths)


@by_brute_force
@given(begins, st.lists(sessions, max_size=4), st.lists(groupings, min_size=1, max_size=4), windows)
def test_no_report_changes_when_samples_are_pruned(
    engine: Engine,
    rows: Rows,
    begin: int,
    each: list[Session],
    asked: list[Grouping],
    window: tuple[int | None, int | None],
) -> None:
    sides = [None if at is None else (begin + at) // QUARTER_HOUR * QUARTER_HOUR for at in window]
    wanted = {
        name: from_milliseconds(at)
        for name, at in zip(("since", "until"), sides, strict=True)
        if at is not None
    }
    store(rows, begin, each)
    before = [reported(engine, begin, grouping, **wanted) for grouping in asked]
    prune(engine, from_milliseconds(begin + 10 * DAY))
    assert [reported(engine, begin, grouping, **wanted) for grouping in asked] == before
    assert ids_with_samples(engine) <= ids_of_active(engine)
    # Late samples join what was kept, and go with it.
    late = [session for session in each if not session.active]
    if late:
        at = from_milliseconds(begin + late[0].start + late[0].length // 2)
        for id in engine.read(lambda: {row[0] for row in sessions_of(late[0])}):
            rows.sample(id, at, "", value=3000, charge_point_id=late[0].charge_point)
        before = [reported(engine, begin, grouping, **wanted) for grouping in asked]
        prune(engine, from_milliseconds(begin + 10 * DAY))
        assert [reported(engine, begin, grouping, **wanted) for grouping in asked] == before


def prune(engine: Engine, before: datetime) -> None:
    committer = Committer(engine)
    try:
        for _ in meter_values.steps(store_of(committer), before, False):
            pass
    finally:
        committer.close()


def ids_with_samples(engine: Engine) -> set[int]:
    query: Any = models.MeterValue.select(models.MeterValue.transaction_id).distinct().tuples()
    return engine.read(lambda: {id for (id,) in query})


def ids_of_active(engine: Engine) -> set[int]:
    query: Any = models.Transaction.select(models.Transaction.id)
    active = query.where(models.Transaction.stopped_at.is_null()).tuples()
    return engine.read(lambda: {id for (id,) in active})


def sessions_of(session: Session) -> Any:
    query: Any = models.Transaction.select(models.Transaction.id)
    return query.where(
        models.Transaction.charge_point_id == session.charge_point,
        models.Transaction.stopped_at.is_null(False),
    ).tuples()


statuses = st.lists(
    st.tuples(
        st.sampled_from(sorted(CHARGE_POINTS)),
        st.integers(0, 2),
        offsets,
        st.sampled_from(STATUSES),
    ),
    max_size=8,
)


@by_brute_force
@given(begins, statuses, groupings, windows)
def test_utilisation_is_as_by_brute_force(
    engine: Engine,
    rows: Rows,
    begin: int,
    events: list[tuple[int, int, int, str]],
    grouping: Grouping,
    window: tuple[int | None, int | None],
) -> None:
    keys = tuple(key for key in grouping.keys if key in KEYS[:2])
    grouping = Grouping(keys, grouping.unit, grouping.zone)
    store_events(rows, begin, events)
    wanted = UtilisationFilter(**filtered(begin, window))
    now = from_milliseconds(begin + NOW)
    found = utilisation_report(engine, wanted, grouping, now=now).read(None, 10**6)
    figures = {
        (bucket_of(row, grouping), *key_of(row, grouping), row.status): row.duration_s * 1000
        for row in found
    }
    expected: defaultdict[Any, int] = defaultdict(int)
    inside = cut(begin, window)
    for since, until, name in quarters(grouping, inside) if inside[0] < inside[1] else ():
        for key, status, length in lasting(begin, events, since, min(until, begin + NOW)):
            shown = dict(zip(KEYS, (CHARGE_POINTS[key[0]], key[1]), strict=False))
            expected[name, *(shown[column] for column in keys), status] += length
    assert figures == pytest.approx(expected)
    shares: defaultdict[Any, float] = defaultdict(float)
    for row in found:
        shares[row.begins, key_of(row, grouping)] += row.share
    assert all(share == pytest.approx(1, abs=1e-5) for share in shares.values())


def store_events(rows: Rows, begin: int, events: list[tuple[int, int, int, str]]) -> None:
    rows.clear(models.StatusEvent, models.Connector, models.ChargePoint)
    with rows.together():
        for key, identity in CHARGE_POINTS.items():
            rows.charge_point(identity, id=key)
            for connector_id in range(3):
                rows.connector(key, connector_id)
        for number, (charge_point, connector_id, at, status) in enumerate(events):
            rows.status_event(
                charge_point,
                connector_id,
                status,
                from_milliseconds(begin + at),
                event_key=str(number),
            )


def lasting(
    begin: int, events: list[tuple[int, int, int, str]], since: int, until: int
) -> list[tuple[tuple[int, int], str, int]]:
    """What was so in a time of at most a quarter hour, millisecond-exact."""
    found = []
    for key in {event[:2] for event in events if event[1] > 0}:
        changes = [(begin + at, status) for *of, at, status in events if tuple(of) == key]
        changes.sort(key=lambda change: change[0])
        for (at, status), (ends, _) in pairwise([*changes, (max(until, begin + 10 * DAY), "")]):
            length = min(ends, until) - max(at, since)
            if length > 0:
                found.append((key, status, length))
    return found
