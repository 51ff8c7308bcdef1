"""`energy`: the curve of a session, its rules for odd samples, and what is left of it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.energy import QUARTER_HOUR, Curve, Point, elapsed

HOUR = 4 * QUARTER_HOUR
DAY = 24 * HOUR
times = st.integers(-DAY, 2 * DAY)
registers = st.integers(-1000, 100_000)
points = st.tuples(times, registers)
# Few values, so that equal ones and exact halves occur.
small = st.tuples(st.integers(-4, 12), st.integers(-3, 9))


def curve(*samples: Point, start: Point = (0, 1000), stop: Point = (HOUR, 2000)) -> Curve:
    return Curve(start, samples, stop)


def naive(start: Point, samples: list[Point], stop: Point, time: int) -> int:
    """The rules in other words: every usable pair of neighbours, as fractions."""
    if time <= start[0]:
        return start[1]
    if time >= stop[0]:
        return stop[1]
    usable = [start]
    for at in sorted({at for at, _ in samples if start[0] < at < stop[0]}):
        register = [wh for other, wh in samples if other == at][-1]
        if usable[-1][1] <= register <= stop[1]:
            usable.append((at, register))
    for (since, low), (until, high) in pairwise([*usable, stop]):
        if since <= time < until:
            return round(low + Fraction((high - low) * (time - since), until - since))
    raise AssertionError


def test_it_is_straight_between_two_points() -> None:
    one = curve((HOUR // 2, 1800))
    assert [one.at(quarter * QUARTER_HOUR) for quarter in range(5)] == [
        1000,
        1400,
        1800,
        1900,
        2000,
    ]


def test_before_the_start_and_after_the_stop_it_is_flat() -> None:
    assert [curve().at(time) for time in (-1, 0, HOUR, HOUR + 1)] == [1000, 1000, 2000, 2000]


def test_halves_are_rounded_to_even() -> None:
    assert [Curve((0, 0), [], (4, 2)).at(time) for time in range(5)] == [0, 0, 1, 2, 2]
    assert [Curve((0, 0), [], (4, -2)).at(time) for time in range(5)] == [0, 0, -1, -2, -2]


def test_odd_samples_are_left_out() -> None:
    at = HOUR // 2
    assert curve((at, 2001)).at(at) == 1500  # above the stop
    assert curve((at, 999)).at(at) == 1500  # below the start
    assert curve((at, 1900), (at + 1, 1899)).at(at + 1) == 1900  # it fell
    assert curve((0, 1500), (HOUR, 1500), (-1, 1500), (HOUR + 1, 1500)).at(at) == 1500


def test_negative_energy_is_straight() -> None:
    assert curve((QUARTER_HOUR, 900), stop=(HOUR, 0)).at(HOUR // 2) == 500


def test_a_stop_not_after_the_start_has_all_energy_at_the_start() -> None:
    for stop in (0, -HOUR):
        one = curve((-HOUR // 2, 1500), stop=(stop, 2000))
        assert (one.at(stop), one.at(0), one.at(1)) == (1000, 1000, 2000)
        assert (elapsed(0, stop, 0), elapsed(0, stop, 1)) == (0, stop)


@given(small, st.lists(small), small, st.integers(-5, 13))
def test_against_the_rules_in_other_words(
    start: Point, samples: list[Point], stop: Point, time: int
) -> None:
    assert Curve(start, samples, stop).at(time) == naive(start, samples, stop, time)


@given(points, st.lists(points), points, st.lists(times, min_size=1))
def test_parts_add_up(start: Point, samples: list[Point], stop: Point, cuts: list[int]) -> None:
    edges = [-2 * DAY, *sorted(cuts), 3 * DAY]
    one = Curve(start, samples, stop)
    assert sum(one.at(b) - one.at(a) for a, b in pairwise(edges)) == stop[1] - start[1]
    passed = [elapsed(start[0], stop[0], edge) for edge in edges]
    assert sum(b - a for a, b in pairwise(passed)) == stop[0] - start[0]
    if start[1] <= stop[1]:
        assert all(one.at(a) <= one.at(b) for a, b in pairwise(edges))


@given(points, st.lists(points), points)
def test_readings_give_the_same_at_each_quarter_hour(
    start: Point, samples: list[Point], stop: Point
) -> None:
    one = Curve(start, samples, stop)
    readings = one.readings()
    again = Curve(start, readings, stop)
    quarters = range(-DAY, 2 * DAY + 1, QUARTER_HOUR)
    assert [again.at(time) for time in quarters] == [one.at(time) for time in quarters]
    assert again.readings() == readings
    assert len(readings) <= 3 * len(samples) + 2


def test_readings_are_quarter_hours_where_samples_are_dense() -> None:
    minutes = [(minute * 60_000, 1000 + minute * minute // 4) for minute in range(1, 60)]
    readings = curve(*minutes, start=(1, 1000)).readings()
    assert readings == [
        (quarter * QUARTER_HOUR, 1000 + 225 * quarter**2 // 4) for quarter in (1, 2, 3)
    ]


def test_no_readings_where_start_and_stop_say_it_all() -> None:
    assert curve().readings() == []
    assert curve((1, 5000)).readings() == []
