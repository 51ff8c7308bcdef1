"""Simulated time: fast, leaping, and what is due next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ocpp_cs.simulator.clock import Agenda, Clock, Happening, LeapingClock, RunningClock

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def happening(log: list[str], name: str) -> Happening:
    async def happen(at: datetime) -> None:
        log.append(f"{name} {at:%H:%M}")

    return happen


async def drain(agenda: Agenda) -> None:
    while (due := await agenda.next()) is not None:
        at, happen = due
        await happen(at)


CLOCKS: list[Callable[[], Clock]] = [
    lambda: LeapingClock(START),
    lambda: RunningClock(START, 1_000_000),
]


@pytest.mark.parametrize("make_clock", CLOCKS, ids=["leaping", "running"])
def test_things_happen_in_order_of_time_then_of_entry(make_clock: Callable[[], Clock]) -> None:
    log: list[str] = []

    async def live() -> None:
        agenda = Agenda(make_clock())
        agenda.add(START + 2 * HOUR, happening(log, "second"))
        agenda.add(START + HOUR, happening(log, "first"))
        agenda.add(START + 2 * HOUR, happening(log, "third"))
        await drain(agenda)

    asyncio.run(live())
    assert log == ["first 01:00", "second 02:00", "third 02:00"]


def test_leaping_clock_takes_no_time() -> None:
    async def live() -> tuple[float, datetime]:
        clock = LeapingClock(START)
        agenda = Agenda(clock)
        agenda.add(START + 1000 * HOUR, happening([], ""))
        began = asyncio.get_running_loop().time()
        await drain(agenda)
        return asyncio.get_running_loop().time() - began, clock.now()

    took_s, now = asyncio.run(live())
    assert took_s < 0.5
    assert now == START + 1000 * HOUR


def test_running_clock_runs_at_its_speed() -> None:
    async def live() -> tuple[float, datetime]:
        clock = RunningClock(START, 36_000)
        began = asyncio.get_running_loop().time()
        await clock.wait_until(START + HOUR, asyncio.Event())
        return asyncio.get_running_loop().time() - began, clock.now()

    took_s, now = asyncio.run(live())
    assert 0.09 < took_s < 1
    assert START + HOUR <= now < START + 10 * HOUR


def test_something_sooner_interrupts_the_wait() -> None:
    log: list[str] = []

    async def live() -> None:
        agenda = Agenda(RunningClock(START, 1.0))
        agenda.add(START + HOUR, happening(log, "late"))

        async def cut_in() -> None:
            agenda.add(START, happening(log, "now"))

        waiting = asyncio.create_task(agenda.next())
        await asyncio.sleep(0)
        await cut_in()
        due = await asyncio.wait_for(waiting, 5)
        assert due is not None
        await due[1](due[0])

    asyncio.run(live())
    assert log == ["now 00:00"]


def test_clearing_ends_the_wait() -> None:
    async def live() -> None:
        agenda = Agenda(RunningClock(START, 1.0))
        agenda.add(START + HOUR, happening([], "late"))
        waiting = asyncio.create_task(agenda.next())
        await asyncio.sleep(0)
        agenda.clear()
        assert await asyncio.wait_for(waiting, 5) is None

    asyncio.run(live())
