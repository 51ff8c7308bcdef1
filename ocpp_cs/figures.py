"""What a process has counted since it began, as plain numbers; `monitoring` makes metrics of them.

It measures nothing and takes no lock: on the road of messages a count may cost a tenth of a
microsecond. Green threads lose none; between native threads, as in tests, one may get lost.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BETWEEN = "\x1f"  # the labels of a count, where it is written as text

Labels = tuple[str, ...]


class Histogram:
    """How many values lay at or below each bound, and above the last one; and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, told: Mapping[str, Any]) -> None:
        """Adds what another one has `told`; nothing if that one had other bounds."""
        counts = told["counts"]
        if len(counts) == len(self.counts):
            self.counts = [own + more for own, more in zip(self.counts, counts, strict=True)]
            self.total += told["total"]

    def told(self) -> dict[str, Any]:
        return {"counts": self.counts, "total": self.total}


class Figures:
    """The counts of one process, or the sum of those of several.

    `messages` by (action, outcome), `handshakes` by (outcome,), `commands` by (action, status),
    `losses` by (what,): tries of a commit, groups and archived frames that came to nothing.
    Histograms: pieces of work in a commit group, seconds until it was committed, seconds by which
    the event loop was late.
    """

    def __init__(self) -> None:
        self.messages: defaultdict[Labels, int] = defaultdict(int)
        self.handshakes: defaultdict[Labels, int] = defaultdict(int)
        self.commands: defaultdict[Labels, int] = defaultdict(int)
        self.losses: defaultdict[Labels, int] = defaultdict(int)
        self.group_size = Histogram(GROUP_SIZES)
        self.group_seconds = Histogram(SECONDS)
        self.loop_delay = Histogram(SECONDS)

    def committed(self, size: int, seconds: float) -> None:
        """A group of so many pieces of work is on disk, so long after it was taken up."""
        self.group_size.observe(size)
        self.group_seconds.observe(seconds)

    def told(self) -> dict[str, Any]:
        """All of it as what JSON can write; `add` reads it."""
        told: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Histogram):
                told[name] = value.told()
            else:
                told[name] = {_BETWEEN.join(labels): count for labels, count in value.items()}
        return told

    def add(self, told: Mapping[str, Any]) -> None:
        """Adds what another process has `told`, be it one of another release."""
        for name, value in vars(self).items():
            if name not in told:
                continue
            if isinstance(value, Histogram):
                value.add(told[name])
            else:
                for labels, count in told[name].items():
                    value[tuple(labels.split(_BETWEEN))] += count
