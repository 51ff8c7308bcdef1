"""Counts and histograms: what goes in comes out, also as JSON, and sums of several are sums."""

from __future__ import annotations

import json

from ocpp_cs.figures import Figures, Histogram
from ocpp_cs.ocpp16.errors import CallErrorCode
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM, FROM_CHARGE_POINT
from ocpp_cs.places import PLACE_BYTES


def test_a_value_on_a_bound_counts_below_it() -> None:
    histogram = Histogram((1, 2, 4))
    for value in (0, 1, 1.5, 2, 4, 4.1, 100):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1, 2]
    assert histogram.total == 112.6


def test_figures_of_several_processes_add_up() -> None:
    one, other, total = Figures(), Figures(), Figures()
    one.messages["Heartbeat", "answered"] += 2
    one.losses["try",] += 1
    one.committed(3, 0.02)
    other.messages["Heartbeat", "answered"] += 1
    other.messages["other", "NotImplemented"] += 1
    other.committed(512, 20.0)
    for each in (one, other):
        total.add(json.loads(json.dumps(each.told())))
    assert total.messages == {("Heartbeat", "answered"): 3, ("other", "NotImplemented"): 1}
    assert total.losses == {("try",): 1}
    assert total.group_size.counts == [0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    assert total.group_seconds.total == 20.02
    assert total.group_seconds.counts[-1] == 1


def test_figures_of_another_release_are_taken_as_far_as_they_fit() -> None:
    figures = Figures()
    figures.add({"unheard_of": {"x": 1}, "group_size": {"counts": [1, 2], "total": 9}})
    assert figures.told() == Figures().told()


def test_all_labels_that_there_can_be_fit_into_a_place() -> None:
    figures = Figures()
    outcomes = [*map(str, CallErrorCode), "answered", "unanswered"]
    for action in (*FROM_CHARGE_POINT, "other"):
        for outcome in outcomes:
            figures.messages[action, outcome] = 10**12
    for action in FROM_CENTRAL_SYSTEM:
        for status in ("answered", "rejected", "timeout", "unknown"):
            figures.commands[action, status] = 10**12
    for number in range(40):
        figures.handshakes[f"a_rather_long_reason_of_a_refusal_{number}",] = 10**12
    assert len(json.dumps(figures.told())) < PLACE_BYTES * 3 / 4
