"""A proxy between charge points and server that loses, delays and doubles their messages.

It knows frames as texts only; connections that end on one side end on the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from random import Random
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from tests.faults.between import Between
from tests.faults.fleet import fleet_of, judge
from tests.faults.stage import Outcome, Size, Stage
from tests.servers import wait_until

_FATES = {"passed": 91, "lost": 3, "late": 3, "doubled": 3}  # of a hundred messages each way
_CALL_TIMEOUT_S = 2.0
# (charge points, transactions)
_LOADS: dict[Size, tuple[int, int]] = {"ci": (10, 20), "short": (60, 400), "full": (100, 3000)}


class Proxy(Between):
    """A proxy in a thread of its own, on a free port; `fates` counts what became of messages.

    with Proxy(server.port) as proxy:
        connect(f"ws://127.0.0.1:{proxy.port}/...")
    """

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self.fates: Counter[str] = Counter()
        self._target = f"ws://127.0.0.1:{target_port}"
        self._rng = Random(1)
        self._late: set[asyncio.Task[None]] = set()

    async def _run(self) -> None:
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol("ocpp1.6")],
            compression=None,
            ping_interval=None,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            await self._end.wait()
        for task in list(self._late):
            task.cancel()

    async def _serve(self, charge_point: ServerConnection) -> None:
        assert charge_point.request is not None
        try:
            upstream = await connect(
                self._target + charge_point.request.path,
                subprotocols=[Subprotocol("ocpp1.6")],
                compression=None,
                ping_interval=None,
                proxy=None,
            )
        except (OSError, InvalidHandshake, InvalidMessage, TimeoutError):
            return
        ways = [
            asyncio.create_task(self._pump(charge_point, upstream)),
            asyncio.create_task(self._pump(upstream, charge_point)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            if charge_point.close_code is not None:
                # What is late may still arrive, after its charge point has come back elsewhere.
                await asyncio.sleep(self._rng.uniform(0.0, _CALL_TIMEOUT_S))
            await upstream.close()
            await charge_point.close()

    async def _pump(self, source: Any, target: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in source:
                (fate,) = self._rng.choices(list(_FATES), list(_FATES.values()))
                self.fates[fate] += 1
                if fate == "late":
                    task = asyncio.create_task(self._send_late(target, text))
                    self._late.add(task)
                    task.add_done_callback(self._late.discard)
                    continue
                for _ in range({"lost": 0, "passed": 1, "doubled": 2}[fate]):
                    await target.send(text)

    async def _send_late(self, target: Any, text: str | bytes) -> None:
        await asyncio.sleep(self._rng.uniform(0.1, 2 * _CALL_TIMEOUT_S))
        with contextlib.suppress(ConnectionClosed):
            await target.send(text)


def run(stage: Stage, size: Size) -> Outcome:
    """A fleet behind the proxy."""
    charge_points, transactions = _LOADS[size]
    url = stage.new_database()
    server = stage.server(url)
    outcome = Outcome({"charge points": charge_points})
    with Proxy(server.port) as proxy:
        through = f"ws://127.0.0.1:{proxy.port}/ws/CentralSystemService"
        with fleet_of(
            stage, through, charge_points, every_s=0.2, samples=2, timeout_s=_CALL_TIMEOUT_S
        ) as (fleet, path):
            wait_until(
                lambda: fleet.ledger.counts["acknowledgement", "StopTransaction"] >= transactions,
                seconds=600,
                what="so many transactions",
            )
            fleet.finish(240)
            outcome.figures |= {f"frames {fate}": proxy.fates[fate] for fate in _FATES}
            judge(outcome, fleet, path, server, url)
    return outcome
