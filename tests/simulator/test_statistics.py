"""Percentiles from buckets, against the sorted list."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.simulator.statistics import Latency


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_percentile_is_within_one_percent(seconds: list[float], share: float) -> None:
    latency = Latency()
    for each in seconds:
        latency.add(each)
    exact = sorted(seconds)[max(math.ceil(share * len(seconds)), 1) - 1]
    assert latency.percentile(share) == pytest.approx(exact, rel=0.0105)


def test_no_answers_no_percentile() -> None:
    assert Latency().percentile(0.5) is None
