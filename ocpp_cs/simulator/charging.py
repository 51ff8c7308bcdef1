"""A car that takes energy: power by state of charge, integrated into the connector's register.
No clock, no socket, no OCPP: times are given, and what a meter would show comes out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from ocpp_cs.simulator.day import Visit
from ocpp_cs.simulator.vendors import Vendor

MAINS_VOLTAGE = 230.0
STEP = timedelta(seconds=10)
_RAMP_SECONDS = 30.0
_EFFICIENCY = 0.93
# Below this a car counts as no longer taking energy (status SuspendedEV).
_IDLE_POWER_W = 40.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the meter of one connector shows at one moment: Wh, W, V, A, and per cent.

    Voltages and currents have one entry per phase of the meter, or one for direct current.
    """

    at: datetime
    register_wh: int
    power_w: float
    voltages: tuple[float, ...]
    currents: tuple[float, ...]
    soc_percent: int | None = None


def taper(soc: float, *, direct_current: bool) -> float:
    """The share (0 to 1) of its full power that a car takes at this state of charge (0 to 1)."""
    points = (
        ((0.0, 1.0), (0.5, 1.0), (0.8, 0.45), (1.0, 0.04))
        if direct_current
        else ((0.0, 1.0), (0.93, 1.0), (1.0, 0.08))
    )
    for (soc_a, share_a), (soc_b, share_b) in pairwise(points):
        if soc <= soc_b:
            return share_a + (share_b - share_a) * (soc - soc_a) / (soc_b - soc_a)
    return points[-1][1]


def full_power_w(visit: Visit, vendor: Vendor) -> float:
    """The most that this car and this connector can agree on, in W."""
    if vendor.direct_current:
        return float(min(visit.vehicle.fast_power_w, vendor.max_power_w))
    current = min(visit.vehicle.current_a, vendor.max_current_a)
    return MAINS_VOLTAGE * current * phases_in_use(visit, vendor)


def phases_in_use(visit: Visit, vendor: Vendor) -> int:
    """How many phases carry current; 1 for direct current."""
    return 1 if vendor.direct_current else min(visit.vehicle.phases, vendor.phases)


def idle_reading(vendor: Vendor, register_wh: float, at: datetime, rng: Random) -> Reading:
    """What the meter shows while no car takes energy."""
    width = 1 if vendor.direct_current else vendor.phases
    voltages = (0.0,) if vendor.direct_current else _mains_voltages(rng, width)
    return Reading(at, int(register_wh), 0.0, voltages, (0.0,) * width)


class Charging:
    """One car's energy transfer, from `at` on. `register_wh` never falls; `energy_wh` is the exact
    sum of power times time over steps of at most `STEP`."""

    def __init__(
        self, visit: Visit, vendor: Vendor, register_wh: float, at: datetime, rng: Random
    ) -> None:
        self._visit = visit
        self._vendor = vendor
        self._rng = rng
        self.began_at = self.at = at
        self.register_wh = register_wh
        self.energy_wh = 0.0
        self.power_w = 0.0
        self.soc = visit.start_soc
        self.limit_w: float | None = None

    @property
    def full(self) -> bool:
        """The car has what it came for and takes no more."""
        return self.soc >= self._visit.target_soc

    @property
    def idle(self) -> bool:
        """Nothing worth mentioning flows."""
        return self.power_w < _IDLE_POWER_W

    def advance(self, to: datetime) -> None:
        """Charge until `to`; a time in the past changes nothing."""
        while self.at < to:
            step = min(STEP, to - self.at)
            self._take(step)
            self.at += step

    def reading(self) -> Reading:
        """What the meter shows now."""
        if self._vendor.direct_current:
            voltage = _battery_voltage(self.soc) + self._rng.gauss(0.0, 0.4)
            return Reading(
                self.at,
                int(self.register_wh),
                self.power_w,
                (voltage,),
                (self.power_w / voltage,),
                round(self.soc * 100),
            )
        voltages = _mains_voltages(self._rng, self._vendor.phases)
        used = phases_in_use(self._visit, self._vendor)
        currents = tuple(
            self.power_w / used / voltage if phase < used else 0.0
            for phase, voltage in enumerate(voltages)
        )
        return Reading(self.at, int(self.register_wh), self.power_w, voltages, currents)

    def _take(self, step: timedelta) -> None:
        self.power_w = self._power_now()
        energy = self.power_w * (step / timedelta(hours=1))
        self.energy_wh += energy
        self.register_wh += energy
        self.soc = min(self.soc + energy * _EFFICIENCY / self._visit.vehicle.battery_wh, 1.0)

    def _power_now(self) -> float:
        if self.full:
            return 0.0
        share = taper(self.soc, direct_current=self._vendor.direct_current)
        elapsed = (self.at - self.began_at).total_seconds()
        ramp = min((elapsed + 5.0) / _RAMP_SECONDS, 1.0)
        wobble = self._rng.uniform(0.985, 1.0)
        power = full_power_w(self._visit, self._vendor) * share * ramp * wobble
        if self._vendor.direct_current:
            power = min(power, self._vendor.max_current_a * _battery_voltage(self.soc))
        return power if self.limit_w is None else min(power, self.limit_w)


def _battery_voltage(soc: float) -> float:
    return 330.0 + 75.0 * soc


def _mains_voltages(rng: Random, phases: int) -> tuple[float, ...]:
    return tuple(rng.gauss(MAINS_VOLTAGE, 1.1) for _ in range(phases))
