"""Wake-ups: whoever waits for a row learns that it has changed, in this process or another.

It carries no data and promises nothing: the tables are the truth, and a notice that is lost costs
its waiter no more than the time until it looks again by itself (F26). In one process a notice is a
function call after the commit; between processes it is PostgreSQL's NOTIFY, sent inside the
transaction, so that nobody is told of what was rolled back.
"""

from __future__ import annotations

import logging
import math
import random
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ocpp_cs.db.engine import Engine

_CHANNEL = "ocpp_cs"
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
# How long one wait for notices lasts before the thread looks whether it is to end.
_LOOK_S = 5.0

logger = logging.getLogger(__name__)


class Notice(NamedTuple):
    """That something has changed: `command`, 17."""

    topic: str
    key: str


class Notices:
    """The notices of one process; `listen` begins to hear those of others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._events: dict[Notice, set[threading.Event]] = defaultdict(set)
        self._listeners: dict[str, list[tuple[Callable[[str], None], bool]]] = defaultdict(list)
        self._name: str | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._connection: Any = None
        self._hearing_since = math.inf
        self._gap = False  # a connection was lost, and nobody listens in its place yet

    # --- For who waits ----------------------------------------------------------------------------

    @contextmanager
    def watch(self, topic: str, key: object) -> Iterator[threading.Event]:
        """An event that is set by each notice of the key; look at the row after entering."""
        self.listen()
        notice, event = Notice(topic, str(key)), threading.Event()
        with self._lock:
            self._events[notice].add(event)
        try:
            yield event
        finally:
            with self._lock:
                self._events[notice].discard(event)
                if not self._events[notice]:
                    del self._events[notice]

    def subscribe(
        self, topic: str, listener: Callable[[str], None], *, of_others: bool = False
    ) -> None:
        """Calls `listener(key)` for every notice of a topic; it must neither wait nor raise.

        `of_others` leaves out the notices of this process.
        """
        self._listeners[topic].append((listener, of_others))

    # --- For the committer ------------------------------------------------------------------------

    def send(self, connection: Any, dialect: str, notices: Iterable[Notice]) -> None:
        """Inside the transaction: tells the other processes, once it is committed."""
        if dialect == "postgresql":
            sender = self._own_name()
            payloads = [f"{sender} {notice.topic} {notice.key}" for notice in notices]
            connection.execute(
                "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload",
                (_CHANNEL, payloads),
            )

    def publish(self, notices: Iterable[Notice], *, of_others: bool = False) -> None:
        """After the commit, of this process or another: tells who waits here."""
        for notice in notices:
            for event in list(self._events.get(notice, ())):
                event.set()
            for listener, only_of_others in self._listeners.get(notice.topic, ()):
                if of_others or not only_of_others:
                    listener(notice.key)

    # --- Other processes --------------------------------------------------------------------------

    def listen(self) -> None:
        """Starts the thread that hears other processes, once; nothing to hear on SQLite."""
        if self._engine.dialect != "postgresql":
            return
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._listen, name="notices", daemon=True)
                self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether nobody is told of anything any more: the process ends."""
        return self._closed.is_set()

    def close(self) -> None:
        """Ends the listening; does not wait for it."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            try:
                connection.close()
            except Exception:
                logger.debug("closing the listening connection failed", exc_info=True)

    def _own_name(self) -> str:
        # Made at the first use, so after a fork: two processes must not take each other's for own.
        with self._lock:
            if self._name is None:
                self._name = secrets.token_hex(6)
            return self._name

    def _listen(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._closed.is_set():
            self._hearing_since = math.inf
            try:
                self._hear()
            except Exception as error:
                if self._closed.is_set():
                    return
                if time.monotonic() - self._hearing_since > pause:  # it had worked
                    pause = _FIRST_PAUSE_S
                logger.warning(
                    "the connection that listens for notices was lost, commands may take a "
                    "second longer until it is back: %s",
                    str(error).strip(),
                )
                self._gap = True
                self._closed.wait(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _hear(self) -> None:
        """Publishes what other processes send, until the connection fails or the end."""
        self._connection = self._engine.connect_writer()
        try:
            self._connection.execute(f"LISTEN {_CHANNEL}")
            self._hearing_since = time.monotonic()
            if self._gap:
                self._wake_all()
            own = self._own_name()
            while not self._closed.is_set():
                for heard in self._connection.notifies(timeout=_LOOK_S):
                    sender, _, rest = heard.payload.partition(" ")
                    topic, _, key = rest.partition(" ")
                    if sender != own:
                        self.publish([Notice(topic, key)], of_others=True)
        finally:
            connection, self._connection = self._connection, None
            connection.close()

    def _wake_all(self) -> None:
        """What was told meanwhile has been missed: everybody who waits looks again."""
        self._gap = False
        with self._lock:
            waiting = [event for events in self._events.values() for event in events]
        for event in waiting:
            event.set()
