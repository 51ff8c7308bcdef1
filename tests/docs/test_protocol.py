"""The examples of docs/protocol.md go through a real session, and come out as the text says."""

from __future__ import annotations

import json

import pytest

from ocpp_cs.ocpp16.session import (
    AnswerUnexpected,
    CallReceived,
    CallRefused,
    FrameIgnored,
    FrameUnreadable,
    Session,
)
from tests.docs.documents import FOLDER, code, table

PROTOCOL = FOLDER / "protocol.md"
OUTCOMES = {
    CallReceived: "answered",
    AnswerUnexpected: "dropped",
    FrameIgnored: "ignored",
    FrameUnreadable: "unreadable",
}
FRAMES = table(PROTOCOL, "Frames")
FAULTS = table(PROTOCOL, "Faults and their codes")


@pytest.mark.parametrize(("frame", "outcome"), FRAMES, ids=[row[0] for row in FRAMES])
def test_frame(frame: str, outcome: str) -> None:
    sent = code(frame)[0]
    event = Session().receive(sent.encode(), 0.0)
    if isinstance(event, CallRefused):
        kind, message_id, error, description, details = json.loads(event.reply)
        assert (kind, details) == (4, {})
        assert error == code(outcome)[0]
        assert description
        assert message_id == str(json.loads(sent.replace("NaN", "0"))[1])
    else:
        assert outcome.startswith(OUTCOMES[type(event)])
        noted = isinstance(event, CallReceived) and bool(event.deviations)
        assert noted == ("deviation is noted" in outcome)


@pytest.mark.parametrize(("fault", "example", "error"), FAULTS, ids=[row[0] for row in FAULTS])
def test_fault(fault: str, example: str, error: str) -> None:
    action, _, payload = code(example)[0].partition(" ")
    frame = f'[2,"1","{action}",{payload}]'.encode()
    event = Session(strict="OCPP_STRICT=1" in fault).receive(frame, 0.0)
    assert isinstance(event, CallRefused)
    assert event.error.code == code(error)[0]


def test_an_unknown_property_is_fine_otherwise() -> None:
    event = Session().receive(b'[2,"1","Heartbeat",{"clock":"sundial"}]', 0.0)
    assert isinstance(event, CallReceived)


@pytest.mark.parametrize("faults", [FRAMES, FAULTS])
def test_tables_are_read_whole(faults: list[list[str]]) -> None:
    assert len(faults) >= 9
