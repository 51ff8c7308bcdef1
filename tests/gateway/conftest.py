"""A gateway on a free port: real sockets, threads and SQLite file; and raw peers to annoy it."""

from __future__ import annotations

import base64
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import pytest
from flask import Flask
from websockets.frames import Close, Frame, Opcode
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol
from werkzeug.serving import WSGIRequestHandler, make_server

from config.settings import Settings
from ocpp_cs import credentials
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import ChargePoint, ConnectionAttempt
from ocpp_cs.gateway import Gateway
from ocpp_cs.proxies import TrustedProxies
from ocpp_cs.rules import Policy
from tests.servers import wait_until

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATH = "/ws/CentralSystemService/"
KEY = base64.b64encode(bytes(16)).decode()
UPGRADE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


class Records(logging.Handler):
    """What the gateway logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


class QuietRequestHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        # The development server reports what an application raised; its other lines are noise.
        if type == "error":
            logging.getLogger("ocpp_cs.gateway").error("server: " + message, *args)


class Gate:
    """A running gateway with what stands behind it."""

    def __init__(self, database_url: str, **settings: Any) -> None:
        self.log = Records()
        self.tolerated: set[str] = set()  # errors that the test is about
        logging.getLogger("ocpp_cs.gateway").addHandler(self.log)
        logging.getLogger("ocpp_cs.gateway").setLevel(logging.INFO)
        defaults = {
            "unknown_charge_points": "open",
            "unknown_id_tags": "open",
            "shutdown_spread": 0.0,
            "shutdown_timeout": 5.0,
        }
        values = {**defaults, **settings}
        self.settings = Settings(database_url=database_url, **values)
        self.engine = Engine(self.settings.database_url)
        migrate.upgrade(self.engine)
        self.committer = Committer(self.engine)
        policy = Policy(
            unknown_charge_points=self.settings.unknown_charge_points,
            unknown_id_tags=self.settings.unknown_id_tags,
            refused_starts_per_hour=self.settings.refused_starts_per_hour,
        )
        self.gateway = Gateway(self.settings, self.committer, policy)
        app = Flask("test")
        app.wsgi_app = TrustedProxies(  # type: ignore[method-assign]
            app.wsgi_app, self.settings.trusted_proxies
        )
        self.gateway.init_app(app)
        self._server = make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=QuietRequestHandler
        )
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self.gateway.drain()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.committer.close()
        self.engine.close()
        logging.getLogger("ocpp_cs.gateway").removeHandler(self.log)

    def errors(self) -> list[str]:
        """What was logged as an error and is not what the test is about."""
        return [
            record.getMessage()
            for record in self.log.records
            if record.levelno >= logging.ERROR
            and not any(text in record.getMessage() for text in self.tolerated)
        ]

    # --- Peers ----------------------------------------------------------------------------------

    def connect(
        self,
        identity: str = "CP1",
        *,
        subprotocols: Sequence[str] = ("ocpp1.6",),
        headers: dict[str, str] | None = None,
        path: str = PATH,
        **options: Any,
    ) -> AbstractContextManager[ClientConnection]:
        """An independent WebSocket client; by default it neither pings nor compresses."""
        options = {"ping_interval": None, "compression": None, "close_timeout": 2, **options}
        return connect(
            f"ws://127.0.0.1:{self.port}{path}{identity}",
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            additional_headers=headers,
            **options,
        )

    def raw(self, identity: str = "CP1") -> RawPeer:
        """A peer that does only what it is told to, after a good handshake."""
        return RawPeer(self.port).upgraded(identity)

    def request(
        self, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, header and body of a request."""
        with RawPeer(self.port) as peer:
            return peer.request(path, {"Host": "localhost", **(headers or {})})

    # --- What is stored -------------------------------------------------------------------------

    def add_charge_point(
        self,
        identity: str,
        *,
        key: bytes | None = None,
        next_key: bytes | None = None,
        generated: bool = True,
        **columns: Any,
    ) -> None:
        """Registers a charge point, accepted, with security profile 1 if it has a key."""
        values: dict[str, Any] = {
            "identity": identity,
            "registration": "accepted",
            "accepted_at": NOW,
            "security_profile": 0 if key is None else 1,
            "key_hash": key and credentials.hash_key(key, generated=generated),
            "next_key_hash": next_key and credentials.hash_key(next_key, generated=generated),
            "created_at": NOW,
            **columns,
        }
        self.write(ChargePoint.insert(**values))

    def write(self, query: Any) -> None:
        """Runs a query of Peewee's."""
        self.committer.run(0, lambda tx: tx.run(query).rowcount)

    def read(self, query: Any) -> list[Any]:
        """The rows that a query of Peewee's finds."""
        return self.engine.read(lambda: list(query))

    def charge_point(self, identity: str = "CP1") -> Any:
        return self.engine.read(lambda: ChargePoint.get_or_none(ChargePoint.identity == identity))

    def attempts(self) -> list[tuple[str, str, int, int]]:
        """Identity, outcome, status and count of the recorded handshakes."""
        return self.engine.read(
            lambda: [
                (row.identity, row.outcome, row.http_status, row.attempts)
                for row in ConnectionAttempt.select().order_by(ConnectionAttempt.id)
            ]
        )

    def wait_until_connected(self, count: int) -> None:
        wait_until(lambda: self.gateway.connected == count, what=f"{count} connections")


class RawPeer:
    """A TCP connection that speaks HTTP and WebSocket as badly as a test wants it to."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def request(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self.socket.sendall("\r\n".join((*lines, "", "")).encode("latin-1"))
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *rest = head.strip().split("\r\n")
        answered = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
        }
        body = self._exactly(int(answered.get("content-length", "0")))
        return int(first.split()[1]), answered, body

    def upgraded(self, identity: str) -> Self:
        """Itself, after a good handshake."""
        status, _, body = self.request(PATH + identity, UPGRADE)
        assert status == 101, body
        return self

    def send(self, data: bytes | str, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> None:
        payload = data.encode() if isinstance(data, str) else data
        self.socket.sendall(Frame(opcode, payload, fin).serialize(mask=True))

    def receive(self) -> tuple[Opcode, bytes]:
        """The next frame; EOFError when the connection ends first."""
        first, second = self._exactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(self._exactly(2 if length == 126 else 8), "big")
        return Opcode(first & 0x0F), self._exactly(length)

    def receive_text(self) -> Any:
        """The next message, past control frames; decoded."""
        while True:
            opcode, payload = self.receive()
            if opcode is Opcode.TEXT:
                return json.loads(payload)

    def exchange(self, frame: str | bytes) -> Any:
        """What a message is answered with."""
        self.send(frame)
        return self.receive_text()

    def fill(self) -> None:
        """Sends and does not read, until the answers have filled all buffers on the way back.

        The answer to a call with a long id echoes it (R7).
        """
        frame = json.dumps([2, "x" * 500_000, "Heartbeat", {}])
        self.socket.settimeout(0.2)
        try:
            while True:
                self.send(frame)
        except TimeoutError:
            pass

    def receive_close(self) -> Close:
        """The Close frame that follows, whatever comes before it."""
        while True:
            opcode, payload = self.receive()
            if opcode is Opcode.CLOSE:
                return Close.parse(payload)

    def ended(self) -> bool:
        """Whether the other side ended the connection; waits for it, up to the deadline."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._more()
        head, _, self._received = self._received.partition(end)
        return head

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        piece, self._received = self._received[:size], self._received[size:]
        return piece

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._received += data


def basic(user: str, password: bytes) -> dict[str, str]:
    token = base64.b64encode(user.encode() + b":" + password).decode()
    return {"Authorization": f"Basic {token}"}


def call(action: str, payload: Any = None, message_id: str = "1") -> str:
    return json.dumps([2, message_id, action, payload or {}])


HEARTBEAT = call("Heartbeat")
BOOT = call("BootNotification", {"chargePointVendor": "ACME", "chargePointModel": "WALLBOX"})

StartGate = Callable[..., Gate]


@pytest.fixture
def start_gate(sqlite_url: str, tables: None) -> Iterator[StartGate]:
    """Starts gateways with other settings; fails a test in which one logged an error."""
    gates: list[Gate] = []

    def start(**settings: Any) -> Gate:
        gates.append(Gate(sqlite_url, **settings))
        return gates[-1]

    try:
        yield start
    finally:
        for gate in gates:
            gate.stop()
    assert [error for gate in gates for error in gate.errors()] == []


@pytest.fixture
def gate(start_gate: StartGate) -> Gate:
    """A gateway under the open policy."""
    return start_gate()
