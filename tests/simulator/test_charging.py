"""Power, energy and what a meter shows: physics that has to add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_cs.simulator.charging import Charging, Reading, full_power_w, idle_reading, taper
from ocpp_cs.simulator.day import make_visit
from ocpp_cs.simulator.vendors import VENDORS, Vendor, vendor_of

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

vendors = st.sampled_from(VENDORS)
seeds = st.integers(0, 10_000)


def charging(vendor: Vendor, seed: int, register_wh: float = 1234.5) -> Charging:
    rng = Random(seed)
    visit = make_visit(rng, vendor, "CP", 1, START)
    return Charging(visit, vendor, register_wh, START, rng)


def readings(car: Charging, minutes: int) -> list[Reading]:
    seen = [car.reading()]
    for minute in range(1, minutes + 1):
        car.advance(START + minute * MINUTE)
        seen.append(car.reading())
    return seen


@given(vendors, seeds)
def test_energy_is_the_integral_of_power(vendor: Vendor, seed: int) -> None:
    car = charging(vendor, seed)
    exact_wh = 0.0
    for step in range(1, 6 * 60 * 3):
        before = car.energy_wh
        car.advance(START + step * timedelta(seconds=10))
        exact_wh += car.power_w * 10 / 3600
        assert car.energy_wh >= before
    assert car.energy_wh == pytest.approx(exact_wh)
    assert car.register_wh == pytest.approx(1234.5 + exact_wh)


@given(vendors, seeds)
def test_what_the_meter_shows_each_minute_adds_up(vendor: Vendor, seed: int) -> None:
    seen = readings(charging(vendor, seed), 180)
    power_wh = sum(reading.power_w for reading in seen[1:]) / 60
    energy_wh = seen[-1].register_wh - seen[0].register_wh
    # Minutes see the ramp and the taper only in steps.
    assert energy_wh == pytest.approx(power_wh, rel=0.05, abs=vendor.max_power_w / 60)


@given(vendors, seeds)
def test_register_never_falls_and_power_never_exceeds_the_connector(
    vendor: Vendor, seed: int
) -> None:
    seen = readings(charging(vendor, seed), 240)
    registers = [reading.register_wh for reading in seen]
    assert registers == sorted(registers)
    assert all(0 <= reading.power_w <= vendor.max_power_w for reading in seen)
    assert all(amperes <= vendor.max_current_a * 1.05 for r in seen for amperes in r.currents)


@given(vendors, seeds)
def test_power_is_voltage_times_current(vendor: Vendor, seed: int) -> None:
    for reading in readings(charging(vendor, seed), 30):
        product = sum(u * i for u, i in zip(reading.voltages, reading.currents, strict=True))
        assert product == pytest.approx(reading.power_w)
        assert len(reading.voltages) == (1 if vendor.direct_current else vendor.phases)
        assert (reading.soc_percent is not None) == vendor.direct_current


@settings(max_examples=15)
@given(vendors, seeds)
def test_a_car_gets_full_and_takes_no_more(vendor: Vendor, seed: int) -> None:
    car = charging(vendor, seed)
    while not car.full:
        assert car.at < START + timedelta(hours=40)
        car.advance(car.at + 10 * MINUTE)
    full_at = car.energy_wh
    car.advance(car.at + 10 * MINUTE)
    assert car.energy_wh == full_at
    assert car.power_w == 0
    assert car.idle


@given(st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_taper_only_falls(direct_current: bool, soc: float, more: float) -> None:
    low, high = sorted((soc, more))
    shares = [taper(each, direct_current=direct_current) for each in (low, high)]
    assert 1 >= shares[0] >= shares[1] > 0


def test_fast_charging_slows_down() -> None:
    vendor = vendor_of(3)
    car = charging(vendor, 5)
    car.advance(START + 3 * MINUTE)
    early = late = car.power_w
    while not car.full:
        car.advance(car.at + MINUTE)
        late = car.power_w or late
    assert early > 25_000
    assert late < early * 0.75


def test_the_weaker_of_car_and_connector_decides() -> None:
    vendor = vendor_of(1)
    visit = make_visit(Random(1), vendor, "CP", 1, START)
    single_phase = replace(visit, vehicle=replace(visit.vehicle, current_a=16, phases=1))
    three_phase = replace(visit, vehicle=replace(visit.vehicle, current_a=63, phases=3))
    assert full_power_w(single_phase, vendor) == 230 * 16
    assert full_power_w(three_phase, vendor) == 230 * 32 * 3


def test_a_limit_holds_from_the_next_moment_on() -> None:
    car = charging(vendor_of(0), 1)
    car.advance(START + 10 * MINUTE)
    car.limit_w = 1500.0
    car.advance(START + 11 * MINUTE)
    assert car.power_w == 1500.0
    car.limit_w = None
    car.advance(START + 12 * MINUTE)
    assert car.power_w > 1500.0


def test_time_does_not_run_backwards() -> None:
    car = charging(vendor_of(0), 1)
    car.advance(START + 10 * MINUTE)
    seen = (car.at, car.energy_wh)
    car.advance(START + 5 * MINUTE)
    assert (car.at, car.energy_wh) == seen


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.model)
def test_idle_meter_shows_no_current(vendor: Vendor) -> None:
    reading = idle_reading(vendor, 99.9, START, Random(1))
    assert reading.register_wh == 99
    assert reading.power_w == 0
    assert set(reading.currents) == {0.0}
