"""Two workers look who is away, and charge points of a killed one are told offline by another."""

from __future__ import annotations

import signal
import time

import pytest

from tests.conftest import StartServer
from tests.faults.receivers import feed
from tests.ledger_charge_point import LedgerFleet
from tests.servers import wait_until


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_hung_on_a_killed_worker_is_told_offline_once(
    server: StartServer, database_url: str
) -> None:
    running = server(
        database_url,
        WEB_CONCURRENCY="2",
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
