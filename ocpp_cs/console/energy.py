"""Energy of today, by the hour, and of the last 30 days, by the day: exact, as in the API's report.

Days that are over hardly change, so that they are computed rarely; today often. See `kept`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ocpp_cs.api.blueprint import request_time
from ocpp_cs.buckets import Unit, edges
from ocpp_cs.console.kept import Kept
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import from_milliseconds, to_milliseconds
from ocpp_cs.db.reports import EnergyFilter, Grouping, energy_report

DAYS, WEEK = 30, 7
_TODAY_FOR_S, _DAYS_FOR_S = 5.0, 600.0
# A page waits so long for what is not known yet, and is shown without it.
_WAITS_S = 0.05
_MOST_BUCKETS = 100


@dataclass(frozen=True, slots=True)
class Period:
    """The energy of an hour or a day."""

    begins: datetime
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Energy:
    """`hours` are all those of today, `days` end with today; None: not known yet."""

    hours: list[Period] | None
    days: list[Period] | None

    @property
    def today_wh(self) -> float | None:
        return None if self.hours is None else sum(hour.energy_wh for hour in self.hours)

    @property
    def week(self) -> list[Period] | None:
        return None if self.days is None else self.days[-WEEK:]


class EnergyOfLate:
    """Computed once for all viewers of this process."""

    def __init__(self, engine: Engine, zone: ZoneInfo) -> None:
        self._engine = engine
        self._zone = zone
        self._today = Kept(self._hours, for_s=_TODAY_FOR_S, waits_s=_WAITS_S)
        self._past = Kept(self._days, for_s=_DAYS_FOR_S, waits_s=_WAITS_S)

    def get(self, now: datetime) -> Energy:
        midnight = self._midnight(now)
        hours, past = self._today.get(midnight), self._past.get(midnight)
        if hours is None or past is None:
            return Energy(hours, None)
        today = Period(midnight, sum(hour.energy_wh for hour in hours))
        return Energy(hours, [*past, today])

    def _hours(self, midnight: datetime) -> list[Period]:
        return self._report("hour", midnight, self._midnight(midnight, 1))

    def _days(self, midnight: datetime) -> list[Period]:
        return self._report("day", self._midnight(midnight, 1 - DAYS), midnight)

    def _report(self, unit: Unit, since: datetime, until: datetime) -> list[Period]:
        wanted, grouping = EnergyFilter(since=since, until=until), Grouping((), unit, self._zone)
        report = energy_report(self._engine, wanted, grouping, now=request_time())
        # No rows at all if nothing was charged.
        found = {row.begins: row.energy_wh for row in report.read(None, _MOST_BUCKETS)}
        bounds = to_milliseconds(since), to_milliseconds(until)
        begins = edges(self._zone, unit, *bounds, _MOST_BUCKETS)[:-1]
        return [Period(from_milliseconds(at), float(found.get(at, 0))) for at in begins]

    def _midnight(self, at: datetime, days: int = 0) -> datetime:
        """When the day of that time began in the zone, or one so many days after it."""
        day = at.astimezone(self._zone).date() + timedelta(days=days)
        return datetime.combine(day, time.min, self._zone).astimezone(UTC)
