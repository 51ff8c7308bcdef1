"""Formats and charts: this value in, that text or place out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from zoneinfo import ZoneInfo

import pytest

from ocpp_cs.console.charts import bars, shares
from ocpp_cs.console.formats import Formats
from ocpp_cs.console.kept import Kept
from ocpp_cs.console.texts import LANGUAGES
from tests.servers import wait_until

DASH = "\N{EN DASH}"
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ENGLISH = Formats(LANGUAGES["en"], ZoneInfo("UTC"), NOW)
GERMAN = Formats(LANGUAGES["de"], ZoneInfo("Europe/Berlin"), NOW)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("wh", "english", "german"),
    [
        (None, DASH, DASH),
        (0, "0.00 kWh", "0,00 kWh"),
        (-5, "\N{MINUS SIGN}0.01 kWh", "\N{MINUS SIGN}0,01 kWh"),
        (-4, "0.00 kWh", "0,00 kWh"),
        (99_990, "99.99 kWh", "99,99 kWh"),
        (123_456, "123.5 kWh", "123,5 kWh"),
        (9_999_000, "9,999 kWh", "9.999 kWh"),
        (12_345_678, "12.35 MWh", "12,35 MWh"),
        (45_000_000_000, "45.00 GWh", "45,00 GWh"),
    ],
)
def test_energy(wh: float | None, english: str, german: str) -> None:
    assert (plain(ENGLISH.energy(wh)), plain(GERMAN.energy(wh))) == (english, german)


@pytest.mark.parametrize(
    ("w", "shown"), [(None, DASH), (7360.0, "7.4 kW"), (12_500_000.0, "12.50 MW")]
)
def test_power(w: float | None, shown: str) -> None:
    assert plain(ENGLISH.power(w)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, DASH),
        (-1, DASH),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (4980, "1 h 23 min"),
        (86400 + 120, "1 d 2 min"),
        (4 * 86400 + 3 * 3600, "4 d 3 h"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert plain(ENGLISH.duration(seconds)) == shown


def test_times() -> None:
    at = datetime(2026, 7, 1, 9, 5, tzinfo=UTC)
    assert ENGLISH.time(at) == (
        '<time datetime="2026-07-01T09:05:00.000Z">01 Jul 2026, 09:05 UTC</time>'
    )
    assert ">01.07.2026, 11:05 CEST<" in GERMAN.time(at)
    assert ">2 h 55 min ago<" in plain(ENGLISH.ago(at))
    assert "in 5" in ENGLISH.ago(NOW + timedelta(seconds=5))
    assert "just now" in ENGLISH.ago(NOW)
    assert (ENGLISH.period(at, "hour"), GERMAN.period(at, "day")) == ("09:00", "01.07.")


def test_bars_end_at_a_round_value() -> None:
    chart = bars([0.0, 1500.0, -3.0, 3000.0], 1000.0)
    assert chart.top == 5000.0
    assert [bar.height for bar in chart.bars] == [0.0, 28.2, 0.0, 56.4]
    assert all(bar.y + bar.height == pytest.approx(chart.bottom_y) for bar in chart.bars)
    assert bars([], 1000.0).bars == []
    assert [bar.labelled for bar in bars([0.0] * 30, 1000.0).bars].count(True) <= 7


def test_shares_fill_the_whole() -> None:
    assert shares([1, 3]) == [(0.0, 25.0), (25.0, 75.0)]
    assert shares([0, 0]) == [(0.0, 0.0), (0.0, 0.0)]


def test_what_takes_long_is_waited_for_a_moment_and_kept() -> None:
    go, made = Event(), list[str]()

    def make(key: str) -> str:
        go.wait(10)
        made.append(key)
        return key.upper()

    kept = Kept(make, for_s=3600, waits_s=0.001)
    assert kept.get("a") is None
    assert kept.get("a") is None  # one thread is at it
    go.set()
    wait_until(lambda: kept.get("a") == "A")
    assert made == ["a"]
    wait_until(lambda: kept.get("b") == "B")
    assert made == ["a", "b"]


def test_what_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[Callable[[], int]] = [lambda: 1 // 0, lambda: 7]
    kept: Kept[str, int] = Kept(lambda _: answers.pop(0)(), for_s=3600, waits_s=10)
    assert kept.get("") is None
    assert "adding up figures of the console failed" in caplog.text
    assert kept.get("") == 7
