"""Charge points on a bad network: they cut, reconnect, answer late or never, and note what came.

For tests of commands: what they received and what they answered is held against the database
afterwards. They judge nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from tests.servers import wait_until

_BOOT = {"chargePointVendor": "Flapping", "chargePointModel": "Flapping"}
# What one does with a call, and how often out of 100.
_HABITS = {
    "answers": 72,
    "answers and cuts": 4,
    "refuses": 5,
    "cuts": 7,
    "answers late": 5,
    "never answers": 3,
    "takes a moment": 4,
}
_MEAN_LIFE_S = 4.0
_LONGEST_PAUSE_S = 1.5


class Receipt(NamedTuple):
    """A CALL that has reached a charge point."""

    charge_point_id: str
    message_id: str
    action: str
    payload: Any


@dataclass
class Witness:
    """All that the charge points have seen and said; `answers` are the frames by message id, each
    noted before it was sent."""

    receipts: list[Receipt] = field(default_factory=list)
    answers: dict[str, list[list[Any]]] = field(default_factory=lambda: defaultdict(list))
    habits: Counter[str] = field(default_factory=Counter)
    connections: int = 0


class FlappingFleet:
    """Many of them in a thread of their own; each connects to any of `urls`, anew every time.

    `late_s` is how long a late answer takes. `calm` ends the flapping: from then on they stay
    connected, and answer at once.

        with FlappingFleet([server.ws_url("")], 80, late_s=2.5) as fleet:
            ...
            fleet.calm()
    """

    def __init__(self, urls: Sequence[str], count: int, *, late_s: float, flaps: bool = True):
        self.ids = [f"FLAPPING-{number:03}" for number in range(count)]
        self.witness = Witness()
        self.connected: set[str] = set()
        self.flaps = flaps
        self._urls = [url.rstrip("/") for url in urls]
        self._late_s = late_s
        self._loop = asyncio.new_event_loop()
        self._calm = asyncio.Event()
        self._fault: BaseException | None = None
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> FlappingFleet:
        if not self.flaps:
            self._calm.set()
        self._thread.start()
        wait_until(lambda: self._fault or self.connected == set(self.ids), seconds=60)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(30.0)
        if kind is None and self._fault is not None:
            raise AssertionError("a charge point failed") from self._fault

    def calm(self) -> None:
        self._loop.call_soon_threadsafe(self._calm.set)

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._main = self._loop.create_task(self._run())
        try:
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            pass
        except BaseException as fault:
            self._fault = fault
        finally:
            self._loop.close()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for charge_point_id in self.ids:
                group.create_task(self._live(charge_point_id, group))

    async def _live(self, charge_point_id: str, group: asyncio.TaskGroup) -> None:
        """Connects again and again. What is left of older connections goes on beside the newer."""
        rng = Random(charge_point_id)
        while True:
            url = f"{rng.choice(self._urls)}/{charge_point_id}"
            try:
                websocket = await connect(
                    url,
                    subprotocols=[Subprotocol("ocpp1.6")],
                    compression=None,
                    ping_interval=None,
                    close_timeout=1.0,
                    open_timeout=20.0,
                    proxy=None,
                )
            except (OSError, InvalidHandshake, InvalidMessage, ConnectionClosed, TimeoutError):
                await asyncio.sleep(rng.uniform(0.05, 0.3))
                continue
            self.connected.add(charge_point_id)
            self.witness.connections += 1
            if rng.random() < 0.6:
                await _send(websocket, [2, f"boot-{rng.random()}", "BootNotification", _BOOT])
            serving = group.create_task(self._serve(websocket, charge_point_id, rng, group))
            await self._stay(serving, rng)
            await self._leave(websocket, rng)

    async def _stay(self, serving: asyncio.Task[None], rng: Random) -> None:
        """Until the other side ends the connection, or for the life it has while they flap."""
        calm = asyncio.create_task(self._calm.wait())
        if not self._calm.is_set():
            life = rng.expovariate(1 / _MEAN_LIFE_S)
            await asyncio.wait({serving, calm}, timeout=life, return_when=asyncio.FIRST_COMPLETED)
        if calm.done() or self._calm.is_set():
            await asyncio.wait({serving})
        calm.cancel()

    async def _leave(self, websocket: ClientConnection, rng: Random) -> None:
        match rng.choice(("cut", "cut", "close", "forget")):
            case "cut":
                websocket.transport.abort()
            case "close":
                await websocket.close()
            case "forget":  # half open: the next connection begins beside this one
                return
        await asyncio.sleep(rng.choice((0.0, rng.uniform(0, _LONGEST_PAUSE_S))))

    async def _serve(
        self,
        websocket: ClientConnection,
        charge_point_id: str,
        rng: Random,
        group: asyncio.TaskGroup,
    ) -> None:
        try:
            async for text in websocket:
                message = json.loads(text)
                if message[0] == 2:
                    _, message_id, action, payload = message
                    receipt = Receipt(charge_point_id, message_id, action, payload)
                    self.witness.receipts.append(receipt)
                    group.create_task(self._take(websocket, receipt, rng))
        except ConnectionClosed:
            pass

    async def _take(self, websocket: ClientConnection, receipt: Receipt, rng: Random) -> None:
        habit = "answers"
        if not self._calm.is_set():
            habit = rng.choices(list(_HABITS), list(_HABITS.values()))[0]
        self.witness.habits[habit] += 1
        match habit:
            case "answers late":
                await asyncio.sleep(self._late_s * rng.uniform(0.9, 1.5))
            case "takes a moment":
                await asyncio.sleep(rng.uniform(0.05, 0.4))
            case "refuses":
                await self._answer(websocket, [4, receipt.message_id, "GenericError", "no", {}])
            case "cuts":
                websocket.transport.abort()
        if habit.startswith(("answers", "takes")):
            await self._answer(websocket, [3, receipt.message_id, answer_to(receipt)])
        if habit == "answers and cuts":
            websocket.transport.abort()

    async def _answer(self, websocket: ClientConnection, frame: list[Any]) -> None:
        self.witness.answers[frame[1]].append(frame)
        await _send(websocket, frame)


def answer_to(receipt: Receipt) -> dict[str, Any]:
    """The echo of a DataTransfer, so that no two answers are alike."""
    return {"status": "Accepted", "data": receipt.payload["data"]}


async def _send(websocket: ClientConnection, frame: list[Any]) -> None:
    with contextlib.suppress(ConnectionClosed):
        await websocket.send(json.dumps(frame))
