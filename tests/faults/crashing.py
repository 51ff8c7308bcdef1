"""The server with crash points, for gunicorn: `tests.faults.crashing:app`. Never for production.

The steps of a message are wrapped from here, so that the server itself has no hook. CRASH_FILE
names a file with "ACTION STEP" in it: the first worker that gets there takes the file away and is
gone, as by `kill -9`.
"""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ocpp_cs import create_app
from ocpp_cs.db.engine import Engine
from ocpp_cs.gateway import connection
from ocpp_cs.gateway.outgoing import SharedSession
from ocpp_cs.gateway.websocket import WebSocket

STEPS = (
    "before parse",
    "after parse",
    "before insert",
    "after insert",
    "before commit",
    "after commit",
    "before send",
    "after send",
)
_FILE = Path(os.environ["CRASH_FILE"])


class _Plan:
    """What is under way in this process: only the message of `armed` is looked at."""

    message_id = ""  # of the armed action, once it has come
    action = ""
    in_transaction = False


def _reach(action: str, step: str) -> None:
    """The end, if this is the place."""
    with suppress(FileNotFoundError):
        if _FILE.read_text(encoding="ascii") == f"{action} {step}":
            _FILE.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def _action_of(frame: bytes) -> tuple[str, str]:
    """Message id and action of a CALL; two empty texts for everything else."""
    message = json.loads(frame)
    return (message[1], message[2]) if message[0] == 2 else ("", "")


def _receive(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def receive(session: SharedSession, message: bytes) -> Any:
        message_id, action = _action_of(message)
        _reach(action, "before parse")
        event = original(session, message)
        if _FILE.exists() and _FILE.read_text(encoding="ascii").startswith(f"{action} "):
            _Plan.message_id, _Plan.action = message_id, action
        _reach(action, "after parse")
        return event

    return receive


def _work(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def work(job: Any, tx: Any) -> Any:
        action = job._context.call.action
        _reach(action, "before insert")
        result = original(job, tx)
        _Plan.in_transaction = job._context.call.message_id == _Plan.message_id
        _reach(action, "after insert")
        return result

    return work


class _Connection:
    """A writing connection that may never come back from its COMMIT."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: Any, *arguments: Any) -> Any:
        if sql != "COMMIT" or not _Plan.in_transaction:
            return self._connection.execute(sql, *arguments)
        _Plan.in_transaction = False
        _reach(_Plan.action, "before commit")
        result = self._connection.execute(sql, *arguments)
        _reach(_Plan.action, "after commit")
        return result


def _connect(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def connect_writer(engine: Engine) -> _Connection:
        return _Connection(original(engine))

    return connect_writer


def _send(original: Callable[..., bool]) -> Callable[..., bool]:
    @functools.wraps(original)
    def send(websocket: WebSocket, text: bytes) -> bool:
        ours = bool(_Plan.message_id) and f'"{_Plan.message_id}"'.encode() in text[:60]
        if ours:
            _reach(_Plan.action, "before send")
        sent = original(websocket, text)
        if ours:
            _reach(_Plan.action, "after send")
        return sent

    return send


def _wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    setattr(owner, name, wrapper(getattr(owner, name)))


_wrap(SharedSession, "receive", _receive)
_wrap(connection._Handling, "work", _work)
_wrap(Engine, "connect_writer", _connect)
_wrap(WebSocket, "send", _send)
_wrap(WebSocket, "send_now", _send)

app = create_app()
