"""A run of the bench, made short: it serves, loads, checks every answer and prints its tables."""

from __future__ import annotations

import os
import re

import pytest

from benchmarks.__main__ import main


def test_a_short_run(capsys: pytest.CaptureFixture[str]) -> None:
    cores = os.sched_getaffinity(0)
    try:
        status = main(
            ["--sockets", "20", "--seconds", "0.5", "--rounds", "1", "--charge-points", "20"]
        )
    finally:
        os.sched_setaffinity(0, cores)
    printed = capsys.readouterr().out
    assert status == 0, printed
    rows = re.findall(r"^(Heartbeat|MeterValues of 4 samples) +(\d+) ", printed, re.M)
    rates = {name: float(rate) for name, rate in rows}
    assert len(rates) == 2, printed
    assert all(rate > 0 for rate in rates.values())
    assert re.search(r"Open loop, 20 charge points .* 0 errors", printed), printed
