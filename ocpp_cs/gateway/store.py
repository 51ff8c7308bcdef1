"""The committer as the gateway sees it: every connection learns at once when nothing can be stored.

It retries nothing (the committer does) and closes nothing: it remembers, and calls `on_down`. An
outage is over when it has been recorded, for that takes a write: with a full disk, or on a server
that went over to a standby, much that only reads still succeeds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from ocpp_cs import audit, events
from ocpp_cs.db.commit import Committer, Flush, Job, StoreUnavailable, Tx, lane_of
from ocpp_cs.db.events import note_event
from ocpp_cs.ocpp16.times import format_time

T = TypeVar("T")

logger = logging.getLogger("ocpp_cs.gateway")


class Store:
    """The way to the database. `down` is set by the first failure, cleared by the next write."""

    def __init__(self, committer: Committer, on_down: Callable[[], None]) -> None:
        self.down = False
        self._down_since = utc_now()
        self._committer = committer
        self._on_down = on_down
        self._lock = threading.Lock()
        self._ending = threading.Lock()  # held by who tries to end an outage

    def run(self, identity: str, work: Callable[[Tx], T]) -> T:
        """Work of a charge point, on its own lane; see `run_on`."""
        return self.run_on(lane_of(identity), work)

    def post(self, identity: str, flush: Flush, row: Any) -> None:
        """A row that nobody waits for, on the lane of a charge point; see `Committer.post`."""
        self._committer.post(lane_of(identity), flush, row)

    def run_on(self, lane: int, work: Callable[[Tx], T]) -> T:
        """The result of `work`, after its commit. Raises what `work` raises, StoreUnavailable."""
        try:
            result = self._committer.run(lane, work)
        except StoreUnavailable as error:
            self._failed(error)
            raise
        if self.down:
            self._end_outage()
        return result

    def read(self, query: Callable[[], T]) -> T:
        """See `Engine.read`."""
        return self._committer.engine.read(query)

    def submit(self, lane: int, job: Job) -> None:
        """See `Committer.submit`; how the job ended must be told by `outcome`."""
        try:
            self._committer.submit(lane, job)
        except StoreUnavailable as error:
            self._failed(error)
            raise

    def outcome(self, job: Job) -> Any:
        """The result of a job that was submitted and has ended; raises as `run_on` does."""
        if job.error is None:
            if self.down:
                self._end_outage()
            return job.result
        if isinstance(job.error, StoreUnavailable):
            self._failed(job.error)
        raise job.error

    def probe(self) -> None:
        """Looks whether an outage is over; `down` says so."""
        if self.down:
            self._end_outage()

    def _failed(self, error: StoreUnavailable) -> None:
        with self._lock:
            first = not self.down
            self.down = True
            if first:
                self._down_since = utc_now()
        if first:
            logger.error("database unavailable, charge points are sent away: %s", error)
            self._on_down()

    def _end_outage(self) -> None:
        """Ends it if it can be recorded. Does not wait for others who are trying to."""
        if not self._ending.acquire(blocking=False):
            return
        try:
            if self.down:
                self._record_outage(self._down_since, utc_now())
                self.down = False
                logger.warning("database available again")
        except StoreUnavailable:
            pass  # it goes on
        except Exception as error:
            # The server answers, but not as it should: that is no reason to let anybody in.
            logger.error("database: an outage could not be recorded as ended: %s", error)
        finally:
            self._ending.release()

    def _record_outage(self, since: datetime, until: datetime) -> None:
        """A line of the audit trail, and an event; they could not be written while it lasted."""
        times = {"since": format_time(since), "until": format_time(until)}
        told = events.DatabaseUnavailable(
            since=times["since"],
            until=times["until"],
            duration_s=events.seconds_between(since, until),
        )

        def work(tx: Tx) -> None:
            audit.record(tx, audit.CENTRAL_SYSTEM, "database.unavailable", "database", until, times)
            note_event(tx, None, told, until)

        self._committer.run(0, work)


def utc_now() -> datetime:
    """The time as it is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
