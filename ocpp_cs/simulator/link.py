"""One WebSocket connection of a charge point to its central system: one CALL, its answer, the next.
It neither reconnects nor queues: when the connection dies, so does the `Link`.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from msgspec import DecodeError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from ocpp_cs.ocpp16.errors import CallError
from ocpp_cs.ocpp16.messages import ACTIONS
from ocpp_cs.simulator.statistics import Statistics
from ocpp_cs.simulator.transaction_queue import Payload

# What to do with a CALL from the central system: the answer, and what follows once it is sent.
# Raises CallError to refuse.
Answer = tuple[Payload, Callable[[], None] | None]
CallHandler = Callable[[str, Payload], Answer]

_CALL, _CALL_RESULT, _CALL_ERROR = 2, 3, 4
_LONGEST_RETRY_AFTER_S = 120.0
_HTTP_HINTS = {
    400: "the handshake is not to its taste, perhaps the subprotocol",
    401: "the password is missing or wrong",
    403: "not allowed from here",
    404: "the charge point is unknown there, or the path is wrong",
    426: "this path is there, but takes no charge points",
    429: "too many attempts",
    503: "it takes no charge points at the moment",
}


class LinkError(Exception):
    """The tree of what can go wrong:

    LinkError
    ├── CannotConnect     no connection came about; says why
    ├── ConnectionLost    it died while a CALL waited
    ├── CallTimedOut      no answer in time
    └── CallRefused       a CALLERROR was the answer
    """


class CannotConnect(LinkError):
    """`status` is the HTTP status of the refusal, None when there was no HTTP answer at all."""

    def __init__(self, reason: str, status: int | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s


class ConnectionLost(LinkError):
    """The connection died while a CALL waited for its answer."""


class CallTimedOut(LinkError):
    """No answer in time; the answer may still come, and is then ignored (R6)."""


class CallRefused(LinkError):
    """The central system answered with a CALLERROR (J §4.2.3)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Address:
    """Where a charge point connects and as whom. `url` is the endpoint without the identity; no
    `subprotocols` means no Sec-WebSocket-Protocol header; `password` is sent as raw bytes (R17)."""

    url: str
    identity: str
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    password: bytes | None = None
    timeout_s: float = 30.0

    def connection_url(self) -> str:
        """The connection URL of J §3.1.1."""
        return f"{self.url.rstrip('/')}/{quote(self.identity, safe='')}"

    def headers(self) -> dict[str, str]:
        """The Basic authentication header of J §6.2.2, when there is a password."""
        if self.password is None:
            return {}
        credentials = self.identity.encode() + b":" + self.password
        return {"Authorization": "Basic " + base64.b64encode(credentials).decode("ascii")}


class Link:
    """A live connection; see `open_link`."""

    def __init__(
        self,
        websocket: ClientConnection,
        on_call: CallHandler,
        statistics: Statistics,
        timeout_s: float,
    ) -> None:
        self._websocket = websocket
        self._on_call = on_call
        self._statistics = statistics
        self._timeout_s = timeout_s
        self._in_flight: tuple[str, asyncio.Future[Payload]] | None = None
        self._reader = asyncio.create_task(self._read())

    async def call(self, action: str, payload: Payload, message_id: str) -> Payload:
        """Send a CALL and wait for its answer. One at a time (J §4.1.1): the caller sees to it.

        Raises CallRefused, CallTimedOut or ConnectionLost.
        """
        if self._in_flight is not None:
            raise RuntimeError("a CALL is already under way on this connection")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Payload] = loop.create_future()
        self._in_flight = (message_id, answer)
        sent_at = loop.time()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._websocket.send(_frame([_CALL, message_id, action, payload]))
                result = await answer
        except TimeoutError:
            self._statistics.timeouts += 1
            raise CallTimedOut(f"no answer to {action} in {self._timeout_s:g} s") from None
        except ConnectionClosed as error:
            raise ConnectionLost(str(error)) from None
        except CallRefused as error:
            self._statistics.call_errors[action, error.code, error.description] += 1
            raise
        finally:
            self._in_flight = None
            # When sending failed nobody awaits the answer any more, whatever became of it.
            if answer.done() and not answer.cancelled():
                answer.exception()
        self._statistics.messages[action] += 1
        self._statistics.latency.add(loop.time() - sent_at)
        self._check(action, result)
        return result

    def _check(self, action: str, answer: Payload) -> None:
        """Hold an answer against the official type; the charge point goes on whatever it is."""
        try:
            ACTIONS[action].response_decoder.decode(json.dumps(answer))
        except DecodeError as error:
            self._statistics.violations[f"answer to {action}: {error}"] += 1

    async def closed(self) -> None:
        """Wait until the connection is gone, by whomever."""
        await asyncio.shield(self._reader)

    async def close(self) -> None:
        """Close with a Close frame and wait until it is done."""
        await self._websocket.close()
        await self.closed()

    async def cut(self) -> None:
        """Vanish without a Close frame, as a charge point does whose network fails."""
        self._websocket.transport.abort()
        await self.closed()

    async def _read(self) -> None:
        try:
            async for text in self._websocket:
                await self._take(text)
        except ConnectionClosed:
            pass
        finally:
            if (code := self._websocket.close_code) is not None:
                self._statistics.close_codes[code] += 1
            if self._in_flight is not None and not self._in_flight[1].done():
                self._in_flight[1].set_exception(ConnectionLost("the connection was closed"))

    async def _take(self, text: str | bytes) -> None:
        match _parsed(text):
            case [2, str(message_id), str(action), payload]:
                await self._answer(message_id, action, payload)
            case [3, str(message_id), dict(payload)]:
                if answer := self._claim(message_id):
                    answer.set_result(payload)
            case [4, str(message_id), str(code), str(description), dict()]:
                if answer := self._claim(message_id):
                    answer.set_exception(CallRefused(code, description))
            case _:
                self._statistics.violations["a frame that is no OCPP-J message"] += 1

    def _claim(self, message_id: str) -> asyncio.Future[Payload] | None:
        if self._in_flight is None or self._in_flight[0] != message_id or self._in_flight[1].done():
            self._statistics.violations["an answer to nothing that was asked"] += 1
            return None
        return self._in_flight[1]

    async def _answer(self, message_id: str, action: str, payload: object) -> None:
        self._statistics.commands[action] += 1
        try:
            # null is the empty object (J §4.2.1, R9).
            answer, then = self._on_call(action, payload if isinstance(payload, dict) else {})
        except CallError as error:
            refusal = [_CALL_ERROR, message_id, error.code, error.description, error.details]
            await self._websocket.send(_frame(refusal))
            return
        await self._websocket.send(_frame([_CALL_RESULT, message_id, answer]))
        if then is not None:
            then()


async def open_link(address: Address, on_call: CallHandler, statistics: Statistics) -> Link:
    """Connect. Raises CannotConnect with a reason that a person can act on."""
    try:
        websocket = await connect(
            address.connection_url(),
            subprotocols=[Subprotocol(name) for name in address.subprotocols] or None,
            additional_headers=address.headers(),
            user_agent_header=None,
            # R13; and a proxy for the web is none for charge points.
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=address.timeout_s,
            close_timeout=2.0,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        retry_after = error.response.headers.get("Retry-After", "")
        reason = f"HTTP {status}, {_HTTP_HINTS.get(status, 'refused')}"
        seconds = float(retry_after) if retry_after.isdecimal() else 0.0
        raise CannotConnect(reason, status, min(seconds, _LONGEST_RETRY_AFTER_S)) from None
    except TimeoutError:
        raise CannotConnect(f"no answer within {address.timeout_s:g} s") from None
    except (OSError, WebSocketException) as error:
        raise CannotConnect(_reason(error)) from None
    return Link(websocket, on_call, statistics, address.timeout_s)


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in text:
        return "nothing listens there"
    return text or type(error).__name__


def _frame(message: list[object]) -> str:
    return json.dumps(message, separators=(",", ":"))


def _parsed(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
