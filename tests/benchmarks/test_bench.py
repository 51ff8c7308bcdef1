"""Short runs of the bench: it serves, loads, checks every answer and prints its tables.

One of its ratios is held here, so that a change that costs much is noticed: loosely, since CI's
machines are busy.
"""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Iterator

import pytest

from benchmarks import beside
from benchmarks.__main__ import main
from benchmarks.server import STORING_NOTHING

SHORT = ["--sockets", "20", "--seconds", "0.5", "--rounds", "1", "--charge-points", "20"]
SHORT += ["--transactions", "2000"]


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """The bench pins its load to one core, which is this process."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("messages", r"Open loop, 20 charge points .* 0 errors"),
        ("commands", r"across processes +\d+ .* 100 200 answered"),
        ("load", r"PostgreSQL +all three at once +\d+"),
        ("webhooks", r"PostgreSQL +four that hang +\d+"),
        ("workers", r"2 workers: 160 of 160 charge points booted, \d+/s, 0 refused"),
        ("crowds", r"200 charge points connect and boot at once: \d+/s, 0 refused"),
    ],
)
def test_a_short_run(part: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHORT, "--only", part]) == 0
    printed = capsys.readouterr().out
    assert re.search(told, printed), printed


def test_a_short_run_of_the_scale(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--transactions", "2000", "--requests", "3"]
    assert main([*SHORT, *small, "--only", "scale"]) == 0
    printed = capsys.readouterr().out
    for engine in ("sqlite", "postgresql"):
        assert f"{engine}, 2,000 transactions, 40,000 samples" in printed
    assert len(re.findall("its 500 samples, p95 .* up to 500 rows", printed)) == 2
    assert len(re.findall("energy by month and charge point.* for 250 rows", printed)) == 2


def test_what_a_message_costs_beside_a_peer() -> None:
    """By processor time, which a busy machine bends less than a rate."""
    options = beside.Options(sockets=100, seconds=2.0, rounds=1, peers=(STORING_NOTHING,))
    figures = beside.measure(options)
    beside.print_figures(figures, options)
    for work in (beside.METER_VALUES, beside.SESSIONS):
        ours, peers = (
            statistics.median(figure.cpu_us for figure in figures[system, work])
            for system in (beside.OURS, STORING_NOTHING)
        )
        # Some 3.5 and 3 when this was written.
        assert peers / ours > 1.8, work
    assert all(found > 0 for bar in beside.BARS for found in beside.ratios(figures, bar))
