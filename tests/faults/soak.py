"""Run: a fleet charges, loses its connection and comes back, for a long time; what the worker holds
is looked at all along, and must be flat in the end. `MINUTES=30` in the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import mean

from tests.faults.stage import Outcome, Size, Stage
from tests.faults.watched import (
    MEMORY_SLACK_KIB,
    READERS,
    WATCHED,
    Held,
    at_rest,
    faults_in_log,
    held,
    not_given_back,
)
from tests.servers import PROJECT, Server

MINUTES: dict[Size, float] = {"ci": 0.5, "short": 3, "full": 30}
_CHARGE_POINTS = 40
_SPEED = 600  # an hour in six seconds
_LOOKS = 20
_WARM_UP_S = 30.0
# Of the second half against the first: the allocator keeps what it needed once.
_RISE_KIB = 12 * 1024


def _fleet(server: Server, seconds: float, seed: int) -> subprocess.Popen[bytes]:
    """Simulated days of charging, with outages, for about so many seconds."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "simulate"]
    command += ["--url", f"ws://127.0.0.1:{server.port}/ocpp", "--seed", str(seed)]
    command += ["--charge-points", str(_CHARGE_POINTS), "--speed", str(_SPEED)]
    command += ["--hours", f"{seconds * _SPEED / 3600:.2f}", "--offline-rate", "12"]
    command += ["--id-prefix", f"SOAK{seed}-"]
    return subprocess.Popen(
        command, cwd=PROJECT, env=server.environment, stdout=subprocess.DEVNULL, stderr=None
    )


def soak(stage: Stage, size: Size) -> Outcome:
    """Forty charge points at one worker, 600 times as fast as real ones."""
    seconds = 60 * float(os.environ.get("MINUTES", MINUTES[size]))
    server = stage.server(stage.new_database(), application=WATCHED, WEB_CONCURRENCY="1")
    findings = []
    warm_up = _fleet(server, min(_WARM_UP_S, seconds / 2), 1)
    warm_up.wait()
    base = at_rest(server)
    looks: list[Held] = []
    fleet = _fleet(server, seconds, 2)
    until = time.monotonic() + seconds
    while fleet.poll() is None and time.monotonic() < until + 120:
        time.sleep(max(1.0, seconds / _LOOKS))
        looks.append(held(server))
    if fleet.poll() is None:
        fleet.terminate()
        findings.append("the fleet did not end in time")
    elif fleet.returncode:
        findings.append(f"the fleet ended with {fleet.returncode}")
    findings += not_given_back(
        server, base, memory_kib=MEMORY_SLACK_KIB, descriptors=READERS
    ) + faults_in_log(server)
    middle = len(looks) // 2
    halves = [looks[middle // 2 : middle], looks[middle:-1] or looks[middle:]]
    first, second = (mean(each.pss_kib for each in half or looks) for half in halves)
    if size != "ci" and second > first + _RISE_KIB:
        findings.append(f"memory rises: {first / 1024:.1f}, then {second / 1024:.1f} MiB")
    after = at_rest(server)
    return Outcome(
        {
            "minutes": f"{seconds / 60:g}",
            "charge points": _CHARGE_POINTS,
            "simulated hours": f"{seconds * _SPEED / 3600:.0f}",
            "looks": len(looks),
            "threads": f"{base.threads}, at most {max(each.threads for each in looks)}, "
            f"{after.threads} in the end",
            "descriptors": f"{base.descriptors}, at most {max(e.descriptors for e in looks)}, "
            f"{after.descriptors} in the end",
            "Pss": f"{base.pss_kib / 1024:.0f}; second quarter {first / 1024:.1f}, second half "
            f"{second / 1024:.1f}; {after.pss_kib / 1024:.0f} MiB in the end",
        },
        findings,
    )
