"""Who comes to charge when, with which car, and when the line is down: a day as a plan, made ahead.
No clock, no socket, no OCPP: a seeded `random.Random` in, times and cars out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from ocpp_cs.simulator.vendors import Site, Vendor

Farewell = Literal["presents_tag", "presents_tag_silently", "pulls_cable"]

DRIVERS_PER_CONNECTOR = 6

# A meter counts from its installation on; see `register_at`.
_INSTALLED = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
_UPPER_UTILISATION = 0.12


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Battery in Wh; on-board charger by current (A per phase) and phases; fast charging in W."""

    battery_wh: int
    current_a: int
    phases: int
    fast_power_w: int


VEHICLES: tuple[Vehicle, ...] = (
    Vehicle(battery_wh=77_000, current_a=16, phases=3, fast_power_w=135_000),
    Vehicle(battery_wh=58_000, current_a=16, phases=3, fast_power_w=120_000),
    Vehicle(battery_wh=82_000, current_a=32, phases=3, fast_power_w=170_000),
    Vehicle(battery_wh=52_000, current_a=32, phases=3, fast_power_w=46_000),
    Vehicle(battery_wh=40_000, current_a=32, phases=1, fast_power_w=50_000),
    Vehicle(battery_wh=64_000, current_a=16, phases=2, fast_power_w=75_000),
    Vehicle(battery_wh=13_000, current_a=16, phases=1, fast_power_w=20_000),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One car at one connector. States of charge from 0 to 1; times are aware UTC.

    The driver presents the tag `authorises_after` the plug went in, stops the transaction at
    `leaves_at` and pulls the plug `unplugs_after` that.
    """

    connector_id: int
    id_tag: str
    vehicle: Vehicle
    start_soc: float
    target_soc: float
    plugged_in_at: datetime
    leaves_at: datetime
    authorises_after: timedelta
    unplugs_after: timedelta
    farewell: Farewell


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch without a connection, half-open, aware UTC."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """What is to happen at one charge point between two aware UTC times."""

    starts_at: datetime
    ends_at: datetime
    visits: tuple[Visit, ...]
    outages: tuple[Outage, ...]


@dataclass(frozen=True, slots=True)
class _Habits:
    """Arrivals per connector and day, their weight by hour of day, median stay in minutes."""

    arrivals: float
    by_hour: tuple[int, ...]
    stay_minutes: float
    stay_spread: float


# fmt: off
_HABITS: dict[Site, _Habits] = {
    "home": _Habits(1.3, (1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2,
                          2, 2, 3, 4, 7, 10, 10, 8, 6, 4, 3, 2), 560.0, 0.35),
    "workplace": _Habits(1.8, (0, 0, 0, 0, 0, 1, 5, 14, 14, 7, 2, 2,
                               4, 4, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0), 400.0, 0.4),
    "public": _Habits(4.5, (1, 1, 0, 0, 0, 1, 2, 4, 6, 8, 9, 9,
                            9, 8, 8, 8, 8, 9, 9, 7, 5, 4, 3, 2), 110.0, 0.6),
    "motorway": _Habits(11.0, (2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 8, 9,
                               9, 9, 9, 9, 9, 8, 7, 6, 5, 4, 3, 2), 27.0, 0.3),
}
# fmt: on


def arrivals_per_hour(site: Site, hour: int) -> float:
    """Cars that come to one free connector of this site in the hour of day `hour` (0 to 23)."""
    habits = _HABITS[site]
    return habits.arrivals * habits.by_hour[hour] / sum(habits.by_hour)


def plan_day(
    rng: Random,
    vendor: Vendor,
    identity: str,
    starts_at: datetime,
    hours: float,
    outages_per_day: float,
) -> Day:
    """A "day" of `hours` hours for one charge point; the same `rng` state gives the same day, and
    other outages leave the visits as they are."""
    chance_of_visits, chance_of_outages = Random(rng.random()), Random(rng.random())
    return Day(
        starts_at,
        starts_at + timedelta(hours=hours),
        plan_visits(chance_of_visits, vendor, identity, starts_at, hours),
        plan_outages(chance_of_outages, vendor, starts_at, hours, outages_per_day),
    )


def plan_visits(
    rng: Random, vendor: Vendor, identity: str, start: datetime, hours: float
) -> tuple[Visit, ...]:
    """Every visit that begins within `hours` of `start`, in order of arrival. Visits of one
    connector never overlap; each connector has its own regulars, so that no id tag is ever in two
    places (which a central system would answer with ConcurrentTx, §7.2)."""
    end = start + timedelta(hours=hours)
    visits: list[Visit] = []
    for connector_id in range(1, vendor.connectors + 1):
        free_from = start
        for arrival in _arrivals(rng, vendor.site, start, end):
            if arrival < free_from:
                continue
            visit = make_visit(rng, vendor, identity, connector_id, arrival)
            visits.append(visit)
            free_from = visit.leaves_at + visit.unplugs_after + timedelta(minutes=1)
    return tuple(sorted(visits, key=lambda visit: visit.plugged_in_at))


def make_visit(
    rng: Random, vendor: Vendor, identity: str, connector_id: int, arrival: datetime
) -> Visit:
    """One visit that begins at `arrival`; the car, its charge and the length of stay by chance."""
    habits = _HABITS[vendor.site]
    start_soc = min(max(rng.gauss(0.42, 0.17), 0.05), 0.88)
    target_soc = max(start_soc + 0.1, rng.uniform(0.72, 0.86)) if vendor.direct_current else 1.0
    stay = rng.lognormvariate(math.log(habits.stay_minutes), habits.stay_spread)
    return Visit(
        connector_id=connector_id,
        id_tag=id_tag_of(identity, connector_id, rng.randrange(DRIVERS_PER_CONNECTOR)),
        vehicle=rng.choice(VEHICLES),
        start_soc=start_soc,
        target_soc=min(target_soc, 1.0),
        plugged_in_at=_to_millisecond(arrival),
        leaves_at=_to_millisecond(arrival + timedelta(minutes=max(stay, 6.0))),
        authorises_after=timedelta(seconds=rng.randrange(6, 40)),
        unplugs_after=timedelta(seconds=rng.randrange(20, 240)),
        farewell=rng.choices(
            ("presents_tag", "presents_tag_silently", "pulls_cable"), weights=(6, 2, 2)
        )[0],
    )


def id_tag_of(identity: str, connector_id: int, driver: int) -> str:
    """The id tag of one of a connector's regulars: eight hexadecimal digits, as cards have them."""
    return f"{Random(f'{identity}/{connector_id}/{driver}').getrandbits(32):08X}"


def plan_outages(
    rng: Random, vendor: Vendor, start: datetime, hours: float, per_day: float
) -> tuple[Outage, ...]:
    """When the line is down: on average `per_day` times the vendor's own factor in 24 hours.
    Outages do not overlap, none begins in the first minute, and the last ends before the day."""
    end = start + timedelta(hours=hours)
    rate = per_day * vendor.outages_factor / 24.0
    outages: list[Outage] = []
    at = start + timedelta(minutes=1)
    while rate > 0:
        at += timedelta(hours=min(rng.expovariate(rate), hours))
        length = timedelta(minutes=1.0 + rng.expovariate(1.0 / vendor.mean_outage_minutes))
        if at + length >= end:
            break
        outages.append(Outage(_to_millisecond(at), _to_millisecond(at + length)))
        at += length + timedelta(minutes=1)
    return tuple(outages)


def register_at(rng: Random, vendor: Vendor, start: datetime) -> float:
    """What a connector's meter reads when the day begins, in Wh.

    It grows with the date faster than simulated cars can charge on average: a second run that
    begins later than the first one ended also begins above it (err 3.78, R37).
    """
    age_hours = max((start - _INSTALLED) / timedelta(hours=1), 0.0)
    return rng.uniform(1_000, 50_000) + age_hours * vendor.max_power_w * _UPPER_UTILISATION


def _arrivals(rng: Random, site: Site, start: datetime, end: datetime) -> Iterator[datetime]:
    """A Poisson process whose rate changes with the hour of day, by thinning."""
    highest = max(arrivals_per_hour(site, hour) for hour in range(24))
    at = start
    while True:
        at += timedelta(hours=rng.expovariate(highest))
        if at >= end:
            return
        if rng.random() * highest < arrivals_per_hour(site, at.hour):
            yield at


def _to_millisecond(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
