"""A whole fleet's day as the central system hears it: every frame, every register, every Wh."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from ocpp_cs.ocpp16.times import parse_time
from ocpp_cs.simulator.fleet import (
    CentralSystemUnreachable,
    FleetOptions,
    FleetProgress,
    FleetReport,
    run,
)
from ocpp_cs.simulator.payloads import ENERGY, POWER
from ocpp_cs.simulator.vendors import VENDORS, Deviation, Vendor, vendor_of
from tests.simulator.central_system import FakeCentralSystem, fake_central_system
from tests.simulator.schemas import faults

START = datetime(2026, 3, 2, tzinfo=UTC)
OPTIONS = FleetOptions(charge_points=10, hours=24, speed=0, seed=11, starts_at=START)
# What a fault of the schema may look like because of each deviation.
EXCUSES = {
    Deviation.NAIVE_TIME: "timestamp: format",
    Deviation.NUMBER_FOR_TEXT: "sampledValue.value: type",
    Deviation.EXTRA_PROPERTY: ": additionalProperties",
}


@dataclass
class Session:
    """One transaction as it arrived; samples are (time, register in Wh, power in W)."""

    vendor: Vendor
    start: dict[str, Any]
    samples: list[tuple[datetime, float, float]] = field(default_factory=list)
    stop: dict[str, Any] | None = None


@dataclass
class Heard:
    fake: FakeCentralSystem
    report: FleetReport
    progress: list[FleetProgress]
    sessions: list[Session]
    # By charge point: what is wrong with its frames.
    faults: dict[str, set[str]]


@pytest.fixture(scope="module")
def day() -> Iterator[Heard]:
    """Two charge points of each vendor, 24 hours, with outages."""
    progress: list[FleetProgress] = []
    with fake_central_system() as fake:
        options = FleetOptions(
            url=fake.url,
            charge_points=OPTIONS.charge_points,
            hours=OPTIONS.hours,
            speed=0,
            seed=OPTIONS.seed,
            starts_at=START,
            offline_rate=3.0,
        )
        report = run(options, progress.append)
        found: dict[str, set[str]] = defaultdict(set)
        for heard in fake.heard:
            found[heard.identity].update(
                f"{heard.action} {fault}" for fault in faults(heard.action, heard.payload)
            )
        yield Heard(fake, report, progress, list(sessions(fake)), found)


def time_of(text: str) -> datetime:
    at = parse_time(text).at
    assert at is not None
    return at


def vendor_named(identity: str) -> Vendor:
    return vendor_of(int(identity[-4:]) - 1)


def reading(value: dict[str, Any]) -> float:
    return float(value["value"]) * (1000 if value.get("unit", "Wh") in ("kWh", "kW") else 1)


def sample(payload: dict[str, Any]) -> tuple[datetime, float, float]:
    (meter_value,) = payload["meterValue"]
    values = {value.get("measurand", ENERGY): value for value in meter_value["sampledValue"]}
    return time_of(meter_value["timestamp"]), reading(values[ENERGY]), reading(values[POWER])


def sessions(fake: FakeCentralSystem) -> Iterator[Session]:
    """In the order of their starts; fails where a message belongs to no running transaction."""
    open_sessions: dict[int, Session] = {}
    transaction_ids = iter(range(1, 1_000_000))
    for heard in fake.answered:
        if heard.action == "StartTransaction":
            # The fake numbers them in the order of arrival.
            session = Session(vendor_named(heard.identity), heard.payload)
            open_sessions[next(transaction_ids)] = session
            yield session
        elif heard.action == "MeterValues":
            open_sessions[heard.payload["transactionId"]].samples.append(sample(heard.payload))
        elif heard.action == "StopTransaction":
            session = open_sessions.pop(heard.payload["transactionId"])
            session.stop = heard.payload
    assert open_sessions == {}, "every transaction is stopped"


def test_the_day_went_well(day: Heard) -> None:
    report = day.report
    assert not report.failed
    assert not report.interrupted
    assert report.simulated_s == 24 * 3600
    assert report.statistics.sessions_started == len(day.sessions) > 20
    assert report.statistics.sessions_finished == len(day.sessions)
    assert report.statistics.reconnects > 5
    assert report.statistics.connections_lost == 0
    vendors = {session.vendor.model for session in day.sessions}
    assert vendors == {vendor.model for vendor in VENDORS}


def test_every_frame_satisfies_the_schemas_but_for_the_deviations(day: Heard) -> None:
    assert len(day.faults) == OPTIONS.charge_points
    for identity, found in day.faults.items():
        excuses = tuple(EXCUSES[each] for each in vendor_named(identity).deviations)
        assert all(fault.endswith(excuses) for fault in found), (identity, found)


def test_every_deviation_really_occurs(day: Heard) -> None:
    found = set[str]().union(*day.faults.values())
    for excuse in EXCUSES.values():
        assert any(fault.endswith(excuse) for fault in found), excuse


def test_message_ids_are_unique(day: Heard) -> None:
    ids = [(heard.identity, heard.message_id) for heard in day.fake.heard]
    assert len(ids) == len(set(ids))
    assert all(len(message_id) <= 36 for _, message_id in ids)


def test_samples_come_each_minute(day: Heard) -> None:
    for session in day.sessions:
        times = [time_of(session.start["timestamp"])] + [at for at, _, _ in session.samples]
        assert all(later - earlier == timedelta(minutes=1) for earlier, later in pairwise(times))


def test_the_last_sample_is_less_than_a_minute_before_the_stop(day: Heard) -> None:
    for session in day.sessions:
        assert session.stop is not None
        last = session.samples[-1][0] if session.samples else time_of(session.start["timestamp"])
        since = time_of(session.stop["timestamp"]) - last
        # Whole seconds where a vendor tells no fractions.
        assert timedelta(0) <= since <= timedelta(seconds=61)


def test_registers_never_fall(day: Heard) -> None:
    registers: dict[tuple[str, int], list[float]] = defaultdict(list)
    running: dict[int, tuple[str, int]] = {}
    transaction_ids = iter(range(1, 1_000_000))
    for heard in day.fake.answered:
        if heard.action == "StartTransaction":
            where = (heard.identity, heard.payload["connectorId"])
            running[next(transaction_ids)] = where
            registers[where].append(heard.payload["meterStart"])
        elif heard.action == "MeterValues":
            registers[running[heard.payload["transactionId"]]].append(sample(heard.payload)[1])
        elif heard.action == "StopTransaction":
            registers[running[heard.payload["transactionId"]]].append(heard.payload["meterStop"])
    assert len(registers) > 10
    for series in registers.values():
        assert series == sorted(series)


def test_a_transaction_begins_where_the_last_one_ended(day: Heard) -> None:
    """err 3.78: what flows between transactions would be stolen."""
    last: dict[tuple[str, int], int] = {}
    running: dict[int, tuple[str, int]] = {}
    transaction_ids = iter(range(1, 1_000_000))
    for heard in day.fake.answered:
        if heard.action == "StartTransaction":
            where = (heard.identity, heard.payload["connectorId"])
            running[next(transaction_ids)] = where
            assert heard.payload["meterStart"] == last.get(where, heard.payload["meterStart"])
        elif heard.action == "StopTransaction":
            last[running[heard.payload["transactionId"]]] = heard.payload["meterStop"]


def test_energy_is_the_integral_of_power_and_fits_the_stop(day: Heard) -> None:
    for session in day.sessions:
        assert session.stop is not None
        energy_wh = session.stop["meterStop"] - session.start["meterStart"]
        power_wh = sum(watts for _, _, watts in session.samples) / 60
        assert energy_wh == pytest.approx(power_wh, rel=0.05, abs=session.vendor.max_power_w / 40)
        if session.samples:
            assert session.start["meterStart"] <= session.samples[-1][1]
            assert session.samples[-1][1] <= session.stop["meterStop"]


def test_the_report_counts_the_energy_that_was_told(day: Heard) -> None:
    told = sum(
        session.stop["meterStop"] - session.start["meterStart"]
        for session in day.sessions
        if session.stop is not None
    )
    assert day.report.statistics.energy_wh == told > 100_000


def test_transaction_data_ends_with_the_stop(day: Heard) -> None:
    with_data = [s for s in day.sessions if s.stop and s.stop.get("transactionData")]
    assert len(with_data) > 5
    for session in with_data:
        assert session.stop is not None
        data = session.stop["transactionData"]
        first, last = (reading(data[index]["sampledValue"][0]) for index in (0, -1))
        assert (first, last) == (session.start["meterStart"], session.stop["meterStop"])


def test_authorised_before_the_start_unless_offline(day: Heard) -> None:
    authorised = {heard.payload["idTag"] for heard in day.fake.of("Authorize")}
    started = [heard.payload["idTag"] for heard in day.fake.of("StartTransaction")]
    assert sum(tag in authorised for tag in started) > len(started) * 0.7


def test_connector_zero_knows_three_states_only(day: Heard) -> None:
    zero = [h for h in day.fake.of("StatusNotification") if h.payload["connectorId"] == 0]
    assert {heard.payload["status"] for heard in zero} == {"Available"}


def test_heartbeats_come_at_the_interval(day: Heard) -> None:
    """One per hour as the fake asks for, but none while offline."""
    beats = len(day.fake.of("Heartbeat"))
    assert 0.75 * 24 * OPTIONS.charge_points < beats <= 24 * OPTIONS.charge_points


def test_progress_ends_at_the_end(day: Heard) -> None:
    last = day.progress[-1]
    assert last.simulated_s == last.total_s == 24 * 3600
    assert last.messages == day.report.statistics.messages.total()


def test_same_seed_same_day_at_any_speed() -> None:
    """A running clock tells the same physical events as a leaping one."""
    told = []
    for speed in (0.0, 36_000.0):
        with fake_central_system() as fake:
            options = FleetOptions(
                url=fake.url, charge_points=4, hours=8, speed=speed, starts_at=START, offline_rate=0
            )
            assert not run(options, lambda progress: None).failed
            told.append(sorted(_physical(fake)))
    assert told[0] == told[1]
    assert len(told[0]) > 4


def test_no_connector_is_available_before_its_transaction_has_ended(
    central_system: FakeCentralSystem,
) -> None:
    options = FleetOptions(
        url=central_system.url, charge_points=5, speed=0, starts_at=START, offline_rate=0
    )
    run(options, lambda progress: None)
    running: set[tuple[str, int]] = set()
    started: dict[int, tuple[str, int]] = {}
    transaction_ids = iter(range(1, 1_000_000))
    for heard in central_system.heard:
        if heard.action == "StartTransaction":
            where = (heard.identity, heard.payload["connectorId"])
            started[next(transaction_ids)] = where
            running.add(where)
        elif heard.action == "StopTransaction":
            running.remove(started[heard.payload["transactionId"]])
        elif heard.action == "StatusNotification" and heard.payload["status"] == "Available":
            assert (heard.identity, heard.payload["connectorId"]) not in running
    assert len(started) > 10


def _physical(fake: FakeCentralSystem) -> Iterator[tuple[str, str, str, int]]:
    for heard in fake.of("StartTransaction", "StopTransaction"):
        register = heard.payload.get("meterStart", heard.payload.get("meterStop"))
        assert isinstance(register, int)
        yield heard.identity, heard.action, heard.payload["timestamp"], register


def test_nobody_there() -> None:
    options = FleetOptions(url="ws://127.0.0.1:1/ocpp", charge_points=3)
    with pytest.raises(CentralSystemUnreachable, match="nothing listens there"):
        run(options, lambda progress: None)


def test_passwords_go_to_whom_they_belong(central_system: FakeCentralSystem) -> None:
    options = FleetOptions(
        url=central_system.url,
        charge_points=2,
        hours=0.1,
        speed=0,
        id_prefix="X",
        passwords={"X0002": b"geheim"},
    )
    run(options, lambda progress: None)
    sent = {
        request.path[-5:]: request.headers.get("Authorization")
        for request in central_system.handshakes
    }
    assert sent == {"X0001": None, "X0002": "Basic WDAwMDI6Z2VoZWlt"}


# --- In real time ---------------------------------------------------------------------------------


def test_live_nobody_comes_by_himself_and_the_time_is_real() -> None:
    began = datetime.now(UTC)
    with fake_central_system() as fake:
        # Two seconds; a planned day would have thousands of arrivals at this speed.
        options = FleetOptions(url=fake.url, hours=2 / 3600, speed=600_000, live=True)
        report = run(options, lambda progress: None)
    assert report.statistics.sessions_started == 0
    assert 1.9 < report.real_s < 20
    statuses = [heard.payload for heard in fake.of("StatusNotification")]
    assert len(statuses) >= 5
    for at in (parse_time(payload["timestamp"]).at for payload in statuses):
        assert at is not None
        assert began - timedelta(seconds=1) < at < datetime.now(UTC) + timedelta(seconds=1)
