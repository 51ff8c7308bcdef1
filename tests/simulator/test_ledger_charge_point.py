"""The charge points with a ledger: nothing is lost, and the ledger tells the truth."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from tests.ledger_charge_point import Ledger, LedgerFleet
from tests.servers import wait_until
from tests.simulator.central_system import (
    FakeCentralSystem,
    Heard,
    Reaction,
    Refuse,
    fake_central_system,
)


def trouble(heard: Heard, chance: Random) -> Reaction | None:
    if heard.action == "BootNotification":
        return None
    reactions: list[Reaction | None] = [None, "CUT", Refuse("InternalError")]
    return chance.choices(reactions, weights=(20, 1, 1))[0]


def test_every_event_is_acknowledged_once_in_order(
    central_system: FakeCentralSystem, tmp_path: Path
) -> None:
    chance = Random(1)
    central_system.script = lambda heard: trouble(heard, chance)
    path = tmp_path / "ledger.jsonl"
    with LedgerFleet(central_system.url, 20, ledger=Ledger(path), every_s=0.02) as fleet:
        fleet.wait_for_acknowledgements(300)
        fleet.finish()
    events, acknowledged = fleet.ledger.events(), fleet.ledger.acknowledgements()
    assert len(events) == len(acknowledged) >= 300
    for charge_point_id in {entry.charge_point_id for entry in events}:
        numbers = [e.number for e in acknowledged if e.charge_point_id == charge_point_id]
        assert numbers == list(range(len(numbers)))
    answered = {(heard.identity, heard.message_id) for heard in central_system.answered}
    assert {(e.charge_point_id, e.message_id) for e in acknowledged} <= answered
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["number"] for line in lines] == [entry.number for entry in fleet.ledger.entries]


def test_both_kinds_of_retry(central_system: FakeCentralSystem) -> None:
    seen: Counter[str] = Counter()

    def cut_first_stop(heard: Heard) -> Reaction | None:
        seen[f"{heard.identity} {heard.action}"] += 1
        first = seen[f"{heard.identity} {heard.action}"] == 1
        return "CUT" if first and heard.action == "StopTransaction" else None

    central_system.script = cut_first_stop
    with LedgerFleet(central_system.url, 2, every_s=0.02, samples=1) as fleet:
        fleet.wait_for_acknowledgements(10)
        fleet.finish()
    stops = central_system.of("StopTransaction")
    same = [stop.message_id for stop in stops if stop.identity == "LEDGER-0000"][:2]
    fresh = [stop.message_id for stop in stops if stop.identity == "LEDGER-0001"][:2]
    assert len(set(same)) == 1
    assert len(set(fresh)) == 2


def test_queues_while_nobody_is_there() -> None:
    with ExitStack() as stack:
        with fake_central_system() as first:
            fleet = stack.enter_context(LedgerFleet(first.url, 5, every_s=0.02))
            fleet.wait_for_acknowledgements(20)
        before = len(fleet.ledger.acknowledgements())
        wait_until(lambda: len(fleet.ledger.events()) > before + 20)
        assert len(fleet.ledger.acknowledgements()) <= before + 5
        with fake_central_system(port=first.port) as second:
            fleet.wait_for_acknowledgements(before + 20)
            fleet.finish()
            # J §5.4: a connection lost is no reboot.
            assert second.of("BootNotification") == []


def test_unacknowledged_events_fail(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: (
        Refuse("InternalError") if heard.action == "StopTransaction" else None
    )
    with LedgerFleet(central_system.url, 2, every_s=0.02, samples=1) as fleet:
        fleet.wait_for_acknowledgements(4)
        with pytest.raises(AssertionError, match="unacknowledged"):
            fleet.finish(seconds=0.5)
