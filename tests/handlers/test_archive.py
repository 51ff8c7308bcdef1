"""The rows of the archive: what a frame may hold, both engines take it."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_cs.commands.secrets import BLOT
from ocpp_cs.db.messages import insert_messages
from ocpp_cs.db.models import Message
from ocpp_cs.handlers.archive import FRAME_LIMIT, received_call
from ocpp_cs.handlers.context import ConnectedChargePoint
from ocpp_cs.ocpp16.session import CallReceived, CallRefused, Session
from tests.handlers import kept
from tests.handlers.conftest import NOW, Store

store = kept.store
CHARGE_POINT = ConnectedChargePoint(7, "CP-1", 3)


def archived(store: Store, frame: bytes, reply: bytes = b'[3,"1",{}]') -> dict[str, Any]:
    """The row that a frame is kept as."""
    call = Session().receive(frame, 0.0)
    assert isinstance(call, CallReceived | CallRefused), call
    row = received_call(
        CHARGE_POINT, call, reply, error_code=None, received_at=NOW, answered_ms=1772366400250
    )
    store.committer.run(0, lambda tx: tx.later(insert_messages, row))
    return store.row(Message.select())


def test_a_row_says_who_what_when(store: Store) -> None:
    row = archived(store, b'[2,"1","Heartbeat",{}]')
    assert row.pop("id") > 0
    assert (row.pop("answered_at") - NOW).total_seconds() == 0.25
    assert row == {
        "charge_point_id": 7,
        "direction": "from_charge_point",
        "message_id": "1",
        "action": "Heartbeat",
        "request": '[2,"1","Heartbeat",{}]',
        "response": '[3,"1",{}]',
        "error_code": None,
        "connection_epoch": 3,
        "sent_at": NOW,
    }


@pytest.mark.parametrize(
    ("frame", "kept"),
    [
        (b'[2,"1","Heartbeat",{"x":"\\u0000"}]', '[2,"1","Heartbeat",{"x":"\\u0000"}]'),
        (b'[2,"1","Heartbeat",{"x":"\\ud800"}]', '[2,"1","Heartbeat",{"x":"\\ud800"}]'),
        (b'[2,"1","A\\u0000\\udfffB",{}]', '[2,"1","A\\u0000\\udfffB",{}]'),
        ('[2,"1","X",{"a":"{\\"b\\": NULL, é}"}]'.encode(), None),
        # As bytes that are no UTF-8, and no JSON, behind an id that can be answered.
        (b'[2,"1","Heartbeat",NaN,"\x00"]', '[2,"1","Heartbeat",NaN,"\ufffd"]'),
    ],
)
def test_what_no_database_takes_is_marked(store: Store, frame: bytes, kept: str | None) -> None:
    assert archived(store, frame)["request"] == (frame.decode() if kept is None else kept)


def test_long_frames_are_cut_and_say_so(store: Store) -> None:
    frame = b'[2,"1","DataTransfer",{"vendorId":"' + "é".encode() * FRAME_LIMIT + b'"}]'
    row = archived(store, frame, b"[" + b" " * FRAME_LIMIT)
    assert row["request"].endswith(f"... (cut: the frame has {len(frame)} bytes)")
    assert len(row["request"].encode()) < FRAME_LIMIT + 100
    assert row["response"].endswith(f"... (cut: the frame has {FRAME_LIMIT + 1} bytes)")


def test_long_names_are_cut(store: Store) -> None:
    row = archived(store, b'[2,"' + b"i" * 500 + b'","' + b"A" * 500 + b'",{}]')
    assert (row["message_id"], row["action"]) == ("i" * 80, "A" * 80)


def test_a_call_without_an_action(store: Store) -> None:
    assert archived(store, b'[2,"1"]')["action"] == ""


def test_a_key_that_a_charge_point_tells_is_blotted_out(store: Store) -> None:
    frame = b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hush"}]'
    assert "hush" not in archived(store, frame)["request"]


def test_a_large_frame_that_names_a_key_is_blotted_out_whole(store: Store) -> None:
    payload = b'{"key":"AuthorizationKey","value":"hush","x":"' + b"x" * FRAME_LIMIT + b'"}'
    assert archived(store, b'[2,"1","ChangeConfiguration",' + payload + b"]")["request"] == BLOT
