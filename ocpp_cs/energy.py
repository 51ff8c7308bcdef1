"""How the energy of a session lies in time: its curve, from the registers that are known of it.

Pure, like `metering`: it reads no samples, and decides nothing about calendars. Times are whole
milliseconds since 1970 in UTC, registers whole Wh. The rules:

- The curve goes from (start, meter_start) by the registers of its samples to (stop, meter_stop),
  straight between two points, in exact arithmetic, rounded to whole Wh (half to even).
- A sample at or before the start or at or after the stop is left out: start and stop are what is
  billed. So is one that lies below a register before it, or above the stop's.
- A session whose stop is not after its start has all of its energy at its start.
- The energy of [a, b) is `at(b) - at(a)`, so that parts that meet add up to the whole exactly,
  also where it is negative.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

Point = tuple[int, int]  # milliseconds since 1970, Wh

QUARTER_HOUR = 15 * 60 * 1000
# So many quarter hours between two points are stored as such; of more, the two points are.
_QUARTERS_BETWEEN = 2


class Curve:
    """The energy register of one session as a function of time."""

    __slots__ = ("_registers", "_times")

    def __init__(self, start: Point, samples: Iterable[Point], stop: Point) -> None:
        """`samples` in any order; of several at the same time the last one counts."""
        self._times, self._registers = [start[0]], [start[1]]
        highest = start[1]
        if start[0] < stop[0] and start[1] < stop[1]:
            for at, register in sorted(dict(samples).items()):
                if start[0] < at < stop[0] and highest <= register <= stop[1]:
                    self._times.append(at)
                    self._registers.append(register)
                    highest = register
        self._times.append(stop[0])
        self._registers.append(stop[1])

    def at(self, time: int) -> int:
        """The register at a time, in Wh; before the start that of the start, and so on."""
        times, registers = self._times, self._registers
        if time <= times[0]:
            return registers[0]
        if time >= times[-1]:
            return registers[-1]
        after = bisect_right(times, time)
        since, register = times[after - 1], registers[after - 1]
        return register + _divided(
            (registers[after] - register) * (time - since), times[after] - since
        )

    def readings(self) -> list[Point]:
        """The points that give the same curve at each quarter hour of UTC, in order.

        The quarter hours themselves; and where the samples are far apart, those samples.
        None where start and stop say it all.
        """
        if len(self._times) == 2:
            return []
        found: dict[int, int] = {}
        first, last = self._times[0], self._times[-1]
        for since, until in pairwise(self._times):
            quarter = -(-since // QUARTER_HOUR) * QUARTER_HOUR
            if quarter + _QUARTERS_BETWEEN * QUARTER_HOUR <= until:
                found.update((at, self.at(at)) for at in (since, until))
            else:
                quarters = range(quarter, until + 1, QUARTER_HOUR)
                found.update((at, self.at(at)) for at in quarters)
        return [(at, found[at]) for at in sorted(found) if first < at < last]


def elapsed(start: int, stop: int, time: int) -> int:
    """How much of a session has passed at a time, in milliseconds: to be used as `Curve.at`.

    Of a session whose stop is not after its start all of it lies at its start.
    """
    if time <= start:
        return 0
    return stop - start if time >= stop else time - start


def _divided(dividend: int, divisor: int) -> int:
    """Rounded to a whole number, half to even; the divisor is positive."""
    quotient, rest = divmod(dividend, divisor)
    return quotient + (2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1))
