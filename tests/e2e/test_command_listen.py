"""The connections that listen for wake-ups are cut again and again: no command is lost (F26).

On PostgreSQL, ordered from the server that does not hold the socket: at worst a command takes as
long as the sweep's period.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.charge_point import Payload, connect
from tests.conftest import StartServer
from tests.e2e.commands import Pair, Rest, start_pair
from tests.servers import wait_until

CHARGE_POINTS = 4
SWEEP_S = 1.0
MARGIN_S = 2.0
_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
)


@contextmanager
def cutting(url: str, every_s: float) -> Iterator[list[float]]:
    """Cuts the listening connections for as long as the context lasts; the times of the cuts."""
    cuts: list[float] = []
    done = threading.Event()

    def cut() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while True:
                found = connection.execute(_CUT).fetchall()
                cuts.extend([time.monotonic()] * len(found))
                if done.wait(every_s):
                    return

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield cuts
    finally:
        done.set()
        thread.join(10)


def echo(payload: Payload) -> Payload:
    return {"status": "Accepted", "data": payload["data"]}


def latencies(pair: Pair, seconds: float) -> list[float]:
    """Orders one command after the other to each of some charge points; all are answered right.
    How long each took, in seconds."""
    key = pair.ordering.api_key("operator")
    taken: list[float] = []
    faults: list[object] = []
    until = time.monotonic() + seconds

    def order(identity: str) -> None:
        rest, count = Rest(pair.ordering, key), 0
        with connect(pair.holding.ws_url(""), identity, answers={"DataTransfer": echo}):
            while time.monotonic() < until:
                count += 1
                payload = {"vendorId": "com.example", "data": f"{identity}-{count}"}
                began = time.monotonic()
                status, body = rest.order(identity, "DataTransfer", payload)
                taken.append(time.monotonic() - began)
                if (
                    status != 200
                    or body["status"] != "answered"
                    or body["response"] != echo(payload)
                ):
                    faults.append(body)

    threads = [
        threading.Thread(target=order, args=(f"CP-{number}",)) for number in range(CHARGE_POINTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 60)
    assert not any(thread.is_alive() for thread in threads)
    assert faults == []
    return sorted(taken)


@pytest.fixture
def pair(server: StartServer, postgresql_url: str) -> Pair:
    return start_pair(server, postgresql_url, COMMAND_SWEEP_INTERVAL=f"{SWEEP_S:g}")


def test_a_listener_that_is_cut_loses_nothing(pair: Pair, postgresql_url: str) -> None:
    with cutting(postgresql_url, 2.0) as cuts:
        wait_until(lambda: cuts)
        taken = latencies(pair, 15)
    print(f"{len(taken)} commands, {len(cuts)} cuts, p50 {taken[len(taken) // 2] * 1000:.0f} ms,")
    print("slowest:", [f"{each:.2f}" for each in taken[-10:]])
    assert len(cuts) >= 6, "the listeners did not come back"
    assert taken[-1] <= SWEEP_S + MARGIN_S
    # Between the cuts it is the wake-ups that carry them, not the sweep.
    assert taken[len(taken) // 2] < SWEEP_S / 4


def test_the_sweep_alone_carries_the_commands(pair: Pair, postgresql_url: str) -> None:
    """As where the engine has no NOTIFY: the listeners are cut before they hear anything."""
    with cutting(postgresql_url, 0.01) as cuts:
        wait_until(lambda: cuts)
        taken = latencies(pair, 10)
    print(f"{len(taken)} commands, {len(cuts)} cuts, p50 {taken[len(taken) // 2] * 1000:.0f} ms,")
    print("slowest:", [f"{each:.2f}" for each in taken[-10:]])
    assert taken[-1] <= 2 * SWEEP_S + MARGIN_S
    for each in pair:
        assert "Traceback" not in each.log_text()
