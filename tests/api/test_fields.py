"""Fields: what is read strictly, how values are written."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from ocpp_cs.api.fields import Number, Text, Time, Truth, Whole
from ocpp_cs.rules import TransactionFlag

TIME = Time("A time.", "2021-11-10T14:00:00Z")
WHOLE = Whole("A number.", 1)
MILLISECOND = timedelta(milliseconds=1)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2021-11-10T14:00:00Z", utc(2021, 11, 10, 14)),
        ("2021-11-10t14:00:00z", utc(2021, 11, 10, 14)),
        ("2021-11-10 14:00:00Z", utc(2021, 11, 10, 14)),
        ("2021-11-10T14:00:00.5Z", utc(2021, 11, 10, 14, 0, 0, 500_000)),
        ("2021-11-10T16:30:00+02:30", utc(2021, 11, 10, 14)),
        ("2021-11-10T16:30:00 02:30", utc(2021, 11, 10, 14)),  # a plus sign not percent-encoded
        ("2021-11-10T00:00:00-23:59", utc(2021, 11, 10, 23, 59)),
        ("2021-11-10T14:00:00.000000001Z", utc(2021, 11, 10, 14, 0, 0, 1000)),
        ("2021-12-31T23:59:59.9991Z", utc(2022, 1, 1)),
    ],
)
def test_times_that_are_read(text: str, at: datetime) -> None:
    assert TIME.deserialize(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2021-11-10",
        "2021-11-10T14:00Z",
        "2021-11-10T14:00:00",
        "2021-11-10T14:00:00+0100",
        "2021-11-10T14:00:00+24:00",
        "2021-11-10T14:00:00+01:60",
        "2021-11-10T24:00:00Z",
        "2021-11-10T14:00:60Z",
        "2021-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.9995Z",
        "\u0662021-11-10T14:00:00Z",
        "2021-11-10T14:00:00Z\n",
        1636552800,
    ],
)
def test_times_that_are_refused(text: Any) -> None:
    with pytest.raises(ValidationError, match="RFC 3339"):
        TIME.deserialize(text)


@given(
    at=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),
    minutes=st.integers(-23 * 60, 23 * 60),
)
def test_a_time_is_read_as_the_next_whole_millisecond(at: datetime, minutes: int) -> None:
    local = at.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    found = TIME.deserialize(local.isoformat())
    assert found.microsecond % 1000 == 0
    assert local <= found < local + MILLISECOND
    assert TIME.deserialize(TIME.plain(found)) == found


@pytest.mark.parametrize("text", ["0", "-7", "007", "9223372036854775807"])
def test_whole_numbers_that_are_read(text: str) -> None:
    assert WHOLE.deserialize(text) == int(text)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "1.0", "1_000", "0x1", "\u0661", "1" * 20, True, 1.0]
)
def test_whole_numbers_that_are_refused(text: Any) -> None:
    with pytest.raises(ValidationError):
        WHOLE.deserialize(text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False)])
def test_truths(text: str, value: bool) -> None:
    assert Truth("A truth.", True).deserialize(text) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4500.0, "4500"),
        (-0.5, "-0.5"),
        (1.5, "1.5"),
        (float(2**53), "9007199254740992.0"),
        (math.inf, "None"),
        (-math.inf, "None"),
        (math.nan, "None"),
    ],
)
def test_numbers_as_they_are_written(value: float, text: str) -> None:
    assert str(Number("A number.", 1).plain(value)) == text


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx"])
def test_a_formula_in_a_cell_is_quoted(text: str) -> None:
    assert Text("A text.", "x").cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "x=1", " =1", "'x=1", "1-1"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert Text("A text.", "x").cell(text) == text


def test_every_flag_has_a_name_for_the_filter() -> None:
    from ocpp_cs.api.transactions import TransactionParameters

    choices = TransactionParameters().fields["flag"].validate.choices  # type: ignore[union-attr]
    assert len(choices) == len(TransactionFlag)
