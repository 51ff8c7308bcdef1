"""`buckets`: hours to years in every time zone, against its clock, read each quarter hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocpp_cs.buckets import UNITS, TooManyBuckets, Unit, edges, label, zone_names

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUARTER_HOUR = 15 * 60 * 1000
DAY = 96 * QUARTER_HOUR
zones = st.sampled_from(sorted(zone_names()))


def milliseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def local(zone: ZoneInfo, at: int) -> datetime:
    return (EPOCH + timedelta(milliseconds=at)).astimezone(zone)


def naive_edges(zone: ZoneInfo, unit: Unit, since: int, until: int) -> list[int]:
    """Where what the clock shows first belongs to another bucket; the outer ones are `since` and
    `until`. Only for times whose offsets are whole quarter hours."""
    found, shown, highest = [since], naive_label(zone, unit, since), local(zone, since).date()
    for at in range(since - since % QUARTER_HOUR + QUARTER_HOUR, until, QUARTER_HOUR):
        new = naive_label(zone, unit, at)
        # A date that has begun stays, even if the clock goes back over midnight.
        later = unit == "hour" or local(zone, at).date() > highest
        highest = max(highest, local(zone, at).date())
        if new != shown and later:
            found.append(at)
            shown = new
    return [*found, until]


def naive_label(zone: ZoneInfo, unit: Unit, at: int) -> Any:
    time = local(zone, at)
    keys = {
        "hour": (time.date(), time.hour, time.utcoffset()),
        "day": time.date(),
        "week": time.isocalendar()[:2],
        "month": (time.year, time.month),
        "year": time.year,
    }
    return keys[unit]


@given(
    zones,
    st.sampled_from(UNITS),
    st.integers(milliseconds("2012-01-01T00:00:00Z"), milliseconds("2037-01-01T00:00:00Z")),
    st.integers(1, 4 * DAY),
)
@example("America/Sao_Paulo", "day", milliseconds("2018-11-03T12:00:00Z"), 2 * DAY)
@example("America/Sao_Paulo", "month", milliseconds("2018-02-16T12:00:00Z"), 4 * DAY)
@example("America/Havana", "day", milliseconds("2024-11-02T12:00:00Z"), 2 * DAY)
@example("Asia/Beirut", "day", milliseconds("2021-03-27T12:00:00Z"), 2 * DAY)
@example("Australia/Lord_Howe", "hour", milliseconds("2024-04-06T12:00:00Z"), DAY)
@example("Australia/Lord_Howe", "hour", milliseconds("2024-10-05T12:00:00Z"), DAY)
@example("Asia/Kathmandu", "hour", milliseconds("2024-10-05T12:00:00Z"), DAY)
@example("Pacific/Chatham", "day", milliseconds("2024-04-06T10:00:00Z"), DAY)
@example("Europe/Berlin", "hour", milliseconds("2026-10-25T00:30:00Z"), 1)
def test_against_the_clock(name: str, unit: Unit, since: int, length: int) -> None:
    zone, until = ZoneInfo(name), since + length
    found = edges(zone, unit, since, until, 1000)
    assert found[0] <= since < found[1]
    assert found[-2] < until <= found[-1]
    assert all(a < b for a, b in pairwise(found))
    assert [since, *found[1:-1], until] == naive_edges(zone, unit, since, until)
    # The outer ones are edges, too, whoever asks.
    assert edges(zone, unit, found[0], found[-1], 1000) == found
    assert len({label(zone, unit, at) for at in found[:-1]}) == len(found) - 1


@given(zones, st.sampled_from(UNITS), st.integers(-(2**46), 2**48), st.integers(1, 10 * DAY))
def test_any_time_has_a_bucket(name: str, unit: Unit, since: int, length: int) -> None:
    since = min(
        max(since, milliseconds("0001-01-01T00:00:00Z")), milliseconds("9999-12-20T00:00:00Z")
    )
    found = edges(ZoneInfo(name), unit, since, since + length, 1000)
    assert found[0] <= since
    assert found[-1] >= since + length
    assert all(a < b for a, b in pairwise(found))
    assert all(label(ZoneInfo(name), unit, at) for at in found)


@pytest.mark.parametrize("year", [2012, 2026])
def test_clocks_change_at_quarter_hours(year: int) -> None:
    """What pruned samples rely on: no bucket of any zone begins between two quarter hours."""
    days = [milliseconds(f"{year}-01-01T00:00:00Z") + day * DAY for day in range(367)]
    odd = []
    for name in sorted(zone_names()):
        zone = ZoneInfo(name)
        for day, next_day in pairwise(days):
            if local(zone, day).utcoffset() != local(zone, next_day).utcoffset():
                found = edges(zone, "hour", day, next_day, 30)
                odd += [(name, at) for at in found if at % QUARTER_HOUR]
    assert odd == []


def lengths(name: str, unit: Unit, since: str, until: str) -> list[tuple[str, float]]:
    zone = ZoneInfo(name)
    found = edges(zone, unit, milliseconds(since), milliseconds(until), 1000)
    hours = [(b - a) / 3_600_000 for a, b in pairwise(found)]
    return [(label(zone, unit, at), length) for at, length in zip(found, hours, strict=False)]


def test_days_of_23_and_25_hours() -> None:
    assert lengths("Europe/Berlin", "day", "2026-03-28T23:00:00Z", "2026-03-29T23:00:00Z") == [
        ("2026-03-29", 23),
        ("2026-03-30", 24),
    ]
    assert lengths("Europe/Berlin", "day", "2026-10-24T22:00:00Z", "2026-10-25T22:59:00Z") == [
        ("2026-10-25", 25)
    ]


def test_the_hour_that_comes_twice_is_two() -> None:
    assert lengths("Europe/Berlin", "hour", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z") == [
        ("2026-10-25T02:00+02:00", 1),
        ("2026-10-25T02:00+01:00", 1),
    ]


def test_an_hour_is_cut_where_the_clock_is_changed() -> None:
    name = "Australia/Lord_Howe"  # by half an hour
    assert lengths(name, "hour", "2024-04-06T14:00:00Z", "2024-04-06T16:00:00Z") == [
        ("2024-04-07T01:00+11:00", 1),
        ("2024-04-07T01:30+10:30", 0.5),
        ("2024-04-07T02:00+10:30", 1),
    ]


def test_a_midnight_that_does_not_exist() -> None:
    name = "America/Sao_Paulo"
    assert lengths(name, "day", "2018-11-03T03:00:00Z", "2018-11-04T04:00:00Z") == [
        ("2018-11-03", 24),
        ("2018-11-04", 23),
    ]


def test_a_day_that_a_zone_left_out() -> None:
    assert lengths("Pacific/Apia", "day", "2011-12-29T12:00:00Z", "2011-12-30T12:00:00Z") == [
        ("2011-12-29", 24),
        ("2011-12-31", 24),
    ]


def test_weeks_months_and_years_begin_where_they_should() -> None:
    assert lengths("UTC", "week", "2026-12-31T00:00:00Z", "2027-01-04T00:00:00.001Z") == [
        ("2026-W53", 168),
        ("2027-W01", 168),
    ]
    assert lengths("UTC", "month", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z") == [
        ("2024-02", 29 * 24)
    ]
    assert lengths("UTC", "year", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z") == [
        ("2024", 366 * 24)
    ]


def test_too_many() -> None:
    with pytest.raises(TooManyBuckets):
        edges(ZoneInfo("UTC"), "hour", 0, 11 * QUARTER_HOUR * 4, 10)
    assert len(edges(ZoneInfo("UTC"), "hour", 0, 10 * QUARTER_HOUR * 4, 10)) == 11
