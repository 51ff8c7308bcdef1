"""Curves over time: where they run, and on which scale."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ocpp_cs.console.curves import BOTTOM, LEFT, RIGHT, TOP, between, curve_of
from tests.api.rows import START

HOUR = timedelta(hours=1)


def test_a_curve_lies_within_its_frame() -> None:
    points = [(START - HOUR, -5.0), (START, 500.0), (START + HOUR, 1000.0), (START + 9 * HOUR, 0.0)]
    curve = curve_of(points, START, START + HOUR, 1.0)
    assert curve.line == f"{LEFT},{BOTTOM} {LEFT},65.0 {RIGHT},{TOP} {RIGHT},{BOTTOM}"
    assert curve.area == f"{LEFT},{BOTTOM} {curve.line} {RIGHT},{BOTTOM}"
    assert [level.value for level in curve.levels] == [1000.0, 500.0]
    assert [label.at - START for label in curve.labels] == [n * HOUR / 4 for n in range(5)]


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 1000.0), (1000.0, 1000.0), (11000.0, 12000.0), (61e6, 80e6)]
)
def test_a_scale_ends_at_a_round_value(highest: float, top: float) -> None:
    curve = curve_of([(START, highest)], START, START + HOUR, 1000.0)
    assert curve.levels[0].value == pytest.approx(top)
    assert len(curve.dots) == 1


def test_power_is_energy_over_time() -> None:
    energy = [(START, 0.0), (START + HOUR / 2, 1000.0), (START + HOUR / 2, 1000.0), (START, 0.0)]
    assert between(energy) == [(START + HOUR / 2, 2000.0)]
