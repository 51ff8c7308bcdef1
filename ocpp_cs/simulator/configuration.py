"""The configuration keys of a simulated charge point (OCPP 1.6 §9) and the answers about them.
Not where they take effect: whoever needs a value asks for it when it is needed.
"""

from dataclasses import dataclass

from ocpp_cs.simulator.payloads import CURRENT, ENERGY, POWER, SOC, VOLTAGE
from ocpp_cs.simulator.transaction_queue import Payload
from ocpp_cs.simulator.vendors import Vendor


@dataclass(slots=True)
class _Key:
    value: str
    readonly: bool = False
    needs_reboot: bool = False


class Configuration:
    """Key and value pairs, all text as on the wire."""

    def __init__(self, vendor: Vendor) -> None:
        self._keys = _keys_of(vendor)
        self._measurable = frozenset(self.measurands("MeterValuesSampledData"))

    def seconds(self, key: str) -> int:
        """An integer key's value."""
        return int(self._keys[key].value)

    def flag(self, key: str) -> bool:
        """A boolean key's value."""
        return self._keys[key].value == "true"

    def measurands(self, key: str) -> tuple[str, ...]:
        """The measurands that a list key names."""
        parts = (part.strip() for part in self._keys[key].value.split(","))
        return tuple(part for part in parts if part)

    def read(self, names: tuple[str, ...]) -> Payload:
        """GetConfiguration.conf (§5.8): the keys asked for, or all of them."""
        known = [name for name in names or self._keys if name in self._keys]
        answer: Payload = {
            "configurationKey": [
                {
                    "key": name,
                    "readonly": self._keys[name].readonly,
                    "value": self._keys[name].value,
                }
                for name in known
            ]
        }
        unknown = [name for name in names if name not in self._keys]
        return {**answer, "unknownKey": unknown} if unknown else answer

    def change(self, name: str, value: str) -> str:
        """The status of ChangeConfiguration.conf (§5.3), and the change itself when it is good."""
        key = self._keys.get(name)
        if key is None:
            return "NotSupported"
        if key.readonly or not self._fits(name, key.value, value):
            return "Rejected"
        key.value = value.lower() if key.value in ("true", "false") else value
        return "RebootRequired" if key.needs_reboot else "Accepted"

    def _fits(self, name: str, old: str, new: str) -> bool:
        """Whether a value has the type of the one it replaces; a list of measurands only names what
        this charge point measures (§3.16.4)."""
        if old in ("true", "false"):
            return new.lower() in ("true", "false")
        if name.endswith("Data"):
            return all(part.strip() in self._measurable for part in new.split(",") if part.strip())
        if old.isdigit():
            return new.isascii() and new.isdigit() and len(new) <= 9
        return True

    def set_heartbeat_interval(self, seconds: int) -> None:
        """What BootNotification.conf brings (§4.2)."""
        self._keys["HeartbeatInterval"].value = str(seconds)


def _keys_of(vendor: Vendor) -> dict[str, _Key]:
    sampled = [ENERGY, POWER, CURRENT, VOLTAGE]
    if vendor.direct_current:
        sampled.append(SOC)
    aligned = vendor.stop_data == "clock_aligned"
    keys = {
        "AllowOfflineTxForUnknownId": _Key("true"),
        "AuthorizeRemoteTxRequests": _Key("false"),
        "ClockAlignedDataInterval": _Key("900" if aligned else "0"),
        "ConnectionTimeOut": _Key("60"),
        "ConnectorPhaseRotation": _Key("NotApplicable" if vendor.phases == 1 else "0.RST"),
        "GetConfigurationMaxKeys": _Key("50", readonly=True),
        "HeartbeatInterval": _Key("3600"),
        "LocalAuthorizeOffline": _Key("true"),
        "LocalPreAuthorize": _Key("false"),
        "MeterValuesAlignedData": _Key(""),
        "MeterValuesSampledData": _Key(",".join(sampled)),
        "MeterValueSampleInterval": _Key("60"),
        "NumberOfConnectors": _Key(str(vendor.connectors), readonly=True),
        "ResetRetries": _Key("1"),
        "StopTransactionOnEVSideDisconnect": _Key("true", readonly=True),
        "StopTransactionOnInvalidId": _Key("true"),
        "StopTxnAlignedData": _Key(ENERGY if aligned else ""),
        "StopTxnSampledData": _Key(ENERGY if vendor.stop_data in ("begin_end", "sampled") else ""),
        "SupportedFeatureProfiles": _Key(",".join(sorted(vendor.profiles)), readonly=True),
        "TransactionMessageAttempts": _Key("3"),
        "TransactionMessageRetryInterval": _Key("60"),
        "UnlockConnectorOnEVSideDisconnect": _Key("true", readonly=True),
        "WebSocketPingInterval": _Key("0", needs_reboot=True),
        f"{vendor.name}.DisplayLanguage": _Key("en"),
    }
    if "LocalAuthListManagement" in vendor.profiles:
        keys["LocalAuthListEnabled"] = _Key("true")
        keys["LocalAuthListMaxLength"] = _Key("1000", readonly=True)
        keys["SendLocalListMaxLength"] = _Key("500", readonly=True)
    if "Reservation" in vendor.profiles:
        keys["ReserveConnectorZeroSupported"] = _Key("false", readonly=True)
    if "SmartCharging" in vendor.profiles:
        keys["ChargeProfileMaxStackLevel"] = _Key("10", readonly=True)
        keys["ChargingScheduleAllowedChargingRateUnit"] = _Key("Current,Power", readonly=True)
        keys["ChargingScheduleMaxPeriods"] = _Key("48", readonly=True)
        keys["MaxChargingProfilesInstalled"] = _Key("20", readonly=True)
    return keys
