"""Which limit holds when: purposes, stack levels, schedules, and what removes a profile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.ocpp16.messages.smart_charging import ClearChargingProfileRequest
from ocpp_cs.ocpp16.types import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from ocpp_cs.simulator.smart_charging import Profiles, TransactionTimes
from tests.simulator.schemas import faults

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
RUNNING = TransactionTimes(7, NOW)


def profile(
    number: int = 1,
    *limits: tuple[int, float],
    purpose: Any = "TxProfile",
    level: int = 0,
    unit: Any = "W",
    kind: Any = "Relative",
    start: datetime | None = None,
    **more: Any,
) -> ChargingProfile:
    periods = tuple(
        ChargingSchedulePeriod(start_period=start_period, limit=limit)
        for start_period, limit in limits
    )
    schedule = ChargingSchedule(
        charging_rate_unit=unit,
        charging_schedule_period=periods,
        start_schedule=None if start is None else start.isoformat(),
        duration=more.pop("duration", None),
    )
    return ChargingProfile(
        charging_profile_id=number,
        stack_level=level,
        charging_profile_purpose=purpose,
        charging_profile_kind=kind,
        charging_schedule=schedule,
        **more,
    )


def limit(profiles: Profiles, minutes: float = 0, connector_id: int = 1) -> float | None:
    return profiles.limit_w(connector_id, NOW + timedelta(minutes=minutes), RUNNING)


def installed(*entries: tuple[int, ChargingProfile]) -> Profiles:
    profiles = Profiles(2)
    for connector_id, each in entries:
        profiles.install(connector_id, each)
    return profiles


def test_nothing_installed_nothing_limited() -> None:
    assert limit(Profiles(2)) is None


def test_periods_follow_each_other() -> None:
    profiles = installed((1, profile(1, (0, 5000.0), (600, 1000.0))))
    assert [limit(profiles, minutes) for minutes in (0, 9.9, 10, 600)] == [5000, 5000, 1000, 1000]


def test_duration_ends_a_schedule() -> None:
    profiles = installed((1, profile(1, (0, 5000.0), duration=600)))
    assert [limit(profiles, minutes) for minutes in (9.9, 10)] == [5000, None]


def test_amperes_count_three_phases() -> None:
    assert limit(installed((1, profile(1, (0, 10.0), unit="A")))) == 6900


def test_highest_stack_level_wins_and_a_lower_one_steps_in() -> None:
    profiles = installed(
        (1, profile(1, (0, 5000.0), level=1)),
        (1, profile(2, (0, 3000.0), level=2, duration=60)),
    )
    assert [limit(profiles, minutes) for minutes in (0, 2)] == [3000, 5000]


def test_transaction_profile_goes_before_the_default_one() -> None:
    profiles = installed(
        (0, profile(1, (0, 9000.0), purpose="TxDefaultProfile")),
        (1, profile(2, (0, 3000.0))),
    )
    assert limit(profiles, connector_id=1) == 3000
    assert limit(profiles, connector_id=2) == 9000


def test_the_whole_charge_point_is_shared_evenly() -> None:
    maximum = profile(1, (0, 8000.0), purpose="ChargePointMaxProfile")
    profiles = installed((0, maximum), (1, profile(2, (0, 6000.0))))
    assert limit(profiles) == 4000


def test_daily_schedule_recurs() -> None:
    began = NOW - timedelta(days=10)
    nightly = profile(
        1,
        (0, 2000.0),
        (3600, 7000.0),
        purpose="TxDefaultProfile",
        kind="Recurring",
        recurrency_kind="Daily",
        start=began,
    )
    profiles = installed((0, nightly))
    assert [limit(profiles, minutes) for minutes in (0, 59, 60)] == [2000, 2000, 7000]


def test_absolute_schedule_waits_for_its_start() -> None:
    later = profile(1, (0, 2000.0), kind="Absolute", start=NOW + timedelta(minutes=5))
    assert [limit(installed((1, later)), minutes) for minutes in (4, 5)] == [None, 2000]


def test_validity() -> None:
    valid_to = (NOW + timedelta(minutes=5)).isoformat()
    profiles = installed((1, profile(1, (0, 2000.0), valid_to=valid_to)))
    assert [limit(profiles, minutes) for minutes in (5, 6)] == [2000, None]


def test_profile_of_another_transaction_does_not_count() -> None:
    assert limit(installed((1, profile(1, (0, 2000.0), transaction_id=8)))) is None
    assert limit(installed((1, profile(1, (0, 2000.0), transaction_id=7)))) == 2000


def test_same_id_or_same_place_replaces() -> None:
    profiles = installed((1, profile(1, (0, 2000.0))), (1, profile(1, (0, 2500.0), level=4)))
    profiles.install(1, profile(9, (0, 2600.0), level=4))
    assert limit(profiles) == 2600
    assert profiles.clear(ClearChargingProfileRequest(id=9))
    assert limit(profiles) is None


def test_end_of_a_transaction_takes_its_profile() -> None:
    profiles = installed((1, profile(1, (0, 2000.0))), (2, profile(2, (0, 3000.0), level=1)))
    profiles.end_transaction(1)
    assert limit(profiles, connector_id=1) is None
    assert limit(profiles, connector_id=2) == 3000


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (ClearChargingProfileRequest(), None),
        (ClearChargingProfileRequest(id=1), 4000),
        (ClearChargingProfileRequest(connector_id=1), 4000),
        (ClearChargingProfileRequest(charging_profile_purpose="TxProfile"), 4000),
        (ClearChargingProfileRequest(stack_level=3), 2000),
    ],
)
def test_clearing(wanted: ClearChargingProfileRequest, left: float | None) -> None:
    profiles = installed(
        (1, profile(1, (0, 2000.0))),
        (0, profile(2, (0, 4000.0), purpose="TxDefaultProfile", level=3)),
    )
    assert profiles.clear(wanted)
    assert limit(profiles) == left


def test_clearing_what_is_not_there() -> None:
    assert not installed((1, profile(1))).clear(ClearChargingProfileRequest(id=99))


def test_composite_schedule() -> None:
    profiles = installed((1, profile(1, (0, 5000.0), (600, 999.9))))
    schedule = profiles.composite_schedule(1, NOW, 1200, "W", 11_000.0, RUNNING)
    assert schedule == {
        "duration": 1200,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 5000.0},
            {"startPeriod": 600, "limit": 999.9},
        ],
    }
    answer = {"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule}
    assert faults("GetCompositeScheduleResponse", answer) == []
