"""CALLERRORs from any input at all, and what one frame may cost; single frames are in test_session.

The bytes are read back with the standard library, not with our own reader.
"""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocpp_cs.ocpp16.errors import CallErrorCode
from ocpp_cs.ocpp16.frames import (
    MAX_DEPTH,
    CallFrame,
    HostileError,
    Number,
    call_frame,
    error_frame,
    load,
    read_frame,
    result_frame,
)
from ocpp_cs.ocpp16.messages.core import AuthorizeRequest, AuthorizeResponse
from ocpp_cs.ocpp16.types import IdTagInfo

# Texts with every code point there is, lone surrogates included.
TEXTS = st.lists(st.integers(0, 0x10FFFF), max_size=300).map(
    lambda points: "".join(map(chr, points))
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=300)
)
DETAILS = st.one_of(ANYTHING, st.lists(ANYTHING), st.dictionaries(ANYTHING, ANYTHING, max_size=5))
CYCLE: dict[str, object] = {}
CYCLE["again"] = CYCLE


@given(ANYTHING, ANYTHING, ANYTHING, DETAILS)
@example("1", CallErrorCode.INTERNAL_ERROR, "x" * 256, CYCLE)
@example(10**5000, -(10**5000), 10**5000, {"x": 10**5000})
@example("\ud800", "\udfff\ud800", b"\xff\xed\xa0\x80", {"\ud800": "\udfff"})
@example("1", "GenericError", object(), {"x": object(), (1, 2): 3})
@example("1", "GenericError", "\U0001f50c" * 300, [])
def test_an_error_is_built_from_any_input(
    message_id: object, code: object, description: object, details: object
) -> None:
    frame = json.loads(error_frame(message_id, code, description, details).decode())
    assert len(frame) == 5
    assert frame[0] == 4
    assert all(isinstance(each, str) for each in frame[1:4])
    assert len(frame[3]) <= 255
    assert isinstance(frame[4], dict)


def test_an_error_says_what_it_was_given() -> None:
    frame = error_frame("19223201", CallErrorCode.SECURITY_ERROR, "no", {"a": [1, None]})
    assert frame == b'[4,"19223201","SecurityError","no",{"a":[1,null]}]'
    assert error_frame(b"1", "Odd") == b'[4,"1","Odd","",{}]'
    assert error_frame(None, "Odd", None, None) == b'[4,"","Odd","",{}]'
    assert error_frame(1.5, "Odd", 7, "why") == b'[4,"1.5","Odd","7",{}]'


@given(TEXTS.filter(lambda text: text.isprintable()))
def test_an_id_is_echoed_as_it_came(message_id: str) -> None:
    assert json.loads(error_frame(message_id, "GenericError"))[1] == message_id


def test_a_call_and_its_result_as_bytes() -> None:
    request = AuthorizeRequest(id_tag="é")
    assert call_frame("1", "Authorize", request).decode() == '[2,"1","Authorize",{"idTag":"é"}]'
    response = AuthorizeResponse(id_tag_info=IdTagInfo(status="Blocked", parent_id_tag="p"))
    assert json.loads(result_frame("1", response)) == [
        3,
        "1",
        {"idTagInfo": {"status": "Blocked", "parentIdTag": "p"}},
    ]


@given(TEXTS.filter(lambda text: len(text) <= 36), TEXTS)
def test_only_nuls_and_lone_surrogates_are_replaced(message_id: str, action: str) -> None:
    # Python pairs neighbouring halves of a surrogate pair when it reads JSON, as we do.
    frame = json.dumps([2, message_id, action, {}]).encode()
    sent = json.loads(frame)
    clean = [
        "".join("\ufffd" if c == "\x00" or "\ud800" <= c <= "\udfff" else c for c in text)
        for text in sent[1:3]
    ]
    read, deviations = read_frame(frame)
    assert bool(deviations) == (clean != sent[1:3])
    if isinstance(read, CallFrame):
        assert [read.message_id, read.action] == clean
    else:
        assert clean[0] != sent[1]


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_depth_is_counted_in_arrays_and_objects() -> None:
    load(nested(MAX_DEPTH))
    with pytest.raises(HostileError):
        load(nested(MAX_DEPTH + 1))
    load(b'{"a":' * 2 + b"1" + b"}" * 2, levels=2)
    with pytest.raises(HostileError):
        load(b'{"a":' * 3 + b"1" + b"}" * 3, levels=2)
    load(b"1", levels=0)
    with pytest.raises(HostileError):
        load(b"[]", levels=0)


def test_numbers_keep_their_text() -> None:
    numbers = load(b'[1, -0.10, 1e999, "1"]')
    assert numbers == ["1", "-0.10", "1e999", "1"]
    assert isinstance(numbers, list)
    assert [type(each) for each in numbers] == [Number, Number, Number, str]


@pytest.mark.parametrize(
    "frame",
    [
        b"[" * 1_000_000,
        b'[2,"1","Heartbeat",' + b'{"":' * 200_000,
        b'[2,"1","Heartbeat",{"x":' + nested(500_000) + b"}]",
        b'[2,"' + b"\\u0000" * 170_000 + b'","Heartbeat",{}]',
        b'[2,"' + b"\\ud800" * 170_000 + b'","Heartbeat",{}]',
        b'[2,"1","Heartbeat",{"x":' + b"9" * 1_000_000 + b"}]",
        b'[2,"1","Heartbeat",{"x":[' + b"[]," * 300_000 + b"1]}]",
        b"[2," + b" " * 1_000_000,
        b'"' + b"\\" * 1_000_000,
    ],
    ids=lambda frame: str(frame[:30]),
)
def test_a_frame_of_a_mebibyte_is_read_in_a_blink(frame: bytes) -> None:
    began = time.process_time()
    read_frame(frame)
    # Some 50 ms at most; the bound is wide for slow machines and still shows a quadratic reader.
    assert time.process_time() - began < 2.0
