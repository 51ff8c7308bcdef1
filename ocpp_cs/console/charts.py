"""Geometry of the charts that templates draw as SVG: where each bar and line is, in units of it.

What they show, and the table that says the same in words, is the templates' affair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 360.0, 132.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 4.0, 356.0, 18.0, 112.0
_GAP = 0.22  # of a bar's place
_MOST_LABELS = 7


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    middle: float
    labelled: bool


class Bars(NamedTuple):
    """Bars from left to right in their order; `top` is the value at the line `top_y`."""

    bars: list[Bar]
    top: float
    top_y: float
    bottom_y: float


class Share(NamedTuple):
    """A part of a whole: where it begins, and how wide it is, of 100."""

    x: float
    width: float


def bars(values: Sequence[float], least: float) -> Bars:
    """The scale ends at a round value, `least` or more. What is below zero has no height."""
    top = round_up(max((*values, least)))
    place = (_RIGHT - _LEFT) / max(len(values), 1)
    step = math.ceil(len(values) / _MOST_LABELS)
    drawn = []
    for number, value in enumerate(values):
        height = (_BOTTOM - _TOP) * max(value, 0.0) / top
        x = _LEFT + place * (number + _GAP / 2)
        width = place * (1 - _GAP)
        # The last one is now.
        labelled = (len(values) - 1 - number) % step == 0
        parts = [round(part, 2) for part in (x, _BOTTOM - height, width, height, x + width / 2)]
        drawn.append(Bar._make((*parts, labelled)))
    return Bars(drawn, top, _TOP, _BOTTOM)


def shares(values: Sequence[float]) -> list[Share]:
    """The parts side by side; nothing at all is no part."""
    whole, x, found = sum(values), 0.0, []
    for value in values:
        width = 100.0 * value / whole if whole else 0.0
        found.append(Share(round(x, 3), round(width, 3)))
        x += width
    return found


def round_up(value: float) -> float:
    """The top of a scale: the next of 1, 2, 5, 10, 20, ...; of a value above zero."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
