"""What a sampled value measures, and its number in one unit per kind. Pure, like `rules`.

Series of samples and their transactions are not known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import get_args

from ocpp_cs.ocpp16.types import Location, Phase, ReadingContext, ValueFormat

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


class Totals:
    """The import register and power of one instant, over all phases.

    Where a charge point reports phases and no total, the total is their sum.
    """

    __slots__ = ("_power", "_power_of_phases", "_register", "_register_of_phases")

    def __init__(self) -> None:
        self._register: float | None = None
        self._register_of_phases: float | None = None
        self._power: float | None = None
        self._power_of_phases: float | None = None

    def add(self, kind: Measurement, number: float) -> None:
        """Takes a sample of the instant into account, if it is one of these."""
        if kind.import_register:
            if kind.total:
                self._register = number
            elif kind.one_phase:
                self._register_of_phases = (self._register_of_phases or 0.0) + number
        elif kind.import_power:
            if kind.total:
                self._power = number
            elif kind.one_phase:
                self._power_of_phases = (self._power_of_phases or 0.0) + number

    @property
    def register_wh(self) -> int | None:
        """In whole Wh; None without one, and for what no meter can show."""
        register = self._register_of_phases if self._register is None else self._register
        if register is None or abs(register) > _MOST_ENERGY:
            return None
        return int(register)

    @property
    def power_w(self) -> float | None:
        """In W; None without one, and for a sum beyond all numbers."""
        power = self._power_of_phases if self._power is None else self._power
        return power if power is not None and math.isfinite(power) else None


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


OTHERS = measurement("Other", None, None, None, None, None)
"""Stands for the kinds that charge points made up beyond what is told apart."""

_STANDARD_WORDS = (
    ("phase", frozenset(("", *get_args(Phase)))),
    ("location", frozenset(get_args(Location))),
    ("context", frozenset(get_args(ReadingContext))),
    ("format", frozenset(get_args(ValueFormat))),
)


def is_billed(kind: Measurement) -> bool:
    """Whether it is the register that bills are made of, told in the specification's own words:
    of those there are only so many."""
    return kind.import_register and all(
        getattr(kind, name) in words for name, words in _STANDARD_WORDS
    )


def sample_number(text: str, kind: Measurement) -> float | None:
    """The number in `kind.unit`, or None where the text is none.

    Energy is rounded to whole Wh from the exact decimal: 11.0005 kWh are 11000 Wh (half to even).
    A comma is read as the decimal point. More energy than any register counts is no number.
    """
    # Python would read 1_000, too; nobody else does.
    if not kind.numeric or len(text) > _LONGEST_NUMBER or "_" in text:
        return None
    try:
        if kind.factor == 1 and (not kind.whole or len(text) <= _EXACT_IN_FLOAT):
            number = float(text)
            if kind.whole:
                number = float(round(number))
        else:
            number = _scaled(text, kind)
    except (ValueError, ArithmeticError):  # decimal.Overflow is no OverflowError
        point = text.replace(",", ".", 1)
        return None if point == text else sample_number(point, kind)
    if not math.isfinite(number) or (kind.whole and abs(number) > _MOST_ENERGY):
        return None
    return number


def _scaled(text: str, kind: Measurement) -> float:
    exact = _EXACT.multiply(Decimal(text.strip()), Decimal(kind.factor))
    # Adding zero makes -0 what it is.
    return float(exact.to_integral_value(ROUND_HALF_EVEN) if kind.whole else exact) + 0.0
