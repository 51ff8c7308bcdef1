"""The scriptable fake charge point: a test says what it sends, and sees all that comes back.

It has no life of its own (that is `ocpp_cs.simulator`) and checks nothing that it is told to send.
To try a central system by hand: `python -m tests.charge_point ws://localhost:8081/ocpp CP-1`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket
from websockets.typing import Subprotocol

Payload = dict[str, Any]
# Answers an incoming CALL: returns the payload of the CALLRESULT, or None to stay silent; raises
# CallRefused to answer with a CALLERROR.
Answerer = Callable[[Payload], Payload | None]

OCPP16 = ("ocpp1.6",)
# For `Day`: leave this property out.
ABSENT = object()


class CallRefused(Exception):
    """A CALLERROR, received or to be sent."""

    def __init__(self, code: str, description: str = "", details: object = None) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description
        self.details = {} if details is None else details


class HandshakeRefused(Exception):
    """The central system answered the handshake with an HTTP status other than 101."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"HTTP {status}: {body[:200]!r}")
        self.status = status
        self.headers = headers
        self.body = body


class Closed(Exception):
    """The connection is closed; `code` is 1006 when there was no Close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class ChargePoint:
    """A connected charge point; see `connect`.

    A thread of its own receives. It answers CALLs by the table `answers` (an action that is not in
    it gets NotImplemented; without a table they are left to `receive_raw`), hands answers to the
    `call` that waits for them, and keeps every other frame for `receive_raw`.
    """

    def __init__(self, websocket: ClientConnection, answers: Mapping[str, Answerer] | None) -> None:
        self._websocket = websocket
        self.answers = answers
        self.calls_received: list[tuple[str, Payload]] = []
        self._changed = threading.Condition()
        self._waiting: dict[str, queue.SimpleQueue[list[Any] | None]] = {}
        self._raw: queue.SimpleQueue[str | bytes | None] = queue.SimpleQueue()
        self._receiver = threading.Thread(target=self._receive, daemon=True)
        self._receiver.start()

    def __enter__(self) -> ChargePoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def subprotocol(self) -> str | None:
        """What the central system chose."""
        return self._websocket.subprotocol

    def call(
        self,
        action: str,
        payload: object = None,
        message_id: str | None = None,
        timeout: float = 10.0,
    ) -> Payload:
        """Send a CALL and return the payload of its CALLRESULT. Raises CallRefused for a CALLERROR,
        Closed when the connection ends first, TimeoutError when nothing comes."""
        chosen = str(uuid4()) if message_id is None else message_id
        answers: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()
        self._waiting[chosen] = answers
        try:
            self.send_raw(json.dumps([2, chosen, action, {} if payload is None else payload]))
            frame = answers.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no answer to {action} in {timeout:g} s") from None
        finally:
            self._waiting.pop(chosen, None)
        if frame is None:
            raise self._closed()
        if frame[0] == 4:
            raise CallRefused(*frame[2:5])
        result: Payload = frame[2]
        return result

    def send_raw(self, frame: str | bytes) -> None:
        """Send text as a text frame, bytes as a binary one; Closed when there is no connection."""
        try:
            self._websocket.send(frame)
        except ConnectionClosed:
            raise self._closed() from None

    def receive_raw(self, timeout: float = 10.0) -> str | bytes:
        """The next frame that no `call` waits for and no table answers. Raises Closed once the
        connection has ended and nothing is left, TimeoutError when nothing comes."""
        try:
            frame = self._raw.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"nothing received in {timeout:g} s") from None
        if frame is None:
            self._raw.put(None)
            raise self._closed()
        return frame

    def wait_for_call(self, action: str, timeout: float = 10.0, count: int = 1) -> Payload:
        """The payload of the last CALL of this action, once `count` of them have come."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._received(action)) >= count, timeout)
            received = self._received(action)
        if len(received) < count:
            raise TimeoutError(f"{len(received)} of {count} {action} in {timeout:g} s")
        return received[-1]

    def wait_closed(self, timeout: float = 10.0) -> Closed:
        """Wait for the other side to end the connection; returns how. TimeoutError if it won't."""
        self._receiver.join(timeout)
        if self._receiver.is_alive():
            raise TimeoutError(f"still connected after {timeout:g} s")
        return self._closed()

    def close(self) -> None:
        """End the connection with a Close frame."""
        self._websocket.close()
        self._receiver.join(10.0)

    def cut(self) -> None:
        """End the connection as a failing network does: without a Close frame."""
        with contextlib.suppress(OSError):
            self._websocket.socket.shutdown(2)
        self._receiver.join(10.0)

    def _received(self, action: str) -> list[Payload]:
        return [payload for name, payload in self.calls_received if name == action]

    def _closed(self) -> Closed:
        self._receiver.join(10.0)
        code = self._websocket.close_code
        return Closed(1006 if code is None else code, self._websocket.close_reason or "")

    def _receive(self) -> None:
        try:
            for frame in self._websocket:
                self._take(frame)
        except ConnectionClosed:
            pass
        finally:
            self._raw.put(None)
            for waiting in list(self._waiting.values()):
                waiting.put(None)

    def _take(self, frame: str | bytes) -> None:
        try:
            message = json.loads(frame)
        except ValueError:
            message = None
        match message:
            case [3 | 4, str(message_id), *_] if message_id in self._waiting:
                self._waiting.pop(message_id).put(message)
            case [2, message_id, str(action), payload] if self.answers is not None:
                self._answer(self.answers, message_id, action, payload)
            case _:
                self._raw.put(frame)

    def _answer(
        self, answers: Mapping[str, Answerer], message_id: str, action: str, payload: Payload
    ) -> None:
        with self._changed:
            self.calls_received.append((action, payload))
            self._changed.notify_all()
        try:
            answerer = answers.get(action)
            if answerer is None:
                raise CallRefused("NotImplemented")
            answer = answerer(payload)
        except CallRefused as refusal:
            error = [4, message_id, refusal.code, refusal.description, refusal.details]
            self._websocket.send(json.dumps(error))
        else:
            if answer is not None:
                self._websocket.send(json.dumps([3, message_id, answer]))


def connect(
    url: str,
    charge_point_id: str,
    *,
    subprotocols: Iterable[str] = OCPP16,
    password: bytes | None = None,
    answers: Mapping[str, Answerer] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> ChargePoint:
    """Connect to `url`/`charge_point_id`; the id is percent-encoded here (R1).

    No `subprotocols` means no such header; `password` is sent as raw bytes by Basic authentication
    (R17). Raises HandshakeRefused, or OSError when nobody is there.
    """
    all_headers = dict(headers or {})
    if password is not None:
        credentials = base64.b64encode(charge_point_id.encode() + b":" + password)
        all_headers["Authorization"] = "Basic " + credentials.decode("ascii")
    try:
        websocket = open_websocket(
            f"{url.rstrip('/')}/{quote(charge_point_id, safe='')}",
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers=all_headers,
            compression=None,
            proxy=None,
            open_timeout=timeout,
            close_timeout=2.0,
            ping_interval=None,
            legacy=True,
        )
    except InvalidStatus as error:
        response = error.response
        refusal_headers = dict(response.headers.raw_items())
        raise HandshakeRefused(
            response.status_code, refusal_headers, bytes(response.body)
        ) from None
    return ChargePoint(websocket, answers)


class Day:
    """A charge point's day, step by step, with sensible payloads. Time and meter move on by
    themselves: `at` is the time of the next step, `register_wh` what its meter shows.

    Each step takes properties (camelCase) that replace or, with ABSENT, remove the usual ones, and
    returns the payload of the answer.
    """

    def __init__(
        self,
        charge_point: ChargePoint,
        *,
        id_tag: str = "0fc673",
        connector_id: int = 1,
        at: datetime = datetime(2021, 11, 10, 14, tzinfo=UTC),
        register_wh: int = 10_000,
    ) -> None:
        self.charge_point = charge_point
        self.id_tag = id_tag
        self.connector_id = connector_id
        self.at = at
        self.register_wh = register_wh
        self.transaction_id: int | None = None

    def boot(self, **changes: object) -> Payload:
        return self._send(
            "BootNotification",
            {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"},
            changes,
        )

    def status(self, status: str, **changes: object) -> Payload:
        usual = {
            "connectorId": self.connector_id,
            "errorCode": "NoError",
            "status": status,
            "timestamp": self._time(),
        }
        return self._send("StatusNotification", usual, changes)

    def heartbeat(self) -> Payload:
        return self._send("Heartbeat", {}, {})

    def authorize(self, **changes: object) -> Payload:
        return self._send("Authorize", {"idTag": self.id_tag}, changes)

    def start(self, **changes: object) -> Payload:
        """Remembers the transaction id for the steps that follow."""
        usual = {
            "connectorId": self.connector_id,
            "idTag": self.id_tag,
            "meterStart": self.register_wh,
            "timestamp": self._time(),
        }
        answer = self._send("StartTransaction", usual, changes)
        self.transaction_id = answer["transactionId"]
        return answer

    def meter(self, wh: int = 1000, minutes: float = 15, **changes: object) -> Payload:
        """`wh` more on the register, `minutes` later."""
        self._pass(wh, minutes)
        sampled_value = {"value": str(self.register_wh)}
        usual = {
            "connectorId": self.connector_id,
            "transactionId": self.transaction_id,
            "meterValue": [{"timestamp": self._time(), "sampledValue": [sampled_value]}],
        }
        return self._send("MeterValues", usual, changes)

    def stop(self, wh: int = 1000, minutes: float = 15, **changes: object) -> Payload:
        """`wh` more on the register, `minutes` later."""
        self._pass(wh, minutes)
        usual = {
            "transactionId": self.transaction_id,
            "idTag": self.id_tag,
            "meterStop": self.register_wh,
            "timestamp": self._time(),
            "reason": "Local",
        }
        return self._send("StopTransaction", usual, changes)

    def whole(self, samples: int = 4) -> int:
        """Boot, authorise, charge with so many samples, stop; returns the transaction id."""
        self.boot()
        self.status("Available")
        self.authorize()
        self.status("Preparing")
        self.start()
        self.status("Charging")
        for _ in range(samples):
            self.meter()
        self.stop()
        self.status("Available")
        assert self.transaction_id is not None
        return self.transaction_id

    def _pass(self, wh: int, minutes: float) -> None:
        self.register_wh += wh
        self.at += timedelta(minutes=minutes)

    def _time(self) -> str:
        return self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _send(self, action: str, usual: Payload, changes: Mapping[str, object]) -> Payload:
        payload = {
            name: value for name, value in {**usual, **changes}.items() if value is not ABSENT
        }
        return self.charge_point.call(action, payload)


def main(url: str, charge_point_id: str) -> None:
    """A day in a few seconds, each answer on a line of its own."""
    with connect(url, charge_point_id) as charge_point:
        day = Day(charge_point, at=datetime.now(UTC).replace(microsecond=0))
        steps: list[Callable[[], Payload]] = [day.boot, day.authorize, day.start]
        for step in [*steps, day.meter, day.meter, day.stop, day.heartbeat]:
            began = time.monotonic()
            answer = step()
            print(f"{step.__name__:<10} {(time.monotonic() - began) * 1000:6.1f} ms  {answer}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python -m tests.charge_point URL CHARGE_POINT_ID")
    main(*sys.argv[1:])
