"""One connection: answers that fit, answers that do not, and ends of every kind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

import pytest
from websockets.protocol import State

from ocpp_cs.simulator.link import (
    Address,
    Answer,
    CallRefused,
    CallTimedOut,
    CannotConnect,
    ConnectionLost,
    Link,
    open_link,
)
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.transaction_queue import Payload
from tests.servers import wait_until
from tests.simulator.central_system import FakeCentralSystem, Refuse

T = TypeVar("T")


def echo(action: str, payload: Payload) -> Answer:
    return {"action": action, **payload}, None


def with_link(
    fake: FakeCentralSystem,
    act: Callable[[Link], Awaitable[T]],
    statistics: Statistics | None = None,
    **address: object,
) -> T:
    async def run() -> T:
        where = Address(fake.url, "CP-1", **{"timeout_s": 5.0, **address})  # type: ignore[arg-type]
        link = await open_link(where, echo, statistics or Statistics())
        try:
            return await act(link)
        finally:
            await link.close()

    return asyncio.run(run())


async def beat(link: Link) -> Payload:
    return await link.call("Heartbeat", {}, "id-1")


def test_answer(central_system: FakeCentralSystem) -> None:
    statistics = Statistics()
    assert "currentTime" in with_link(central_system, beat, statistics)
    assert statistics.messages == {"Heartbeat": 1}
    assert statistics.latency.count == 1
    assert not statistics.violations


def test_call_error(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: Refuse("InternalError", "no")
    statistics = Statistics()
    with pytest.raises(CallRefused, match="InternalError: no"):
        with_link(central_system, beat, statistics)
    assert statistics.call_errors == {("Heartbeat", "InternalError", "no"): 1}


def test_silence(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: "SILENCE"
    statistics = Statistics()
    with pytest.raises(CallTimedOut):
        with_link(central_system, beat, statistics, timeout_s=0.2)
    assert statistics.timeouts == 1


def test_connection_that_dies_during_a_call(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: "CUT"
    with pytest.raises(ConnectionLost):
        with_link(central_system, beat)


def test_answer_that_does_not_fit_is_noted_and_used(central_system: FakeCentralSystem) -> None:
    central_system.script = lambda heard: {"currentTime": 5}
    statistics = Statistics()
    assert with_link(central_system, beat, statistics) == {"currentTime": 5}
    assert statistics.violations.total() == 1
    assert "answer to Heartbeat" in next(iter(statistics.violations))


@pytest.mark.parametrize(
    ("frame", "violation"),
    [
        ('[3,"another",{"currentTime":"2000-01-01T00:00:00Z"}]', "an answer to nothing"),
        ('[4,"another","InternalError","",{}]', "an answer to nothing"),
        ('[4,"id-1","InternalError",""]', "no OCPP-J message"),
        ('{"status":"Accepted"}', "no OCPP-J message"),
        ("Accepted", "no OCPP-J message"),
    ],
)
def test_frames_that_answer_nothing_are_noted_and_dropped(
    central_system: FakeCentralSystem, frame: str, violation: str
) -> None:
    """A stray answer never goes to the call that happens to wait (R6)."""

    async def beat_with_noise(link: Link) -> Payload:
        central_system.script = lambda heard: "SILENCE"
        beating = asyncio.create_task(beat(link))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, wait_until, lambda: central_system.heard)
        await loop.run_in_executor(None, central_system.say, "CP-1", frame)
        answer = '[3,"id-1",{"currentTime":"2026-03-02T06:00:00Z"}]'
        await loop.run_in_executor(None, central_system.say, "CP-1", answer)
        return await beating

    statistics = Statistics()
    answer = with_link(central_system, beat_with_noise, statistics)
    assert answer == {"currentTime": "2026-03-02T06:00:00Z"}
    assert [violation in text for text in statistics.violations] == [True]


def test_one_call_at_a_time(central_system: FakeCentralSystem) -> None:
    async def both(link: Link) -> None:
        await asyncio.gather(beat(link), beat(link))

    with pytest.raises(RuntimeError, match="already under way"):
        with_link(central_system, both)


def test_calls_cross(central_system: FakeCentralSystem) -> None:
    """The central system may call while the charge point waits (J §4.1.1)."""

    async def cross(link: Link) -> Payload:
        central_system.script = lambda heard: None
        loop = asyncio.get_running_loop()
        call = central_system.call
        incoming = loop.run_in_executor(None, call, "CP-1", "GetConfiguration", {"a": 1})
        await beat(link)
        return await incoming

    assert with_link(central_system, cross) == {"action": "GetConfiguration", "a": 1}


def test_identity_is_encoded_and_header_is_sent(central_system: FakeCentralSystem) -> None:
    async def run() -> None:
        address = Address(central_system.url, "RDAM 1/2", ("ocpp1.6",), bytes(range(250, 256)))
        await (await open_link(address, echo, Statistics())).close()

    asyncio.run(run())
    request = central_system.handshakes[0]
    assert request.path == "/ocpp/RDAM%201%2F2"
    # The example of J §6.2.2 in kind: raw bytes after the colon.
    assert request.headers["Authorization"] == "Basic UkRBTSAxLzI6+vv8/f7/"
    assert request.headers["Sec-WebSocket-Protocol"] == "ocpp1.6"


def test_no_subprotocol_no_header(central_system: FakeCentralSystem) -> None:
    with_link(central_system, beat, subprotocols=())
    assert "Sec-WebSocket-Protocol" not in central_system.handshakes[0].headers


def test_refused_handshake_says_why(central_system: FakeCentralSystem) -> None:
    central_system.admit = lambda identity: HTTPStatus.UNAUTHORIZED
    with pytest.raises(CannotConnect, match="password is missing or wrong") as caught:
        with_link(central_system, beat)
    assert caught.value.status == 401


def test_nobody_there() -> None:
    async def run() -> None:
        await open_link(Address("ws://127.0.0.1:1/ocpp", "CP-1"), echo, Statistics())

    with pytest.raises(CannotConnect, match="nothing listens there"):
        asyncio.run(run())


def test_call_between_the_end_and_the_news_of_it(central_system: FakeCentralSystem) -> None:
    """A call that begins when the other side is gone, but the reader does not know yet: the caller
    alone hears of it."""
    complaints: list[dict[str, object]] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: complaints.append(context))
        link = await open_link(Address(central_system.url, "CP-1"), echo, Statistics())
        central_system.cut("CP-1", reset=False)
        while link._websocket.state is State.OPEN:
            await asyncio.sleep(0)
        with pytest.raises(ConnectionLost):
            await beat(link)
        await link.closed()
        del link
        gc.collect()

    asyncio.run(run())
    assert complaints == []
