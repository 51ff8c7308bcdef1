"""One connection: answers that fit, answers that do not, and ends of every kind."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

import pytest

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
        where = Address(fake.url, "CP-1", timeout_s=0.5, **address)  # type: ignore[arg-type]
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
        with_link(central_system, beat, statistics)
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


def test_connection_that_dies_while_sending(central_system: FakeCentralSystem) -> None:
    """However the end of the connection and the call meet, the caller alone hears of it."""
    complaints: list[dict[str, object]] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: complaints.append(context))
        for round_ in range(40):
            address = Address(central_system.url, f"CP-{round_}", timeout_s=2.0)
            link = await open_link(address, echo, Statistics())
            await link.call("Heartbeat", {}, "first")
            central_system.cut(address.identity)
            # Busy for a while, so that the end is already there when the call begins.
            time.sleep(0.002 * (round_ % 3))  # noqa: ASYNC251
            with pytest.raises(ConnectionLost):
                await link.call("Heartbeat", {}, "second")
                await link.call("Heartbeat", {}, "third")
                await link.call("Heartbeat", {}, "fourth")
            await link.closed()
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(run())
    assert complaints == []
