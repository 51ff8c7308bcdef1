"""Each run of `make faults` in small: with a load that the test suite can afford."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import running_postgresql
from tests.faults.__main__ import RUNS
from tests.faults.checker import milliseconds
from tests.faults.seeded import FAULTS, TALES
from tests.faults.stage import EngineName, on_stage
from tests.servers import Postgresql

CASES = [
    pytest.param(name, engine, id=f"{name} on {engine}")
    for name, run in RUNS.items()
    for engine in run.engines
    if run.in_tests
]


@pytest.fixture(scope="module")
def own_postgresql() -> Iterator[Postgresql]:
    """Not the one of the other tests: this one is stopped and frozen."""
    with running_postgresql() as server:
        yield server


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "engine"), CASES)
def test_nothing_is_wrong(name: str, engine: EngineName, request: pytest.FixtureRequest) -> None:
    postgresql = request.getfixturevalue("own_postgresql") if engine == "postgresql" else None
    with on_stage(engine, postgresql) as stage:
        outcome = RUNS[name].work(stage, "ci")
    print(outcome.line())
    assert outcome.findings == []


def test_enough_faults_are_seeded() -> None:
    assert len(FAULTS) >= 30
    assert len(TALES) >= 5


def test_times_of_both_engines_and_of_charge_points_are_alike() -> None:
    assert milliseconds("2024-05-01T00:00:00.000Z") == 1714521600000
    assert milliseconds("2024-05-01T02:00:00+02:00") == milliseconds(1714521600000)
