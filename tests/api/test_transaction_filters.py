"""Every combination of filters of `/transactions` against a naive model in Python, in both orders,
and pages while rows arrive, change and end, as a state machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.queries import transaction_filters
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.rules import TransactionFlag, flag_names
from tests.api.conftest import Client, client_of
from tests.api.rows import START, Rows
from tests.api.test_lists import pages

URL = "/api/v1/transactions"
MINUTE = timedelta(minutes=1)
IDENTITIES = ("CB-1", "CB-2")
TAGS = ("aB12", "AB12", "cd34")
GROUPS = (None, "Fleet", "FLEET")
FLAGS = (TransactionFlag(0), TransactionFlag.NAIVE_TIME, TransactionFlag.SUSPECT_OPEN)


@dataclass(frozen=True)
class Session:
    charge_point: int
    connector_id: int
    tag: str
    group: str | None
    minute: int
    stop_wh: int | None
    register_wh: int | None
    flags: int

    @property
    def energy_wh(self) -> int | None:
        register = self.register_wh if self.stop_wh is None else self.stop_wh
        return None if register is None else register - 10_000


sessions = st.builds(
    Session,
    charge_point=st.integers(0, 1),
    connector_id=st.integers(0, 2),
    tag=st.sampled_from(TAGS),
    group=st.sampled_from(GROUPS),
    minute=st.integers(0, 5),
    stop_wh=st.none() | st.integers(9_990, 10_010),
    register_wh=st.none() | st.integers(9_990, 10_010),
    flags=st.sets(st.sampled_from(FLAGS)).map(lambda found: int(sum(found))),
)
filters = st.fixed_dictionaries(
    {"sort": st.sampled_from(["started_at", "-started_at"])},
    optional={
        "charge_point_id": st.sampled_from([*IDENTITIES, "CB-9"]),
        "connector_id": st.integers(0, 3),
        "id_tag": st.sampled_from([*TAGS, "none"]),
        "parent_id_tag": st.sampled_from(["fleet", "Fleet", "other"]),
        "status": st.sampled_from(["active", "completed"]),
        "flag": st.sampled_from([name for flag in FLAGS for name in flag_names(flag)]),
        "min_energy_wh": st.integers(-11, 11),
        "from": st.integers(-1, 6),
        "to": st.integers(-1, 6),
    },
)


def at(minute: int) -> datetime:
    return START + minute * MINUTE


def fits(session: Session, wanted: dict[str, Any]) -> bool:
    energy = session.energy_wh
    tests = {
        "charge_point_id": lambda value: IDENTITIES[session.charge_point] == value,
        "connector_id": lambda value: session.connector_id == value,
        "id_tag": lambda value: session.tag.casefold() == value.casefold(),
        "parent_id_tag": lambda value: (session.group or "").casefold() == value.casefold(),
        "status": lambda value: (session.stop_wh is None) == (value == "active"),
        "flag": lambda value: value in flag_names(session.flags),
        "min_energy_wh": lambda value: energy is not None and energy >= value,
        "from": lambda value: session.minute >= value,
        "to": lambda value: session.minute < value,
        "sort": lambda value: True,
    }
    return all(tests[name](value) for name, value in wanted.items())


def query(wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        name: format_time(at(value)) if name in ("from", "to") else value
        for name, value in wanted.items()
    }


def expected(world: dict[int, Session], wanted: dict[str, Any]) -> list[int]:
    found = [id for id, session in world.items() if fits(session, wanted)]
    descending = wanted["sort"] == "-started_at"
    return sorted(found, key=lambda id: (world[id].minute, id), reverse=descending)


def insert(rows: Rows, session: Session) -> int:
    values: dict[str, Any] = {
        "connector_id": session.connector_id,
        "id_tag": session.tag,
        "parent_id_tag": session.group,
        "started_at": at(session.minute),
        "last_register_wh": session.register_wh,
        "flags": session.flags,
    }
    if session.stop_wh is None:
        return rows.transaction(1 + session.charge_point, **values)
    stop = {"stopped_at": at(60), "meter_stop_wh": session.stop_wh}
    return rows.stopped(1 + session.charge_point, **values, **stop)


@pytest.fixture
def world_rows(rows: Rows) -> Rows:
    for identity in IDENTITIES:
        rows.charge_point(identity)
    return rows


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(sessions, max_size=30),
    wanted=filters,
    limit=st.integers(1, 9),
    few=st.sampled_from([1, 4, transaction_filters.FEW]),
)
def test_every_combination_finds_what_the_model_finds(
    engine: Engine,
    world_rows: Rows,
    found: list[Session],
    wanted: dict[str, Any],
    limit: int,
    few: int,
) -> None:
    """Whichever filter leads, and if none is rare enough to."""
    world_rows.clear(models.Transaction)
    with world_rows.together():
        world = {insert(world_rows, session): session for session in found}
    with mock.patch.multiple(transaction_filters, FEW=few, MANY=4 * few):
        items = pages(client_of(engine), URL, limit=limit, **query(wanted))
    assert [item["id"] for item in items] == expected(world, wanted)
    for item in items:
        assert item["energy_wh"] == world[item["id"]].energy_wh


class Reading(RuleBasedStateMachine):
    """Somebody turns pages, of any size, while sessions begin and end."""

    client: Client
    rows: Rows

    @initialize(found=st.lists(sessions, max_size=15), wanted=filters)
    def begin(self, found: list[Session], wanted: dict[str, Any]) -> None:
        self.rows.clear(models.Transaction)
        with self.rows.together():
            self.world = {insert(self.rows, session): session for session in found}
        # Whether it is active, and what it charged, changes: a reader may see either.
        steady = {k: v for k, v in wanted.items() if k not in ("status", "min_energy_wh")}
        self.wanted = steady
        self.before = expected(self.world, steady)
        self.seen: list[int] = []
        self.cursor: str | None = None
        self.ended = False

    @rule(session=sessions)
    def arrive(self, session: Session) -> None:
        self.world[insert(self.rows, session)] = session

    @precondition(lambda self: any(each.stop_wh is None for each in self.world.values()))
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        active = [id for id, session in self.world.items() if session.stop_wh is None]
        id = data.draw(st.sampled_from(active))
        table = models.Transaction
        with self.rows.bound(table):
            stop = {"stopped_at": at(60), "meter_stop_wh": 10_005}
            table.update(**stop).where(table.id == id).execute()
        self.world[id] = replace(self.world[id], stop_wh=10_005)

    @precondition(lambda self: not self.ended)
    @rule(limit=st.integers(1, 5))
    def turn_the_page(self, limit: int) -> None:
        given = {"limit": limit, **query(self.wanted)}
        if self.cursor is not None:
            given["cursor"] = self.cursor
        page = self.client.get(URL, query_string=given).json
        self.seen += [item["id"] for item in page["items"]]
        self.cursor = page["next_cursor"]
        self.ended = self.cursor is None
        assert len(self.seen) == len(set(self.seen)), "a row came twice"
        known = [id for id in self.seen if id in set(self.before)]
        assert known == self.before[: len(known)], "a row is missing or out of order"
        assert set(self.seen) <= set(expected(self.world, self.wanted))
        if self.ended:
            assert known == self.before


def test_pages_while_sessions_begin_and_end(engine: Engine, world_rows: Rows) -> None:
    def machine() -> Any:
        made = Reading()
        made.client, made.rows = client, world_rows
        return made

    client = client_of(engine)
    steps = settings(max_examples=15, stateful_step_count=15, suppress_health_check=[*HealthCheck])
    run_state_machine_as_test(cast(Any, machine), settings=steps)
