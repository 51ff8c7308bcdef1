"""Commands at a steady pace: placed over REST, answered by charge points in the same process.

An open loop: the next command leaves at its time, whatever became of those before it. What is
measured is ours alone: from the POST to its answer, less what the charge point took for its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks import closed_loop

ACTION = "RemoteStartTransaction"
_BOOT = '[2,"boot","BootNotification",{"chargePointVendor":"ACME","chargePointModel":"WALLBOX"}]'
# The server ends a connection that was idle for 10 s; one that waits longer here is not used again.
_KEPT_IDLE_S = 5.0
_DEADLINE_S = 60.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`holding_port` is the server that charge points connect to, `ordering_port` the one that
    takes the commands; `answer_after_s` is how long a charge point thinks."""

    holding_port: int
    ordering_port: int
    key: str
    charge_points: int = 500
    per_second: float = 200.0
    seconds: float = 5.0
    rounds: int = 1
    answer_after_s: float = 0.0


@dataclass
class Result(closed_loop.Result):
    """`statuses` counts how commands ended: "200 answered", "202 queued"."""

    statuses: Counter[str]


def run(options: Options) -> list[Result]:
    """A result per round, over the same connections."""
    return asyncio.run(_run(options))


async def _run(options: Options) -> list[Result]:
    own_times: dict[str, float] = {}
    results = []
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        identities = [f"BENCH-COMMAND-{n}" for n in range(options.charge_points)]
        sockets = [await stack.enter_async_context(_open(options, each)) for each in identities]
        lives = [group.create_task(_live(each, options, own_times)) for each in sockets]
        rest = _Rest(options.ordering_port, options.key)
        for round_ in range(options.rounds):
            results.append(await _round(options, rest, identities, own_times, f"{round_}"))
        rest.close()
        for life in lives:
            life.cancel()
    return results


# --- The charge points ----------------------------------------------------------------------------


@asynccontextmanager
async def _open(options: Options, identity: str) -> AsyncIterator[ClientConnection]:
    """A charge point that has booted and was accepted."""
    async with connect(
        f"ws://127.0.0.1:{options.holding_port}/ocpp/{identity}",
        subprotocols=[Subprotocol("ocpp1.6")],
        compression=None,
        proxy=None,
        ping_interval=None,
    ) as socket:
        await socket.send(_BOOT)
        answer = await socket.recv()
        if '"Accepted"' not in str(answer):
            raise RuntimeError(f"{identity} was not accepted: {answer!r}")
        yield socket


async def _live(socket: ClientConnection, options: Options, own_times: dict[str, float]) -> None:
    """Accepts every command, and notes under its id tag how long that took."""
    async for frame in socket:
        began = time.perf_counter()
        kind, message_id, _, payload = json.loads(frame)
        if kind != 2:
            raise RuntimeError(f"not a command: {frame!r}")
        if options.answer_after_s:
            await asyncio.sleep(options.answer_after_s)
        await socket.send(f'[3,"{message_id}",{{"status":"Accepted"}}]')
        own_times[payload["idTag"]] = time.perf_counter() - began


# --- The operators --------------------------------------------------------------------------------


async def _round(
    options: Options, rest: _Rest, identities: list[str], own_times: dict[str, float], name: str
) -> Result:
    latencies: list[float] = []
    statuses: Counter[str] = Counter()

    async def order(number: int) -> None:
        id_tag = f"B{name}-{number}"
        identity = identities[number % len(identities)]
        body = json.dumps({"connectorId": 1, "idTag": id_tag}).encode()
        began = time.perf_counter()
        status, answer = await rest.post(
            f"/api/v1/charge-points/{identity}/commands/{ACTION}", body
        )
        elapsed = time.perf_counter() - began
        statuses[f"{status} {json.loads(answer)['status']}"] += 1
        latencies.append(elapsed - own_times.pop(id_tag, 0.0))

    count = round(options.seconds * options.per_second)
    begin, own_cpu = time.perf_counter(), time.process_time()
    async with asyncio.timeout(options.seconds + _DEADLINE_S), asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(begin + number / options.per_second - time.perf_counter())
            group.create_task(order(number))
    elapsed = time.perf_counter() - begin
    own_cpu = time.process_time() - own_cpu
    return Result(count / elapsed, sorted(latencies), own_cpu / elapsed, statuses)


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0


@dataclass
class _Rest:
    """Just enough of an HTTP client: POSTs over connections that are kept."""

    port: int
    key: str
    _idle: list[_Connection] = field(default_factory=list)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        connection = await self._take()
        connection.writer.write(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = await connection.reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None:
            raise RuntimeError(f"an answer without a length: {head!r}")
        answer = await connection.reader.readexactly(int(length[1]))
        connection.idle_since = time.perf_counter()
        self._idle.append(connection)
        return int(head.split()[1]), answer

    async def _take(self) -> _Connection:
        """The connection that was used last, or a new one."""
        oldest = time.perf_counter() - _KEPT_IDLE_S
        if self._idle and self._idle[-1].idle_since > oldest:
            return self._idle.pop()
        self.close()
        return _Connection(*await asyncio.open_connection("127.0.0.1", self.port))

    def close(self) -> None:
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()
