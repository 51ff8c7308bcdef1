"""Commands and the connections they go over: one at a time, late answers, ends, restarts.

The charge point is played by hand. On PostgreSQL the orders go to another server than the one that
holds the socket.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.charge_point import ChargePoint, Closed, HandshakeRefused, Payload, connect
from tests.conftest import StartServer
from tests.e2e.commands import Answer, Pair, Rest, start_pair, stored_commands
from tests.servers import wait_until

IDENTITY = "CP-1"
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"}
# Well below CALL_TIMEOUT, PRESENCE_INTERVAL and whatever else would end it in the end.
AT_ONCE_S = 5.0


class Scene:
    """One or two servers, and a client of REST whose orders run in the background."""

    def __init__(self, pair: Pair, url: str) -> None:
        self.pair = pair
        self.url = url
        self._key = pair.ordering.api_key("operator")
        self._threads = ThreadPoolExecutor(4)

    def connect(self, identity: str = IDENTITY, **options: Any) -> ChargePoint:
        """A charge point; without `answers` the test takes its calls and answers itself."""
        return connect(self.pair.holding.ws_url(""), identity, **options)

    def order(self, data: str, *, wait: int = 25, deliver_within: int = 0) -> Answer:
        payload = {"vendorId": "com.example", "data": data}
        return Rest(self.pair.ordering, self._key).order(
            IDENTITY, "DataTransfer", payload, wait=wait, deliver_within=deliver_within
        )

    def begin(self, data: str) -> Future[Answer]:
        """An order whose request waits for the end; returns when it has been stored."""
        before = len(stored_commands(self.url))
        answer = self._threads.submit(self.order, data)
        wait_until(lambda: len(stored_commands(self.url)) > before, what="stored")
        return answer

    def change_configuration(self, identity: str, key: str, value: str) -> Answer:
        rest = Rest(self.pair.ordering, self._key)
        return rest.order(identity, "ChangeConfiguration", {"key": key, "value": value})

    def end_of(self, answer: Answer, seconds: float = 10.0) -> tuple[str, str | None]:
        """The final status and error code of a command that was ordered without waiting."""
        assert answer.status == 202, answer

        def ended() -> tuple[str, str | None] | None:
            [row] = [row for row in stored_commands(self.url) if row.id == answer.body["id"]]
            return (row.status, row.error_code) if row.finished_at is not None else None

        found: tuple[str, str | None] = wait_until(ended, seconds=seconds, what="its end")
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


StartScene = Callable[..., Scene]


@pytest.fixture
def start(server: StartServer, database_url: str) -> Iterator[StartScene]:
    scenes: list[Scene] = []

    def start_scene(**settings: str) -> Scene:
        scene = Scene(start_pair(server, database_url, **settings), database_url)
        scenes.append(scene)
        return scene

    yield start_scene
    for scene in scenes:
        scene.close()
        for each in scene.pair:
            assert "Traceback" not in each.log_text()


def take(charge_point: ChargePoint, timeout: float = 10.0) -> tuple[str, str]:
    """The message id and the data of the next command."""
    kind, message_id, action, payload = json.loads(charge_point.receive_raw(timeout))
    assert (kind, action) == (2, "DataTransfer")
    return message_id, payload["data"]


def nothing_comes(charge_point: ChargePoint, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        charge_point.receive_raw(seconds)


def answer(charge_point: ChargePoint, message_id: str, data: str) -> Payload:
    """Answers a command; the payload."""
    payload = {"status": "Accepted", "data": data}
    charge_point.send_raw(json.dumps([3, message_id, payload]))
    return payload


def outcome(order: Future[Answer], timeout: float = 10.0) -> tuple[str, str | None]:
    status, command = order.result(timeout)
    assert status == 200, command
    return command["status"], command["error_code"]


# --- One connection -------------------------------------------------------------------------------


def test_one_call_is_in_flight(start: StartScene) -> None:
    scene = start()
    with scene.connect() as charge_point:
        first = scene.begin("first")
        first_id, data = take(charge_point)
        assert data == "first"
        second = scene.begin("second")
        nothing_comes(charge_point, 1.5)  # the sweep has looked as well
        response = answer(charge_point, first_id, "one")
        second_id, data = take(charge_point, AT_ONCE_S)
        assert data == "second"
        assert first.result(AT_ONCE_S).body["response"] == response
        response = answer(charge_point, second_id, "two")
        assert second.result(AT_ONCE_S).body["response"] == response


def test_a_late_answer_does_not_go_to_the_next_call(start: StartScene) -> None:
    scene = start(CALL_TIMEOUT="0.5")
    with scene.connect() as charge_point:
        first = scene.begin("first")
        first_id, _ = take(charge_point)
        assert outcome(first) == ("timeout", "no_answer")
        second = scene.begin("second")
        second_id, _ = take(charge_point)
        answer(charge_point, first_id, "late")
        response = answer(charge_point, second_id, "in time")
        assert second.result(AT_ONCE_S).body["response"] == response
        statuses = [row.status for row in stored_commands(scene.url)]
        assert statuses == ["timeout", "answered"]


def test_a_connection_that_dies_takes_its_commands_along(start: StartScene) -> None:
    scene = start(COMMAND_SETTLE_TIME="0")
    charge_point = scene.connect()
    sent = scene.begin("sent")
    take(charge_point)
    queued = scene.begin("queued")
    charge_point.cut()
    assert outcome(sent, AT_ONCE_S) == ("unknown", "connection_lost")
    assert outcome(queued, AT_ONCE_S) == ("expired", "connection_lost")
    with scene.connect() as charge_point:
        charge_point.call("BootNotification", BOOT)
        nothing_comes(charge_point, 1.5)


# --- Charge points that were not there ------------------------------------------------------------


def be_seen_once(scene: Scene) -> None:
    """Registers the charge point, which is offline afterwards."""
    scene.connect().close()
    wait_until(lambda: scene.order("too early", wait=0).status == 409, what="offline")


def test_what_waits_is_delivered_after_the_boot(start: StartScene) -> None:
    scene = start(COMMAND_SETTLE_TIME="60")
    be_seen_once(scene)
    ordered = scene.order("waits", wait=0, deliver_within=60)
    assert (ordered.status, ordered.body["status"]) == (202, "queued")
    with scene.connect() as charge_point:
        nothing_comes(charge_point, 1.5)
        charge_point.call("BootNotification", BOOT)
        message_id, data = take(charge_point, AT_ONCE_S)
        assert data == "waits"
        answer(charge_point, message_id, "here")
        assert scene.end_of(ordered) == ("answered", None)


def test_what_waits_is_delivered_without_a_boot_after_a_while(start: StartScene) -> None:
    scene = start(COMMAND_SETTLE_TIME="2")
    be_seen_once(scene)
    ordered = scene.order("waits", wait=0, deliver_within=60)
    began = time.monotonic()
    with scene.connect() as charge_point:
        message_id, data = take(charge_point)
        assert data == "waits"
        assert time.monotonic() - began >= 1.9
        answer(charge_point, message_id, "here")
        assert scene.end_of(ordered) == ("answered", None)


def test_what_nobody_comes_for_expires(start: StartScene) -> None:
    scene = start(COMMAND_SETTLE_TIME="0")
    be_seen_once(scene)
    ordered = scene.order("waits", wait=0, deliver_within=1)
    assert scene.end_of(ordered) == ("expired", "not_delivered")
    with scene.connect() as charge_point:
        charge_point.call("BootNotification", BOOT)
        nothing_comes(charge_point, 1.5)


# --- Servers that end -----------------------------------------------------------------------------


def test_a_shutdown_waits_for_the_answer_and_sends_nothing_more(start: StartScene) -> None:
    scene = start()
    holding = scene.pair.holding
    with scene.connect() as charge_point:
        sent = scene.order("sent", wait=0)
        message_id, _ = take(charge_point)
        queued = scene.order("queued", wait=0)
        holding.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "shutting down" in holding.log_text())
        answer(charge_point, message_id, "in time")
        assert charge_point.wait_closed(AT_ONCE_S * 2).code == 1012
        with pytest.raises(Closed):  # and no command came before it
            charge_point.receive_raw(1)
    assert scene.end_of(sent) == ("answered", None)
    assert scene.end_of(queued) == ("expired", "connection_lost")
    holding.stop()


def test_what_a_killed_process_had_sent_ends_unknown(start: StartScene) -> None:
    """On SQLite when the process is started anew, on PostgreSQL by the sweep of another one."""
    scene = start(CALL_TIMEOUT="0.5")
    charge_point = scene.connect()
    sent = scene.order("sent", wait=0)
    message_id, _ = take(charge_point)
    [worker] = scene.pair.holding.kill(signal.SIGKILL)
    wait_until(lambda: worker not in scene.pair.holding.pids)
    assert scene.end_of(sent, 30) == ("unknown", "process_lost")
    scene.pair.holding.wait_until_ready()
    with scene.connect() as charge_point:
        answer(charge_point, message_id, "from another life")
        charge_point.call("BootNotification", BOOT)
        nothing_comes(charge_point, 1.5)
    assert scene.end_of(sent) == ("unknown", "process_lost")


# --- Several servers ------------------------------------------------------------------------------


def test_the_new_connection_ends_the_old_one_on_the_other_server(
    server: StartServer, postgresql_url: str
) -> None:
    pair = start_pair(server, postgresql_url, PRESENCE_INTERVAL="60")
    scene = Scene(pair, postgresql_url)
    old = scene.connect()
    lost = scene.begin("over the old one")
    take(old)
    with connect(pair.ordering.ws_url(""), IDENTITY) as new:
        closed = old.wait_closed(AT_ONCE_S)
        assert (closed.code, closed.reason) == (1008, "replaced by a newer connection")
        assert outcome(lost, AT_ONCE_S) == ("unknown", "connection_lost")
        found = scene.begin("over the new one")
        message_id, data = take(new)
        assert data == "over the new one"
        answer(new, message_id, "here")
        assert outcome(found) == ("answered", None)
    scene.close()


# --- The change of a key (R18) --------------------------------------------------------------------

OLD_KEY, NEW_KEY = "an old key of 24 letters", "a new key of 24 letters."


def change_key(scene: Scene, identity: str, answer: Payload | None) -> Payload:
    """The command by which a charge point gets a new key, answered so, or not at all."""
    scene.pair.holding.flask("charge-point", "add", identity, "--password", OLD_KEY)
    answers = {"ChangeConfiguration": lambda _: answer}
    with scene.connect(identity, password=OLD_KEY.encode(), answers=answers) as charge_point:
        status, command = scene.change_configuration(identity, "AuthorizationKey", NEW_KEY)
        assert charge_point.wait_for_call("ChangeConfiguration")["value"] == NEW_KEY
    assert status == 200, command
    assert NEW_KEY not in json.dumps(command)
    return command


def logs_in(scene: Scene, identity: str, key: str) -> bool:
    try:
        scene.connect(identity, password=key.encode()).close()
    except HandshakeRefused as refused:
        if refused.status != 401:
            raise
        return False
    return True


def test_a_key_change_locks_nobody_out(start: StartScene) -> None:
    scene = start(CALL_TIMEOUT="0.5")
    for identity, response, end in (
        ("CP-SILENT", None, "timeout"),
        ("CP-ACCEPTS", {"status": "Accepted"}, "answered"),
    ):
        assert change_key(scene, identity, response)["status"] == end
        # Both keys are good until the new one was used.
        assert logs_in(scene, identity, OLD_KEY)
        assert logs_in(scene, identity, NEW_KEY)
        assert not logs_in(scene, identity, OLD_KEY)
        assert logs_in(scene, identity, NEW_KEY)
    assert change_key(scene, "CP-REFUSES", {"status": "Rejected"})["status"] == "answered"
    assert not logs_in(scene, "CP-REFUSES", NEW_KEY)
    assert logs_in(scene, "CP-REFUSES", OLD_KEY)
    assert NEW_KEY not in "".join(row.request for row in stored_commands(scene.url))
