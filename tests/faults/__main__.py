"""`make faults`: every run on both engines, each with its figures on a line of its own.

A run is a function of (stage, size) that returns an `Outcome`; it is entered in RUNS.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.faults import (
    backups,
    crashes,
    crowd,
    deploys,
    frozen,
    fuzz_frames,
    fuzz_requests,
    kills,
    outages,
    proxy,
    receivers,
    seeded,
    soak,
    swaps,
)
from tests.faults.stage import ENGINES, SIZES, Run, on_stage

RUNS: dict[str, Run] = {
    "seeded": Run(seeded.run),
    "kills": Run(kills.run),
    "crashes": Run(crashes.run),
    "frames": Run(proxy.run),
    "database stopped": Run(outages.stopped, ("postgresql",)),
    "database frozen": Run(outages.frozen, ("postgresql",), in_tests=False),
    "connections cut": Run(outages.cut, ("postgresql",)),
    "disk full": Run(outages.disk_full),
    "receivers": Run(receivers.run),
    "SIGTERM": Run(crowd.terminate),
    "deploys": Run(deploys.run, ("postgresql",)),
    "backups": Run(backups.run),
    "storm": Run(crowd.storm, in_tests=False),
    "queue": Run(crowd.queue, in_tests=False),
    "clocks": Run(crowd.clocks, in_tests=False),
    # The suite's share of these is in `test_fuzz`.
    "fuzzed frames": Run(fuzz_frames.fuzz_frames, in_tests=False),
    "fuzzed requests": Run(fuzz_requests.fuzz_requests, in_tests=False),
    "swaps": Run(swaps.swaps, ("postgresql",), in_tests=False),
    "half freezes": Run(frozen.half_freezes, in_tests=False),
    "slow peers": Run(frozen.slow_peers, in_tests=False),
    "soak": Run(soak.soak, in_tests=False),
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make faults ARGS=")
    parser.add_argument("runs", nargs="*", help=f"of {', '.join(RUNS)}; all of them without")
    parser.add_argument("--size", choices=SIZES, default="short")
    parser.add_argument("--engine", choices=ENGINES, help="both without")
    options = parser.parse_args(arguments)
    if unknown := set(options.runs) - RUNS.keys():
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    failed = False
    for name in options.runs or RUNS:
        for engine in RUNS[name].engines:
            if options.engine in (None, engine):
                began = time.monotonic()
                with on_stage(engine) as stage:
                    outcome = RUNS[name].work(stage, options.size)
                seconds = time.monotonic() - began
                print(f"{name} on {engine}: {outcome.line()} ({seconds:.0f} s)", flush=True)
                for finding in outcome.findings[:20]:
                    print(f"  WRONG: {finding[:2000]}", flush=True)
                failed = failed or bool(outcome.findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
