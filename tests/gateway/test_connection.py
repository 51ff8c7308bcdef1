"""What a charge point's messages lead to: answers, refusals, closes; and calls the other way."""

from __future__ import annotations

import json
import threading

import pytest
from websockets.frames import Opcode

from ocpp_cs.db import commit
from ocpp_cs.db.models import (
    ChargePoint,
    Deviation,
    QuarantinedFrame,
    SecurityEvent,
    Transaction,
)
from ocpp_cs.gateway.outgoing import CallTimeout, ConnectionLost
from ocpp_cs.ocpp16.errors import CallError, CallInFlight
from ocpp_cs.ocpp16.messages.core import ResetRequest, ResetResponse
from ocpp_cs.ocpp16.session import AnswerReceived
from tests.gateway.conftest import BOOT, HEARTBEAT, Gate, StartGate, call
from tests.servers import wait_until

START = {
    "connectorId": 1,
    "idTag": "TAG",
    "meterStart": 1000,
    "timestamp": "2026-03-01T11:00:00Z",
}


# --- Answers ------------------------------------------------------------------------------------


def test_answer_is_on_disk_when_it_arrives(gate: Gate) -> None:
    with gate.raw() as peer:
        answer = peer.exchange(call("StartTransaction", START))
        (stored,) = gate.read(Transaction.select())
        assert answer[:2] == [3, "1"]
        assert answer[2]["transactionId"] == stored.id


def test_a_start_over_the_quota_has_no_answer_and_undoes_nobody_elses(
    start_gate: StartGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused as a matter of course (A9): its group is committed, and not done again in parts."""
    gate = start_gate(unknown_id_tags="closed", refused_starts_per_hour=2)
    undone: list[str] = []
    monkeypatch.setattr(commit._Lane, "_rollback", lambda lane: undone.append("a group"))
    with gate.raw("CP1") as flooding, gate.raw("CP2") as other:
        for register in range(2):
            start = call("StartTransaction", {**START, "meterStart": register})
            assert flooding.exchange(start)[0] == 3
        flooding.send(call("StartTransaction", {**START, "meterStart": 3}))
        assert flooding.receive_close().code == 1013
        assert other.exchange(call("StartTransaction", START))[0] == 3
    assert len(gate.read(Transaction.select())) == 3
    assert [row.type for row in gate.read(SecurityEvent.select())] == ["TooManyRefusedStarts"]
    assert undone == []


def test_refused_call_is_answered_and_noted(gate: Gate) -> None:
    with gate.raw() as peer:
        assert peer.exchange(call("Nonsense"))[:3] == [4, "1", "NotImplemented"]
        assert peer.exchange(call("Authorize"))[:3] == [4, "1", "ProtocolError"]
        assert peer.exchange(call("StartTransaction"))[:3] == [4, "1", "ProtocolError"]
    noted = {(row.code, row.detail) for row in gate.read(Deviation.select())}
    assert ("NotImplemented", "Nonsense") in noted
    (kept,) = gate.read(QuarantinedFrame.select())
    assert (kept.action, json.loads(kept.frame)[0]) == ("StartTransaction", 2)


def test_boot_changes_what_the_connection_knows(gate: Gate) -> None:
    with gate.raw() as peer:
        boot = {"chargePointVendor": "x", "chargePointModel": "y", "firmwareVersion": "1.2.3"}
        assert peer.exchange(call("BootNotification", boot))[2]["status"] == "Accepted"
        peer.exchange(call("Nonsense"))
        connection = gate.gateway.find("CP1")
        assert connection is not None
        assert connection.charge_point.firmware_version == "1.2.3"
    assert {row.firmware_version for row in gate.read(Deviation.select())} == {"1.2.3"}


def test_rejected_charge_point_that_was_accepted_before_may_still_report(gate: Gate) -> None:
    gate.add_charge_point("CP1", registration="rejected")
    with gate.raw() as peer:
        assert peer.exchange(BOOT)[2]["status"] == "Rejected"
        assert peer.exchange(call("StartTransaction", START))[0] == 3


def test_strict_server_refuses_unknown_properties(start_gate: StartGate) -> None:
    gate = start_gate(ocpp_strict=True)
    with gate.raw() as peer:
        assert peer.exchange(call("Heartbeat", {"x": 1}))[2] == "FormationViolation"


# --- What cannot be read (R8) -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"hello", 1007),
        (b"\xff\xfe", 1007),
        (b'[2,"1","Heartbeat"', 1007),
        (b"{}", 1002),
        (b"[]", 1002),
        (b'[2,{},"Heartbeat",{}]', 1002),
    ],
)
def test_unreadable_frames_are_counted_and_closed(
    start_gate: StartGate, frame: bytes, code: int
) -> None:
    gate = start_gate(unreadable_frame_limit=3)
    with gate.raw() as peer, gate.raw("CP2") as other:
        for _ in range(2):
            peer.send(frame)
        assert peer.exchange(HEARTBEAT)[0] == 3  # not yet
        peer.send(frame)
        assert peer.receive_close().code == code
        assert peer.ended()
        assert other.exchange(HEARTBEAT)[0] == 3
    (noted,) = gate.read(Deviation.select())
    assert (noted.code, noted.seen) == ("unreadable_frame", 3)


def test_other_message_types_are_ignored(gate: Gate) -> None:
    with gate.raw() as peer:
        for number in range(20):
            peer.send(f'[{5 + number},"x","y",{{}}]')
        assert peer.exchange(HEARTBEAT)[0] == 3
    assert {row.code for row in gate.read(Deviation.select())} == {"unknown_message_type"}


def test_answer_to_no_call_is_dropped(gate: Gate) -> None:
    with gate.raw() as peer:
        peer.send('[3,"nobody",{}]')
        peer.send('[4,"nobody","GenericError","",{}]')
        assert peer.exchange(HEARTBEAT)[0] == 3
    assert sum("dropped an answer" in text for text in gate.log.texts()) == 2


# --- Defects of ours (A18, promise 3) -----------------------------------------------------------


def drop_table(gate: Gate, name: str) -> None:
    database = gate.engine.writable()
    with database.connection_context():
        database.execute_sql(f"DROP TABLE {name}")


def test_defect_keeps_the_frame_before_it_is_answered(gate: Gate) -> None:
    gate.tolerated.add("StartTransaction failed")
    with gate.raw() as peer:
        drop_table(gate, "transactions")
        kind, _, code, description, details = peer.exchange(call("StartTransaction", START))
        assert (kind, code, details) == (4, "InternalError", {})
        (kept,) = gate.read(QuarantinedFrame.select())
        assert json.loads(kept.frame)[3] == START
        # The text names the line in the log, and nothing of what is inside.
        (line,) = [each for each in gate.log.records if "StartTransaction" in each.getMessage()]
        assert description == f"internal error {line.reference}"  # type: ignore[attr-defined]
        assert line.exc_info is not None
        assert peer.exchange(HEARTBEAT)[0] == 3


def test_defect_that_cannot_even_keep_the_frame_does_not_answer(gate: Gate) -> None:
    gate.tolerated |= {"StartTransaction failed", "could not be put in quarantine"}
    with gate.raw() as peer:
        drop_table(gate, "transactions")
        drop_table(gate, "quarantine")
        peer.send(call("StartTransaction", START))
        assert peer.receive()[0] is Opcode.CLOSE
    with gate.raw() as peer:
        peer.send(call("StartTransaction", {}))  # refused for its form: must be kept as well
        assert peer.receive_close().code == 1011


def test_defect_of_another_message_is_only_answered(gate: Gate) -> None:
    gate.tolerated.add("StatusNotification failed")
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    with gate.raw() as peer:
        drop_table(gate, "connectors")
        assert peer.exchange(call("StatusNotification", status))[2] == "InternalError"
    assert gate.read(QuarantinedFrame.select()) == []


def test_note_that_cannot_be_stored_keeps_nobody_from_the_answer(gate: Gate) -> None:
    gate.tolerated.add("a deviation could not be stored")
    with gate.raw() as peer:
        drop_table(gate, "deviations")
        assert peer.exchange(call("Nonsense"))[2] == "NotImplemented"


# --- Calls to the charge point ------------------------------------------------------------------


class Caller:
    """A thread that calls a charge point; `outcome` is what came of it."""

    def __init__(self, gate: Gate, timeout: float = 5.0) -> None:
        connection = gate.gateway.find("CP1")
        assert connection is not None
        self._call = connection.call
        self._timeout = timeout
        self.outcome: object = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.outcome = self._call(ResetRequest(type="Soft"), self._timeout)
        except Exception as error:
            self.outcome = error

    def join(self) -> object:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.outcome

    def answer(self) -> AnswerReceived:
        outcome = self.join()
        assert isinstance(outcome, AnswerReceived)
        return outcome


def test_call_and_incoming_calls_may_cross(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        caller = Caller(gate)
        kind, message_id, action, payload = peer.receive_text()
        assert (kind, action, payload) == (2, "Reset", {"type": "Soft"})
        for number in range(5):
            assert peer.exchange(call("Heartbeat", message_id=f"h{number}"))[1] == f"h{number}"
        assert peer.exchange(call("StartTransaction", START))[0] == 3
        peer.send(json.dumps([3, message_id, {"status": "Accepted"}]))
        assert caller.answer().response == ResetResponse(status="Accepted")


def test_one_call_at_a_time(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        first = Caller(gate)
        message_id = peer.receive_text()[1]
        assert isinstance(Caller(gate).join(), CallInFlight)
        peer.send(json.dumps([3, message_id, {"status": "Rejected"}]))
        assert first.answer().response == ResetResponse(status="Rejected")


def test_late_answer_does_not_reach_the_next_call(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        late = Caller(gate, timeout=0.05)
        late_id = peer.receive_text()[1]
        assert isinstance(late.join(), CallTimeout)
        following = Caller(gate)
        following_id = peer.receive_text()[1]
        peer.send(json.dumps([3, late_id, {"status": "Rejected"}]))
        peer.send(json.dumps([3, following_id, {"status": "Accepted"}]))
        assert following.answer().response == ResetResponse(status="Accepted")


def test_error_is_told_where_the_call_was_made(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        for reply in (["NotSupported", "no", {}], ["Strange", "", {}]):
            caller = Caller(gate)
            peer.send(json.dumps([4, peer.receive_text()[1], *reply]))
            answer = caller.answer()
            assert isinstance(answer.error, CallError)
            assert (answer.error.code, answer.invalid) == (reply[0], False)
        peer.exchange(HEARTBEAT)  # what was odd is noted once the caller has its answer
    assert [row.code for row in gate.read(Deviation.select())] == ["unknown_error_code"]


def test_answer_that_fits_no_schema_is_an_error(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        caller = Caller(gate)
        answer = json.dumps([3, peer.receive_text()[1], {"status": "Perhaps"}])
        peer.send(answer)
        outcome = caller.answer()
        assert outcome.invalid
        assert outcome.frame == answer.encode()
        assert outcome.error is not None
        assert outcome.error.code == "PropertyConstraintViolation"


def test_dying_connection_ends_its_call_at_once(gate: Gate) -> None:
    with gate.raw() as peer:
        gate.wait_until_connected(1)
        caller = Caller(gate, timeout=60.0)
        peer.receive_text()
    assert isinstance(caller.join(), ConnectionLost)


def test_no_call_on_a_connection_that_has_ended(gate: Gate) -> None:
    with gate.raw():
        gate.wait_until_connected(1)
        connection = gate.gateway.find("CP1")
        assert connection is not None
    gate.wait_until_connected(0)
    wait_until(lambda: connection.presence is None)
    with pytest.raises(ConnectionLost):
        connection.call(ResetRequest(type="Soft"), 1.0)


# --- Log (A15) ----------------------------------------------------------------------------------


def test_session_is_one_line_at_its_begin_and_one_at_its_end(gate: Gate) -> None:
    with gate.connect() as peer:
        peer.send(HEARTBEAT)
        peer.recv()
        epoch = gate.charge_point().session_epoch
    gate.wait_until_connected(0)
    wait_until(lambda: len(gate.log.records) >= 2)
    began, ended = gate.log.records[:2]
    for line in (began, ended):
        fields = line.__dict__
        assert (fields["charge_point"], fields["connection"]) == ("CP1", f"1-{epoch}")
    assert began.getMessage() == "connected from 127.0.0.1"
    assert "(close code 1000), 1 messages in 0 s" in ended.getMessage()


def test_session_leaves_its_presence_behind(gate: Gate) -> None:
    with gate.raw():
        gate.wait_until_connected(1)
        during = gate.charge_point()
        assert during.present_until is not None
        assert during.offline_since is None
    wait_until(lambda: gate.charge_point().present_until is None)
    assert gate.charge_point().offline_since is not None
    assert gate.read(ChargePoint.select())[0].session_epoch == during.session_epoch
