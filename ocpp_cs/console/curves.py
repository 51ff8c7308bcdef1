"""Geometry of curves over time, and the course of a transaction as two of them.

As with `charts`: where each line and label is, in units of the SVG. What they say, and the table
that says the same in words, is the templates' affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from ocpp_cs.console.charts import round_up
from ocpp_cs.db.queries import CurvePoint, TransactionCurve, TransactionRow

LEFT, RIGHT, TOP, BOTTOM = 4.0, 356.0, 18.0, 112.0
_LABELS = 4  # of times, below
_LEAST_W, _LEAST_WH = 1000.0, 1000.0
_STEPS = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10)  # whose halves are short, too


class Level(NamedTuple):
    """A line across the chart, and the value that it stands for."""

    y: float
    value: float


class Label(NamedTuple):
    x: float
    at: datetime


class Curve(NamedTuple):
    """`line` and `area` are the `points` of SVG; `dots` are few points, to be marked each."""

    line: str
    area: str
    dots: list[tuple[float, float]]
    levels: list[Level]
    labels: list[Label]


class Course(NamedTuple):
    """`power` and `energy` are None where nothing says how they went; `points` are in words what
    they show, energy since the start. `derived`: power is that between two registers."""

    power: Curve | None
    energy: Curve | None
    points: list[CurvePoint]
    derived: bool
    thinned: bool


Known = Sequence[tuple[datetime, float]]


def course(row: TransactionRow, curve: TransactionCurve, until: datetime) -> Course:
    """The course of a transaction up to its stop, or up to now; without any time there is none."""
    if until <= row.started_at:
        return Course(None, None, [], False, False)
    charged = [
        point._replace(register_wh=point.register_wh - row.meter_start_wh)
        for point in curve.points
        if point.register_wh is not None
    ]
    energy = [(row.started_at, 0.0), *((p.at, float(p.register_wh or 0)) for p in charged)]
    if row.stopped_at is not None and row.energy_wh is not None:
        energy.append((until, float(row.energy_wh)))
    power = [(point.at, point.power_w) for point in curve.points if point.power_w is not None]
    derived = not power and len(energy) > 1
    if derived:
        power = between(energy)
    registers = {point.at: point.register_wh for point in charged}
    powers = dict(power)
    points = [
        CurvePoint(at, powers.get(at), registers.get(at)) for at in sorted({*powers, *registers})
    ]
    return Course(
        curve_of(power, row.started_at, until, _LEAST_W) if power else None,
        curve_of(energy, row.started_at, until, _LEAST_WH) if len(energy) > 1 else None,
        points,
        derived,
        curve.thinned,
    )


def between(energy: Known) -> list[tuple[datetime, float]]:
    """The mean power in W from one register in Wh to the next, at the time of the latter."""
    return [
        (at, (wh - wh_before) * 3600 / (at - before).total_seconds())
        for (before, wh_before), (at, wh) in pairwise(energy)
        if at > before
    ]


def curve_of(points: Known, since: datetime, until: datetime, least: float) -> Curve:
    """A curve from `since` to `until`, on a scale from 0 to a round value, `least` or more."""
    top = round_up(max([least, *(value for _, value in points)]), _STEPS)
    span = max((until - since).total_seconds(), 0.001)

    def x_of(at: datetime) -> float:
        share = min(max((at - since).total_seconds() / span, 0.0), 1.0)
        return round(LEFT + (RIGHT - LEFT) * share, 2)

    def y_of(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * max(value, 0.0) / top, 2)

    places = [(x_of(at), y_of(value)) for at, value in points]
    line = " ".join(f"{x},{y}" for x, y in places)
    area = f"{places[0][0]},{BOTTOM} {line} {places[-1][0]},{BOTTOM}"
    levels = [Level(y_of(value), value) for value in (top, top / 2)]
    labels = [
        Label(round(LEFT + (RIGHT - LEFT) * number / _LABELS, 2), since + share * number)
        for share in [timedelta(seconds=span / _LABELS)]
        for number in range(_LABELS + 1)
    ]
    return Curve(line, area, places if len(places) <= 1 else [], levels, labels)
