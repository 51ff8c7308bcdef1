"""Limits of charging over time as a step curve: what a schedule says, and where it is drawn.

How several profiles combine is the charge point's affair (§3.13): each is drawn by itself, and
what it says of all together as it says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ocpp_cs.console.charts import HEIGHT, WIDTH, round_up

_LEFT, _RIGHT, _TOP, _BOTTOM = 4.0, WIDTH - 4.0, 18.0, HEIGHT - 20.0
_DAY_S, _WEEK_S, _HOUR_S = 86400, 604800, 3600
_TICKS = 4


class Step(NamedTuple):
    """A limit from `starts_s` seconds after the start on, until `ends_s`; None: for good."""

    starts_s: int
    ends_s: int | None
    limit: float
    phases: int | None


class Tick(NamedTuple):
    x: float
    after_s: float


class Curve(NamedTuple):
    """`line` and `area` are paths of SVG; `top` is the value at `top_y`, in `unit`."""

    unit: str
    steps: list[Step]
    line: str
    area: str
    top: float
    top_y: float
    bottom_y: float
    ticks: list[Tick]


def curve(schedule: Mapping[str, Any], recurrency: str | None = None) -> Curve | None:
    """Of a ChargingSchedule as it is on the wire; None without any limit."""
    periods = sorted(schedule["chargingSchedulePeriod"], key=lambda each: each["startPeriod"])
    if not periods:
        return None
    end = schedule.get("duration")
    if end is None:
        end = {"Daily": _DAY_S, "Weekly": _WEEK_S}.get(recurrency or "")
    untils = [*(each["startPeriod"] for each in periods[1:]), end]
    steps = [
        Step(each["startPeriod"], until, each["limit"], each.get("numberPhases"))
        for each, until in zip(periods, untils, strict=True)
    ]
    last = steps[-1].starts_s
    # What has no end is drawn a little further than its last step.
    span = max(end or 0, last + max(last / 4, _HOUR_S) if end is None else last, 1)
    top = round_up(max(*(step.limit for step in steps), 1.0))
    points: list[str] = []
    for step in steps:
        until = span if step.ends_s is None else step.ends_s
        y = _BOTTOM - (_BOTTOM - _TOP) * max(step.limit, 0.0) / top
        points.append(f"{_x(step.starts_s, span)} {y:.2f} H {_x(until, span)}")
    line = "M " + " L ".join(points)
    area = f"{line} V {_BOTTOM} H {_x(steps[0].starts_s, span)} Z"
    places = (span * part / _TICKS for part in range(_TICKS + 1))
    ticks = [Tick(_x(each, span), each) for each in places]
    return Curve(schedule["chargingRateUnit"], steps, line, area, top, _TOP, _BOTTOM, ticks)


def _x(seconds: float, span: float) -> float:
    share = min(max(seconds / span, 0.0), 1.0)
    return round(_LEFT + (_RIGHT - _LEFT) * share, 2)
