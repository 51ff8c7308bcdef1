"""Three threads that look after all connections of a process: deadlines, presence, commands.

The first never waits for a socket, nor for the database: that is what the others are for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from config.settings import Settings
from ocpp_cs.db import queries
from ocpp_cs.db.away import log_failure
from ocpp_cs.db.commit import StoreUnavailable, Tx, lane_of
from ocpp_cs.gateway.connection import Connection
from ocpp_cs.gateway.registry import REPLACED, Registry
from ocpp_cs.gateway.store import Store, utc_now
from ocpp_cs.handlers.connections import keep_present, tell_offline
from ocpp_cs.rules import Registration

_TICK_S = 1.0
# Rows that are written in one piece: short enough to let messages through in between.
_CHUNK = 100

logger = logging.getLogger("ocpp_cs.gateway")


class Watch:
    """The threads. They start after a fork: with the server, or with the first connection."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        store: Store,
        look_for_commands: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._store = store
        self._look_for_commands = look_for_commands
        self._starting = threading.Lock()
        self._started = False
        self._stopped = threading.Event()
        self._presence_due = 0.0
        # Short deadlines, as in tests, are looked at more often.
        deadlines = (settings.ping_interval, settings.pong_timeout, settings.write_timeout)
        self._tick = min(_TICK_S, min(deadlines) / 4)

    def start(self) -> None:
        """Starts the threads, once."""
        if self._started:
            return
        with self._starting:
            if not self._started:
                self._started = True
                presence_tick = min(_TICK_S, self._settings.presence_interval)
                for name, step, pause in (
                    ("gateway-deadlines", self.check_deadlines, self._tick),
                    ("gateway-presence", self._look_after_store, presence_tick),
                    (
                        "gateway-commands",
                        self._sweep_commands,
                        self._settings.command_sweep_interval,
                    ),
                ):
                    loop = threading.Thread(
                        target=self._repeat, args=(step, pause), name=name, daemon=True
                    )
                    loop.start()

    def stop(self) -> None:
        """Lets the threads end; does not wait for them."""
        self._stopped.set()

    def _repeat(self, step: Callable[[], None], pause: float) -> None:
        while not self._stopped.wait(pause):
            try:
                step()
            except Exception as error:  # all connections hang on these threads
                log_failure(logger, "looking after the connections", error)

    def check_deadlines(self) -> None:
        for connection in self._registry.connections():
            try:
                connection.websocket.watch(time.monotonic())
            except Exception:  # a defect that one of them shows must not blind us to the others
                logger.exception("looking after it failed", extra=connection.log.fields())

    def _sweep_commands(self) -> None:
        if not self._store.down:
            self._look_for_commands()

    # --- Presence -------------------------------------------------------------------------------

    def _look_after_store(self) -> None:
        if self._store.down:
            self._store.probe()
        elif time.monotonic() >= self._presence_due:
            self._presence_due = time.monotonic() + self._settings.presence_interval
            self.keep_present()
            self.tell_who_is_offline()

    def keep_present(self) -> None:
        """Extends the presence of all live connections, and learns what changed elsewhere."""
        lanes: dict[int, list[Connection]] = defaultdict(list)
        for connection in self._registry.live():
            # On the charge point's own lane: two lanes would wait for each other's rows.
            lane = lane_of(connection.identity) % self._settings.database_write_lanes
            lanes[lane].append(connection)
        try:
            for lane, connections in lanes.items():
                for first in range(0, len(connections), _CHUNK):
                    self._keep(lane, connections[first : first + _CHUNK])
        except StoreUnavailable:
            pass  # the store has said so, and nobody is present any more

    def _keep(self, lane: int, connections: list[Connection]) -> None:
        def work(tx: Tx) -> dict[int, Registration | None]:
            # Asked for in here: what has ended meanwhile must not be revived (F8).
            presences = [each.presence for each in connections]
            now = utc_now()
            present_until = now + timedelta(seconds=self._settings.presence_expiry)
            return keep_present(tx, [each for each in presences if each], now, present_until)

        registrations = self._store.run_on(lane, work)
        for connection in connections:
            key = connection.charge_point.id
            if key not in registrations:
                continue
            registration = registrations[key]
            if registration is None:
                connection.close(*REPLACED)
            else:
                connection.update_registration(registration)

    def tell_who_is_offline(self) -> None:
        """Tells the feed which charge points have been away for too long, whoever held them.

        Every process looks; the database lets one of them tell it.
        """
        before = utc_now() - timedelta(seconds=self._settings.offline_after)
        lanes: dict[int, list[int]] = defaultdict(list)
        for away in self._store.read(lambda: queries.charge_points_away(before)):
            lanes[lane_of(away.identity) % self._settings.database_write_lanes].append(away.id)
        with suppress(StoreUnavailable):  # the store has said so
            for lane, ids in lanes.items():
                for first in range(0, len(ids), _CHUNK):
                    chunk = ids[first : first + _CHUNK]
                    self._store.run_on(
                        lane,
                        lambda tx: tell_offline(tx, chunk, before, utc_now()),  # noqa: B023
                    )
