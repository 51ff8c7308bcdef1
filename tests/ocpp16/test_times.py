"""Date-times of charge points in, UTC or "unreadable" out; and the one form that we send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.ocpp16.times import ParsedTime, format_time, parse_time


def utc(*parts: int, milliseconds: int = 0) -> datetime:
    return datetime(*parts, microsecond=milliseconds * 1000, tzinfo=UTC)  # type: ignore[arg-type, misc]


TWO = utc(2021, 11, 10, 14)

READABLE = (
    ("2021-11-10T14:00:00.000Z", TWO),
    ("2021-11-10T14:00:00Z", TWO),
    ("2021-11-10T14:00:00z", TWO),
    ("2021-11-10t14:00:00Z", TWO),
    ("2021-11-10 14:00:00Z", TWO),
    ("2021-11-10T14:00Z", TWO),
    ("20211110T140000Z", TWO),
    ("  2021-11-10T14:00:00Z\n", TWO),
    ("2021-11-10T14:00:00+00:00", TWO),
    ("2021-11-10T16:00:00+02:00", TWO),
    ("2021-11-10T16:00:00+0200", TWO),
    ("2021-11-10T16:00:00+02", TWO),
    ("2021-11-10 16:00:00 +02:00", TWO),
    ("2021-11-10T08:30:00-05:30", TWO),
    ("2021-11-10 08:30:00-0530", TWO),
    ("2021-11-10T14:00:00.5Z", utc(2021, 11, 10, 14, milliseconds=500)),
    ("2021-11-10T14:00:00,25Z", utc(2021, 11, 10, 14, milliseconds=250)),
    ("2021-11-10T14:00:00:250Z", utc(2021, 11, 10, 14, milliseconds=250)),
    ("2021-11-10 14:00:00:250Z", utc(2021, 11, 10, 14, milliseconds=250)),
    ("2021-11-10T14:00:00.9999Z", utc(2021, 11, 10, 14, milliseconds=999)),
    ("2021-11-10T14:00:00.1239999999999999999Z", utc(2021, 11, 10, 14, milliseconds=123)),
    ("2021-11-10 14:00:00.1239999999999999999z", utc(2021, 11, 10, 14, milliseconds=123)),
    ("2021-11-10T14:00:00." + "0" * 10_000 + "Z", TWO),
    ("2024-02-29T23:59:59.999+00:00", utc(2024, 2, 29, 23, 59, 59, milliseconds=999)),
)


@pytest.mark.parametrize(("text", "at"), READABLE)
def test_iso_8601_is_read_however_it_is_written(text: str, at: datetime) -> None:
    parsed = parse_time(text)
    assert parsed == ParsedTime(at, None)
    assert parsed.at is not None
    assert parsed.at.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["2021-11-10T14:00:00", "2021-11-10T14:00:00.000", "2021-11-10 14:00:00", "20211110T140000"],
)
def test_without_an_offset_it_is_utc_and_flagged(text: str) -> None:
    assert parse_time(text) == ParsedTime(TWO, "naive_time")


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:00:12Z", "1999-12-31T23:59:59", "0001-01-01T00:00:00Z"]
)
def test_before_the_year_2000_the_clock_was_not_set(text: str) -> None:
    at, deviation = parse_time(text)
    assert at is not None
    assert at.year < 2000
    assert deviation == "clock_not_set"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "yesterday",
        "1636552800",
        "2021-11-10",
        "2021-11-10+02:00",
        "2021-11-10T14",
        "2021-11-10T23:59:60Z",
        "2021-11-10T24:00:00Z",
        "2021-11-10 24:00:00",
        "2021-13-10T14:00:00Z",
        "2021-02-29T14:00:00Z",
        "2021-11-10T14:00:00+24:00",
        "2021-11-10T14:00:00+99:99",
        "2021-11-10T14:00:00ZZ",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "222222017-11-10T14:00:00Z",
        "\uff12021-11-10T14:00:00Z",
        "2021-11-10T14:00:00\ud800",
        "\u06f2\u06f0\u06f2\u06f1-11-10 14:00:00",
        "2021-11-10T14:00:00.12\x00Z",
        "2021-11-10T14:Z\x00:00Z",
        "2021-11-10T" + "1" * 1_000_000,
        "9" * 1_000_000,
    ],
)
def test_what_cannot_be_read_is_said_and_never_raised(text: str) -> None:
    assert parse_time(text) == ParsedTime(None, "unreadable_time")


@given(st.text(st.sampled_from("0123456789-+:.,TtZz ") | st.characters(), max_size=40))
def test_any_text_gives_utc_or_nothing(text: str) -> None:
    at, deviation = parse_time(text)
    assert (at is None) == (deviation == "unreadable_time")
    assert at is None or (at.tzinfo is UTC and at.microsecond % 1000 == 0)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_we_send_we_read_to_the_millisecond(at: datetime) -> None:
    cut = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert parse_time(format_time(at)).at == cut


def test_what_we_send_is_utc_with_milliseconds_and_z() -> None:
    assert format_time(TWO) == "2021-11-10T14:00:00.000Z"
    there = datetime(2021, 11, 10, 16, 0, 0, 1999, timezone(timedelta(hours=2)))
    assert format_time(there) == "2021-11-10T14:00:00.001Z"


def test_a_time_without_an_offset_is_not_sent() -> None:
    with pytest.raises(ValueError, match="offset"):
        format_time(datetime(2021, 11, 10))
