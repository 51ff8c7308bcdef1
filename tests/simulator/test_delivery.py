"""What is owed arrives, once, in order, through every kind of trouble with the central system."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import groupby

import pytest

from ocpp_cs.simulator.fleet import FleetOptions, FleetReport, run
from tests.simulator.central_system import (
    FakeCentralSystem,
    Heard,
    Payload,
    Reaction,
    Refuse,
    fake_central_system,
)

TRANSACTION_RELATED = ("StartTransaction", "MeterValues", "StopTransaction")
NORDLICHT, VOLTAIRE = "SIM-0001", "SIM-0002"
START = datetime(2026, 3, 2, 6, tzinfo=UTC)


def live(fake: FakeCentralSystem, **options: object) -> FleetReport:
    """A short day of the first two vendors, as fast as answers arrive."""
    usual = {
        "url": fake.url,
        "charge_points": 2,
        "hours": 12.0,
        "speed": 0.0,
        "seed": 3,
        "starts_at": START,
        "timeout_s": 10.0,
        "patience_s": 20.0,
    }
    return run(FleetOptions(**{**usual, **options}), lambda progress: None)  # type: ignore[arg-type]


def first_time(react: Callable[[], Reaction], every: int) -> Callable[[Heard], Reaction | None]:
    """A script that reacts so to the first transmission of every so many-th transaction-related
    payload, and plainly to everything else."""
    seen: list[tuple[str, str, Payload]] = []

    def script(heard: Heard) -> Reaction | None:
        if heard.action not in TRANSACTION_RELATED:
            return None
        physical = (heard.identity, heard.action, heard.payload)
        if physical in seen:
            return None
        seen.append(physical)
        return react() if len(seen) % every == 0 else None

    return script


def physical(heard: list[Heard], identity: str) -> list[tuple[str, Payload]]:
    return [
        (each.action, each.payload)
        for each in heard
        if each.identity == identity and each.action in TRANSACTION_RELATED
    ]


def undisturbed() -> dict[str, list[tuple[str, Payload]]]:
    with fake_central_system() as fake:
        report = live(fake)
        assert not report.failed
        return {each: physical(fake.answered, each) for each in (NORDLICHT, VOLTAIRE)}


def without_ids(messages: list[tuple[str, Payload]]) -> list[tuple[str, Payload]]:
    """Transaction ids depend on who asked first."""
    return [
        (action, {key: value for key, value in payload.items() if key != "transactionId"})
        for action, payload in messages
    ]


def assert_nothing_lost_nothing_out_of_order(fake: FakeCentralSystem, report: FleetReport) -> None:
    """The messages are exactly those of an undisturbed day; what came more than once came in a row,
    and each got its answer."""
    expected = undisturbed()
    for identity, messages in expected.items():
        assert len(messages) > 50
        for told in (fake.heard, fake.answered):
            in_a_row = [key for key, _ in groupby(physical(told, identity))]
            assert without_ids(in_a_row) == without_ids(messages)
    answers = sum(report.statistics.messages[action] for action in TRANSACTION_RELATED)
    assert answers == sum(map(len, expected.values()))


def retries(fake: FakeCentralSystem, identity: str) -> list[list[str]]:
    """The message ids of each message that was sent more than once."""
    heard = [h for h in fake.heard if h.identity == identity and h.action in TRANSACTION_RELATED]
    groups = [list(group) for _, group in groupby(heard, key=lambda h: (h.action, h.payload))]
    return [[each.message_id for each in group] for group in groups if len(group) > 1]


@pytest.mark.parametrize(
    ("reaction", "every"),
    [("CUT", 130), ("SILENCE", 130), (Refuse("InternalError", "later"), 30)],
    ids=["connection lost", "no answer", "CALLERROR"],
)
def test_retried_until_answered(
    central_system: FakeCentralSystem, reaction: Reaction, every: int
) -> None:
    central_system.script = first_time(lambda: reaction, every)
    timeout_s = 0.3 if reaction == "SILENCE" else 10.0
    report = live(central_system, starts_at=START, timeout_s=timeout_s)
    assert report.undelivered == 0
    assert report.statistics.discarded == 0
    assert_nothing_lost_nothing_out_of_order(central_system, report)
    same, fresh = retries(central_system, NORDLICHT), retries(central_system, VOLTAIRE)
    assert same
    assert fresh
    assert all(len(set(ids)) == 1 for ids in same)
    assert all(len(set(ids)) == len(ids) for ids in fresh)


def test_no_boot_notification_after_a_lost_connection(central_system: FakeCentralSystem) -> None:
    """J §5.4: only after a boot."""
    central_system.script = first_time(lambda: "CUT", 130)
    report = live(central_system)
    assert report.statistics.connections_lost > 1
    assert len(central_system.of("BootNotification")) == 2


def test_status_is_told_again_after_a_lost_connection(central_system: FakeCentralSystem) -> None:
    cut: list[Heard] = []

    def script(heard: Heard) -> Reaction | None:
        if heard.action == "StatusNotification" and heard.payload["status"] == "Charging":
            cut.append(heard)
            return "CUT" if len(cut) == 1 else None
        return None

    central_system.script = script
    live(central_system, charge_points=1)
    assert cut[1].payload == cut[0].payload


def test_outages_only_delay(central_system: FakeCentralSystem) -> None:
    expected = undisturbed()
    report = live(central_system, offline_rate=0.0)
    assert report.statistics.reconnects == 0
    for identity, messages in expected.items():
        assert without_ids(physical(central_system.answered, identity)) == without_ids(messages)


def test_pending_sends_nothing_but_boot_notifications(central_system: FakeCentralSystem) -> None:
    """§4.2; accepted at the third attempt."""
    boots: list[Heard] = []

    def script(heard: Heard) -> Reaction | None:
        if heard.action != "BootNotification":
            return None
        boots.append(heard)
        status, interval = ("Accepted", 3600) if len(boots) > 2 else ("Pending", 1)
        now = "2026-03-02T06:00:00.000Z"
        return {"status": status, "currentTime": now, "interval": interval}

    central_system.script = script
    report = live(central_system, charge_points=1)
    assert [heard.action for heard in central_system.heard[:3]] == ["BootNotification"] * 3
    assert report.not_accepted == {}
    assert report.statistics.sessions_finished > 0


def test_never_accepted_is_reported(central_system: FakeCentralSystem) -> None:
    central_system.boot_status = "Rejected"
    central_system.interval = 1
    report = live(central_system, charge_points=1, hours=1.0, patience_s=1.0)
    assert report.not_accepted == {NORDLICHT: "registration Rejected"}
    assert report.failed
    assert {heard.action for heard in central_system.heard} == {"BootNotification"}


def test_one_who_is_refused_does_not_hold_up_the_others(central_system: FakeCentralSystem) -> None:
    central_system.admit = lambda identity: HTTPStatus.NOT_FOUND if identity == VOLTAIRE else None
    report = live(central_system, patience_s=1.0)
    assert list(report.not_accepted) == [VOLTAIRE]
    assert "404" in report.not_accepted[VOLTAIRE]
    assert report.statistics.sessions_finished > 0


def test_central_system_that_takes_nothing_is_given_up(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: "SILENCE" if heard.action in TRANSACTION_RELATED else None
    report = live(central_system, charge_points=1, patience_s=1.0, timeout_s=0.3)
    assert report.undelivered > 0
    assert report.failed
