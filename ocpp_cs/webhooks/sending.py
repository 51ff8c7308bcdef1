"""One request to a webhook's receiver: bounded in time and size, and believed only if it is whole.

No redirect is followed, no proxy is asked, and what the answer says is not looked at: a complete
answer with a status of 200 to 299 means that the events have arrived, everything else that they
may not have.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult

from ocpp_cs.db.offload import offload
from ocpp_cs.webhooks.targets import BadTarget, Targets

USER_AGENT = "ocpp-cs-webhooks/1"
LONGEST_ANSWER = 65536  # bytes
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request; `error` says in words why the events have not arrived."""

    http_status: int | None
    error: str | None
    duration_ms: int

    @property
    def delivered(self) -> bool:
        return self.error is None


class _NotWhole(Exception):
    """The answer ended too early, or not at all; the text says how."""


def post(targets: Targets, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    """Sends the body once. Raises nothing that the receiver could cause."""
    begin = time.monotonic()
    status: int | None = None
    error: str | None = None
    connection: _Connection | None = None
    clock = None
    try:
        connection = _Connection(targets.check(url), targets, begin + targets.timeout_s)
        # A receiver that sends a byte now and then must not hold the thread: it is cut off.
        clock = threading.Timer(targets.timeout_s, connection.cut)
        clock.daemon = True
        clock.start()
        sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT, "Connection": "close"}
        connection.request("POST", connection.path, body, {**sent, **headers})
        response = connection.getresponse()
        status = response.status
        _read_whole(response)
        if not 200 <= status <= 299:
            error = f"it answered {status} {response.reason}"[:_LONGEST_REASON]
    except BadTarget as refused:
        return Outcome(None, str(refused), int((time.monotonic() - begin) * 1000))
    except _NotWhole as fault:
        error = str(fault)
    except (OSError, http.client.HTTPException, ValueError) as fault:
        error = f"{type(fault).__name__}: {fault}"[:_LONGEST_REASON]
    finally:
        if clock is not None:
            clock.cancel()
        if connection is not None:
            connection.close()
    duration_s = time.monotonic() - begin
    # The socket's own time-out may come a moment before the clock's.
    late = connection is not None and (connection.was_cut or duration_s >= targets.timeout_s)
    if error is not None and late:
        error = f"no complete answer within {targets.timeout_s:g} s"
    return Outcome(status, error, int(duration_s * 1000))


def _read_whole(response: http.client.HTTPResponse) -> None:
    """Raises _NotWhole where the answer is cut short, or longer than any receiver's."""
    if isinstance(response, _Response) and response.ended_in_headers:
        raise _NotWhole("the answer ended within its headers")
    size = 0
    while part := response.read(LONGEST_ANSWER):
        size += len(part)
        if size > LONGEST_ANSWER:
            raise _NotWhole(f"the answer is longer than {LONGEST_ANSWER} bytes")
    if response.length:  # what Content-Length has promised, and did not come
        raise _NotWhole(f"the answer ended {response.length} bytes too early")


class _Lines(io.BufferedIOBase):
    """The stream of an answer, which notes that it ended where a line was expected: the library
    takes the end of a stream for the end of the headers."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.ended = False

    def readline(self, limit: int | None = -1, /) -> bytes:
        line: bytes = self._stream.readline(limit)
        self.ended = self.ended or not line
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        data: bytes = self._stream.read(size)
        return data

    def readinto(self, buffer: Any, /) -> int:
        return int(self._stream.readinto(buffer))

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Response(http.client.HTTPResponse):
    ended_in_headers = False

    def begin(self) -> None:
        lines = _Lines(self.fp)
        self.fp = lines  # type: ignore[assignment]
        super().begin()
        self.ended_in_headers = lines.ended


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the name means by now."""

    response_class = _Response

    def __init__(self, parts: SplitResult, targets: Targets, deadline: float) -> None:
        assert parts.hostname is not None  # it was checked
        self._secure = parts.scheme == "https"
        super().__init__(parts.hostname, parts.port or (443 if self._secure else 80))
        # The library names the port in the Host header unless it is this one.
        self.default_port = 443 if self._secure else 80
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._targets = targets
        self._deadline = deadline
        self._raw: socket.socket | None = None
        self.was_cut = False

    def connect(self) -> None:
        fault: OSError | None = None
        for address in self._targets.resolve(self.host, self.port):
            try:
                self._raw = socket.create_connection((address, self.port), self._remaining())
                break
            except OSError as error:
                fault = error
        if self._raw is None:
            raise fault or TimeoutError("no address was left to try")
        self._raw.settimeout(self._remaining())
        self.sock = self._raw
        if self._secure:
            secure = _tls().wrap_socket(
                self._raw, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = self._raw = secure  # before the handshake, which may have to be cut, too
            secure.do_handshake()

    def cut(self) -> None:
        """Ends whatever waits for the receiver; from another thread."""
        self.was_cut = True
        if self._raw is not None:
            with suppress(OSError):
                # Not through TLS, which would want to say goodbye.
                socket.socket.shutdown(self._raw, socket.SHUT_RDWR)

    def _remaining(self) -> float:
        remaining = self._deadline - time.monotonic()
        if self.was_cut or remaining <= 0:
            raise TimeoutError("timed out")
        return remaining


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are verified. Reading those of the authorities takes milliseconds."""
    return offload(ssl.create_default_context)
