"""The threads that deliver events to webhooks: one that looks what is to be done, a few that send.

Several processes may do this: a webhook is delivered to by the one that holds its claim. No
database connection, transaction or lock is held while a receiver is talked to.

A delivery that fails is tried again after 1, 2, 4, ... 300 s, more or less, and then with its first
event alone, so that one event that a receiver cannot bear does not take others with it. Events are
given up, and become dead letters, in two cases:
- The receiver has failed for WEBHOOK_RETRY_HOURS: then those that are as old as that.
- It has refused an event `_SUSPECT` times, and takes a test delivery: then it is this event.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from ocpp_cs.db import queries
from ocpp_cs.db.away import log_failure
from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.events import TOPIC as EVENTS
from ocpp_cs.db.feed import Feed
from ocpp_cs.db.fields import whole_milliseconds
from ocpp_cs.webhooks import table
from ocpp_cs.webhooks.letters import letter, send, send_test
from ocpp_cs.webhooks.sending import Outcome
from ocpp_cs.webhooks.table import Claimed
from ocpp_cs.webhooks.targets import Targets

T = TypeVar("T")

BATCH = 100
"""Events in one delivery, at most."""

# What another process has noted is not told here: how often it is looked for.
_LOOK_AGAIN_S = 1.0
# Without webhooks, until a notice of one is missed.
_IDLE_S = 10.0
# Events that come close together are delivered together.
_GATHER_S = 0.2
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 300.0
_SUSPECT = 12
# Dead letters that are written in one transaction.
_GIVEN_UP_AT_ONCE = 500
# So many places in the feed may lie between a webhook's own and how far it was looked through.
_UNSAVED = 10_000
# Beyond the time of an attempt and of a test delivery, until a claim runs out.
_LEASE_MARGIN_S = 5.0

logger = logging.getLogger(__name__)


class Dispatcher:
    """The threads of one process. They start after a fork, with the server."""

    def __init__(
        self, committer: Committer, targets: Targets, *, threads: int, retry_hours: float
    ) -> None:
        self._committer = committer
        self._engine = committer.engine
        self._feed = Feed(committer.engine)
        self._targets = targets
        self._threads = threads
        self._retry = timedelta(hours=retry_hours)
        self._lease = timedelta(seconds=2 * targets.timeout_s + _LEASE_MARGIN_S)
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._any = True  # whether there are webhooks, so far as is known
        self._busy: set[int] = set()
        # How far the feed was looked through for a webhook, as it was then, and nothing found.
        self._looked: dict[int, tuple[datetime, int, int]] = {}
        # Up to where events are sent one by one, since a delivery of several has failed.
        self._careful: dict[int, int] = {}

    def start(self) -> None:
        """Starts the looking thread, once."""
        if self._thread is None:
            notices = self._committer.notices
            notices.subscribe(EVENTS, self._hear_of_events)
            notices.subscribe(table.TOPIC, lambda key: self._woken.set())
            notices.listen()
            self._thread = threading.Thread(target=self._serve, name="webhooks", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Begins nothing any more; what is being sent ends by itself, or is sent again later."""
        self._stopped.set()
        self._woken.set()

    def _hear_of_events(self, key: str) -> None:
        if self._any:
            self._woken.set()

    def _serve(self) -> None:
        self._guarded(self._forget_claims)
        while not self._stopped.is_set():
            self._guarded(self._look)
            self._woken.wait(_LOOK_AGAIN_S if self._any else _IDLE_S)
            self._woken.clear()
            self._stopped.wait(_GATHER_S)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            log_failure(logger, "delivering to webhooks", error)

    def _forget_claims(self) -> None:
        if self._engine.dialect == "sqlite":  # one process, always
            self._write(table.forget_claims)

    # --- What is to be done -----------------------------------------------------------------------

    def _look(self) -> None:
        """Begins with every webhook that is due and has something to get, as threads allow."""
        now = _now()
        enabled = self._engine.read(queries.enabled_webhooks)
        self._any = bool(enabled)
        due = [each for each in enabled if each.id not in self._busy and _is_due(each, now)]
        if not due:
            return
        last = self._feed.settled()
        queued = self._engine.read(queries.with_queued_deliveries)
        for each in due:
            if len(self._busy) >= self._threads or self._stopped.is_set():
                return  # who has waited longest comes first
            if each.id in queued or self._has_events(each, last):
                self._busy.add(each.id)
                name = f"webhook-{each.id}"
                threading.Thread(
                    target=self._deliver, args=(each.id,), name=name, daemon=True
                ).start()

    def _has_events(self, webhook: queries.WebhookRow, last: int) -> bool:
        after = self._looked_until(webhook)
        if after >= last:
            return False
        if self._engine.read(lambda: queries.events(webhook.wanted, after, last, 1)):
            return True
        if last - webhook.position > _UNSAVED:
            return True  # to note how far that is
        self._looked[webhook.id] = (webhook.updated_at, webhook.position, last)
        return False

    def _looked_until(self, webhook: queries.WebhookRow) -> int:
        updated_at, position, looked = self._looked.get(webhook.id, (None, None, 0))
        same = (updated_at, position) == (webhook.updated_at, webhook.position)
        return looked if same else webhook.position

    # --- Sending ----------------------------------------------------------------------------------

    def _deliver(self, id: int) -> None:
        """A thread of its own: sends to the webhook for as long as there is a full delivery."""
        try:
            self._guarded(lambda: self._deliver_claimed(id))
        finally:
            self._busy.discard(id)
            self._woken.set()

    def _deliver_claimed(self, id: int) -> None:
        now = _now()
        held = self._write(lambda tx: table.claim(tx, id, now, now + self._lease))
        while held is not None:
            if self._stopped.is_set():
                self._write(partial(table.release, held=held))
                return
            queued = queries.DeliveryFilter(webhook_id=id, status="queued")
            again = self._engine.read(lambda: queries.deliveries(queued, None, 1))  # noqa: B023
            held = self._send_again(held, again[0]) if again else self._send_next(held)

    def _send_again(self, held: Claimed, delivery: queries.DeliveryRow) -> Claimed | None:
        """One attempt for a dead letter that somebody wants to be sent again."""
        sent = [(delivery.event_id, delivery.event.encode())]
        outcome = send(self._targets, held.id, held.url, held.secret, sent, _now())
        _log(held, outcome, 1)
        now = _now()
        return self._write(
            lambda tx: table.resent(tx, held, delivery.id, outcome.error, now, now + self._lease)
        )

    def _send_next(self, held: Claimed) -> Claimed | None:
        """One attempt for the next events; the webhook if there is more to do at once."""
        last = self._feed.settled()
        one_by_one = held.failures or held.position < self._careful.get(held.id, 0)
        limit = 1 if one_by_one else BATCH
        found = self._engine.read(lambda: queries.events(held.wanted, held.position, last, limit))
        if not found:
            self._write(lambda tx: table.skip(tx, held, max(held.position, last)))
            return None
        sent = [(event.id, letter(event)) for event in found]
        outcome = send(self._targets, held.id, held.url, held.secret, sent, _now())
        _log(held, outcome, len(sent))
        now = _now()
        if outcome.error is None:
            until = now + self._lease if len(found) == limit else None
            return self._write(lambda tx: table.advance(tx, held, found[-1].id, now, until))
        self._careful[held.id] = max(self._careful.get(held.id, 0), found[-1].id)
        self._failed(held, found[0], outcome.error, last)
        return None

    def _failed(self, held: Claimed, event: queries.EventRow, error: str, last: int) -> None:
        """Decides between another attempt and giving up."""
        now = _now()
        again_at = now + _pause(held.failures + 1)
        too_old = now - self._retry
        if held.failing_since is not None and held.failing_since <= too_old:
            found = self._engine.read(
                lambda: queries.events(held.wanted, held.position, last, _GIVEN_UP_AT_ONCE)
            )
            old = list(itertools.takewhile(lambda each: each.at <= too_old, found))
            if old:
                more = len(old) == _GIVEN_UP_AT_ONCE  # so that their number is no matter of pauses
                again_at = now if more else again_at
                self._give_up(held, old, error, again_at)
                return
        elif held.failures + 1 >= _SUSPECT:
            tried = send_test(self._targets, held.id, held.url, held.secret, now)
            if tried.delivered:
                self._give_up(held, [event], error, None)
                return
        self._write(lambda tx: table.fail(tx, held, error, now, again_at))

    def _give_up(
        self,
        held: Claimed,
        events: list[queries.EventRow],
        error: str,
        again_at: datetime | None,
    ) -> None:
        logger.error(
            "webhook %d: %d events were given up, from %d to %d: %s",
            held.id,
            len(events),
            events[0].id,
            events[-1].id,
            error,
        )
        now = _now()
        self._write(lambda tx: table.give_up(tx, held, events, error, now, again_at))

    def _write(self, work: Callable[[Tx], T]) -> T:
        return self._committer.run(0, work)


def _is_due(webhook: queries.WebhookRow, now: datetime) -> bool:
    free = webhook.claimed_until is None or webhook.claimed_until < now
    return free and (webhook.next_attempt_at is None or webhook.next_attempt_at <= now)


def _pause(failures: int) -> timedelta:
    """Before the next attempt; not all at one time."""
    pause = min(_FIRST_PAUSE_S * 2 ** min(failures - 1, 20), _LONGEST_PAUSE_S)
    return timedelta(seconds=pause * random.uniform(0.75, 1.25))


def _log(held: Claimed, outcome: Outcome, events: int) -> None:
    if outcome.error is None:
        logger.debug("webhook %d: %d events in %d ms", held.id, events, outcome.duration_ms)
    else:
        logger.warning("webhook %d: attempt %d: %s", held.id, held.failures + 1, outcome.error)


def _now() -> datetime:
    return whole_milliseconds(datetime.now(UTC))
