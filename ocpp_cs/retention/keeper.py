"""The thread that prunes by itself: once after the start, then hourly.

It decides nothing: what is due, the settings say. Several processes may prune at one time; who
comes second finds nothing.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from config.settings import Settings
from ocpp_cs import retention
from ocpp_cs.db.away import log_failure
from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.retention import KINDS, stored_files

T = TypeVar("T")

_FIRST_S = (30.0, 150.0)  # after the start, when charge points come back
_INTERVAL_S = 3600.0
# No file takes so long to arrive.
_UNFINISHED = timedelta(days=1)


logger = logging.getLogger(__name__)


class Keeper:
    """The thread. It starts after a fork, with the server."""

    def __init__(self, settings: Settings, committer: Committer) -> None:
        self._settings = settings
        self._committer = committer
        self._store = retention.Store(committer.engine, self._write)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="retention", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends after the chunk that is being deleted; does not wait for it."""
        self._stopped.set()

    def prune(self) -> dict[str, int]:
        """Prunes all kinds, until it is done or stopped; the rows that are gone, by kind."""
        gone = {}
        for name, kind in KINDS.items():
            before = retention.cutoff(kind, self._settings, datetime.now(UTC))
            if before is None:
                continue
            with suppress(_Stop):
                gone[name] = retention.prune(self._store, kind, before, pause=self._pause)
            if gone.get(name):
                logger.info("retention: %d rows of %s were deleted", gone[name], name)
        for _ in stored_files.unfinished(self._store, datetime.now(UTC) - _UNFINISHED):
            pass
        return gone

    def _serve(self) -> None:
        pause = random.uniform(*_FIRST_S)
        while not self._stopped.wait(pause):
            try:
                self.prune()
            except Exception as error:
                log_failure(logger, "retention", error)
            pause = _INTERVAL_S * random.uniform(0.9, 1.1)

    def _write(self, work: Callable[[Tx], T]) -> T:
        return self._committer.run(0, work)

    def _pause(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise _Stop


class _Stop(Exception):
    """The server ends: what is left is pruned after its next start."""
