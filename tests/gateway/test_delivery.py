"""Commands from the table over real sockets to a charge point, and their ends back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from ocpp_cs.audit import Actor
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place, read_request
from ocpp_cs.db.models import ChargePoint, Command
from tests.gateway.conftest import BOOT, HEARTBEAT, Gate, RawPeer, StartGate
from tests.servers import wait_until

ACTOR = Actor("tester")


def order(gate: Gate, action: str = "ClearCache", payload: Any = None, **options: Any) -> int:
    request = read_request(action, msgspec.json.encode(payload or {}))
    wanted = Order(action=action, request=request, **options)
    now = datetime.now(UTC).replace(microsecond=0)
    return gate.committer.run(0, lambda tx: place(tx, "CP1", wanted, actor=ACTOR, now=now))


def command(gate: Gate, id: int) -> Any:
    return gate.read(Command.select().where(Command.id == id))[0]


def ends(gate: Gate, id: int, status: str) -> Any:
    """The row of a command, once it is in this state."""
    wait_until(lambda: command(gate, id).status == status, what=f"command {id} is {status}")
    return command(gate, id)


def answer(peer: RawPeer, payload: Any) -> Any:
    """Answers the next call; the call."""
    frame = peer.receive_text()
    peer.send(json.dumps([3, frame[1], payload]))
    return frame


def test_a_command_goes_out_and_its_answer_comes_back(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        id = order(gate, "Reset", {"type": "Soft"})
        kind, message_id, action, payload = answer(peer, {"status": "Accepted"})
        assert (kind, action, payload) == (2, "Reset", {"type": "Soft"})
        row = ends(gate, id, "answered")
    assert row.message_id == message_id
    assert json.loads(row.response) == {"status": "Accepted"}
    assert row.created_at <= row.finished_at


def test_the_next_one_is_sent_after_the_answer(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        ids = [order(gate) for _ in range(3)]
        for id in ids:
            frame = peer.receive_text()
            assert frame[1] == command(gate, id).message_id
            # Its own messages are answered meanwhile, and no second call comes (R4).
            assert peer.exchange(HEARTBEAT)[0] == 3
            assert [command(gate, each).status for each in ids].count("sent") == 1
            peer.send(json.dumps([3, frame[1], {"status": "Rejected"}]))
        ends(gate, ids[-1], "answered")
    assert [command(gate, id).status for id in ids] == ["answered"] * 3


def test_an_error_of_the_charge_point_rejects_the_command(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        id = order(gate)
        peer.send(json.dumps([4, peer.receive_text()[1], "NotSupported", "no cache", {}]))
        row = ends(gate, id, "rejected")
    assert (row.error_code, row.error_description) == ("NotSupported", "no cache")


def test_an_answer_that_breaks_its_schema_is_kept_as_it_came(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        id = order(gate)
        answer(peer, {"status": "Perhaps\x00"})
        row = ends(gate, id, "answered")
    assert json.loads(row.response) == {"status": "Perhaps\ufffd"}
    assert row.error_code == "PropertyConstraintViolation"


def test_no_answer_is_a_timeout_and_a_late_one_is_dropped(start_gate: StartGate) -> None:
    gate = start_gate(call_timeout=0.2)
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        silent = order(gate)
        late = peer.receive_text()
        ends(gate, silent, "timeout")
        following = order(gate)
        frame = peer.receive_text()
        peer.send(json.dumps([3, late[1], {"status": "Rejected"}]))
        peer.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
        row = ends(gate, following, "answered")
    assert json.loads(row.response) == {"status": "Accepted"}
    assert command(gate, silent).response is None


def test_a_dying_connection_ends_its_command_at_once(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        sent, queued = order(gate), order(gate)
        peer.receive_text()
    assert ends(gate, sent, "unknown").error_code == "connection_lost"
    assert ends(gate, queued, "expired").error_code == "connection_lost"
    with gate.raw() as peer:  # and nothing of it is sent again
        gate.wait_until_connected(1)
        third = order(gate)
        assert peer.receive_text()[1] == command(gate, third).message_id


def test_what_waited_is_sent_after_the_boot(start_gate: StartGate) -> None:
    gate = start_gate(command_sweep_interval=0.05)
    gate.add_charge_point("CP1")
    id = order(gate, deliver_within_s=60)
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        assert peer.exchange(HEARTBEAT)[0] == 3  # the sweep has had its chance
        assert command(gate, id).status == "queued"
        assert peer.exchange(BOOT)[0] == 3
        answer(peer, {"status": "Accepted"})
        ends(gate, id, "answered")


def test_what_waited_is_sent_without_a_boot_when_its_time_is_over(start_gate: StartGate) -> None:
    gate = start_gate(command_settle_time=0.3, command_sweep_interval=0.05)
    gate.add_charge_point("CP1")
    id = order(gate, deliver_within_s=60)
    with gate.raw() as peer:
        answer(peer, {"status": "Accepted"})
        row = ends(gate, id, "answered")
        [charge_point] = gate.read(ChargePoint.select())
    assert (row.sent_at - charge_point.connected_at).total_seconds() >= 0.25


def test_without_its_wake_up_a_command_is_found_by_the_sweep(start_gate: StartGate) -> None:
    gate = start_gate(command_sweep_interval=0.1)
    gate.committer.notices._listeners.clear()
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        id = order(gate)
        answer(peer, {"status": "Accepted"})
        ends(gate, id, "answered")


def test_a_restart_does_not_send_again(start_gate: StartGate) -> None:
    gate = start_gate()
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        id = order(gate, deliver_within_s=60)
        peer.exchange(BOOT)
        peer.receive_text()
        # As a process that was killed leaves it: sent, and nobody to end it.
        successor = start_gate()
        successor.gateway.start()
        assert ends(successor, id, "unknown").error_code == "process_lost"


def test_a_shutdown_lets_the_answer_come_and_sends_nothing_new(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        sent, queued = order(gate), order(gate, deliver_within_s=60)
        frame = peer.receive_text()
        gate.gateway._delivery.stop(0)
        peer.send(json.dumps([3, frame[1], {"status": "Accepted"}]))
        ends(gate, sent, "answered")
        gate.gateway.drain()
    assert command(gate, queued).status == "queued"


def test_couriers_leave_when_there_is_nothing_to_send(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        id = order(gate)
        answer(peer, {"status": "Accepted"})
        ends(gate, id, "answered")
        wait_until(lambda: not gate.gateway._delivery._couriers)
