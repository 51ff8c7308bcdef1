"""The steady load: how many messages, how they are timed, and what counts as trouble."""

from __future__ import annotations

import itertools

import pytest

from ocpp_cs.simulator.fleet import CentralSystemUnreachable, FleetOptions
from ocpp_cs.simulator.load import LoadOptions, LoadProgress, LoadReport, run_load
from tests.simulator.central_system import FakeCentralSystem, Refuse
from tests.simulator.schemas import faults


def load(
    url: str, charge_points: int = 20, every_s: float = 0.2, for_s: float = 1.0
) -> tuple[LoadReport, list[LoadProgress]]:
    progress: list[LoadProgress] = []
    fleet = FleetOptions(url=url, charge_points=charge_points, timeout_s=0.5)
    report = run_load(LoadOptions(fleet=fleet, every_s=every_s, for_s=for_s), progress.append)
    return report, progress


def test_every_charge_point_has_its_turns(central_system: FakeCentralSystem) -> None:
    report, progress = load(central_system.url)
    assert not report.failed
    assert report.ready == 20
    assert report.latency.count == len(central_system.of("MeterValues")) == 20 * 5
    assert report.late == 0
    assert len(central_system.of("StopTransaction")) == 20
    assert progress[-1].messages == 100
    percentiles = [report.latency.percentile(share) for share in (0.5, 0.95, 0.99)]
    assert percentiles == sorted(p for p in percentiles if p is not None)


def test_meter_values_belong_to_the_running_transaction(central_system: FakeCentralSystem) -> None:
    load(central_system.url, charge_points=1)
    order = [heard.action for heard in central_system.heard]
    assert order == [
        "BootNotification",
        "StartTransaction",
        *["MeterValues"] * 5,
        "StopTransaction",
    ]
    for heard in central_system.heard[2:]:
        assert heard.payload["transactionId"] == 1
    for heard in central_system.heard:
        assert faults(heard.action, heard.payload) == []


def test_call_errors_count(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: (
        Refuse("InternalError") if heard.action == "MeterValues" else None
    )
    report, _ = load(central_system.url)
    assert report.failed
    assert report.statistics.call_errors.total() == 100
    assert report.latency.count == 0


def test_lost_connections_count_and_are_replaced(central_system: FakeCentralSystem) -> None:
    numbers = itertools.count(1)
    central_system.script = lambda heard: (
        "CUT" if heard.action == "MeterValues" and next(numbers) % 10 == 0 else None
    )
    report, _ = load(central_system.url)
    assert report.failed
    assert report.lost == report.statistics.connections_lost == 10
    assert report.latency.count == 90


def test_slow_answers_make_messages_late(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: "SILENCE" if heard.action == "MeterValues" else None
    report, _ = load(central_system.url, charge_points=1, every_s=0.05, for_s=2.2)
    assert report.statistics.timeouts == report.lost > 1
    assert report.late > 0


def test_nobody_there() -> None:
    with pytest.raises(CentralSystemUnreachable, match="nothing listens there"):
        load("ws://127.0.0.1:1/ocpp", charge_points=2)


def test_nobody_accepted(central_system: FakeCentralSystem) -> None:
    central_system.boot_status = "Pending"
    with pytest.raises(CentralSystemUnreachable, match="registration Pending"):
        load(central_system.url, charge_points=2)
