"""Sampled values: the fields as sent in, the kind and its number in one unit out (R35, R36)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocpp_cs.metering import Measurement, measurement, sample_number

ENERGY = "Energy.Active.Import.Register"
POWER = "Power.Active.Import"
WH = measurement(None, None, "Wh", None, None, None)
KWH = measurement(None, None, "kWh", None, None, None)
KW = measurement(POWER, None, "kW", None, None, None)
VOLT = measurement("Voltage", None, "V", None, None, None)
KINDS = [WH, KWH, KW, VOLT, measurement(None, None, "kWh", None, None, "SignedData")]


def test_what_is_left_out_has_the_defaults_of_the_specification() -> None:
    kind = measurement(None, None, None, None, None, None)
    assert (kind.measurand, kind.context, kind.location, kind.format, kind.unit, kind.phase) == (
        ENERGY,
        "Sample.Periodic",
        "Outlet",
        "Raw",
        "Wh",
        "",
    )
    assert kind == measurement(ENERGY, "", "Wh", "Sample.Periodic", "Outlet", "Raw")


@pytest.mark.parametrize(
    ("measurand", "unit", "stored", "factor"),
    [
        (ENERGY, None, "Wh", 1),
        (ENERGY, "kWh", "Wh", 1000),
        ("Energy.Reactive.Export.Interval", None, "varh", 1),
        ("Energy.Reactive.Import.Register", "kvarh", "varh", 1000),
        (POWER, "kW", "W", 1000),
        (POWER, None, "", 1),
        ("Power.Offered", "kVA", "VA", 1000),
        ("Power.Reactive.Import", "kvar", "var", 1000),
        ("Temperature", "Celcius", "Celsius", 1),
        ("Temperature", "Celsius", "Celsius", 1),
        ("Temperature", "Fahrenheit", "Fahrenheit", 1),
        ("SoC", "Percent", "Percent", 1),
        ("Frequency", None, "", 1),
        ("Vendor.Magic", "furlong", "furlong", 1),
    ],
)
def test_units(measurand: str, unit: str | None, stored: str, factor: int) -> None:
    kind = measurement(measurand, None, unit, None, None, None)
    assert (kind.unit, kind.factor) == (stored, factor)
    assert kind.whole == (stored in ("Wh", "varh"))


@pytest.mark.parametrize(
    ("measurand", "phase", "unit", "register", "power", "total", "one_phase"),
    [
        (None, None, None, True, False, True, False),
        (None, "L1", "kWh", True, False, False, True),
        (None, "L1-N", "kWh", True, False, False, True),
        (None, "L1-L2", "kWh", True, False, False, False),
        (None, "N", "kWh", True, False, False, False),
        (None, None, "furlong", False, False, True, False),
        ("Energy.Active.Export.Register", None, "Wh", False, False, True, False),
        ("Energy.Active.Import.Interval", None, "Wh", False, False, True, False),
        (POWER, None, "kW", False, True, True, False),
        (POWER, "L3", None, False, True, False, True),
        ("Power.Offered", None, "W", False, False, True, False),
    ],
)
def test_what_tells_the_progress_of_a_transaction(
    measurand: str | None,
    phase: str | None,
    unit: str | None,
    register: bool,
    power: bool,
    total: bool,
    one_phase: bool,
) -> None:
    kind = measurement(measurand, phase, unit, None, None, None)
    assert (kind.import_register, kind.import_power) == (register, power)
    assert (kind.total, kind.one_phase) == (total, one_phase)


@given(st.lists(st.none() | st.text(max_size=200), min_size=6, max_size=6))
def test_no_word_is_too_long_or_too_odd(words: list[str | None]) -> None:
    kind = measurement(*words)
    texts = (kind.measurand, kind.phase, kind.location, kind.context, kind.format, kind.sent_unit)
    assert max(map(len, texts)) <= 64
    assert all(texts[at] for at in (0, 2, 3, 4))


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("11000", WH, 11000.0),
        (" 11000 ", WH, 11000.0),
        ("+5", WH, 5.0),
        ("-7.6", WH, -8.0),
        ("1500.5", WH, 1500.0),  # half to even
        ("1501.5", WH, 1502.0),
        ("11.0005", KWH, 11000.0),
        ("11.0015", KWH, 11002.0),
        ("0.1", KWH, 100.0),
        ("2.675", KWH, 2675.0),
        ("1234567.891", KWH, 1234567891.0),
        ("1.5e3", KWH, 1500000.0),
        ("1,5", KWH, 1500.0),
        ("1,5", VOLT, 1.5),
        ("7.36", KW, 7360.0),
        ("0.0001", KW, 0.1),
        ("230.1", VOLT, 230.1),
        ("-0", WH, 0.0),
        ("1,234,5", WH, None),
        ("1.234,5", WH, None),
        ("1_000", WH, None),
        ("", WH, None),
        ("twelve", KWH, None),
        ("0x10", WH, None),
        ("nan", VOLT, None),
        ("sNaN", KWH, None),
        ("-Infinity", KW, None),
        ("1e400", VOLT, None),
        ("1e400", KW, None),
        ("9e999999", KWH, None),
        ("1" * 65, VOLT, None),
    ],
)
def test_numbers(text: str, kind: Measurement, number: float | None) -> None:
    assert sample_number(text, kind) == number


def test_signed_data_is_never_a_number() -> None:
    signed = measurement(None, None, "Wh", None, None, "SignedData")
    assert sample_number("1500", signed) is None


numerals = st.from_regex(r"[+-]?[0-9]{0,30}[.,]?[0-9]{0,30}([eE][+-]?[0-9]{1,8})?", fullmatch=True)


@given(text=st.text() | numerals, kind=st.sampled_from(KINDS))
@example(text="9e999999", kind=KWH)
@example(text="-1e-999999999", kind=KWH)
def test_no_text_whatever_raises(text: str, kind: Measurement) -> None:
    number = sample_number(text, kind)
    assert number is None or abs(number) < float("inf")
    if number is not None and kind.whole:
        assert number == int(number)


@given(text=st.text() | numerals, kind=st.sampled_from([WH, KWH]))
@example(text="1e30", kind=WH)
@example(text="9223372036854775807", kind=WH)
@example(text="9223372036854776", kind=KWH)
def test_energy_fits_the_column_of_whole_wh(text: str, kind: Measurement) -> None:
    """What no register can show is no number: it would not fit 64 bits (promise 3)."""
    number = sample_number(text, kind)
    assert number is None or abs(int(number)) < 2**63


decimals = st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,25})?", fullmatch=True)


@given(text=decimals, kind=st.sampled_from([WH, KWH]))
@example(text="11.0014999999999999999999", kind=KWH)
@example(text="1.4999999999999999999999", kind=WH)
@example(text="0.50000000000000000000001", kind=WH)
def test_energy_is_rounded_from_the_exact_decimal(text: str, kind: Measurement) -> None:
    assert sample_number(text, kind) == round(Fraction(text) * kind.factor)


@given(text=decimals)
def test_power_is_the_nearest_number_to_the_exact_decimal(text: str) -> None:
    assert sample_number(text, KW) == float(Fraction(text) * 1000)
    assert sample_number(text, VOLT) == float(Fraction(text))
