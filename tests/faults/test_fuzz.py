"""The share of the runs that the suite can afford; the whole of them is `make faults`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from tests.faults import fuzz_json, fuzz_wire
from tests.faults.fuzz_frames import fuzz_frames
from tests.faults.fuzz_requests import fuzz_requests
from tests.faults.stage import Outcome, Size, Stage, on_stage
from tests.faults.swaps import swaps
from tests.servers import Postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    on_postgresql = request.param == "postgresql"
    own = request.getfixturevalue("postgresql") if on_postgresql else None
    with on_stage(request.param, own) as entered:
        yield entered


@pytest.mark.timeout(300)
@pytest.mark.parametrize("run", [fuzz_frames, fuzz_requests])
def test_nothing_goes_wrong(stage: Stage, run: Callable[[Stage, Size], Outcome]) -> None:
    outcome = run(stage, "ci")
    print(outcome.line())
    assert not outcome.findings


def test_two_sockets_fight_for_one_identity(postgresql: Postgresql) -> None:
    with on_stage("postgresql", postgresql) as entered:
        outcome = swaps(entered, "ci")
    print(outcome.line())
    assert not outcome.findings


def test_a_seed_repeats_a_run() -> None:
    def made() -> list[bytes]:
        rng = random.Random("7 OFFENDER")
        return [fuzz_wire.broken(rng, fuzz_json.near_message(rng, "m")) for _ in range(2000)]

    assert made() == made()


def test_most_of_it_is_nearly_right() -> None:
    """Noise alone would be thrown away at the door, and prove little."""
    rng = random.Random(1)
    messages = [fuzz_json.near_message(rng, f"m{n}") for n in range(5000)]
    answered = [fuzz_json.must_be_answered(each) for each in messages]
    assert 0.3 < sum(each is not None for each in answered) / len(messages) < 0.9
    assert any(b"\x00" in each for each in messages)
    assert any(b"NaN" in each for each in messages)


def test_what_is_allowed_is_a_message_and_nothing_else() -> None:
    """By the reading of `websockets`, whatever it is cut into."""
    rng = random.Random(2)
    for number in range(500):
        message = json.dumps([2, str(number), "Heartbeat", {"x": "y" * rng.randint(0, 300)}])
        protocol = ServerProtocol(state=1)  # type: ignore[arg-type]  # open
        for piece in fuzz_wire.pieces(rng, fuzz_wire.as_allowed(rng, message.encode())):
            protocol.receive_data(piece)
        frames: list[Any] = protocol.events_received()
        data = [each.data for each in frames if each.opcode in (Opcode.TEXT, Opcode.CONT)]
        assert b"".join(data).decode() == message
        assert protocol.parser_exc is None


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ([3, "1", {}], True),
        ([4, "1", "GenericError", "", {}], True),
        ([4, "1", "InternalError", "", {}], False),
        ([4, "1", "GenericError", ""], False),
        ([3, "1", []], False),
        ([3, 1, {}], False),
    ],
)
def test_the_judge_knows_a_wrong_answer(answer: Any, right: bool) -> None:
    assert (fuzz_json.fault_of(answer) is None) == right
