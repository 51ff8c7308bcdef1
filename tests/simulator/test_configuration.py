"""Configuration keys: what may be read, what may be changed, to what."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_cs.simulator.configuration import Configuration
from ocpp_cs.simulator.vendors import VENDORS, vendor_of
from tests.simulator.schemas import faults

# §9.1: the required keys of the core profile.
REQUIRED = {
    "AuthorizeRemoteTxRequests",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "GetConfigurationMaxKeys",
    "HeartbeatInterval",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "NumberOfConnectors",
    "ResetRetries",
    "StopTransactionOnEVSideDisconnect",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "SupportedFeatureProfiles",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
}


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.model)
def test_all_keys_are_told_when_none_is_asked_for(vendor: Any) -> None:
    answer: Any = Configuration(vendor).read(())
    assert faults("GetConfigurationResponse", answer) == []
    assert {entry["key"] for entry in answer["configurationKey"]} >= REQUIRED
    assert "unknownKey" not in answer


def test_unknown_keys_are_named() -> None:
    answer: Any = Configuration(vendor_of(0)).read(("NumberOfConnectors", "Nonsense"))
    assert answer == {
        "configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}],
        "unknownKey": ["Nonsense"],
    }


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("MeterValueSampleInterval", "30", "Accepted"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("MeterValueSampleInterval", "soon", "Rejected"),
        ("NumberOfConnectors", "9", "Rejected"),
        ("StopTransactionOnInvalidId", "FALSE", "Accepted"),
        ("StopTransactionOnInvalidId", "maybe", "Rejected"),
        ("MeterValuesSampledData", "Voltage,Current.Import", "Accepted"),
        ("MeterValuesSampledData", "", "Accepted"),
        ("MeterValuesSampledData", "Voltage,SoC", "Rejected"),
        ("WebSocketPingInterval", "30", "RebootRequired"),
        ("Nonsense", "1", "NotSupported"),
    ],
)
def test_change(key: str, value: str, status: str) -> None:
    configuration = Configuration(vendor_of(0))
    before = configuration.read(())
    assert configuration.change(key, value) == status
    changed = status in ("Accepted", "RebootRequired")
    assert (configuration.read(()) != before) == changed


def test_changes_take_effect() -> None:
    configuration = Configuration(vendor_of(0))
    configuration.change("MeterValueSampleInterval", "15")
    configuration.change("StopTransactionOnInvalidId", "False")
    configuration.change("MeterValuesSampledData", "Voltage")
    assert configuration.seconds("MeterValueSampleInterval") == 15
    assert configuration.flag("StopTransactionOnInvalidId") is False
    assert configuration.measurands("MeterValuesSampledData") == ("Voltage",)
