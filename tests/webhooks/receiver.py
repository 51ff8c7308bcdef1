"""A receiver of webhooks with a real socket, which may also fail, hang, break off and lie.

It believes nothing that is not signed, and it remembers only what it has acknowledged with a whole
answer: what it did not acknowledge is lost on it, as on a receiver that died.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

GOOD = b"HTTP/1.1 204 No Content\r\n\r\n"
# What it may do with a request: the bytes of its answer, and how it ends.
ANSWERS = {
    "good": GOOD,
    "created": b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "until the end": b"HTTP/1.0 200 OK\r\n\r\nwhatever",
    "wrong content": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<hr>",
    "500": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "404": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a status line": b"HTTP/1.1 200 OK\r\n",
    "no HTTP": b"220 smtp.example.com\r\n",
    "nothing": b"",
    "too much": b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
    "endless": b"HTTP/1.1 200 OK\r\n" + b"X-Header: y\r\n" * 200,
}
ACKNOWLEDGED = ("good", "created", "chunked", "until the end", "wrong content")


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As Standard Webhooks says, written down from there."""
    content = b".".join(
        (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    signatures = [each.partition(",")[2] for each in headers["webhook-signature"].split(" ")]
    return any(hmac.compare_digest(expected, each) for each in signatures)


class Receiver:
    """`decide(number)` says what is done with a request: a name of `ANSWERS`, "hang", "drip",
    "reset" or "shut" (before anything is read)."""

    def __init__(
        self,
        decide: Callable[[int], str] = lambda number: "good",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.decide = decide
        self._tls = tls
        self.secret = ""
        self.requests: list[str] = []  # what was done
        self.heads: list[tuple[str, dict[str, str]]] = []
        self.events: list[Any] = []  # acknowledged, in the order of arrival
        self.forged = 0
        self.released = threading.Event()  # ends what hangs
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/hook?x=1"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.released.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends the accepting, too
        self._socket.close()

    def first_ids(self) -> list[int]:
        """The events' ids in the order in which each arrived first."""
        return list(dict.fromkeys(event["id"] for event in list(self.events)))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # it was cut off
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                number = len(self.requests)
                does = self.decide(number)
                self.requests.append(does)
            with connection:
                self._answer(connection, does)

    def _answer(self, connection: socket.socket, does: str) -> None:
        if does == "shut":
            return
        line, headers, body = _read(connection)
        with self._lock:
            self.heads.append((line, headers))
        if does == "hang":
            self.released.wait(60)
        elif does == "drip":
            for byte in ANSWERS["endless"]:
                connection.sendall(bytes([byte]))
                if self.released.wait(0.05):
                    return
        elif does == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            if does in ACKNOWLEDGED:
                self._remember(headers, body)
            connection.sendall(ANSWERS[does])

    def _remember(self, headers: dict[str, str], body: bytes) -> None:
        with self._lock:
            if not verified(self.secret, headers, body):
                self.forged += 1
                return
            self.events += json.loads(body)["events"]


def _read(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """The request line, the headers in lower case, the body."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return line, headers, body
