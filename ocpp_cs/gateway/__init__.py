"""The gateway: charge points come in over WebSocket, their messages go to the handlers.

It knows nothing of the REST API; the two meet in the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from flask import Flask, Response, request

from config.settings import Settings
from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.engine import Gauges
from ocpp_cs.gateway import refusal
from ocpp_cs.gateway.connection import STORE_DOWN, Connection, Surroundings
from ocpp_cs.gateway.delivery import Delivery
from ocpp_cs.gateway.handshake import Handshake
from ocpp_cs.gateway.limits import limits_of
from ocpp_cs.gateway.refusal import Refusal
from ocpp_cs.gateway.registry import RESTART, Registry
from ocpp_cs.gateway.sock import Environ, GatewaySock, WholePath, refused_response, socket_of
from ocpp_cs.gateway.store import Store, utc_now
from ocpp_cs.gateway.upgrade import asks_for_websocket, read_upgrade
from ocpp_cs.gateway.watch import Watch
from ocpp_cs.handlers.security import note_login_event
from ocpp_cs.rules import Policy

__all__ = ["PATHS", "Gateway"]

PATHS = ("/ws/CentralSystemService/", "/ocpp/")
# Of the time for an orderly shutdown: the rest is for what could not end by itself.
_ORDERLY_SHARE = 0.8
_CUT_GRACE_S = 1.0
# What charge points have for the answers to commands that were sent before the shutdown.
_LAST_ANSWERS_S = 2.0

logger = logging.getLogger("ocpp_cs.gateway")


class Gateway:
    """All connections of one process, and the routes they come in by."""

    def __init__(self, settings: Settings, committer: Committer, policy: Policy) -> None:
        self._settings = settings
        self._store = Store(committer, self._send_all_away)
        self._registry = Registry(settings.max_charge_points, self._note_swaps)
        self._delivery = Delivery(settings, self._registry, self._store, committer)
        self._watch = Watch(settings, self._registry, self._store, self._delivery.sweep)
        self._handshake = Handshake(
            settings,
            policy,
            self._store,
            committer.figures,
            draining=lambda: self._registry.draining,
            has_room_for=self._registry.has_room_for,
        )
        self._surroundings = Surroundings(
            store=self._store,
            figures=committer.figures,
            policy=policy,
            limits=limits_of(settings),
            strict=settings.ocpp_strict,
            archive=settings.message_log_days > 0,
            unreadable_frame_limit=settings.unreadable_frame_limit,
            settle_time=settings.command_settle_time,
            on_settled=self._delivery.wake,
        )
        self._draining = threading.Lock()
        self._drained = threading.Event()

    @property
    def connected(self) -> int:
        """Charge points that are connected to this process."""
        return len(self._registry)

    @property
    def store_down(self) -> bool:
        """Whether the database took nothing when it was last asked."""
        return self._store.down

    @property
    def draining(self) -> bool:
        """Whether nobody is let in any more."""
        return self._registry.draining

    def gauges(self) -> Gauges:
        """How full this process is, and whether its database takes something."""
        return {
            "connections": {"": self.connected},
            "connections_limit": {"": self._settings.max_charge_points},
            "database_up": {"": float(not self.store_down)},
        }

    def find(self, identity: str) -> Connection | None:
        """The live connection of a charge point, if this process holds it."""
        return self._registry.find(identity)

    def init_app(self, app: Flask) -> None:
        """Adds the routes of the socket, and what is told to those who come without an upgrade."""
        app.url_map.converters["whole_path"] = WholePath
        sock = GatewaySock(app)
        for number, prefix in enumerate(PATHS):
            path = f"{prefix}<whole_path:charge_point_id>"
            sock.route(path, endpoint=f"charge_point_socket_{number}")(self._accept)
            app.add_url_rule(
                path,
                endpoint=f"charge_point_hint_{number}",
                view_func=self._explain,
                methods=["GET"],
                merge_slashes=False,
            )
        app.before_request(self._refuse_path)

    def record_tls_failure(self, address: str, outcome: str, words: str) -> None:
        """Notes a TLS handshake that failed: nobody knows yet whose it was (A00.FR.323, FR.408)."""
        self._handshake.record_tls_failure(address, outcome, words)

    def start(self) -> None:
        """Begins to look after commands and connections; after a fork, any number of times."""
        self._delivery.start()
        self._watch.start()

    def drain(self) -> None:
        """Ends all connections in good order (F19); returns when none is left.

        Takes at most SHUTDOWN_TIMEOUT. A second call waits for the first.
        """
        if not self._draining.acquire(blocking=False):
            self._drained.wait(self._settings.shutdown_timeout)
            return
        deadline = time.monotonic() + self._settings.shutdown_timeout * _ORDERLY_SHARE
        self._registry.draining = True
        logger.info("shutting down: %d charge points are sent away", self.connected)
        self._delivery.stop(_LAST_ANSWERS_S)
        self._registry.close_all(*RESTART, spread=self._settings.shutdown_spread)
        if not self._registry.wait_until_empty(deadline):
            self._registry.cut_all("shutdown")
            self._registry.wait_until_empty(time.monotonic() + _CUT_GRACE_S)
        self._delivery.stop(_CUT_GRACE_S)  # the ends of what was cut off are stored
        self._watch.stop()
        self._drained.set()

    def _accept(self, environ: Environ, charge_point_id: str) -> Callable[[], None]:
        """A route: what serves the charge point that was let in; raises Refusal."""
        self.start()
        upgrade = read_upgrade(environ, charge_point_id)
        try:
            sock = socket_of(environ)
            admission = self._handshake.admit(upgrade)
        except Refusal as refused:
            self._handshake.record(upgrade, refused)
            raise
        connection = Connection(
            sock,
            admission.greeting,
            admission.charge_point,
            upgrade.remote_address,
            self._surroundings,
        )
        return partial(self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        farewell = self._registry.add(connection)
        try:
            if farewell is not None:
                connection.close(*farewell)
            connection.serve()
        finally:
            self._registry.remove(connection)

    def _note_swaps(self, connection: Connection) -> None:
        """An alarm that an operator sees with the charge point (A1)."""
        key, told = connection.charge_point.id, f"latest from {connection.remote_address}"

        def note(tx: Tx) -> None:
            note_login_event(tx, key, "ConnectionsReplaced", told, utc_now(), critical=True)

        try:
            self._store.run(connection.identity, note)
        except Exception as error:
            fields = connection.log.fields()
            logger.warning("the alarm could not be recorded: %s", error, extra=fields)

    def _explain(self, charge_point_id: str) -> Response:
        """A route: a plain GET, from a browser or through a proxy that swallowed the upgrade."""
        refused = refusal.no_upgrade()
        self._handshake.record(read_upgrade(request.environ, charge_point_id), refused)
        return refused_response(refused)

    def _refuse_path(self) -> Response | None:
        """Before each request: who asks for a WebSocket elsewhere is a charge point that was given
        another path; it is recorded under what looks like its identity."""
        if request.routing_exception is None or not asks_for_websocket(request.environ):
            return None
        upgrade = read_upgrade(request.environ, request.path.rstrip("/").rpartition("/")[2])
        refused = refusal.wrong_path(f"{PATHS[-1]}{quote(upgrade.shown_identity, safe='')}")
        self._handshake.record(upgrade, refused)
        return refused_response(refused)

    def _send_all_away(self) -> None:
        """The database takes nothing: charge points queue what they are not answered (§3.7)."""

        def close() -> None:
            # Once the database works again the others may stay.
            spread = self._settings.shutdown_spread
            self._registry.close_all(*STORE_DOWN, spread, wanted=lambda: self._store.down)

        threading.Thread(target=close, name="gateway-store-down", daemon=True).start()
