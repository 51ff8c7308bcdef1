"""What a sampled value measures, and its number in one unit per kind. Pure, like `rules`.

Series of samples and their transactions are not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

# Defaults of SampledValue (§7.43, R35).
_MEASURAND = "Energy.Active.Import.Register"
_CONTEXT = "Sample.Periodic"
_LOCATION = "Outlet"
_FORMAT = "Raw"

# Sent unit -> the unit that is stored, and the factor to it.
_UNITS: dict[str, tuple[str, int]] = {
    "Wh": ("Wh", 1),
    "kWh": ("Wh", 1000),
    "varh": ("varh", 1),
    "kvarh": ("varh", 1000),
    "W": ("W", 1),
    "kW": ("W", 1000),
    "VA": ("VA", 1),
    "kVA": ("VA", 1000),
    "var": ("var", 1),
    "kvar": ("var", 1000),
    "Celcius": ("Celsius", 1),  # R36: the schemas' own spelling
}
_LONGEST_NUMBER = 64
# Every digit of the longest number, and those of the factor.
_EXACT = Context(prec=_LONGEST_NUMBER + 4)
# Decimals of so many digits are still told apart as floats.
_EXACT_IN_FLOAT = 15
# Beyond it floats are no longer whole Wh, and somewhere beyond it the columns of 64 bits end.
_MOST_ENERGY = 2**53
# A charge point may invent words without end; what identifies a series is cut to this.
_LONGEST_WORD = 64


@dataclass(frozen=True, slots=True)
class Measurement:
    """The kind of a sampled value, defaults filled in; `unit` is that of its number."""

    measurand: str
    phase: str
    location: str
    context: str
    format: str
    unit: str
    sent_unit: str
    factor: int
    whole: bool  # energy is kept in whole Wh or varh
    numeric: bool  # False: signed data, kept as text alone
    import_register: bool
    import_power: bool
    total: bool  # of all phases
    one_phase: bool


def measurement(
    measurand: str | None,
    phase: str | None,
    unit: str | None,
    context: str | None,
    location: str | None,
    format: str | None,
) -> Measurement:
    """The kind of a sampled value from the fields that it was sent with (§7.43)."""
    measurand = (measurand or _MEASURAND)[:_LONGEST_WORD]
    phase = (phase or "")[:_LONGEST_WORD]
    energy = measurand.startswith("Energy.")
    sent_unit = (unit or "")[:_LONGEST_WORD]
    if not sent_unit and energy:
        sent_unit = "varh" if ".Reactive." in measurand else "Wh"
    stored_unit, factor = _UNITS.get(sent_unit, (sent_unit, 1))
    return Measurement(
        measurand=measurand,
        phase=phase,
        location=(location or _LOCATION)[:_LONGEST_WORD],
        context=(context or _CONTEXT)[:_LONGEST_WORD],
        format=(format or _FORMAT)[:_LONGEST_WORD],
        unit=stored_unit,
        sent_unit=sent_unit,
        factor=factor,
        whole=energy and stored_unit in ("Wh", "varh"),
        numeric=format != "SignedData",
        import_register=measurand == _MEASURAND and stored_unit == "Wh",
        import_power=measurand == "Power.Active.Import" and stored_unit in ("W", ""),
        total=phase == "",
        one_phase=phase in ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N"),
    )


def sample_number(text: str, kind: Measurement) -> float | None:
    """The number in `kind.unit`, or None where the text is none.

    Energy is rounded to whole Wh from the exact decimal: 11.0005 kWh are 11000 Wh (half to even).
    A comma is read as the decimal point. More energy than any register counts is no number.
    """
    if not kind.numeric or len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = _number(text, kind)
    except (ValueError, ArithmeticError):  # decimal.Overflow is no OverflowError
        point = text.replace(",", ".", 1)
        return None if point == text else sample_number(point, kind)
    if not math.isfinite(number) or (kind.whole and abs(number) > _MOST_ENERGY):
        return None
    return number


def _number(text: str, kind: Measurement) -> float:
    if kind.factor == 1 and not kind.whole:
        return float(text)
    if kind.factor == 1 and len(text) <= _EXACT_IN_FLOAT:
        return float(round(float(text)))
    exact = _EXACT.multiply(Decimal(text.strip()), Decimal(kind.factor))
    # Adding zero makes -0 what it is.
    return float(exact.to_integral_value(ROUND_HALF_EVEN) if kind.whole else exact) + 0.0
