"""Commands from the table to the charge points that this process holds, and their ends back.

It orders nothing and judges nothing: what may be sent, and that it is sent once, the claim in
`commands.table` decides. A charge point has at most one courier, a thread that lives as long as
there is something to send, so that one call is in flight (R4) and idle connections cost nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import suppress

from config.settings import Settings
from ocpp_cs.commands import table
from ocpp_cs.commands.sweep import sweep
from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.db.commit import Committer, StoreUnavailable, Tx
from ocpp_cs.db.messages import insert_messages
from ocpp_cs.gateway.connection import REMOVED, Connection
from ocpp_cs.gateway.outgoing import CallTimeout, ConnectionLost
from ocpp_cs.gateway.registry import REPLACED, Registry
from ocpp_cs.gateway.store import Store, utc_now
from ocpp_cs.handlers.archive import sent_call
from ocpp_cs.ocpp16.session import AnswerReceived

# With the database down the end of a command is offered again, for so long.
_KEEP_TRYING_S = 60.0
_PAUSE_S = 0.5

logger = logging.getLogger("ocpp_cs.gateway")


class Delivery:
    """The couriers of one process."""

    def __init__(
        self, settings: Settings, registry: Registry, store: Store, committer: Committer
    ) -> None:
        self._timeout = settings.call_timeout
        self._archive = settings.message_log_days > 0
        self._registry = registry
        self._store = store
        self._committer = committer
        self._changed = threading.Condition()
        # Connections with a courier; True where it has to look once more before it goes.
        self._couriers: dict[Connection, bool] = {}
        self._started = False
        self._stopped = False
        committer.notices.subscribe("queued", self._on_queued)
        committer.notices.subscribe("session", self._on_session, of_others=True)
        committer.notices.subscribe("removed", self._on_removed)

    def start(self) -> None:
        """Hears the wake-ups of other processes from now on."""
        with self._changed:
            if self._started:
                return
            self._started = True
        self._committer.notices.listen()
        if self._committer.engine.dialect == "sqlite":
            # There is no other process: whoever sent something before this one is gone.
            with suppress(StoreUnavailable):  # the sweep ends them later
                self._store.run_on(0, lambda tx: table.begin_process(tx, utc_now()))

    def stop(self, timeout: float) -> None:
        """Claims nothing any more; waits for the couriers that are under way, in seconds."""
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: not self._couriers, timeout)

    def wake(self, connection: Connection) -> None:
        """Sends what waits for a charge point, in a thread of its own. Never waits."""
        with self._changed:
            if self._stopped:
                return
            under_way = connection in self._couriers
            self._couriers[connection] = under_way
        if not under_way:
            courier = threading.Thread(
                target=self._serve, args=(connection,), name="gateway-courier", daemon=True
            )
            courier.start()

    def sweep(self) -> None:
        """Ends what is overdue, sends what no wake-up told of. Raises StoreUnavailable."""
        for charge_point_id in self._store.run_on(0, lambda tx: sweep(tx, utc_now())):
            connection = self._registry.find_by_key(charge_point_id)
            if connection is not None:
                self.wake(connection)

    # --- Notices --------------------------------------------------------------------------------

    def _on_queued(self, key: str) -> None:
        connection = self._registry.find_by_key(int(key))
        if connection is not None:
            self.wake(connection)

    def _on_session(self, key: str) -> None:
        """A charge point has connected to another process: its connection here is an old one."""
        charge_point_id, _, epoch = key.partition("-")
        connection = self._registry.overtaken(int(charge_point_id), int(epoch))
        if connection is not None:
            connection.close(*REPLACED)

    def _on_removed(self, key: str) -> None:
        """A charge point was deleted: it has nothing more to say here."""
        connection = self._registry.find_by_key(int(key))
        if connection is not None:
            connection.close(*REMOVED)

    # --- A courier ------------------------------------------------------------------------------

    def _serve(self, connection: Connection) -> None:
        try:
            while True:
                with self._changed:
                    self._couriers[connection] = False
                claimed = self._claim(connection)
                while claimed is not None:
                    claimed = self._send(connection, claimed)
                with self._changed:
                    if not self._couriers[connection] or self._stopped:
                        self._leave(connection)
                        return
        except StoreUnavailable:
            pass  # what waits goes on waiting: the sweep looks again
        except Exception:
            self._log(connection, logging.ERROR, "delivering commands failed", failed=True)
        with self._changed:
            self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        self._couriers.pop(connection, None)
        self._changed.notify_all()

    def _claim(self, connection: Connection) -> Claimed | None:
        def work(tx: Tx) -> Claimed | None:
            return self._next(tx, connection)

        return self._store.run(connection.identity, work)

    def _next(self, tx: Tx, connection: Connection) -> Claimed | None:
        if self._stopped:
            return None
        charge_point = connection.charge_point
        return table.claim(
            tx,
            charge_point.id,
            charge_point.epoch,
            settled=connection.settled,
            timeout_s=self._timeout,
            now=utc_now(),
        )

    def _send(self, connection: Connection, claimed: Claimed) -> Claimed | None:
        """Sends a command, stores its end, and takes the next one in the same transaction."""
        sent_at = utc_now()
        result, answer = call(connection, claimed)
        answered_at = utc_now()
        if result.status not in ("answered", "rejected"):
            self._log(
                connection,
                logging.INFO,
                f"{claimed.action} ended as {result.status}: {result.error_description}",
                message_id=claimed.message_id,
            )
        charge_point = connection.charge_point
        archived = None
        if self._archive:
            archived = sent_call(
                charge_point,
                claimed,
                answer,
                error_code=result.error_code,
                sent_at=sent_at,
                answered_at=answered_at,
            )

        def work(tx: Tx) -> Claimed | None:
            table.finish(tx, claimed, result, session_epoch=charge_point.epoch, now=utc_now())
            if archived is not None:
                tx.later(insert_messages, archived)
            return None if result.status == "unknown" else self._next(tx, connection)

        give_up_at = time.monotonic() + _KEEP_TRYING_S
        self._committer.figures.commands[claimed.action, result.status] += 1
        while True:
            try:
                return self._store.run(connection.identity, work)
            except StoreUnavailable:
                if self._stopped or time.monotonic() > give_up_at:
                    raise
                time.sleep(_PAUSE_S)

    def _log(
        self,
        connection: Connection,
        level: int,
        text: str,
        *,
        message_id: str | None = None,
        failed: bool = False,
    ) -> None:
        logger.log(level, text, extra=connection.log.fields(message_id), exc_info=failed)


def call(connection: Connection, claimed: Claimed) -> tuple[Result, bytes | None]:
    """Calls the charge point; how that ended, whatever it was, and the frame that answered."""
    try:
        answer = connection.call(claimed.request, claimed.timeout_s, claimed.message_id)
    except CallTimeout:
        no_answer = Result(
            status="timeout",
            error_code="no_answer",
            error_description=f"No answer within {claimed.timeout_s:g} s.",
        )
        return no_answer, None
    except ConnectionLost:
        lost = Result(
            status="unknown",
            error_code="connection_lost",
            error_description="The connection ended before the answer: it may have been carried "
            "out.",
        )
        return lost, None
    return _result(answer), answer.frame


def _result(answer: AnswerReceived) -> Result:
    error = answer.error
    if error is None:
        return Result(status="answered", response=answer.response)
    if answer.invalid:
        return Result(
            status="answered",
            raw_response=_payload(answer.frame),
            error_code=str(error.code),
            error_description=f"The answer breaks its schema: {error.description}",
        )
    return Result(
        status="rejected", error_code=str(error.code), error_description=error.description
    )


def _payload(answer: bytes) -> str:
    """The payload of an answer that could not be read, as JSON text of what there is."""
    try:
        payload = json.loads(answer)[2]
    except (ValueError, LookupError, TypeError, RecursionError):
        payload = answer.decode("utf-8", "replace")
    return json.dumps(payload).replace("\\u0000", "\\ufffd")
