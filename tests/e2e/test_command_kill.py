"""2,000 commands while workers are killed and charge points flap: none sent twice, none lost.

On PostgreSQL over two servers, with the charge points on either and the orders to either.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
import requests

from tests.conftest import StartServer
from tests.e2e.commands import Pair, Rest, check, count_open, note_steps, start_pair
from tests.e2e.conftest import plain_sql
from tests.e2e.flapping import FlappingFleet
from tests.servers import Server, wait_until

COMMANDS = 2004  # a whole share for each client
CHARGE_POINTS = 80
CLIENTS = 12
KILLS = 4
CALL_TIMEOUT_S = 2.0
DELIVER_WITHIN_S = 20
SETTINGS = {"CALL_TIMEOUT": f"{CALL_TIMEOUT_S:g}", "COMMAND_SETTLE_TIME": "0.5"}


class Order(NamedTuple):
    """What a client asks for, and asks for again until it has an answer."""

    token: str
    charge_point_id: str
    wait: int
    deliver_within: int


class Client:
    """Orders commands until each one of its share is accepted; what REST said of them."""

    def __init__(self, pair: Pair, key: str, number: int) -> None:
        self.accepted: dict[int, str | None] = {}
        self.answers: Counter[int] = Counter()
        self.unanswered = 0
        self._servers = [Rest(server, key) for server in dict.fromkeys(pair)]
        self._number = number
        self._rng = Random(number)

    def run(self, charge_point_ids: list[str], commands: int, stopped: threading.Event) -> None:
        for count in range(commands):
            order = Order(
                f"{self._number}-{count}",
                self._rng.choice(charge_point_ids),
                self._rng.choices((0, 3), (90, 10))[0],
                self._rng.choice((0, DELIVER_WITHIN_S)),
            )
            while not self._accepted(order):
                assert not stopped.wait(self._rng.uniform(0.05, 0.3)), "stopped"

    def _accepted(self, order: Order) -> bool:
        """One try. What had no answer may have been accepted: the same key finds it."""
        try:
            status, body = self._rng.choice(self._servers).order(
                order.charge_point_id,
                "DataTransfer",
                {"vendorId": "com.example", "data": order.token},
                wait=order.wait,
                deliver_within=order.deliver_within,
                idempotency_key=f"order-{order.token}",
            )
        except requests.RequestException:
            self.unanswered += 1
            return False
        self.answers[status] += 1
        assert status in (200, 202, 409, 503), body
        if status in (200, 202):
            self.accepted[body["id"]] = body["status"] if status == 200 else None
        return status in (200, 202)


def kill_workers(servers: list[Server], clients: list[Client], stopped: threading.Event) -> int:
    """Kills one server's workers after the other, spread over the run; how often."""
    for kill in range(1, KILLS + 1):
        threshold = kill * COMMANDS // (KILLS + 1)
        while sum(len(client.accepted) for client in clients) < threshold:
            if stopped.wait(0.02):
                return kill - 1
        server = servers[kill % len(servers)]
        assert server.kill(signal.SIGKILL)
        server.wait_until_ready()
    return KILLS


@pytest.mark.timeout(240)
def test_none_is_sent_twice_and_none_is_lost(server: StartServer, database_url: str) -> None:
    pair = start_pair(server, database_url, **SETTINGS)
    servers = list(dict.fromkeys(pair))
    note_steps(database_url)
    key = servers[0].api_key("operator")
    clients = [Client(pair, key, number) for number in range(CLIENTS)]
    stopped = threading.Event()
    began = time.monotonic()
    with (
        FlappingFleet(
            [server.ws_url("") for server in servers], CHARGE_POINTS, late_s=CALL_TIMEOUT_S * 1.2
        ) as fleet,
        ThreadPoolExecutor(CLIENTS + 1) as threads,
    ):
        try:
            killing = threads.submit(kill_workers, servers, clients, stopped)
            share = COMMANDS // CLIENTS
            ordering = [threads.submit(client.run, fleet.ids, share, stopped) for client in clients]
            for each in ordering:
                each.result(timeout=80)
            assert killing.result(timeout=20) == KILLS
        finally:
            stopped.set()
        ordered = time.monotonic()
        fleet.calm()
        wait_until(lambda: count_open(database_url) == 0, seconds=60, what="every command ended")
        ended = time.monotonic()
        # Time for what should not come: answers that are late, and a second delivery.
        wait_until(lambda: time.monotonic() > ended + 1.0)
    accepted = {id: final for client in clients for id, final in client.accepted.items()}
    with plain_sql(database_url) as connection:
        rows = connection.execute("SELECT status, error_code FROM commands").fetchall()
    kinds = Counter(rows)
    print(f"ordered in {ordered - began:.1f} s, ended {ended - ordered:.1f} s later")
    print(kinds, fleet.witness.habits, f"{fleet.witness.connections} connections")
    print(sum((client.answers for client in clients), Counter[int]()))
    assert len(accepted) == COMMANDS
    check(fleet.witness, accepted, database_url)
    # The run had something of everything, or it would prove little.
    statuses = Counter(status for status, _ in rows)
    assert statuses["answered"] > COMMANDS / 2, kinds
    for status in ("rejected", "timeout", "unknown", "expired"):
        assert statuses[status] > 0, kinds
    assert fleet.witness.connections > 3 * CHARGE_POINTS
    assert sum(client.unanswered for client in clients) > 0
    for running in servers:
        assert "Traceback" not in running.log_text()


FAULTS = {
    "lost": "DELETE FROM commands WHERE id = 3",
    "ordered by nobody": "UPDATE commands SET id = 99 WHERE id = 3",
    "received, yet expired": "UPDATE commands SET status = 'expired' WHERE id = 3",
    "of no state": "UPDATE commands SET status = 'gone' WHERE id = 3",
    "ended twice": "INSERT INTO steps VALUES (3, 'answered', 'timeout')",
    "sent again": "INSERT INTO steps VALUES (3, 'queued', 'sent')",
    "never ended": "UPDATE commands SET finished_at = NULL WHERE id = 3",
    "ended too late": "UPDATE commands SET finished_at = 4070908800000 WHERE id = 3",
    "answered by another": "UPDATE commands SET response ="
    " (SELECT response FROM commands WHERE id = 4) WHERE id = 3",
    "sent as another": "UPDATE commands SET request ="
    " (SELECT request FROM commands WHERE id = 4) WHERE id = 3",
}


def test_the_check_finds_what_is_wrong(
    server: StartServer, sqlite_url: str, tmp_path: Path
) -> None:
    """A check that can't fail proves nothing."""
    running = server(sqlite_url, COMMAND_SETTLE_TIME="0")
    note_steps(sqlite_url)
    client = Client(Pair(running, running), running.api_key("operator"), 0)
    with FlappingFleet([running.ws_url("")], 3, late_s=1, flaps=False) as fleet:
        client.run(fleet.ids, 12, threading.Event())
        wait_until(lambda: count_open(sqlite_url) == 0)
    witness, accepted = fleet.witness, client.accepted
    check(witness, accepted, sqlite_url)
    seen = witness.receipts[0]
    for wrong in (seen, seen._replace(message_id="of no command")):
        witness.receipts.append(wrong)
        with pytest.raises((AssertionError, KeyError)):
            check(witness, accepted, sqlite_url)
        witness.receipts.pop()
    for name, fault in FAULTS.items():
        copy = tmp_path / f"{name}.db"
        with plain_sql(sqlite_url) as connection:
            connection.execute("VACUUM INTO ?", [str(copy)])
        check(witness, accepted, f"sqlite:///{copy}")
        with plain_sql(f"sqlite:///{copy}") as connection:
            assert connection.execute(fault).rowcount == 1
            connection.commit()
        with pytest.raises((AssertionError, KeyError)):
            check(witness, accepted, f"sqlite:///{copy}")
