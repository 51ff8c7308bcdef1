"""The direct way of the usual frames says what the general way says, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.utils import apply_mask

from ocpp_cs.gateway.wire import text_frame, whole_text, wire_size

SIZES = [0, 1, 125, 126, 127, 1000, 65535, 65536, 70000]


def masked(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    frame = bytearray(Frame(opcode, payload, fin=fin).serialize(mask=False))
    frame[1] |= 0x80
    head = len(frame) - len(payload)
    mask = b"\x12\x34\x56\x78"
    return bytes(frame[:head]) + mask + apply_mask(payload, mask)


def general(data: bytes) -> list[Frame]:
    protocol = ServerProtocol(state=OPEN, max_size=2**20)
    protocol.receive_data(data)
    return [frame for frame in protocol.events_received() if isinstance(frame, Frame)]


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_text_frame_is_read_up_to_the_size_of_one_length_word(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    assert whole_text(masked(payload)) == (payload if size <= 65535 else None)


@pytest.mark.parametrize("size", SIZES)
def test_our_frames_are_those_of_the_general_way(size: int) -> None:
    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@pytest.mark.parametrize("size", SIZES)
def test_the_size_on_the_wire(size: int) -> None:
    data = masked(b"x" * size)
    assert [wire_size(frame) for frame in general(data)] == [len(data)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        masked(b"[2]")[:-1],
        masked(b"[2]") + b"\x81",
        masked(b"[2]") + masked(b"[3]"),
        masked(b"[2]", fin=False),
        masked(b"[2]", Opcode.BINARY),
        masked(b"[2]", Opcode.CONT),
        masked(b"[2]", Opcode.PING),
        text_frame(b"[2]" * 10),  # not masked
        b"\xc1" + masked(b"[2]")[1:],  # a reserved bit
        b"\x81\xfe\x00\x03\0\0\0\0[2]",  # a length that is longer than it must be
        b"\x81\xff\0\0\0\0\0\0\0\x03\0\0\0\0[2]",
    ],
)
def test_anything_else_is_left_to_the_general_way(data: bytes) -> None:
    assert whole_text(data) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_the_general_ways_message_or_nothing(data: bytes) -> None:
    found = whole_text(data)
    if found is not None:
        [frame] = general(data)
        assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, found)
