"""A fake central system for charge points under test: answers as told, forgets nothing it heard.

It decides nothing by itself: without a script every request gets the plainest good answer.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal
from uuid import uuid4

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ocpp_cs.ocpp16.times import format_time
from tests.servers import wait_until

Payload = dict[str, Any]


@dataclass(frozen=True)
class Refuse:
    """Answer with a CALLERROR."""

    code: str
    description: str = ""


# SILENCE: never answer. CUT: drop the connection instead of answering.
Reaction = Payload | Refuse | Literal["SILENCE", "CUT"]


@dataclass(frozen=True)
class Heard:
    """One CALL that arrived."""

    identity: str
    message_id: str
    action: str
    payload: Payload


@dataclass
class FakeCentralSystem:
    """`script(heard)` may return a reaction; None means the plain answer. `admit(identity)` is the
    HTTP status of the handshake, None to let it pass."""

    script: Callable[[Heard], Reaction | None] = lambda heard: None
    admit: Callable[[str], HTTPStatus | None] = lambda identity: None
    heard: list[Heard] = field(default_factory=list)
    answered: list[Heard] = field(default_factory=list)
    handshakes: list[Request] = field(default_factory=list)
    boot_status: str = "Accepted"
    interval: int = 3600
    port: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._connections: dict[str, ServerConnection] = {}
        self._answers: dict[str, asyncio.Future[list[Any]]] = {}
        self._transaction_ids = iter(range(1, 1_000_000))

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def of(self, *actions: str) -> list[Heard]:
        """What was heard of these actions, in order of arrival."""
        return [heard for heard in list(self.heard) if heard.action in actions]

    def call(self, identity: str, action: str, payload: Payload, timeout: float = 5.0) -> Payload:
        """Send a CALL and return its CALLRESULT; AssertionError with the CALLERROR otherwise."""
        frame = asyncio.run_coroutine_threadsafe(
            self._call(identity, action, payload), self._loop
        ).result(timeout)
        assert frame[0] == 3, frame
        result: Payload = frame[2]
        return result

    def refused_call(self, identity: str, action: str, payload: Payload) -> list[Any]:
        """Send a CALL and return the whole CALLERROR frame."""
        frame = asyncio.run_coroutine_threadsafe(
            self._call(identity, action, payload), self._loop
        ).result(5.0)
        assert frame[0] == 4, frame
        return frame

    def cut(self, identity: str, *, reset: bool = True) -> None:
        """Drop the connection without a Close frame: with a TCP reset, or as the kernel does for a
        process that was killed."""
        transport = self._connection(identity).transport
        self._loop.call_soon_threadsafe(transport.abort if reset else transport.close)

    def say(self, identity: str, text: str) -> None:
        """Send any text as a frame."""
        sending = self._connection(identity).send(text)
        asyncio.run_coroutine_threadsafe(sending, self._loop).result(5.0)

    def _connection(self, identity: str) -> ServerConnection:
        """The live connection; its client may know of it a moment before this thread does."""
        wait_until(lambda: self.connected(identity), what=f"{identity} connects")
        return self._connections[identity]

    def connected(self, identity: str) -> bool:
        return identity in self._connections

    def start(self) -> None:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(5.0)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10.0)
        assert not self._thread.is_alive()

    def _run(self, started: threading.Event) -> None:
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    async def _serve(self, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        server: Server
        async with serve(
            self._handle,
            "127.0.0.1",
            self.port,
            process_request=self._process_request,
            subprotocols=[Subprotocol("ocpp1.6")],
            select_subprotocol=lambda _, offered: offered[-1] if offered else None,
            compression=None,
            close_timeout=0.2,
        ) as server:
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await self._stopping.wait()

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes.append(request)
        status = self.admit(request.path.rpartition("/")[2])
        return None if status is None else connection.respond(status, "")

    async def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        identity = connection.request.path.rpartition("/")[2]
        self._connections[identity] = connection
        try:
            async for text in connection:
                await self._take(identity, connection, json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            if self._connections.get(identity) is connection:
                del self._connections[identity]

    async def _take(self, identity: str, connection: ServerConnection, frame: list[Any]) -> None:
        if frame[0] != 2:
            self._answers.pop(frame[1]).set_result(frame)
            return
        heard = Heard(identity, *frame[1:])
        self.heard.append(heard)
        reaction = self.script(heard)
        if reaction is None:
            reaction = self._plain_answer(heard.action)
        if reaction == "CUT":
            connection.transport.abort()
        elif isinstance(reaction, Refuse):
            refusal = [4, heard.message_id, reaction.code, reaction.description, {}]
            await connection.send(json.dumps(refusal))
        elif reaction != "SILENCE":
            self.answered.append(heard)
            await connection.send(json.dumps([3, heard.message_id, reaction]))

    def _plain_answer(self, action: str) -> Payload:
        accepted = {"status": "Accepted"}
        now = format_time(datetime.now(UTC))
        plain: dict[str, Payload] = {
            "BootNotification": {
                "status": self.boot_status,
                "currentTime": now,
                "interval": self.interval,
            },
            "Heartbeat": {"currentTime": now},
            "Authorize": {"idTagInfo": accepted},
            "StartTransaction": {
                "transactionId": next(self._transaction_ids) if "Start" in action else 0,
                "idTagInfo": accepted,
            },
        }
        return plain.get(action, {})

    async def _call(self, identity: str, action: str, payload: Payload) -> list[Any]:
        message_id = str(uuid4())
        answer: asyncio.Future[list[Any]] = self._loop.create_future()
        self._answers[message_id] = answer
        await self._connections[identity].send(json.dumps([2, message_id, action, payload]))
        return await answer


@contextmanager
def fake_central_system(**arguments: Any) -> Iterator[FakeCentralSystem]:
    """A running fake on a free port of this machine."""
    fake = FakeCentralSystem(**arguments)
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
