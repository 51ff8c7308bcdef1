"""Documented output is compared by the letter, but for what differs from run to run."""

from __future__ import annotations

import pytest

from tests.docs.comparison import difference


@pytest.mark.parametrize(
    ("documented", "shown"),
    [
        ("Id tag 0FC673 is blocked.", "Id tag 0FC673 is blocked.\n"),
        ("2026-11-22T12:24:03.239Z info", "2027-01-02T03:04:05.678Z info"),
        ('"expiryDate":"2026-11-23T00:00:00.000Z"', '"expiryDate":"2030-01-01T00:00:00.000Z"'),
        ("Booting worker with pid: 12", "Booting worker with pid: 98765"),
        ("a\n...\nz", "a\nb\nc\nz"),
        ("a\n...\nz", "a\nz"),
        ("MeterValues 2, ...", "MeterValues 2, Heartbeat 5"),
        ("", ""),
    ],
)
def test_what_is_the_same(documented: str, shown: str) -> None:
    assert difference(shown, tuple(documented.split("\n")) if documented else ()) is None


@pytest.mark.parametrize(
    ("documented", "shown"),
    [
        ("Id tag 0FC673 is blocked.", "Id tag 0FC673 is accepted."),
        ("2021-11-10T14:15:00.000Z", "2021-11-10T14:16:00.000Z"),
        ("2026-11-23T00:00:00.000Z", "2026-11-23T00:00:00.001Z"),
        ("a\n...\nz", "a\nb"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("", "a"),
        ("a", ""),
        ("1 started", "2 started"),
        ("a.c", "abc"),
    ],
)
def test_what_is_not(documented: str, shown: str) -> None:
    found = difference(shown, tuple(documented.split("\n")) if documented else ())
    assert found is not None
    assert shown in found


def test_figures_may_differ_where_they_are_no_promise() -> None:
    documented = ("Energy         535.6 kWh", "Messages       3,089 answered")
    other = "Energy         7 kWh\nMessages       12 answered"
    assert difference(other, documented, figures=True) is None
    assert difference(other, documented)
    assert difference("Energy         7 kWh\nMessages       none", documented, figures=True)
