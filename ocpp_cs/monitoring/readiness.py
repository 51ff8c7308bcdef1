"""Whether a process can do its work now: what `/readyz` says to a load balancer.

It repairs nothing, and says no more than that: a restart is for `/healthz` to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.offload import offload, own_threads
from ocpp_cs.monitoring.checks import SharedCheck

DEADLINE_S = 2.0
_FRESH_S = 1.0


class Obstacle(NamedTuple):
    """Why it is not ready: a name that never changes, and a sentence."""

    code: str
    detail: str


class Readiness:
    """`draining` and `store_down` are asked of the gateway."""

    def __init__(
        self, engine: Engine, draining: Callable[[], bool], store_down: Callable[[], bool]
    ) -> None:
        self._draining = draining
        self._store_down = store_down
        # A thread of its own: analysts may keep all others busy, and that is no fault.
        threads = own_threads(1)
        self._pending = SharedCheck(
            "readiness",
            lambda: offload(lambda: migrate.missing(engine), threads),
            deadline_s=DEADLINE_S,
            fresh_s=_FRESH_S,
        )

    def obstacles(self) -> list[Obstacle]:
        """What stands in the way; none: it is ready. Takes at most DEADLINE_S."""
        if self._draining():
            return [Obstacle("draining", "The process is shutting down.")]
        try:
            pending = self._pending()
        except TimeoutError:
            return [Obstacle("database_slow", f"The database gave {_NO_ANSWER}.")]
        except Exception:  # whatever it is, it says too much: hosts, users, files
            return [Obstacle("database_unavailable", "The database cannot be reached.")]
        if pending:
            told = f"Migrations are to be applied: {', '.join(pending)}."
            return [Obstacle("migrations_pending", told)]
        if self._store_down():
            return [Obstacle("database_takes_nothing", "The database cannot be written to.")]
        return []


_NO_ANSWER = f"no answer within {DEADLINE_S:g} s"
