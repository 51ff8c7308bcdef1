"""What a fleet counts while it runs: messages, sessions, energy, errors and answering times.
Not a report for people: `command.py` words it.
"""

import math
from collections import Counter
from dataclasses import dataclass, field


class Latency:
    """Answering times in seconds, kept as counts in buckets 2 % wide, so that a million of them
    take no more memory than a hundred."""

    _WIDTH = math.log(1.02)

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.longest_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one answer."""
        self._buckets[round(math.log(max(seconds, 1e-6)) / self._WIDTH)] += 1
        self.count += 1
        self.longest_s = max(self.longest_s, seconds)

    def percentile(self, share: float) -> float | None:
        """The time in seconds that `share` (0 to 1) of the answers took at most, within 1 %; None
        without answers."""
        wanted = math.ceil(share * self.count)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= max(wanted, 1):
                return min(math.exp(bucket * self._WIDTH), self.longest_s)
        return None


@dataclass(slots=True)
class Statistics:
    """Shared by all charge points of one fleet; they run in one thread."""

    messages: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    # (action, code, description) of every CALLERROR that came.
    call_errors: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    # What does not fit the protocol in the central system's frames.
    violations: Counter[str] = field(default_factory=Counter)
    timeouts: int = 0
    connections: int = 0
    connections_lost: int = 0
    # Ended connections by close code; 1006 where no Close frame came (RFC 6455 §7.4.1).
    close_codes: Counter[int] = field(default_factory=Counter)
    reconnects: int = 0
    discarded: int = 0
    # By identity: why the last attempt failed, of charge points that are not connected.
    refused: dict[str, str] = field(default_factory=dict)
    sessions_started: int = 0
    sessions_finished: int = 0
    energy_wh: int = 0
    latency: Latency = field(default_factory=Latency)
