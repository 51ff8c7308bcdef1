"""`make faults`: every run on both engines, beside each other, each with its figures on a line.

A run is a function of (stage, size) that returns an `Outcome`; it is entered in RUNS.
"""

from __future__ import annotations

import argparse
import subprocess
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
from tests.faults.stage import ENGINES, SIZES, EngineName, Run, Size, on_stage

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
    runs, engines = options.runs or list(RUNS), (options.engine,) if options.engine else ENGINES
    if len(engines) == 1:
        return _run_all(runs, engines[0], options.size)
    commands = [
        [sys.executable, "-m", "tests.faults", *runs, "--size", options.size, "--engine", engine]
        for engine in engines
    ]
    if options.size == "full":  # its latencies are told: nothing else may run meanwhile
        codes = [subprocess.run(command, check=False).returncode for command in commands]
    else:
        codes = [process.wait() for process in [subprocess.Popen(each) for each in commands]]
    return int(any(codes))


def _run_all(runs: Sequence[str], engine: EngineName, size: Size) -> int:
    """Those of the runs that the engine has; 1 if anything went wrong."""
    failed = False
    for name in runs:
        if engine in RUNS[name].engines:
            began = time.monotonic()
            with on_stage(engine) as stage:
                outcome = RUNS[name].work(stage, size)
            seconds = time.monotonic() - began
            findings = [f"  WRONG: {finding[:2000]}" for finding in outcome.findings[:20]]
            figures = f"{name} on {engine}: {outcome.line()} ({seconds:.0f} s)"
            print("\n".join([figures, *findings]), flush=True)
            failed = failed or bool(findings)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
