"""Request payloads as each vendor words them: units, times, spelt defaults, extra properties.
Not the order of messages, nor whether they are sent: see `charge_point.py`.

Everything here satisfies the official schemas, but for the vendor's own `Deviation`s.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone

from ocpp_cs.simulator.charging import Reading
from ocpp_cs.simulator.transaction_queue import Payload
from ocpp_cs.simulator.vendors import Deviation, Vendor

ENERGY = "Energy.Active.Import.Register"
POWER = "Power.Active.Import"
CURRENT = "Current.Import"
VOLTAGE = "Voltage"
SOC = "SoC"
MEASURANDS = (ENERGY, POWER, CURRENT, VOLTAGE, SOC)

_SUMMER_TIME = timezone(timedelta(hours=2))


def time_text(vendor: Vendor, at: datetime) -> str:
    """A time in the vendor's notation; every one but "naive" satisfies §3.14 and §3.15."""
    if vendor.time_style == "offset":
        return at.astimezone(_SUMMER_TIME).isoformat(timespec="milliseconds")
    text = at.replace(tzinfo=None)
    if vendor.time_style == "naive":
        return text.isoformat(timespec="seconds")
    spec = {"milliseconds": "milliseconds", "microseconds": "microseconds", "seconds": "seconds"}
    return text.isoformat(timespec=spec[vendor.time_style]) + "Z"


def boot_notification(vendor: Vendor, identity: str) -> Payload:
    """§6.3, with the optional fields that the make fills in."""
    payload: Payload = {
        "chargePointVendor": vendor.name,
        "chargePointModel": vendor.model,
        "chargePointSerialNumber": identity[-25:],
        "firmwareVersion": vendor.firmware_version,
    }
    if vendor.fixed_cable:
        payload |= {"meterType": "MID 3ph", "meterSerialNumber": f"M-{identity}"[:25]}
    if Deviation.EXTRA_PROPERTY in vendor.deviations:
        payload["modemOperator"] = "Funknetz"
    return payload


def status_notification(
    vendor: Vendor, connector_id: int, status: str, at: datetime, error_code: str = "NoError"
) -> Payload:
    """§6.47."""
    return {
        "connectorId": connector_id,
        "errorCode": error_code,
        "status": status,
        "timestamp": time_text(vendor, at),
    }


def start_transaction(
    vendor: Vendor,
    connector_id: int,
    id_tag: str,
    meter_start_wh: int,
    at: datetime,
    reservation_id: int | None = None,
) -> Payload:
    """§6.45."""
    payload: Payload = {
        "connectorId": connector_id,
        "idTag": id_tag,
        "meterStart": meter_start_wh,
        "timestamp": time_text(vendor, at),
    }
    if reservation_id is not None:
        payload["reservationId"] = reservation_id
    if Deviation.EXTRA_PROPERTY in vendor.deviations:
        payload["cardReader"] = "front"
    return payload


def meter_values(
    vendor: Vendor,
    connector_id: int,
    reading: Reading,
    measurands: Collection[str] = MEASURANDS,
    context: str = "Sample.Periodic",
) -> Payload:
    """§6.31 with one reading of those measurands that the connector measures. The queue adds the
    transaction id."""
    sampled_values = [
        *([_energy(vendor, reading, context)] if ENERGY in measurands else []),
        *([_power(vendor, reading, context)] if POWER in measurands else []),
        *(_per_phase(vendor, reading, CURRENT, context) if CURRENT in measurands else []),
        *(_per_phase(vendor, reading, VOLTAGE, context) if VOLTAGE in measurands else []),
        *(_soc(vendor, reading, context) if SOC in measurands else []),
    ]
    meter_value = {"timestamp": time_text(vendor, reading.at), "sampledValue": sampled_values}
    return {"connectorId": connector_id, "meterValue": [meter_value]}


def stop_transaction(
    vendor: Vendor,
    meter_stop_wh: int,
    at: datetime,
    *,
    id_tag: str | None,
    reason: str | None,
    readings: Sequence[tuple[str, Reading]] = (),
) -> Payload:
    """§6.49. `readings` are (context, reading) for `transactionData`; the queue adds the id."""
    payload: Payload = {"meterStop": meter_stop_wh, "timestamp": time_text(vendor, at)}
    if id_tag is not None:
        payload["idTag"] = id_tag
    if reason is not None:
        payload["reason"] = reason
    if readings:
        payload["transactionData"] = [
            {
                "timestamp": time_text(vendor, reading.at),
                "sampledValue": [_energy(vendor, reading, context)],
            }
            for context, reading in readings
        ]
    if Deviation.EXTRA_PROPERTY in vendor.deviations:
        payload["cardReader"] = "front"
    return payload


def _energy(vendor: Vendor, reading: Reading, context: str) -> Payload:
    in_wh = vendor.energy_unit == "Wh"
    text = str(reading.register_wh) if in_wh else f"{reading.register_wh / 1000:.3f}"
    if vendor.spells_defaults:
        value = _sampled(vendor, text, ENERGY, vendor.energy_unit, context)
        return {**value, "format": "Raw", "location": "Outlet"}
    # A bare value is a register in Wh, sampled periodically (§7.43 and following, R35).
    bare: Payload = {"value": text}
    return bare if context == "Sample.Periodic" else {**bare, "context": context}


def _power(vendor: Vendor, reading: Reading, context: str) -> Payload:
    in_w = vendor.power_unit == "W"
    text = f"{reading.power_w:.1f}" if in_w else f"{reading.power_w / 1000:.3f}"
    return _sampled(vendor, text, POWER, vendor.power_unit, context)


def _per_phase(vendor: Vendor, reading: Reading, measurand: str, context: str) -> list[Payload]:
    values, unit, suffix = (
        (reading.currents, "A", "") if measurand == CURRENT else (reading.voltages, "V", "-N")
    )
    sampled = [_sampled(vendor, f"{value:.1f}", measurand, unit, context) for value in values]
    if not vendor.direct_current:
        for phase, value in enumerate(sampled, start=1):
            value["phase"] = f"L{phase}{suffix}"
    return sampled


def _soc(vendor: Vendor, reading: Reading, context: str) -> list[Payload]:
    if reading.soc_percent is None:
        return []
    value = _sampled(vendor, str(reading.soc_percent), SOC, "Percent", context)
    return [{**value, "location": "EV"}]


def _sampled(vendor: Vendor, text: str, measurand: str, unit: str, context: str) -> Payload:
    as_number = Deviation.NUMBER_FOR_TEXT in vendor.deviations
    payload: Payload = {
        "value": (float(text) if "." in text else int(text)) if as_number else text,
        "measurand": measurand,
        "unit": unit,
    }
    if vendor.spells_defaults or context != "Sample.Periodic":
        payload["context"] = context
    return payload
