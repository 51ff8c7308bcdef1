"""The hours, days, weeks, months and years of a time zone, as instants.

Pure: what is counted in them is not known here. Times are whole milliseconds since 1970 in UTC.
A bucket begins at the first instant at which the zone's clock shows its beginning or, where that
is skipped, something later; it ends where the next one begins. So a day has 23 or 25 hours when
the clock is changed, and one that a zone left out altogether is none. An hour is cut where the
clock is changed: one that the clock shows twice is two, told apart by their offsets.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

Unit = Literal["hour", "day", "week", "month", "year"]
UNITS: tuple[Unit, ...] = get_args(Unit)

_HOUR = 60 * 60 * 1000
_DAY = 24 * _HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# A clock is never changed by more (Samoa, 2011: a day).
_LARGEST_CHANGE = 2 * _DAY
# Where local times would leave the calendar of `datetime`, there are no edges.
_EARLIEST = date(2, 1, 1)
_LATEST = date(9998, 12, 31)


class TooManyBuckets(ValueError):
    """More buckets than were allowed."""


@cache
def zone_names() -> frozenset[str]:
    """Every time zone that is known."""
    return frozenset(available_timezones())


def edges(zone: ZoneInfo, unit: Unit, since: int, until: int, most: int) -> list[int]:
    """The beginnings of the buckets that hold some of [since, until), and the last one's end.

    The first one may lie before `since`, the last one after `until`; no bucket is empty. Raises
    TooManyBuckets if they would be more than `most`.
    """
    earliest, latest = _milliseconds(_EARLIEST), _milliseconds(_LATEST)
    first = min(max(since, earliest), latest)
    last = min(max(until, first + 1), latest + _DAY)
    found = _hours(zone, first, last, most) if unit == "hour" else None
    if found is None:
        found = _periods(zone, unit, first, last, most)
    return [min(found[0], since), *found[1:-1], max(found[-1], until)]


def label(zone: ZoneInfo, unit: Unit, begins: int) -> str:
    """How a bucket is called: 2026, 2026-03, 2026-W13, 2026-03-29, 2026-03-29T02:00+01:00."""
    earliest = _milliseconds(_EARLIEST)
    local = _local(zone, min(max(begins, earliest), _milliseconds(_LATEST)))
    if unit == "hour":
        return local.isoformat(timespec="minutes")
    if unit == "day":
        return local.date().isoformat()
    if unit == "week":
        year, week, _ = local.isocalendar()
        return f"{year:04}-W{week:02}"
    return f"{local.year:04}-{local.month:02}" if unit == "month" else f"{local.year:04}"


def _hours(zone: ZoneInfo, first: int, last: int, most: int) -> list[int]:
    found = [_hour_of(zone, first)]
    while found[-1] < last:
        if len(found) > most:
            raise TooManyBuckets
        found.append(_next_hour(zone, found[-1]))
    return found


def _hour_of(zone: ZoneInfo, at: int) -> int:
    """Where the hour that holds an instant begins."""
    offset = _offset(zone, at)
    begins = at - (at + offset) % _HOUR
    if _offset(zone, begins) == offset:
        return begins
    return _first(begins, at, lambda time: _offset(zone, time) == offset)


def _next_hour(zone: ZoneInfo, begins: int) -> int:
    offset = _offset(zone, begins)
    ends = begins + _HOUR - (begins + offset) % _HOUR
    if _offset(zone, ends) == offset:
        return ends
    return _first(begins, ends, lambda time: _offset(zone, time) != offset)


def _periods(zone: ZoneInfo, unit: Unit, first: int, last: int, most: int) -> list[int]:
    day = _period_of(unit, _local(zone, first).date())
    found = [_midnight(zone, day)]
    while found[-1] < last:
        if len(found) > most:
            raise TooManyBuckets
        day = _next_period(unit, day)
        begins = _midnight(zone, day)
        if begins <= first:  # the clock went back over midnight: it is the next day for good
            found = [begins]
        elif begins > found[-1]:  # else the zone left it out
            found.append(begins)
    return found


def _period_of(unit: Unit, day: date) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def _next_period(unit: Unit, day: date) -> date:
    if unit == "day":
        return day + timedelta(days=1)
    if unit == "week":
        return day + timedelta(days=7)
    if unit == "month":
        return (day + timedelta(days=31)).replace(day=1)
    return day.replace(year=day.year + 1)


def _midnight(zone: ZoneInfo, day: date) -> int:
    """The first instant at which the zone's clock shows this date, or a later one."""
    wanted = datetime(day.year, day.month, day.day)
    begins = (wanted.replace(tzinfo=zone) - _EPOCH) // _MILLISECOND
    if _local(zone, begins).replace(tzinfo=None) == wanted:
        return begins
    return _first(
        begins - _LARGEST_CHANGE,
        begins,
        lambda time: _local(zone, time).replace(tzinfo=None) >= wanted,
    )


def _first(before: int, found: int, holds: Callable[[int], bool]) -> int:
    """The first whole second after `before` from which something holds, as it does at `found`."""
    low, high = before // 1000, found // 1000 + (found % 1000 > 0)
    while low + 1 < high:
        middle = (low + high) // 2
        if holds(middle * 1000):
            high = middle
        else:
            low = middle
    return high * 1000


def _local(zone: ZoneInfo, at: int) -> datetime:
    return (_EPOCH + at * _MILLISECOND).astimezone(zone)


def _offset(zone: ZoneInfo, at: int) -> int:
    return (_local(zone, at).utcoffset() or timedelta()) // _MILLISECOND


def _milliseconds(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY
