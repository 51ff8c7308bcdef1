"""Webhooks whose receiver fails, hangs and lies for a while, with workers killed meanwhile.

Every event has to arrive, in order and signed; and the feed must have told of each session once.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from random import Random
from typing import Any, NamedTuple

import requests

from tests.e2e.conftest import plain_sql
from tests.faults.fleet import fleet_of, judge
from tests.faults.stage import Outcome, Size, Stage
from tests.servers import Server, wait_until
from tests.webhooks.receiver import ACKNOWLEDGED, ANSWERS, Receiver

# Other answers of success are believed, as they are meant.
BAD = (*sorted(ANSWERS.keys() - {*ACKNOWLEDGED}), "shut", "hang", "drip", "reset")


class _Load(NamedTuple):
    bad_s: float
    charge_points: int
    every_s: float
    kills: int


_LOADS: dict[Size, _Load] = {
    "ci": _Load(8.0, 40, 0.3, 1),
    "short": _Load(60.0, 100, 0.5, 3),
    "full": _Load(60.0, 300, 1.0, 5),
}


def run(stage: Stage, size: Size) -> Outcome:
    load = _LOADS[size]
    receiver = Receiver(_moods(load.bad_s))
    url = stage.new_database()
    server = stage.server(
        url,
        MAX_CHARGE_POINTS="1000",
        WEBHOOK_NETWORKS="127.0.0.0/8",
        WEBHOOK_PLAIN_HTTP="1",
        WEBHOOK_TIMEOUT="0.5",
    )
    outcome = Outcome({"kills": load.kills, "charge points": load.charge_points})
    try:
        webhook = make_webhook(server, receiver)
        with fleet_of(
            stage,
            server.ws_url(""),
            load.charge_points,
            every_s=load.every_s,
            samples=2,
            timeout_s=5.0,
        ) as (fleet, path):
            wait_until(lambda: receiver.requests, seconds=60)
            until = time.monotonic() + load.bad_s
            for kill in range(1, load.kills + 1):
                pause = load.bad_s * kill / (load.kills + 1) - (load.bad_s - _left(until))
                time.sleep(max(0.0, pause))
                server.kill(signal.SIGKILL)
                server.wait_until_ready()
            time.sleep(_left(until))
            before = fleet.ledger.totals["acknowledgement"]
            fleet.wait_for_acknowledgements(before + load.charge_points, seconds=60)
            fleet.finish(60)
            judge(outcome, fleet, path, server, url)
        told = wait_for_all(server, receiver)
    finally:
        receiver.close()
    state = requests.get(webhook.url, headers=webhook.headers, timeout=30).json()
    outcome.figures |= {
        "told": len(told),
        "deliveries": len(receiver.requests),
        "bad": sum(does not in ACKNOWLEDGED for does in receiver.requests),
        "dead letters": state["dead_letters"],
        "arrived twice": len(receiver.events) - len(receiver.first_ids()),
    }
    outcome.findings += _wrong(receiver, told, url)
    return outcome


class _Webhook(NamedTuple):
    url: str
    headers: dict[str, str]


def make_webhook(server: Server, receiver: Receiver) -> _Webhook:
    headers = {"Authorization": f"Bearer {server.api_key('admin')}"}
    url = server.http("/api/v1/webhooks")
    body = {"url": receiver.url, "after": 0}
    made = requests.post(url, json=body, headers=headers, timeout=30).json()
    receiver.secret = made["secret"]
    return _Webhook(f"{url}/{made['id']}", headers)


def feed(server: Server) -> list[Any]:
    """All events, as a reader gets them who asks again and again."""
    found: list[Any] = []
    after = 0
    while True:
        url = server.http(f"/api/v1/events?after={after}&limit=500")
        page = requests.get(url, timeout=30).json()
        found += page["items"]
        if not page["items"]:
            return found
        after = page["next_after"]


def wait_for_all(server: Server, receiver: Receiver) -> list[Any]:
    """The feed, once its last event has arrived; its longest pause may be on the way."""
    told: list[Any] = []

    def arrived() -> bool:
        told[:] = feed(server)
        return len(receiver.first_ids()) >= len(told)

    wait_until(arrived, seconds=200, what="every event arrives")
    return told


def _moods(bad_s: float) -> Any:
    """What the receiver does with a request: bad three times, then now and then for so long."""
    rng = Random(7)
    first: list[float] = []

    def decide(number: int) -> str:
        first[:] = first or [time.monotonic()]
        if number < 3:
            return rng.choice(BAD)
        over = time.monotonic() - first[0] > bad_s
        return "good" if over else rng.choice((*BAD, *(("good",) * len(BAD))))

    return decide


def _left(until: float) -> float:
    return max(0.0, until - time.monotonic())


def _wrong(receiver: Receiver, told: list[Any], url: str) -> list[str]:
    findings = []
    if receiver.forged:
        findings.append(f"{receiver.forged} deliveries were not signed rightly")
    ids = [event["id"] for event in told]
    arrived = receiver.first_ids()
    findings += [f"event {id} was lost" for id in sorted({*ids} - {*arrived})]
    findings += [f"event {id} was invented" for id in sorted({*arrived} - {*ids})]
    if arrived != sorted(arrived):
        findings.append("events did not arrive in order")
    sessions = Counter(
        (event["type"], event["data"]["transaction_id"])
        for event in told
        if event["type"].startswith("session_")
    )
    with plain_sql(url) as connection:
        rows = connection.execute("SELECT id, stopped_at FROM transactions").fetchall()
    expected = Counter(("session_started", id) for id, _ in rows)
    expected += Counter(("session_stopped", id) for id, stopped_at in rows if stopped_at)
    findings += [f"{each} was told {sessions[each]} times" for each in sessions - expected]
    findings += [f"{each} was lost: nobody was told" for each in expected - sessions]
    return findings
