"""One connector: its status at every turn, and the messages that a session leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from ocpp_cs.simulator.configuration import Configuration
from ocpp_cs.simulator.connector import Connector, Reservation
from ocpp_cs.simulator.day import Visit, make_visit
from ocpp_cs.simulator.vendors import VENDORS, Vendor, vendor_of

START = datetime(2026, 3, 2, 8, 7, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def arrange(vendor: Vendor, seed: int = 1) -> tuple[Connector, Visit, Configuration]:
    rng = Random(seed)
    connector = Connector(vendor, 1, 5000.4, START, rng)
    return connector, make_visit(rng, vendor, "CP", 1, START), Configuration(vendor)


def status(connector: Connector, at: datetime = START) -> str:
    connector.settle(at)
    return connector.status


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.model)
def test_status_goes_round(vendor: Vendor) -> None:
    connector, visit, configuration = arrange(vendor)
    seen = [status(connector)]
    connector.plug_in(visit)
    seen.append(status(connector))
    connector.begin(visit, START, configuration)
    seen.append(status(connector))
    connector.advance(START + timedelta(hours=40), configuration)
    seen.append(status(connector))
    connector.end(START + timedelta(hours=40), configuration, reason="Local")
    seen.append(status(connector))
    connector.unplug()
    seen.append(status(connector))
    after = "Finishing" if vendor.sends_finishing else "Available"
    assert seen == ["Available", "Preparing", "Charging", "SuspendedEV", after, "Available"]


def test_status_since_is_the_time_of_the_change() -> None:
    connector, visit, _ = arrange(vendor_of(0))
    connector.plug_in(visit)
    connector.settle(START + MINUTE)
    connector.settle(START + 2 * MINUTE)
    assert connector.status_since == START + MINUTE


def test_smart_charging_suspends() -> None:
    connector, visit, configuration = arrange(vendor_of(0))
    connector.plug_in(visit)
    session, _ = connector.begin(visit, START, configuration)
    session.charging.limit_w = 0.0
    connector.advance(START + MINUTE, configuration)
    assert status(connector) == "SuspendedEVSE"


def test_unavailable_waits_for_the_session_to_end() -> None:
    connector, visit, configuration = arrange(vendor_of(2))
    connector.plug_in(visit)
    connector.begin(visit, START, configuration)
    connector.operative = False
    assert status(connector) == "Charging"
    connector.end(START + MINUTE, configuration, reason="Local")
    assert status(connector) == "Unavailable"


def test_reservation_shows_and_goes_with_the_start() -> None:
    connector, visit, configuration = arrange(vendor_of(0))
    connector.reservation = Reservation(42, visit.id_tag, None, START + MINUTE)
    assert status(connector) == "Reserved"
    connector.plug_in(visit)
    _, start = connector.begin(visit, START, configuration)
    assert start["reservationId"] == 42
    assert connector.reservation is None


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.model)
def test_a_session_adds_up(vendor: Vendor) -> None:
    connector, visit, configuration = arrange(vendor)
    connector.plug_in(visit)
    session, start = connector.begin(visit, START, configuration)
    for minute in range(1, 41):
        assert connector.sample(START + minute * MINUTE, configuration) is not None
    stop: Any = connector.end(START + 40 * MINUTE, configuration, reason="Local")
    assert start["meterStart"] == 5000
    assert stop["meterStop"] == int(5000.4 + session.charging.energy_wh)
    assert stop["meterStop"] > 5000


def registers(stop: Any) -> list[tuple[str, int]]:
    """Minute and Wh of the samples in transactionData."""
    return [
        (each["timestamp"][14:19], int(each["sampledValue"][0]["value"]))
        for each in stop.get("transactionData", [])
    ]


def stop_after(vendor: Vendor, minutes: int) -> Any:
    connector, visit, configuration = arrange(vendor)
    connector.plug_in(visit)
    connector.begin(visit, START, configuration)
    for minute in range(1, minutes + 1):
        connector.sample(START + minute * MINUTE, configuration)
    return connector.end(START + minutes * MINUTE, configuration, reason="Local")


def test_stop_without_data() -> None:
    assert "transactionData" not in stop_after(vendor_of(1), 20)


def test_stop_with_begin_and_end() -> None:
    data = stop_after(vendor_of(0), 20)["transactionData"]
    contexts = [each["sampledValue"][0]["context"] for each in data]
    assert contexts == ["Transaction.Begin", "Transaction.End"]


def test_stop_with_every_sample() -> None:
    times = [time for time, _ in registers(stop_after(vendor_of(2), 3))]
    assert times == ["07:30", "08:30", "09:30", "10:30", "10:30"]


def test_stop_with_clock_aligned_data() -> None:
    stop = stop_after(vendor_of(3), 40)
    times = [time for time, _ in registers(stop)]
    assert times == ["07:30", "15:00", "30:00", "45:00", "47:30"]
    readings = [wh for _, wh in registers(stop)]
    assert readings == sorted(readings)
    assert readings[0] == 5000
    assert readings[-1] == stop["meterStop"]


def test_no_data_when_none_is_configured() -> None:
    connector, visit, configuration = arrange(vendor_of(0))
    configuration.change("StopTxnSampledData", "")
    configuration.change("MeterValuesSampledData", "")
    connector.plug_in(visit)
    connector.begin(visit, START, configuration)
    assert connector.sample(START + MINUTE, configuration) is None
    stop = connector.end(START + MINUTE, configuration, reason=None)
    assert "transactionData" not in stop
