"""The plan of a day: who comes when, and when the line is down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.simulator.day import (
    Visit,
    arrivals_per_hour,
    id_tag_of,
    plan_day,
    plan_outages,
    plan_visits,
    register_at,
)
from ocpp_cs.simulator.vendors import VENDORS, Vendor, vendor_of

START = datetime(2026, 3, 2, tzinfo=UTC)

vendors = st.sampled_from(VENDORS)
seeds = st.integers(0, 10_000)


def by_connector(visits: tuple[Visit, ...]) -> dict[int, list[Visit]]:
    def key(visit: Visit) -> int:
        return visit.connector_id

    return {number: list(group) for number, group in groupby(sorted(visits, key=key), key)}


@given(vendors, seeds)
def test_same_seed_same_day(vendor: Vendor, seed: int) -> None:
    days = [plan_day(Random(seed), vendor, "CP", START, 24, 2.0) for _ in range(2)]
    assert days[0] == days[1]


def test_another_seed_another_day() -> None:
    days = {plan_day(Random(seed), VENDORS[1], "CP", START, 24, 2.0).visits for seed in range(10)}
    assert len(days) == 10


@given(vendors, seeds, st.floats(0.5, 72))
def test_visits_lie_in_the_day_and_never_overlap(vendor: Vendor, seed: int, hours: float) -> None:
    visits = plan_visits(Random(seed), vendor, "CP", START, hours)
    assert all(START <= visit.plugged_in_at < START + timedelta(hours=hours) for visit in visits)
    assert list(visits) == sorted(visits, key=lambda visit: visit.plugged_in_at)
    for number, there in by_connector(visits).items():
        assert 1 <= number <= vendor.connectors
        for earlier, later in pairwise(there):
            assert earlier.leaves_at + earlier.unplugs_after < later.plugged_in_at


@given(vendors, seeds)
def test_every_visit_is_possible(vendor: Vendor, seed: int) -> None:
    for visit in plan_visits(Random(seed), vendor, "CP", START, 48):
        assert 0 < visit.start_soc < visit.target_soc <= 1
        assert visit.plugged_in_at + visit.authorises_after < visit.leaves_at
        assert len(visit.id_tag) <= 20


def test_no_id_tag_is_in_two_places() -> None:
    tags = [
        (identity, connector, driver)
        for identity in ("SIM-0001", "SIM-0002")
        for connector in (1, 2)
        for driver in range(6)
    ]
    assert len({id_tag_of(*each) for each in tags}) == len(tags)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.model)
def test_arrivals_follow_the_hour_of_day(vendor: Vendor) -> None:
    # A year of planned days: the busiest hours have to show, and the quiet ones too.
    rng = Random(1)
    visits = plan_visits(rng, vendor, "CP", START, 24 * 365)
    counts = [0] * 24
    for visit in visits:
        counts[visit.plugged_in_at.hour] += 1
    wanted = [arrivals_per_hour(vendor.site, hour) for hour in range(24)]
    busiest = max(range(24), key=wanted.__getitem__)
    quietest = min(range(24), key=wanted.__getitem__)
    assert counts[busiest] > 4 * counts[quietest]
    # Who finds the connector taken drives on, so fewer come than would like to.
    assert 0.3 < len(visits) / (sum(wanted) * 365 * vendor.connectors) <= 1.1


@given(vendors, seeds, st.floats(0, 20))
def test_outages_do_not_overlap_and_end_before_the_day(
    vendor: Vendor, seed: int, rate: float
) -> None:
    outages = plan_outages(Random(seed), vendor, START, 24, rate)
    ends = [START]
    for outage in outages:
        assert ends[-1] < outage.starts_at < outage.ends_at
        ends.append(outage.ends_at)
    assert ends[-1] < START + timedelta(hours=24) or not outages
    assert rate or not outages


def test_outages_are_as_many_as_asked_for() -> None:
    vendor = vendor_of(0)
    outages = plan_outages(Random(3), vendor, START, 24 * 500, 2.0)
    assert 800 < len(outages) < 1100


@given(vendors, seeds, st.integers(0, 2000), st.floats(1, 400))
def test_a_later_run_begins_above_the_earlier_one(
    vendor: Vendor, seed: int, days: int, later_h: float
) -> None:
    begin = START + timedelta(days=days)
    first = register_at(Random(seed), vendor, begin)
    second = register_at(Random(seed), vendor, begin + timedelta(hours=later_h))
    assert first < second < 2**31


def test_every_vendor_has_its_turn_whatever_the_seed() -> None:
    assert {vendor_of(index) for index in range(len(VENDORS))} == set(VENDORS)


@given(vendors, seeds)
def test_outages_do_not_change_the_visits(vendor: Vendor, seed: int) -> None:
    quiet, rough = (plan_day(Random(seed), vendor, "CP", START, 24, rate) for rate in (0, 9))
    assert quiet.visits == rough.visits
