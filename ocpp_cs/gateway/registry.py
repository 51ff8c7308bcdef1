"""The live connections of this process by identity: the newest authenticated one wins (A1, F7, F8).

It writes to no socket while it holds its lock, and knows nothing of the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ocpp_cs.gateway.connection import Connection

# Close codes and reasons.
REPLACED = (1008, "replaced by a newer connection")
RESTART = (1012, "the server is restarting")
FULL = (1013, "the server holds as many charge points as it can")
# Charge points of which it is remembered that they have connected to another process: as many as
# may do so between a handshake's commit and its place in here.
_ELSEWHERE = 1000
_SWAPS_WINDOW_S = 600.0
_SWAPS = 3

logger = logging.getLogger("ocpp_cs.gateway")


class Registry:
    """`draining` ends admission for good. `on_swaps` is told of a connection that is one too many
    of those that replace each other."""

    def __init__(self, limit: int, on_swaps: Callable[[Connection], None] = lambda _: None) -> None:
        self.draining = False
        self._limit = limit
        self._on_swaps = on_swaps
        self._changed = threading.Condition()
        self._live: dict[str, Connection] = {}
        self._live_by_key: dict[int, Connection] = {}
        self._elsewhere: dict[int, int] = {}  # epochs by the key, the latest notice last
        # All whose thread has not ended, also those that were replaced.
        self._open: set[Connection] = set()

    def __len__(self) -> int:
        """Charge points that are connected."""
        return len(self._live)

    def find(self, identity: str) -> Connection | None:
        return self._live.get(identity)

    def find_by_key(self, charge_point_id: int) -> Connection | None:
        """As `find`, by the key of the charge point's row."""
        return self._live_by_key.get(charge_point_id)

    def live(self) -> list[Connection]:
        """The connections of the charge points that are connected, one each."""
        with self._changed:
            return list(self._live.values())

    def connections(self) -> list[Connection]:
        """All whose thread has not ended yet, also those that were sent away."""
        with self._changed:
            return list(self._open)

    def has_room_for(self, identity: str) -> bool:
        """Whether it may connect: who replaces its own connection always may (F7)."""
        return identity in self._live or len(self._live) < self._limit

    def add(self, connection: Connection) -> tuple[int, str] | None:
        """Makes it the charge point's connection and sends the older one away without waiting.

        The code and reason it has to be closed with at once, if the handshake found room that is
        gone by now, or a newer connection has overtaken it.
        """
        identity = connection.identity
        with self._changed:
            self._open.add(connection)
            if self.draining:
                return RESTART
            if not self.has_room_for(identity):
                return FULL
            if self._elsewhere.get(connection.charge_point.id, 0) > connection.charge_point.epoch:
                return REPLACED
            older = self._live.get(identity)
            if older is not None and older.charge_point.epoch > connection.charge_point.epoch:
                return REPLACED
            self._live[identity] = connection
            self._live_by_key[connection.charge_point.id] = connection
        if older is not None:
            older.close(*REPLACED)
            if _is_one_swap_too_many(older, connection):
                self._on_swaps(connection)
        return None

    def overtaken(self, charge_point_id: int, epoch: int) -> Connection | None:
        """The connection here of a charge point that has connected to another process since.

        One that is still on its way in is refused when it arrives.
        """
        with self._changed:
            self._elsewhere.pop(charge_point_id, None)
            self._elsewhere[charge_point_id] = epoch
            if len(self._elsewhere) > _ELSEWHERE:
                del self._elsewhere[next(iter(self._elsewhere))]
            connection = self._live_by_key.get(charge_point_id)
        if connection is None or connection.charge_point.epoch >= epoch:
            return None
        return connection

    def remove(self, connection: Connection) -> None:
        """Forgets a connection that has ended; a newer one of the same identity stays (F8)."""
        with self._changed:
            if self._live.get(connection.identity) is connection:
                del self._live[connection.identity]
                self._live_by_key.pop(connection.charge_point.id, None)
            self._open.discard(connection)
            self._changed.notify_all()

    def close_all(
        self, code: int, reason: str, spread: float, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Sends every connection away, one after the other within `spread` seconds.

        Stops where it is as soon as that is no longer `wanted`.
        """
        connections = self.connections()
        began = time.monotonic()
        for number, connection in enumerate(connections):
            if connection not in self._open:  # gone by itself: nobody has to wait for its turn
                continue
            pause = began + spread * number / len(connections) - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            if not wanted():
                return
            connection.close(code, reason)

    def cut_all(self, reason: str) -> None:
        """Ends what is still connected at once."""
        for connection in self.connections():
            connection.websocket.cut(reason)

    def wait_until_empty(self, deadline: float) -> bool:
        """Waits until the thread of every connection has ended; False at the deadline."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._open, max(0.0, deadline - time.monotonic())
            )


def _is_one_swap_too_many(older: Connection, newer: Connection) -> bool:
    """More than a few swaps in ten minutes: two boxes with one identity, or an attack (A1)."""
    now = time.monotonic()
    recent = [at for at in older.swaps if now - at < _SWAPS_WINDOW_S]
    newer.swaps = (*recent[-_SWAPS:], now)
    too_many = len(newer.swaps) > _SWAPS
    if too_many:
        logger.warning(
            "more than %d connections replaced each other within 10 minutes: two charge points "
            "with one identity, or somebody who knows its key",
            _SWAPS,
            extra={**newer.log.fields(), "remote_address": newer.remote_address},
        )
    return too_many
