"""Run: two sockets fight for one identity at two processes, each swap a new handshake (A1, F7, F8).

Who has lost is told so with a Close frame and gets no answer any more; somebody always owns it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from websockets.frames import Close, Opcode

from tests.e2e.conftest import plain_sql
from tests.faults.stage import Outcome, Size, Stage
from tests.faults.watched import faults_in_log
from tests.gateway.conftest import RawPeer, call

SWAPS: dict[Size, int] = {"ci": 100, "short": 1_000, "full": 10_000}
_IDENTITY = "CONTESTED"
_DEADLINE_S = 30.0
_LONGEST_WITHOUT_S = 2.0
# Between the newer one's 101 and the last answer to the older one, as the two peers see them.
_LONGEST_TOGETHER_S = 2.0
_LOOK_S = 0.02
_OWNED = "SELECT count(*) FROM charge_points WHERE identity = '%s' AND present_until IS NOT NULL"


@dataclass
class Fight:
    """What the contenders see; times in monotonic seconds."""

    port: int
    wanted: int
    swaps: int = 0
    admitted_at: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of each one's latest
    answered_at: float = field(default_factory=time.monotonic)  # the latest answer of all
    unanswered: float = 0.0  # the longest time without one
    together: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    closes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def over(self) -> bool:
        return self.swaps >= self.wanted or len(self.findings) > 20

    def answered(self, now: float) -> None:
        with self.lock:
            self.unanswered = max(self.unanswered, now - self.answered_at)
            self.answered_at = max(self.answered_at, now)


def contend(fight: Fight, me: int) -> None:
    """Connects, works until it is sent away, and connects again."""
    number = 0
    while not fight.over():
        with RawPeer(fight.port) as peer:
            peer.socket.settimeout(_DEADLINE_S)
            peer.upgraded(_IDENTITY)
            fight.admitted_at[me] = time.monotonic()
            last_answer = 0.0
            try:
                while True:
                    number += 1
                    started = {"connectorId": 1, "idTag": "T", "meterStart": number}
                    started["timestamp"] = f"2026-03-01T11:00:0{me}Z"
                    action = "StartTransaction" if number % 10 == 0 else "Heartbeat"
                    text = call(action, started if number % 10 == 0 else {}, str(number))
                    peer.send(text)
                    opcode, payload = peer.receive()
                    now = time.monotonic()
                    if opcode is Opcode.CLOSE:
                        break
                    last_answer = now
                    fight.answered(now)
                    if fight.over():
                        return
            except (EOFError, OSError) as error:
                fight.findings.append(f"ended without a Close frame: {error!r}")
                continue
        _sent_away(fight, me, last_answer, now, Close.parse(payload))


def _sent_away(fight: Fight, me: int, last_answer: float, now: float, close: Close) -> None:
    newer = fight.admitted_at[1 - me]
    with fight.lock:
        fight.swaps += 1
        fight.closes[f"{close.code} {close.reason}"] += 1
        if newer > fight.admitted_at[me]:
            fight.together.append(max(0.0, last_answer - newer))
            fight.told.append(max(0.0, now - newer))


def _watch(fight: Fight, url: str) -> float:
    """The longest time in seconds in which the database knew no owner."""
    longest, missing_since = 0.0, None
    with plain_sql(url) as connection:
        while not fight.over():
            (owned,) = connection.execute(_OWNED % _IDENTITY).fetchone()
            connection.commit()
            now = time.monotonic()
            if owned:
                missing_since = None
            elif missing_since is None:
                missing_since = now
            else:
                longest = max(longest, now - missing_since)
            time.sleep(_LOOK_S)
    return longest


def swaps(stage: Stage, size: Size) -> Outcome:
    """Two contenders; on PostgreSQL over two processes."""
    url = stage.new_database()
    server = stage.server(url, PRESENCE_INTERVAL="10")
    fight = Fight(server.port, SWAPS[size])
    with RawPeer(server.port) as first:
        first.upgraded(_IDENTITY)
    with ThreadPoolExecutor(3) as threads:
        watching = threads.submit(_watch, fight, url)
        for contender in [threads.submit(contend, fight, me) for me in (0, 1)]:
            contender.result()
        ownerless = watching.result()
    findings = fight.findings + faults_in_log(server)
    together, told = sorted(fight.together), sorted(fight.told)
    if max(ownerless, fight.unanswered) > _LONGEST_WITHOUT_S:
        findings.append("for longer than 2 s nobody owned it")
    if together and together[-1] > _LONGEST_TOGETHER_S:
        findings.append(f"both were answered for {together[-1]:.1f} s")
    if set(fight.closes) - {"1008 replaced by a newer connection"}:
        findings.append(f"sent away otherwise: {dict(fight.closes)}")
    figures: dict[str, object] = {
        "swaps": fight.swaps,
        "closes": dict(fight.closes),
        "no owner in the database for at most": f"{ownerless:.3f} s",
        "no answer to anybody for at most": f"{fight.unanswered:.3f} s",
        "the older one answered beside the newer one": _spread(together),
        "until it was told": _spread(told),
    }
    return Outcome(figures, findings)


def _spread(ascending: list[float]) -> str:
    if not ascending:
        return "never"
    p50, p99 = (ascending[int(share * (len(ascending) - 1))] for share in (0.5, 0.99))
    return f"p50 {p50 * 1000:.0f}, p99 {p99 * 1000:.0f}, max {ascending[-1] * 1000:.0f} ms"
