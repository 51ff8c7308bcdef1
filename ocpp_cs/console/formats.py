"""Figures and times as the viewer's language writes them: in templates, `f.energy(wh)`.

What is not known is a dash. Times are shown in the time zone of the settings; the script of the
pages puts them into that of the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from markupsafe import Markup

from ocpp_cs.console.texts import Language
from ocpp_cs.ocpp16.times import format_time

NOTHING = "\N{EN DASH}"
_SPACE = "\N{NO-BREAK SPACE}"
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Formats:
    language: Language
    zone: ZoneInfo
    now: datetime

    @property
    def nothing(self) -> str:
        """What is shown in the place of something that is not known."""
        return NOTHING

    def number(self, value: float | None, digits: int = 0) -> str:
        return NOTHING if value is None else self.language.number(value, digits)

    def energy(self, wh: float | None, digits: int | None = None) -> str:
        """Wh as kWh; large sums as MWh and GWh. Without `digits` as many as three or four figures
        need."""
        if wh is None:
            return NOTHING
        if abs(wh) >= 1e10:
            return self._figure(wh / 1e9, "GWh", digits)
        if abs(wh) >= 1e7:
            return self._figure(wh / 1e6, "MWh", digits)
        return self._figure(wh / 1000, "kWh", digits)

    def power(self, w: float | None) -> str:
        """W as kW; large sums as MW."""
        if w is None:
            return NOTHING
        if abs(w) >= 1e7:
            return self._figure(w / 1e6, "MW")
        return self._figure(w / 1000, "kW", 1)

    def percent(self, share: float) -> str:
        return f"{self.language.number(100 * share)}{_SPACE}%"

    def duration(self, seconds: float | None) -> str:
        """Its two largest units: 45 s, 12 min, 1 h 23 min, 4 d 3 h."""
        if seconds is None or seconds < 0:
            return NOTHING
        left, found = int(seconds), list[tuple[int, str]]()
        for size, unit in _UNITS:
            value, left = divmod(left, size)
            if value or (unit == "second" and not found):
                found.append((value, unit))
            if len(found) == 2 or (found and unit == "minute"):
                break
        return _SPACE.join(
            f"{self.number(value)}{_SPACE}{self.language.plain(f'unit.{unit}')}"
            for value, unit in found
        )

    def time(self, at: datetime | None) -> str:
        """A `<time>`, with its text in the time zone of the settings."""
        if at is None:
            return NOTHING
        local = at.astimezone(self.zone)
        text = f"{local.strftime(self.language.texts['time.pattern'])} {local.tzname()}"
        return Markup('<time datetime="{}">{}</time>').format(format_time(at.astimezone(UTC)), text)

    def ago(self, at: datetime | None) -> str:
        """How long ago, or how long still, that is; the time itself where a pointer rests."""
        if at is None:
            return NOTHING
        seconds = (self.now - at).total_seconds()
        key = "time.ago" if seconds >= 0 else "time.ahead"
        if abs(seconds) < 1:
            text = self.language.text("time.now")
        else:
            text = self.language.text(key, duration=self.duration(abs(seconds)))
        return Markup('<time datetime="{}" data-ago>{}</time>').format(
            format_time(at.astimezone(UTC)), text
        )

    def period(self, begins: datetime, unit: Literal["hour", "day", "minute"]) -> str:
        """How an hour, a day or a minute of the settings' zone is called."""
        return begins.astimezone(self.zone).strftime(self.language.texts[f"time.{unit}"])

    def since(self, at: datetime) -> str:
        """How long it has lasted since then."""
        return self.duration(max((self.now - at).total_seconds(), 0))

    def _figure(self, value: float, unit: str, digits: int | None = None) -> str:
        if digits is None:
            digits = 2 if abs(value) < 100 else 1 if abs(value) < 1000 else 0
        return f"{self.language.number(value, digits)}{_SPACE}{unit}"
