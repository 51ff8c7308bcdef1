"""Workers that share a listening socket: who leaves a connection to whom."""

from __future__ import annotations

import pytest

from config.worker import AHEAD, STALE_S, STARTING_S, Occupancy, leaves_it

LIMIT = 1000


@pytest.mark.parametrize(
    ("own", "least", "leaves"),
    [
        (0, None, False),  # a single one takes all
        (5000, None, False),  # and says itself that it is full
        (500, 500, False),
        (500 + AHEAD - 1, 500, False),
        (500 + AHEAD, 500, True),
        (500, 700, False),
        (LIMIT, LIMIT - 1, True),  # the last place is the other one's
        (LIMIT - 1, LIMIT - 1, False),
        (LIMIT, LIMIT, False),  # all are full: any of them says so
        (LIMIT + 3, LIMIT, False),
    ],
)
def test_who_leaves_a_connection_to_another(own: int, least: int | None, leaves: bool) -> None:
    assert leaves_it(own, least, LIMIT) == leaves


def test_the_others_count_and_only_those_that_live() -> None:
    now = 100.0
    occupancy = Occupancy(clock=lambda: now)
    assert occupancy.least(0) is None
    occupancy.tell(0, 3)
    assert occupancy.least(0) is None
    occupancy.tell(1, 9)
    occupancy.tell(2, 7)
    assert occupancy.least(0) == 7
    assert occupancy.least(2) == 3
    occupancy.clear(2)
    assert occupancy.least(0) == 9
    now += STALE_S + 0.1
    occupancy.tell(2, 50)
    assert occupancy.least(0) == 50


def test_one_that_starts_is_waited_for_but_not_for_ever() -> None:
    now = 100.0
    occupancy = Occupancy(clock=lambda: now)
    occupancy.expect(1)
    now += STARTING_S - 0.1
    assert occupancy.least(0) == 0
    now += 0.2
    assert occupancy.least(0) is None
