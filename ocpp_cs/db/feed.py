"""How far the feed of events is settled: no event will ever be committed at or before there.

Readers ask for what comes after the last event that they have. On SQLite ids are committed in
their order, as there is one writer. On PostgreSQL the ids of a group come from a sequence, and a
group that began later may be committed earlier: who has read event 9 would never see event 8. So
nothing is shown that lies behind an id which may still be under way. Writers do nothing for that.
Who writes into a table holds a lock on it, which PostgreSQL gives away after the commit is
visible, and took before the first id was drawn:

1. The last id that was drawn is read.
2. Whoever holds such a lock now is waited for; each of them ends with its group, in milliseconds.
3. All ids up to that of step 1 are visible now, or were rolled back.

It is no matter of transaction ids: those of a restored backup begin anew, and one that is left
open anywhere in the cluster would stop the feed.
"""

from __future__ import annotations

import logging
import time

from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import Event
from ocpp_cs.db.statement import fn

_PAUSES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_LONGEST_WAIT_S = 2.0

_DRAWN = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_id_seq"
_WRITERS = (
    "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relation = 'events'::regclass AND mode = 'RowExclusiveLock' AND granted"
)

logger = logging.getLogger(__name__)


class Feed:
    """The feed as the readers of one process see it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._settled = 0
        self._stuck = False  # and logged

    def settled(self) -> int:
        """The id up to which all events are visible; waits for those under way, not under a
        database connection. Where one of them does not end, it is the one of before."""
        if self._engine.dialect == "sqlite":
            return self._engine.read(lambda: Event.select(fn.MAX(Event.id)).scalar() or 0)
        drawn, under_way = self._engine.read(lambda: (self._drawn(), self._writers()))
        give_up_at = time.monotonic() + _LONGEST_WAIT_S
        pauses = iter(_PAUSES_S)
        pause = 0.0
        while under_way and time.monotonic() < give_up_at:
            pause = next(pauses, pause)
            time.sleep(pause)
            under_way &= self._engine.read(self._writers)
        if under_way and not self._stuck:
            logger.warning(
                "the feed of events stands still: a transaction has written into the table "
                "events and does not end"
            )
        self._stuck = bool(under_way)
        if not under_way:
            self._settled = max(self._settled, drawn)
        return self._settled

    def _drawn(self) -> int:
        return int(self._engine.database.execute_sql(_DRAWN).fetchone()[0])

    def _writers(self) -> set[str]:
        return {row[0] for row in self._engine.database.execute_sql(_WRITERS).fetchall()}
