"""A receiver that fails, hangs and lies, two workers, and `kill -9` in the middle: every event
arrives, in order, and the feed tells of every session once."""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections import Counter
from typing import Any

import pytest
import requests

from tests.conftest import StartServer
from tests.e2e.conftest import plain_sql
from tests.ledger_charge_point import LedgerFleet
from tests.servers import Server, wait_until
from tests.webhooks.receiver import ACKNOWLEDGED, ANSWERS, Receiver

CHARGE_POINTS = 40
BAD_S = 10.0
NEAR = {
    "WEB_CONCURRENCY": "2",
    "WEBHOOK_NETWORKS": "127.0.0.0/8",
    "WEBHOOK_PLAIN_HTTP": "1",
    "WEBHOOK_TIMEOUT": "0.5",
}
# The other answers of success would be believed, as they are meant.
BAD = [*sorted(ANSWERS.keys() - {*ACKNOWLEDGED}), "shut", "hang", "drip", "reset"]


def webhook(running: Server, receiver: Receiver, **wanted: Any) -> str:
    """Makes one; its URL in the API."""
    headers = {"Authorization": f"Bearer {running.api_key('admin')}"}
    url = running.http("/api/v1/webhooks")
    body = {"url": receiver.url, "after": 0, **wanted}
    made = requests.post(url, json=body, headers=headers, timeout=30)
    assert made.status_code == 201, made.text
    receiver.secret = made.json()["secret"]
    return f"{url}/{made.json()['id']}"


def feed(running: Server) -> list[Any]:
    """All events, as a reader gets them who asks again and again."""
    found: list[Any] = []
    after = 0
    while True:
        url = running.http(f"/api/v1/events?after={after}&limit=500")
        page = requests.get(url, timeout=30).json()
        found += page["items"]
        if not page["items"]:
            return found
        after = page["next_after"]


def test_every_event_arrives_in_order(server: StartServer, database_url: str) -> None:
    dice = random.Random(7)
    first: list[float] = []

    def decide(number: int) -> str:
        """Bad three times, then now and then until `BAD_S` are over."""
        first[:] = first or [time.monotonic()]
        if number < 3:
            return dice.choice(BAD)
        good = time.monotonic() - first[0] > BAD_S
        return "good" if good else dice.choice([*BAD, *["good"] * len(BAD)])

    receiver = Receiver(decide)
    running = server(database_url, **NEAR)
    webhook(running, receiver)
    try:
        with LedgerFleet(
            running.ws_url("").rstrip("/"), CHARGE_POINTS, every_s=0.3, samples=2, timeout_s=5.0
        ) as fleet:
            fleet.wait_for_acknowledgements(3 * CHARGE_POINTS, seconds=60)
            assert running.kill(signal.SIGKILL)
            running.wait_until_ready()
            fleet.wait_for_acknowledgements(6 * CHARGE_POINTS, seconds=60)
            fleet.finish(60)
        ids: list[int] = []

        def arrived() -> bool:
            nonlocal ids
            ids = [event["id"] for event in feed(running)]
            return len(set(receiver.first_ids())) >= len(ids)

        wait_until(arrived, seconds=90, what=running.log_text()[-2000:])
    finally:
        receiver.close()
    assert receiver.forged == 0
    assert receiver.first_ids() == ids == sorted(ids)
    assert receiver.requests.count("good") < len(receiver.requests)
    check_sessions(receiver.events, database_url)


def check_sessions(events: list[Any], url: str) -> None:
    """Each stored session was told once, and so was its end."""
    once = {event["id"]: event for event in events}.values()
    told = Counter(
        (event["type"], event["data"]["transaction_id"])
        for event in once
        if event["type"].startswith("session_")
    )
    with plain_sql(url) as connection:
        rows = connection.execute("SELECT id, stopped_at FROM transactions").fetchall()
    expected = [("session_started", id) for id, _ in rows]
    expected += [("session_stopped", id) for id, stopped_at in rows if stopped_at is not None]
    assert told == Counter(expected)
    by_charge_point = itertools.groupby(
        sorted(once, key=lambda event: (str(event["charge_point_id"]), event["id"])),
        key=lambda event: event["charge_point_id"],
    )
    for _, own in by_charge_point:
        types = [event["type"] for event in own if event["type"].startswith("session_")]
        assert types[::2] == ["session_started"] * len(types[::2])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_hung_on_a_killed_worker_is_told_offline_by_another(
    server: StartServer, database_url: str
) -> None:
    running = server(
        database_url,
        **NEAR,
        PRESENCE_INTERVAL="0.2",
        PRESENCE_EXPIRY="1",
        OFFLINE_AFTER="0.5",
    )
    with LedgerFleet(running.ws_url("").rstrip("/"), 6, every_s=0.2, samples=1000) as fleet:
        fleet.wait_for_acknowledgements(20, seconds=60)
        running.kill(signal.SIGKILL)
    running.wait_until_ready()

    def offline() -> list[str]:
        return [event["charge_point_id"] for event in feed(running) if event["type"] == "offline"]

    wait_until(lambda: len(offline()) >= 6, seconds=30)
    # Both workers go on looking, and neither tells it again.
    later = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > later)
    assert len(set(offline())) == len(offline()) == 6
