"""Cursors: what was put in comes out, and nothing else does."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.api.cursors import EXAMPLE, CursorError, decode_cursor, encode_cursor

ORDER = "transactions -started_at"
TYPES = (datetime, int, str)
AT = datetime(2021, 11, 10, 14, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=50)


def word(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    number=st.integers(-(2**63) + 1, 2**63 - 1),
    text=TEXTS,
)
def test_there_and_back(at: datetime, number: int, text: str) -> None:
    key = (at, number, text)
    cursor = encode_cursor(ORDER, key)
    assert decode_cursor(cursor, ORDER, TYPES) == key
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&?# ")


def test_the_example_is_one() -> None:
    assert decode_cursor(EXAMPLE, "charge-points", (str,)) == ("CB-4711",)


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(CursorError):
        decode_cursor(text, ORDER, TYPES)


@pytest.mark.parametrize(
    "parts",
    [
        None,
        {},
        [],
        [1, ORDER],
        [2, ORDER, AT.isoformat(), 1, "x"],
        [1, "id-tags", AT.isoformat(), 1, "x"],
        [1, ORDER, AT.isoformat(), 1],
        [1, ORDER, AT.isoformat(), 1, "x", "y"],
        [1, ORDER, "2021-11-10T14:00:00", 1, "x"],
        [1, ORDER, "soon", 1, "x"],
        [1, ORDER, "0001-01-01T00:00:00+14:00", 1, "x"],
        [1, ORDER, 5, 1, "x"],
        [1, ORDER, AT.isoformat(), 2**63, "x"],
        [1, ORDER, AT.isoformat(), True, "x"],
        [1, ORDER, AT.isoformat(), 1.0, "x"],
        [1, ORDER, AT.isoformat(), "1", "x"],
        [1, ORDER, AT.isoformat(), 1, None],
        [1, ORDER, AT.isoformat(), 1, "a\x00b"],
        [1, ORDER, AT.isoformat(), 1, "\ud800"],
        [1, ORDER, AT.isoformat(), 1, ["x"]],
    ],
)
def test_a_well_made_word_of_the_wrong_kind_is_refused(parts: Any) -> None:
    with pytest.raises(CursorError):
        decode_cursor(word(parts), ORDER, TYPES)


def test_deep_and_long_words_are_refused() -> None:
    for text in ("[" * 1400, "9" * 1400, '"' + "x" * 5000 + '"'):
        with pytest.raises(CursorError):
            decode_cursor(base64.urlsafe_b64encode(text.encode()).decode(), ORDER, TYPES)
