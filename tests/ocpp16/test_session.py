"""Frames in, events and frames out: each rule of a connection by its good and bad frames."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocpp_cs.ocpp16.errors import CallError, CallErrorCode, CallInFlight
from ocpp_cs.ocpp16.messages import ACTIONS, FROM_CHARGE_POINT
from ocpp_cs.ocpp16.messages.core import (
    AuthorizeResponse,
    DataTransferRequest,
    HeartbeatRequest,
    HeartbeatResponse,
    ResetRequest,
    ResetResponse,
    UnlockConnectorRequest,
    UnlockConnectorResponse,
)
from ocpp_cs.ocpp16.messages.reservation import ReserveNowRequest
from ocpp_cs.ocpp16.session import (
    AnswerReceived,
    AnswerUnexpected,
    CallReceived,
    CallRefused,
    CallTimedOut,
    Event,
    FrameIgnored,
    FrameUnreadable,
    OutgoingCall,
    Session,
)
from ocpp_cs.ocpp16.types import IdTagInfo

from .samples import Sample, load

NOW = 1000.0
RESET = ResetRequest(type="Soft")


def receive(frame: bytes | str, *, strict: bool = False) -> Event:
    text = frame.encode() if isinstance(frame, str) else frame
    return Session(strict=strict).receive(text, NOW)


def named(sample: Sample) -> str:
    return sample.name


# --- Frames by the tables in tests/samples ------------------------------------------------------


@pytest.mark.parametrize("sample", load("good_frames"), ids=named)
def test_a_good_frame_is_a_call(sample: Sample) -> None:
    event = receive(sample.frame)
    assert isinstance(event, CallReceived), event
    assert event.action == sample.expected["action"]
    assert type(event.request) is ACTIONS[event.action].request
    assert json.loads(msgspec.json.encode(event.request)) == sample.expected["reads"]
    assert [list(each) for each in event.deviations] == sample.expected["deviations"]
    assert event.frame == sample.frame


@pytest.mark.parametrize("sample", load("bad_frames"), ids=named)
def test_a_bad_frame_gets_what_its_rule_says(sample: Sample) -> None:
    event = receive(sample.frame)
    expected = sample.expected
    assert type(event).__name__ == expected["event"], event
    if isinstance(event, CallRefused | AnswerUnexpected):
        assert event.message_id == expected["message_id"]
        assert event.frame == sample.frame
    if isinstance(event, CallRefused):
        assert (str(event.error.code), event.action) == (expected["code"], expected["action"])
        kind, message_id, code, description, details = json.loads(event.reply)
        assert (kind, message_id, code) == (4, expected["message_id"], expected["code"])
        assert description == event.error.description[:255]
        assert description
        assert details == {}


def test_the_good_frames_hold_every_action_of_a_charge_point() -> None:
    assert {sample.expected["action"] for sample in load("good_frames")} == set(FROM_CHARGE_POINT)


def test_frames_without_deviations_share_one_empty_tuple() -> None:
    first, second = call('[2,"1","Heartbeat",{}]'), call('[2,"2","Authorize",{"idTag":"a"}]')
    assert first.deviations is second.deviations


# --- OCPP_STRICT --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('[2,"1","Heartbeat",{"x":1}]', "FormationViolation"),
        ('[2,"1","Authorize",{"idTag":"a","x":1}]', "FormationViolation"),
        (
            '[2,"1","MeterValues",{"connectorId":1,"meterValue":'
            '[{"timestamp":"t","sampledValue":[{"value":"1","x":1}]}]}]',
            "FormationViolation",
        ),
        ('[2,"1","Authorize",{"idTag":5}]', "TypeConstraintViolation"),
        ('[2,"1","Authorize",null]', "ProtocolError"),
    ],
)
def test_strict_refuses_unknown_properties(frame: str, code: str) -> None:
    event = receive(frame, strict=True)
    assert isinstance(event, CallRefused), event
    assert event.error.code == code


def test_strict_changes_nothing_else() -> None:
    assert isinstance(receive('[2,"1","Heartbeat",null]', strict=True), CallReceived)
    odd = '[2,"1","MeterValues",{"connectorId":"1","meterValue":[]}]'
    event = receive(odd, strict=True)
    assert isinstance(event, CallReceived)
    assert [each.code for each in event.deviations] == ["wrong_type", "too_few_items"]


# --- Answers to calls -----------------------------------------------------------------------------


def call(frame: str = '[2,"1","Heartbeat",{}]') -> CallReceived:
    event = receive(frame)
    assert isinstance(event, CallReceived)
    return event


def test_an_answer_leaves_out_what_is_absent() -> None:
    response = AuthorizeResponse(id_tag_info=IdTagInfo(status="Accepted"))
    frame = Session().answer(call('[2,"é","Authorize",{"idTag":"a"}]'), response)
    assert frame.decode() == '[3,"é",{"idTagInfo":{"status":"Accepted"}}]'


def test_an_answer_to_another_action_is_not_sent() -> None:
    with pytest.raises(TypeError, match="does not answer Heartbeat"):
        Session().answer(call(), ResetResponse(status="Accepted"))


def test_a_call_can_be_refused() -> None:
    error = CallError(CallErrorCode.SECURITY_ERROR, "not accepted yet", {"retry": 5})
    frame = Session().refuse(call(), error)
    assert json.loads(frame) == [4, "1", "SecurityError", "not accepted yet", {"retry": 5}]


def test_the_text_of_an_exception_is_not_sent() -> None:
    frame = Session().refuse(call(), RuntimeError("password=secret"))
    assert json.loads(frame) == [4, "1", "InternalError", "", {}]


@pytest.mark.parametrize("bare", ["1", b"1", 1])
def test_a_bare_message_id_can_be_refused(bare: object) -> None:
    frame = Session().refuse(bare, CallError(CallErrorCode.GENERIC_ERROR))
    assert json.loads(frame) == [4, "1", "GenericError", "", {}]


# --- Our own calls --------------------------------------------------------------------------------


def waiting(timeout: float = 30.0) -> Session:
    """A session that waits for the answer to `Reset` with the id "ours"."""
    session = Session(new_id=lambda: "ours")
    session.call(RESET, now=NOW, timeout=timeout)
    return session


def answered(frame: str, *, session: Session | None = None, now: float = NOW) -> AnswerReceived:
    event = (session or waiting()).receive(frame.encode(), now)
    assert isinstance(event, AnswerReceived), event
    assert event.call.request is RESET
    return event


def test_a_call_and_its_answer() -> None:
    assert Session().call_in_flight is None
    session = Session(new_id=lambda: "ours")
    assert session.call(RESET, now=NOW, timeout=30.0) == b'[2,"ours","Reset",{"type":"Soft"}]'
    assert session.call_in_flight == OutgoingCall("ours", "Reset", RESET, NOW + 30.0)
    event = answered('[3,"ours",{"status":"Accepted"}]', session=session)
    assert event.response == ResetResponse(status="Accepted")
    assert (event.error, event.deviations, event.invalid, event.late) == (None, (), False, False)
    assert session.call_in_flight is None


def test_message_ids_are_uuids() -> None:
    frames = [json.loads(Session().call(RESET, now=NOW, timeout=1)) for _ in range(100)]
    assert len({uuid.UUID(message_id) for _, message_id, *_ in frames}) == 100
    assert all(len(message_id) == 36 for _, message_id, *_ in frames)


def test_one_call_at_a_time() -> None:
    session = waiting()
    before = session.call_in_flight
    with pytest.raises(CallInFlight):
        session.call(UnlockConnectorRequest(connector_id=1), now=NOW, timeout=30.0)
    assert session.call_in_flight is before


def test_calls_may_cross() -> None:
    session = waiting()
    event = session.receive(b'[2,"ours","Heartbeat",{}]', NOW)
    assert isinstance(event, CallReceived)  # with our own id, at that: theirs is another namespace
    reply = session.answer(event, HeartbeatResponse(current_time="2021-11-10T14:00:00.000Z"))
    assert reply == b'[3,"ours",{"currentTime":"2021-11-10T14:00:00.000Z"}]'
    refused = session.receive(b'[2,"2","Nonsense",{}]', NOW)
    assert isinstance(refused, CallRefused)
    assert isinstance(session.receive(b"nonsense", NOW), FrameUnreadable)
    assert isinstance(session.receive(b"[9]", NOW), FrameIgnored)
    assert session.call_in_flight is not None
    assert answered('[3,"ours",{"status":"Rejected"}]', session=session).response is not None


@pytest.mark.parametrize("frame", ['[3,"other",{}]', '[4,"other","GenericError","",{}]'])
def test_an_answer_to_another_call_changes_nothing(frame: str) -> None:
    session = waiting()
    assert session.receive(frame.encode(), NOW) == AnswerUnexpected("other", frame.encode())
    assert session.call_in_flight is not None


def test_a_late_answer_is_never_given_to_the_next_call() -> None:
    ids = iter(["first", "second"])
    session = Session(new_id=lambda: next(ids))
    session.call(RESET, now=NOW, timeout=30.0)
    first = session.call_in_flight
    assert first is not None
    assert session.expire(NOW + 29.9) is None
    assert session.expire(NOW + 30.0) == CallTimedOut(first)
    assert session.expire(NOW + 31.0) is None
    session.call(UnlockConnectorRequest(connector_id=1), now=NOW + 31, timeout=30.0)
    late = session.receive(b'[3,"first",{"status":"Accepted"}]', NOW + 32)
    assert isinstance(late, AnswerUnexpected)
    event = session.receive(b'[3,"second",{"status":"Unlocked"}]', NOW + 33)
    assert isinstance(event, AnswerReceived)
    assert event.response == UnlockConnectorResponse(status="Unlocked")


def test_an_answer_after_the_deadline_counts_until_somebody_gave_up() -> None:
    session = waiting(timeout=30.0)
    event = answered('[3,"ours",{"status":"Accepted"}]', session=session, now=NOW + 31)
    assert event.response is not None
    assert event.late
    assert session.expire(NOW + 32) is None


def test_a_second_answer_is_unexpected() -> None:
    session = waiting()
    answered('[3,"ours",{"status":"Accepted"}]', session=session)
    again = session.receive(b'[3,"ours",{"status":"Rejected"}]', NOW)
    assert isinstance(again, AnswerUnexpected)


def test_a_dead_connection_gives_its_call_back() -> None:
    session = waiting()
    in_flight = session.call_in_flight
    assert session.abandon() is in_flight
    assert in_flight is not None
    assert session.call_in_flight is None
    assert session.abandon() is None
    session.call(RESET, now=NOW, timeout=1.0)


@pytest.mark.parametrize(
    ("frame", "code", "description", "details", "deviations"),
    [
        ('[4,"ours","NotSupported","no",{"a":1}]', "NotSupported", "no", {"a": 1}, []),
        ('[4,"ours","NotSupported","no"]', "NotSupported", "no", {}, []),
        ('[4,"ours","NotSupported"]', "NotSupported", "", {}, []),
        ('[4,"ours","NotSupported","no",null]', "NotSupported", "no", {}, []),
        ('[4,"ours","NotSupported","no","why"]', "NotSupported", "no", {}, []),
        ('[4,"ours","NotSupported",null,{}]', "NotSupported", "", {}, ["wrong_type"]),
        ('[4,"ours","NotSupported",{"a":1}]', "NotSupported", "", {}, ["wrong_type"]),
        ('[4,"ours","NotSupported","","",6]', "NotSupported", "", {}, ["extra_elements"]),
        ('[4,"ours",404,"no",{}]', "404", "", {}, ["wrong_type", "unknown_error_code"]),
        (
            '[4,"ours","OccurrenceConstraintViolation","",{}]',
            "OccurenceConstraintViolation",
            "",
            {},
            ["unknown_error_code"],
        ),
        ('[4,"ours","FormatViolation"]', "FormationViolation", "", {}, ["unknown_error_code"]),
        ('[4,"ours","Tired","of you",{}]', "Tired", "of you", {}, ["unknown_error_code"]),
        ('[4,"ours","%s"]' % ("x" * 99), "x" * 50, "", {}, ["unknown_error_code"]),
        ('[4,"ours","GenericError","%s"]' % ("x" * 999), "GenericError", "x" * 255, {}, []),
        (
            '[4,"ours","GenericError","a\\u0000"]',
            "GenericError",
            "a\ufffd",
            {},
            ["replaced_character"],
        ),
        (
            '[4,"ours","GenericError","",{"x":%s}]' % ("[" * 40 + "]" * 40),
            "GenericError",
            "",
            {},
            [],
        ),
    ],
)
def test_any_callerror_ends_the_call(
    frame: str, code: str, description: str, details: dict[str, Any], deviations: list[str]
) -> None:
    session = waiting()
    event = answered(frame, session=session)
    assert event.response is None
    assert event.error is not None
    assert (str(event.error.code), event.error.description) == (code, description)
    assert event.error.details == details
    assert [each.code for each in event.deviations] == deviations
    assert not event.invalid
    assert session.call_in_flight is None


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('[3,"ours"]', "FormationViolation"),
        ('[3,"ours",[]]', "FormationViolation"),
        ('[3,"ours",null]', "ProtocolError"),
        ('[3,"ours",{}]', "ProtocolError"),
        ('[3,"ours",{"status":"Perhaps"}]', "PropertyConstraintViolation"),
        ('[3,"ours",{"status":null}]', "TypeConstraintViolation"),
        ('[3,"ours",{"status":NaN}]', "FormationViolation"),
        ('[3,"ours",' + "[" * 100_000, "FormationViolation"),
        ('[4,"ours"]', "FormationViolation"),
        ('[4,"ours",null,null,null]', "FormationViolation"),
        ('[4,"ours","GenericError",NaN]', "FormationViolation"),
    ],
)
def test_an_answer_that_is_none_ends_the_call_as_well(frame: str, code: str) -> None:
    session = waiting()
    event = answered(frame, session=session)
    assert event.response is None
    assert event.error is not None
    assert event.error.code == code
    assert event.invalid
    assert session.call_in_flight is None
    session.call(RESET, now=NOW, timeout=30.0)


def test_an_answer_may_hold_more_than_asked_for() -> None:
    event = answered('[3,"ours",{"status":"Accepted","x":"\\ud800"},5]')
    assert event.response == ResetResponse(status="Accepted")
    assert [each.code for each in event.deviations] == [
        "replaced_character",
        "extra_elements",
        "unknown_property",
    ]


def test_a_null_answer_is_an_empty_one() -> None:
    session = Session(new_id=lambda: "ours")
    session.call(
        ACTIONS["GetConfiguration"].request(),
        now=NOW,
        timeout=30.0,
    )
    event = session.receive(b'[3,"ours",null]', NOW)
    assert isinstance(event, AnswerReceived)
    assert event.response == ACTIONS["GetConfiguration"].response()


@pytest.mark.parametrize(
    "request_",
    [HeartbeatRequest(), ResetResponse(status="Accepted"), IdTagInfo(status="Accepted")],
)
def test_only_requests_of_the_central_system_are_sent(request_: msgspec.Struct) -> None:
    session = Session()
    with pytest.raises(TypeError):
        session.call(request_, now=NOW, timeout=30.0)
    assert session.call_in_flight is None


def test_data_transfer_goes_both_ways() -> None:
    request = DataTransferRequest(vendor_id="org.example")
    assert b'"DataTransfer"' in Session().call(request, now=NOW, timeout=30.0)


@pytest.mark.parametrize(
    "wrong",
    [
        ResetRequest(type="Firm"),  # type: ignore[arg-type]
        UnlockConnectorRequest(connector_id=2**31),
        UnlockConnectorRequest(connector_id="1"),  # type: ignore[arg-type]
        DataTransferRequest(vendor_id="x" * 256),
    ],
)
def test_what_breaks_its_schema_is_not_sent(wrong: msgspec.Struct) -> None:
    session = Session()
    with pytest.raises(ValueError, match=r"Expected|Invalid"):
        session.call(wrong, now=NOW, timeout=30.0)
    assert session.call_in_flight is None


def test_a_date_that_is_none_is_not_even_built() -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        ReserveNowRequest(connector_id=1, expiry_date="soon", id_tag="a", reservation_id=1)


# --- Any bytes at all -----------------------------------------------------------------------------


def check(session: Session, frame: bytes) -> Event:
    """Receive, and check what must hold of every event."""
    event = session.receive(frame, NOW)
    if isinstance(event, CallReceived):
        text = msgspec.json.encode(event.request).decode()
        assert "\\u0000" not in text.replace("\\\\", "")
        assert len(event.message_id) <= 36
        assert len(event.deviations) <= 35
        assert all(len(each.detail) <= 80 for each in event.deviations)
    elif isinstance(event, CallRefused):
        kind, message_id, code, description, details = json.loads(event.reply.decode())
        assert (kind, message_id, details) == (4, event.message_id, {})
        assert code in set(CallErrorCode)
        assert len(description) <= 255
    elif isinstance(event, AnswerReceived):
        assert (event.response is None) != (event.error is None)
        assert session.call_in_flight is None
    return event


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x00")
@example(b"[" * 2000)
def test_no_bytes_raise(frame: bytes) -> None:
    check(waiting(), frame)


TOKENS = (
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b":",
        b'"',
        b"\\",
        b"null",
        b"true",
        b"NaN",
        b"-",
        b"0",
        b"1e9",
    ),
    *(b"2", b"3", b"4", b"5", b'"ours"', b'"x"', b"\\u0000", b"\\ud800", b"\xff", b"\xc3", b"\x00"),
    *(b"1.5", b"9" * 400, b"-1", b"2147483648", b'""', b"[]", b"{}", b"[" * 40, b'{"a":' * 40),
    *(b'"idTag"', b'"meterValue"', b'"sampledValue"', b'"value"', b'"timestamp"', b"1e999"),
)


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """One to three cuts, doublings or insertions somewhere in a frame."""
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(frame) + 1)
        end = min(len(frame), start + rng.choice((0, 1, 1, 2, 5, 20)))
        new = rng.choice((b"", frame[start:end] * 2, rng.choice(TOKENS), rng.choice(TOKENS)))
        frame = frame[:start] + new + frame[end:]
    return frame


def test_no_mutated_frame_raises() -> None:
    rng = random.Random(20211110)
    valid = [sample.frame for sample in load("good_frames") if len(sample.frame) < 2000]
    valid += [b'[3,"ours",{"status":"Accepted"}]', b'[4,"ours","GenericError","no",{"a":[1]}]'] * 5
    kinds = {type(check(waiting(), mutated(rng.choice(valid), rng))) for _ in range(20_000)}
    assert kinds == {
        CallReceived,
        CallRefused,
        AnswerReceived,
        AnswerUnexpected,
        FrameIgnored,
        FrameUnreadable,
    }
