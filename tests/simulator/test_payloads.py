"""Payloads against the official schemas: valid, but for each vendor's own deviations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ocpp_cs.simulator import payloads
from ocpp_cs.simulator.charging import Reading
from ocpp_cs.simulator.transaction_queue import Payload
from ocpp_cs.simulator.vendors import VENDORS, Deviation, Vendor
from tests.simulator.schemas import faults

AT = datetime(2026, 3, 2, 8, 15, 30, 123_000, tzinfo=UTC)
IDENTITY = "A-very-long-identity-of-forty-eight-characters-x"
NORDLICHT, VOLTAIRE, AMPERTAL, BLITZWERK, KASPARI = VENDORS


def reading_of(vendor: Vendor) -> Reading:
    width = 1 if vendor.direct_current else vendor.phases
    soc = 63 if vendor.direct_current else None
    return Reading(AT, 1_234_567, 10_987.65, (231.04,) * width, (15.92,) * width, soc)


def every_payload(vendor: Vendor) -> dict[str, Payload]:
    reading = reading_of(vendor)
    return {
        "BootNotification": payloads.boot_notification(vendor, IDENTITY),
        "StatusNotification": payloads.status_notification(vendor, 1, "Charging", AT),
        "StartTransaction": payloads.start_transaction(vendor, 1, "0FC673", 1000, AT, 7),
        "MeterValues": payloads.meter_values(vendor, 1, reading),
        "StopTransaction": {
            **payloads.stop_transaction(
                vendor,
                2000,
                AT,
                id_tag="0FC673",
                reason="Local",
                readings=[("Transaction.Begin", reading), ("Transaction.End", reading)],
            ),
            "transactionId": 1,
        },
    }


def expected_faults(vendor: Vendor, action: str) -> set[str]:
    """What each deviation breaks in which message, and nothing else."""
    time = {
        "StatusNotification": {"timestamp: format"},
        "StartTransaction": {"timestamp: format"},
        "MeterValues": {"meterValue.timestamp: format"},
        "StopTransaction": {"timestamp: format", "transactionData.timestamp: format"},
    }
    number = {
        "MeterValues": {"meterValue.sampledValue.value: type"},
        "StopTransaction": {"transactionData.sampledValue.value: type"},
    }
    extra = {
        "BootNotification": {": additionalProperties"},
        "StartTransaction": {": additionalProperties"},
        "StopTransaction": {": additionalProperties"},
    }
    found: set[str] = set()
    if Deviation.NAIVE_TIME in vendor.deviations:
        found |= time.get(action, set())
    if Deviation.NUMBER_FOR_TEXT in vendor.deviations:
        found |= number.get(action, set())
    if Deviation.EXTRA_PROPERTY in vendor.deviations:
        found |= extra.get(action, set())
    return found


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.model)
def test_valid_but_for_the_deviations(vendor: Vendor) -> None:
    for action, payload in every_payload(vendor).items():
        assert set(faults(action, payload)) == expected_faults(vendor, action), action


def test_every_deviation_has_a_vendor_and_some_vendor_has_none() -> None:
    assert set[Deviation]().union(*(vendor.deviations for vendor in VENDORS)) == set(Deviation)
    assert any(not vendor.deviations for vendor in VENDORS)


@pytest.mark.parametrize(
    ("vendor", "text"),
    [
        (NORDLICHT, "2026-03-02T08:15:30.123Z"),
        (VOLTAIRE, "2026-03-02T10:15:30.123+02:00"),
        (AMPERTAL, "2026-03-02T08:15:30"),
        (BLITZWERK, "2026-03-02T08:15:30.123000Z"),
        (KASPARI, "2026-03-02T08:15:30Z"),
    ],
    ids=lambda each: getattr(each, "model", ""),
)
def test_every_notation_of_time(vendor: Vendor, text: str) -> None:
    assert payloads.time_text(vendor, AT) == text


def sampled(vendor: Vendor, **arguments: Any) -> list[dict[str, Any]]:
    payload: Any = payloads.meter_values(vendor, 1, reading_of(vendor), **arguments)
    values: list[dict[str, Any]] = payload["meterValue"][0]["sampledValue"]
    return values


def test_energy_in_kilowatt_hours() -> None:
    energy = sampled(VOLTAIRE)[0]
    assert (energy["value"], energy["unit"]) == ("1234.567", "kWh")


def test_bare_register_when_the_defaults_are_meant() -> None:
    assert sampled(AMPERTAL)[0] == {"value": "1234567"}


def test_phases_are_named_except_for_direct_current() -> None:
    assert [value.get("phase") for value in sampled(NORDLICHT)] == [
        None,
        None,
        "L1",
        "L2",
        "L3",
        "L1-N",
        "L2-N",
        "L3-N",
    ]
    assert [value["measurand"] for value in sampled(BLITZWERK)] == [
        "Energy.Active.Import.Register",
        "Power.Active.Import",
        "Current.Import",
        "Voltage",
        "SoC",
    ]
    assert not any("phase" in value for value in sampled(BLITZWERK))


def test_only_the_configured_measurands() -> None:
    values = sampled(NORDLICHT, measurands=("Voltage",))
    assert {value["measurand"] for value in values} == {"Voltage"}


def test_optional_parts_of_a_stop_are_left_out() -> None:
    stop = payloads.stop_transaction(NORDLICHT, 1, AT, id_tag=None, reason=None)
    assert stop == {"meterStop": 1, "timestamp": "2026-03-02T08:15:30.123Z"}
