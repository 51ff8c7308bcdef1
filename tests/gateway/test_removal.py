"""A charge point that is deleted while it is connected: its socket ends, and it leaves no row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db.models import ChargePoint, Transaction
from ocpp_cs.db.owned import OWNED
from ocpp_cs.removal import remove_charge_point
from tests.gateway.conftest import BOOT, HEARTBEAT, NOW, PATH, UPGRADE, Gate, StartGate, call
from tests.servers import wait_until

START = call(
    "StartTransaction",
    {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-03-01T00:00:00Z"},
)
STATUS = call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Faulted"})
UNREADABLE = call("StartTransaction", {"connectorId": "?"})
UNKNOWN_PROPERTY = call("Heartbeat", {"more": 1})


def remove(gate: Gate, *, cascade: bool = True) -> None:
    remove_charge_point(
        lambda work: gate.committer.run(0, work),
        "CP1",
        cascade=cascade,
        actor=COMMAND_LINE,
        now=NOW,
    )


def mark(gate: Gate) -> None:
    """As another process begins to delete it: nobody tells us."""
    changes = {"removing_at": NOW, "session_epoch": ChargePoint.session_epoch + 1}
    gate.write(ChargePoint.update(**changes))


def rows(gate: Gate) -> int:
    """Rows of charge points, whose they may be."""
    return gate.engine.read(lambda: sum(table.select().count() for table in OWNED))


def closed(peer: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as end:
        peer.recv(timeout=10)
    assert end.value.rcvd is not None
    return end.value.rcvd.code, end.value.rcvd.reason


def answer(peer: ClientConnection, frame: str) -> Any:
    peer.send(frame)
    return json.loads(peer.recv(timeout=10))


def test_the_connection_ends_at_once(gate: Gate) -> None:
    with gate.connect() as peer:
        for frame in (BOOT, STATUS, START, UNKNOWN_PROPERTY):
            assert answer(peer, frame)[0] == 3
        assert rows(gate) >= 4
        remove(gate)
        assert closed(peer) == (1008, "the charge point is not registered any more")
    gate.wait_until_connected(0)
    assert gate.charge_point() is None
    assert rows(gate) == 0


def test_at_the_next_presence_round_at_the_latest(start_gate: StartGate) -> None:
    gate = start_gate(presence_interval=0.1)
    with gate.connect() as peer:
        assert answer(peer, HEARTBEAT)[0] == 3
        mark(gate)
        assert closed(peer)[0] == 1008
    gate.wait_until_connected(0)


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("frame", [START, STATUS, BOOT, UNREADABLE, UNKNOWN_PROPERTY])
def test_what_it_still_says_is_neither_stored_nor_answered(
    start_gate: StartGate, frame: str, gone: bool
) -> None:
    """No presence round comes: the message itself finds out."""
    gate = start_gate(presence_interval=60)
    with gate.connect() as peer:
        assert answer(peer, HEARTBEAT)[0] == 3
        if gone:
            gate.write(ChargePoint.delete())
        else:
            mark(gate)
        peer.send(frame)
        with pytest.raises(ConnectionClosed):  # no answer before it
            peer.recv(timeout=10)
    gate.wait_until_connected(0)
    assert rows(gate) == 1  # the event of its connection, from before
    assert (gate.charge_point() is None) == gone


def test_others_of_its_group_are_stored(gate: Gate) -> None:
    """Many messages at once: the group in which one is refused runs again, one by one."""
    with gate.connect("CP1") as gone, gate.connect("CP2") as stays:
        assert answer(gone, HEARTBEAT)[0] == 3
        gate.write(ChargePoint.delete().where(ChargePoint.identity == "CP1"))
        gone.send(START)
        assert answer(stays, START)[0] == 3
        assert closed(gone)[0] == 1008
    [found] = gate.read(Transaction.select())
    assert found.charge_point_id == gate.charge_point("CP2").id


@pytest.mark.parametrize("policy", ["open", "pending", "closed"])
def test_it_is_let_in_no_more_until_it_is_gone(start_gate: StartGate, policy: str) -> None:
    gate = start_gate(unknown_charge_points=policy)
    gate.add_charge_point("CP1")
    mark(gate)
    status, _, body = gate.request(PATH + "CP1", UPGRADE)
    assert (status, json.loads(body)["reason"]) == (404, "unknown_charge_point")
    epoch = gate.charge_point().session_epoch
    remove(gate, cascade=False)
    assert gate.charge_point() is None
    status = gate.request(PATH + "CP1", UPGRADE)[0]
    assert status == (404 if policy == "closed" else 101)
    assert epoch == 1


def test_a_new_one_of_its_name_is_another(gate: Gate) -> None:
    """Under the open policy it is back at once; the old connection can do nothing to it."""
    with gate.connect() as old:
        assert answer(old, START)[0] == 3
        key = gate.charge_point().id
        remove(gate)
        with gate.connect() as new:
            assert closed(old)[0] == 1008
            assert answer(new, START)[0] == 3
            gate.wait_until_connected(1)
            row = gate.charge_point()
            assert row.id != key
            assert row.present_until is not None
    [found] = gate.read(Transaction.select())
    assert found.charge_point_id == row.id
    wait_until(lambda: gate.charge_point().present_until is None)
