"""How a charge point's messages reach the central system: connect, boot, deliver, start over.
Not what the messages say: its owner fills the queue and is told what became of it.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol
from uuid import uuid4

from ocpp_cs.simulator.clock import Clock
from ocpp_cs.simulator.link import (
    Address,
    Answer,
    CallRefused,
    CallTimedOut,
    CannotConnect,
    ConnectionLost,
    Link,
    LinkError,
    open_link,
)
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.transaction_queue import (
    LocalTransaction,
    Payload,
    QueuedMessage,
    TransactionQueue,
)

# When BootNotification.conf names no interval, the charge point chooses one (§4.2).
_BOOT_RETRY_S = 60.0
_FIRST_BACK_OFF_S = 0.5


class MessageIds:
    """Message ids, unique over all connections and runs (J §4.1.4, J-err 3.1): UUIDs, or numbers
    that count on from `first` as simple firmware does."""

    def __init__(self, first: int | None = None) -> None:
        self._next = first

    def __call__(self) -> str:
        if self._next is None:
            return str(uuid4())
        self._next += 1
        return str(self._next)


class Owner(Protocol):
    """What a delivery needs of the charge point that it works for."""

    def boot_notification(self) -> Payload:
        """The payload of BootNotification.req."""

    def accepted(self, interval_s: int) -> None:
        """The central system accepted the BootNotification; the heartbeat interval is in seconds,
        0 for the charge point's own choice."""

    def connected(self) -> None:
        """Messages can go out again."""

    def retry_policy(self) -> tuple[int, int]:
        """TransactionMessageAttempts and TransactionMessageRetryInterval (seconds)."""

    def delivered(self, message: QueuedMessage, answer: Payload) -> None:
        """A transaction-related message got its answer."""

    def answer_call(self, action: str, payload: Payload) -> Answer:
        """Answer the central system; raises CallError."""


@dataclass(slots=True)
class _Notice:
    """A message that is not transaction-related: sent soon or never. It waits until so many
    transaction-related ones, counted from the beginning, are gone."""

    action: str
    payload: Payload
    after: int = 0
    answer: asyncio.Future[Payload | None] | None = None


class Delivery:
    """The line of one charge point. `run` does the work; everything else may be called any time.

    One CALL is under way at a time (J §4.1.1). Notices go first, so that a driver who waits for an
    Authorize does not wait for the queue (§3.7 allows it); see `notify` for the exception.
    """

    def __init__(
        self,
        owner: Owner,
        address: Address,
        queue: TransactionQueue,
        clock: Clock,
        statistics: Statistics,
        rng: Random,
        *,
        new_id: MessageIds,
        longest_back_off_s: float = 30.0,
    ) -> None:
        self._owner = owner
        self._address = address
        self._queue = queue
        self._clock = clock
        self._statistics = statistics
        self._rng = rng
        self._new_id = new_id
        self._longest_back_off_s = longest_back_off_s
        self._link: Link | None = None
        self._notices: deque[_Notice] = deque()
        # How many messages had been put into the queue when this connection came about.
        self._backlog = 0
        self._retry_at = 0.0
        self._booted = False
        self._boot_now = asyncio.Event()
        self._line_up = asyncio.Event()
        self._line_up.set()
        self._online = asyncio.Event()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._was_accepted = asyncio.Event()

    @property
    def online(self) -> bool:
        """Connected and accepted: messages can go out."""
        return self._online.is_set()

    @property
    def line_is_up(self) -> bool:
        """False between `line_down` and `line_up`."""
        return self._line_up.is_set()

    def owe(self, action: str, payload: Payload, transaction: LocalTransaction | None) -> None:
        """Queue a transaction-related message; it is delivered in order, however long it takes."""
        self._queue.put(action, payload, transaction)
        self._stir()

    def notify(self, action: str, payload: Payload, *, in_order: bool = False) -> None:
        """Send a message if the charge point is online, forget it otherwise.

        `in_order`: not before the transaction-related messages of the events before it, or a
        connector would be Available before its transaction has ended. What was queued while offline
        does not hold it up.
        """
        if self.online:
            backlog_gone = self._queue.gone_count >= self._backlog
            after = self._queue.put_count if in_order and backlog_gone else 0
            self._notices.append(_Notice(action, payload, after))
            self._stir()

    async def ask(self, action: str, payload: Payload) -> Payload | None:
        """Send a message and wait for the answer; None when offline, refused or lost."""
        if not self.online:
            return None
        answer: asyncio.Future[Payload | None] = asyncio.get_running_loop().create_future()
        self._notices.append(_Notice(action, payload, answer=answer))
        self._stir()
        return await answer

    async def line_down(self, *, politely: bool) -> None:
        """Lose the connection, with a Close frame or without, until `line_up`."""
        self._line_up.clear()
        self._offline()
        if self._link is not None:
            await (self._link.close() if politely else self._link.cut())

    def line_up(self, *, reboot: bool) -> None:
        """Connect again; after a reboot with a BootNotification (§4.2), else without (J §5.4)."""
        self._booted = self._booted and not reboot
        self._line_up.set()

    def boot_again(self) -> None:
        """Send a BootNotification now (§5.17), also while the last answer was not Accepted."""
        if self.online:
            self.notify("BootNotification", self._owner.boot_notification())
        self._boot_now.set()

    async def first_acceptance(self) -> None:
        """Wait until the central system has accepted this charge point once."""
        await self._was_accepted.wait()

    async def idle(self) -> None:
        """Wait until the charge point is online, nothing is owed and nothing is under way."""
        await self._idle.wait()

    async def close(self) -> None:
        """Say goodbye."""
        self._line_up.clear()
        if self._link is not None:
            await self._link.close()

    async def run(self) -> None:
        """Stay connected and deliver, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._stay_connected())
                group.create_task(self._deliver())
        finally:
            if self._link is not None:
                await self._link.cut()

    def _stir(self) -> None:
        self._idle.clear()
        self._wake.set()

    def _offline(self) -> None:
        self._online.clear()
        self._idle.clear()
        while self._notices:
            answer = self._notices.popleft().answer
            if answer is not None and not answer.done():
                answer.set_result(None)

    async def _stay_connected(self) -> None:
        connections = 0
        delays = self._back_off()
        while True:
            await self._line_up.wait()
            try:
                self._link = await open_link(
                    self._address, self._owner.answer_call, self._statistics
                )
            except CannotConnect as error:
                self._statistics.refused[self._address.identity] = str(error)
                await asyncio.sleep(max(next(delays), error.retry_after_s))
                continue
            self._statistics.refused.pop(self._address.identity, None)
            self._statistics.connections += 1
            self._statistics.reconnects += connections > 0
            connections += 1
            used = await self._use(self._link)
            self._offline()
            self._link = None
            if used:
                delays = self._back_off()
            if self.line_is_up:
                self._statistics.connections_lost += used
                await asyncio.sleep(next(delays))

    async def _use(self, link: Link) -> bool:
        """Work with a new connection until it ends; False when it never came to be of use."""
        try:
            if not self.line_is_up:
                await link.cut()
                return False
            if not self._booted and not await self._boot(link):
                return False
            self._backlog = self._queue.put_count
            self._online.set()
            self._owner.connected()
            self._stir()
            await link.closed()
            return True
        except LinkError:
            await link.cut()
            return False

    async def _boot(self, link: Link) -> bool:
        """BootNotification until it is accepted (§4.2); nothing else may be sent before. False when
        the connection ends first."""
        while True:
            self._boot_now.clear()
            answer = await link.call(
                "BootNotification", self._owner.boot_notification(), self._new_id()
            )
            status, interval = answer.get("status"), answer.get("interval")
            interval_s = interval if isinstance(interval, int) else 0
            if status == "Accepted":
                self._statistics.refused.pop(self._address.identity, None)
                self._booted = True
                self._owner.accepted(interval_s)
                self._was_accepted.set()
                return True
            self._statistics.refused[self._address.identity] = f"registration {status}"
            if await self._closed_within(link, interval_s or _BOOT_RETRY_S):
                return False

    async def _closed_within(self, link: Link, simulated_s: float) -> bool:
        """Wait for the time of the next BootNotification, or for a trigger; True when the
        connection is gone."""
        closed = asyncio.create_task(link.closed())
        triggered = asyncio.create_task(self._boot_now.wait())
        seconds = max(self._clock.real_seconds(simulated_s), 0.5)
        try:
            done, _ = await asyncio.wait(
                (closed, triggered), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            return closed in done
        finally:
            closed.cancel()
            triggered.cancel()

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._online.wait()
            notice = self._next_notice()
            if self._link is not None and notice is not None:
                await self._send_notice(self._link, notice)
            elif self._link is not None and self._queue and loop.time() >= self._retry_at:
                await self._send_queued(self._link)
            else:
                await self._wait_for_work(loop)

    def _next_notice(self) -> _Notice | None:
        for notice in self._notices:
            if notice.after <= self._queue.gone_count:
                self._notices.remove(notice)
                return notice
        return None

    async def _wait_for_work(self, loop: asyncio.AbstractEventLoop) -> None:
        self._wake.clear()
        if not self._queue:
            self._idle.set()
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout_at(max(self._retry_at, loop.time())):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _send_notice(self, link: Link, notice: _Notice) -> None:
        answer: Payload | None = None
        try:
            answer = await self._call(link, notice.action, notice.payload, self._new_id())
        except LinkError:
            return
        finally:
            if notice.answer is not None and not notice.answer.done():
                notice.answer.set_result(answer)

    async def _send_queued(self, link: Link) -> None:
        message = self._queue.transmit()
        if message is None:
            return
        payload = message.payload_on_the_wire()
        try:
            answer = await self._call(link, message.action, payload, message.message_id)
        except CallRefused:
            wait = self._queue.refused(*self._owner.retry_policy())
            if wait is None:
                self._statistics.discarded += 1
            else:
                loop = asyncio.get_running_loop()
                self._retry_at = loop.time() + self._clock.real_seconds(wait)
        except LinkError:
            return
        else:
            self._owner.delivered(self._queue.answered(answer), answer)

    async def _call(self, link: Link, action: str, payload: Payload, message_id: str) -> Payload:
        """A call whose failure to be answered ends the connection: the other end may be long gone
        without a word (F6), and only a new connection tells."""
        try:
            return await link.call(action, payload, message_id)
        except ConnectionLost:
            self._offline()
            raise
        except CallTimedOut:
            self._offline()
            await link.cut()
            raise

    def _back_off(self) -> Iterator[float]:
        """Seconds to wait before connecting again: doubling, with jitter, so that a fleet does not
        return as one man (F28)."""
        delay = _FIRST_BACK_OFF_S
        while True:
            delay = min(delay, self._longest_back_off_s)
            yield delay * self._rng.uniform(0.5, 1.5)
            delay *= 2.0
