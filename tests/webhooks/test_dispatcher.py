"""Events on their way to a webhook: each arrives in order, whatever the receiver does."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db import migrate, queries
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.events import note_event
from ocpp_cs.db.models import ChargePoint, Webhook
from ocpp_cs.events import Connected, Event, Faulted
from ocpp_cs.webhooks import dispatcher as module
from ocpp_cs.webhooks import table
from ocpp_cs.webhooks.dispatcher import Dispatcher
from tests.servers import wait_until
from tests.webhooks.conftest import HERE
from tests.webhooks.receiver import ANSWERS, Receiver

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAULTED = Faulted(
    connector_id=1, error_code="E", info=None, vendor_id=None, vendor_error_code=None, since=""
)


def connected(number: int) -> Event:
    return Connected(session=number, remote_address="192.0.2.7", security_profile=0)


class Desk:
    """A database with two charge points, one process that dispatches, and webhooks."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.committer = Committer(engine)
        self.dispatchers: list[tuple[Dispatcher, Committer]] = []
        self.keys = {
            identity: self.committer.run(0, lambda tx: self._register(tx, identity))  # noqa: B023
            for identity in ("CB-1", "CB-2")
        }

    @staticmethod
    def _register(tx: Any, identity: str) -> int:
        insert = ChargePoint.insert(identity=identity, created_at=NOW).returning(ChargePoint.id)
        return int(tx.run(insert).fetchone()[0])

    def dispatch(self, retry_hours: float = 24.0, threads: int = 4, **targets: Any) -> Dispatcher:
        """Starts a process' dispatcher."""
        committer = Committer(self.engine)
        where = replace(HERE, **targets)
        new = Dispatcher(committer, where, threads=threads, retry_hours=retry_hours)
        self.dispatchers.append((new, committer))
        new.start()
        return new

    def webhook(self, receiver: Receiver, **wanted: Any) -> int:
        columns = {"url": receiver.url, "enabled": True, **wanted}
        id, receiver.secret = self.committer.run(
            0, lambda tx: table.create(tx, columns, 0, actor=COMMAND_LINE, now=_now())
        )
        return id

    def note(self, count: int = 1, identity: str = "CB-1", event: Event | None = None) -> None:
        for number in range(count):
            told = event or connected(number)
            self.committer.run(0, lambda tx: note_event(tx, self.keys[identity], told, _now()))  # noqa: B023

    def state(self, id: int) -> queries.WebhookState:
        found = self.engine.read(lambda: queries.webhook(id))
        assert found is not None
        return found

    def dead(self, id: int, status: str | None = "dead") -> list[int]:
        wanted = queries.DeliveryFilter(webhook_id=id, status=status)
        found = self.engine.read(lambda: queries.deliveries(wanted, None, 10_000))
        return [each.event_id for each in found]

    def change(self, id: int, **changes: Any) -> None:
        update = Webhook.update(**changes).where(Webhook.id == id)
        self.committer.run(0, lambda tx: tx.run(update).rowcount)

    def close(self) -> None:
        for dispatcher, committer in self.dispatchers:
            dispatcher.stop()
            committer.close()
        self.committer.close()


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@pytest.fixture
def desk(database_url: str, tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.1)
    monkeypatch.setattr(module, "_GATHER_S", 0.01)
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(module, "_SUSPECT", 1000)
    monkeypatch.setattr(module, "_LEASE_MARGIN_S", 0.0)
    engine = Engine(database_url)
    migrate.upgrade(engine)
    desk = Desk(engine)
    try:
        yield desk
    finally:
        desk.close()
        engine.close()


MakeReceiver = Callable[[Callable[[int], str]], Receiver]


@pytest.fixture
def receivers() -> Iterator[MakeReceiver]:
    made: list[Receiver] = []

    def make(decide: Callable[[int], str]) -> Receiver:
        made.append(Receiver(decide))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_events_arrive_in_order_and_together(desk: Desk, receiver: Receiver) -> None:
    desk.note(250)
    id = desk.webhook(receiver)
    desk.dispatch()
    wait_until(lambda: len(receiver.first_ids()) == 250)
    assert receiver.first_ids() == list(range(1, 251))
    assert (len(receiver.requests), receiver.forged) == (3, 0)  # 100, 100 and 50
    wait_until(lambda: desk.state(id).position == 250)
    state = desk.state(id)
    assert (state.events_waiting, state.failures, state.last_error) == (0, 0, None)
    assert state.last_success_at is not None
    desk.note()
    wait_until(lambda: receiver.first_ids()[-1] == 251)


def test_a_webhook_gets_what_it_wants(desk: Desk, receivers: MakeReceiver) -> None:
    types, points, nothing = (receivers(lambda number: "good") for _ in range(3))
    desk.webhook(types, event_types=["faulted"])
    desk.webhook(points, charge_point_ids=["CB-2", "CB-9"])
    desk.webhook(nothing, enabled=False)
    for identity in ("CB-1", "CB-2"):
        desk.note(2, identity)
        desk.note(1, identity, FAULTED)
    desk.dispatch()
    wait_until(lambda: (types.first_ids(), points.first_ids()) == ([3, 6], [4, 5, 6]))
    assert nothing.requests == []


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_arrives_in_order_although_the_receiver_fails_hangs_and_lies(
    desk: Desk, receivers: MakeReceiver, seed: int
) -> None:
    chance = random.Random(seed)
    bad = [*(set(ANSWERS) - {"created", "chunked", "until the end", "wrong content"}), "shut"]
    bad = [*sorted(bad), "hang", "drip", "reset"]
    receiver = receivers(lambda number: chance.choice(bad) if number < 25 else "good")
    id = desk.webhook(receiver)
    desk.dispatch()
    for _ in range(20):
        desk.note(3, "CB-1")
        desk.note(3, "CB-2")
    wait_until(lambda: len(receiver.first_ids()) == 120, seconds=60)
    assert receiver.first_ids() == list(range(1, 121))
    assert receiver.forged == 0
    assert desk.dead(id, None) == []


def test_one_that_hangs_holds_up_no_other(desk: Desk, receivers: MakeReceiver) -> None:
    hanging = [receivers(lambda number: "hang") for _ in range(2)]
    good = receivers(lambda number: "good")
    for each in (*hanging, good):
        desk.webhook(each)
    desk.dispatch(threads=3)
    for number in range(1, 6):
        desk.note()
        wait_until(lambda: good.first_ids() == list(range(1, number + 1)))  # noqa: B023
    wait_until(lambda: all(len(each.requests) >= 2 for each in hanging))


# With SQLite there is one process, which forgets at its start what a dead one has held.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_processes_deliver_once(desk: Desk, receiver: Receiver) -> None:
    desk.webhook(receiver)
    for _ in range(2):
        desk.dispatch()
    for _ in range(30):
        desk.note(5)
    wait_until(lambda: len(receiver.first_ids()) == 150)
    assert [event["id"] for event in receiver.events] == list(range(1, 151))


def test_what_a_process_that_died_has_held_is_delivered_by_another(
    desk: Desk, receiver: Receiver
) -> None:
    id = desk.webhook(receiver)
    desk.note(3)
    desk.committer.run(0, lambda tx: table.claim(tx, id, _now(), _now() + timedelta(seconds=0.5)))
    assert desk.committer.run(0, lambda tx: table.claim(tx, id, _now(), _now())) is None
    desk.dispatch()
    wait_until(lambda: receiver.first_ids() == [1, 2, 3])


def test_who_has_lost_its_claim_changes_nothing(desk: Desk, receiver: Receiver) -> None:
    id = desk.webhook(receiver)

    def run(step: Any) -> Any:
        return desk.committer.run(0, step)

    first = run(lambda tx: table.claim(tx, id, NOW, NOW))
    second = run(lambda tx: table.claim(tx, id, NOW + timedelta(seconds=1), _now()))
    event = queries.EventRow(5, "x", NOW, None, "{}")
    for step in (
        lambda tx: table.advance(tx, first, 5, NOW, NOW),
        lambda tx: table.fail(tx, first, "late", NOW, NOW),
        lambda tx: table.skip(tx, first, 5),
        lambda tx: table.give_up(tx, first, [event], "late", NOW, None),
        lambda tx: table.release(tx, first),
    ):
        assert run(step) is None
    state = desk.state(id)
    assert (state.position, state.failures, desk.dead(id)) == (0, 0, [])
    assert run(lambda tx: table.advance(tx, second, 5, NOW, NOW)).position == 5


def refusing(event_id: int) -> Callable[[Receiver], None]:
    """Makes the receiver refuse whatever has this event in it, and take the rest."""

    def make(receiver: Receiver) -> None:
        remember = receiver._remember

        def decide(headers: dict[str, str], body: bytes) -> None:
            if event_id in [event["id"] for event in json.loads(body)["events"]]:
                raise OSError
            remember(headers, body)

        receiver._remember = decide  # type: ignore[method-assign]

    return make


def test_an_event_that_is_refused_alone_becomes_a_dead_letter(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SUSPECT", 3)
    refusing(4)(receiver)
    id = desk.webhook(receiver)
    desk.note(9)
    desk.dispatch()
    wait_until(lambda: receiver.first_ids()[-1:] == [9])
    assert [each for each in receiver.first_ids() if each] == [1, 2, 3, 5, 6, 7, 8, 9]
    assert 0 in receiver.first_ids()  # the test delivery that showed who is to blame
    assert desk.dead(id) == [4]
    state = desk.state(id)
    assert (state.dead_letters, state.failures) == (1, 0)
    assert state.last_error is not None
    [letter] = desk.engine.read(
        lambda: queries.deliveries(queries.DeliveryFilter(webhook_id=id), None, 10)
    )
    assert (letter.charge_point_id, letter.attempts) == ("CB-1", 3)
    assert json.loads(letter.event)["data"]["session"] == 3


def test_a_receiver_that_is_gone_for_too_long_gets_dead_letters_and_then_what_is_new(
    desk: Desk, receivers: MakeReceiver
) -> None:
    receiver = receivers(lambda number: "500")
    id = desk.webhook(receiver)
    desk.note(5)
    desk.dispatch(retry_hours=0.3 / 3600)
    wait_until(lambda: desk.dead(id) == [1, 2, 3, 4, 5])
    assert desk.state(id).failures > 0
    desk.note(1)
    receiver.decide = lambda number: "good"
    wait_until(lambda: desk.state(id).events_waiting == 0)
    arrived = receiver.first_ids()
    assert arrived in ([6], [])  # it may have been given up, too
    # Somebody has them sent again.
    receiver.decide = lambda number: "good"
    dead = desk.dead(id)
    desk.committer.run(0, lambda tx: table.retry(tx, id, None, actor=COMMAND_LINE, now=_now()))
    wait_until(lambda: desk.dead(id, "delivered") == dead)
    assert receiver.first_ids() == arrived + dead
    assert desk.state(id).dead_letters == 0


def test_a_dead_letter_that_fails_again_is_dead_again(desk: Desk, receiver: Receiver) -> None:
    refusing(1)(receiver)
    id = desk.webhook(receiver)
    desk.note(2)
    desk.dispatch(retry_hours=0.001 / 3600)
    wait_until(lambda: 1 in desk.dead(id))
    desk.committer.run(0, lambda tx: table.retry(tx, id, None, actor=COMMAND_LINE, now=_now()))

    def attempts() -> list[int]:
        wanted = queries.DeliveryFilter(webhook_id=id, status="dead")
        found = desk.engine.read(lambda: queries.deliveries(wanted, None, 10))
        return [each.attempts for each in found if each.event_id == 1]

    wait_until(lambda: attempts() and attempts()[0] >= 3)


def test_a_webhook_that_is_sent_back_gets_it_all_again(desk: Desk, receiver: Receiver) -> None:
    id = desk.webhook(receiver)
    desk.note(3)
    desk.dispatch()
    wait_until(lambda: len(receiver.events) == 3)
    desk.committer.run(
        0,
        lambda tx: table.change(tx, id, {}, position=1, new=False, actor=COMMAND_LINE, now=_now()),
    )
    wait_until(lambda: [each["id"] for each in receiver.events] == [1, 2, 3, 2, 3])


def test_a_place_that_nothing_wanted_lies_behind_is_saved(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_UNSAVED", 10)
    id = desk.webhook(receiver, event_types=["faulted"])
    desk.dispatch()
    desk.note(20)
    wait_until(lambda: desk.state(id).position > 10)
    assert receiver.requests == []


def test_no_connection_is_held_while_a_receiver_hangs(desk: Desk, receivers: MakeReceiver) -> None:
    """Whoever writes goes on: charge points wait for nobody."""
    receiver = receivers(lambda number: "hang")
    id = desk.webhook(receiver)
    desk.note()
    desk.dispatch(timeout_s=30.0)
    wait_until(lambda: receiver.requests)
    written = threading.Event()

    def write() -> None:
        desk.change(id, note="x")
        desk.note(5)
        written.set()

    threading.Thread(target=write, daemon=True).start()
    assert written.wait(10)
    receiver.released.set()
