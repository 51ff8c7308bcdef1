"""The figures of a real server with several workers, whichever of them a scraper reaches."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import requests

from tests.conftest import StartServer, running_postgresql
from tests.gateway.conftest import HEARTBEAT, RawPeer
from tests.monitoring.reading import Samples, read
from tests.servers import Postgresql, Server, wait_until

TOKEN = "a-token-of-a-scraper"
_CONNECTIONS = "ocpp_cs_connections"


@pytest.fixture
def own_postgresql() -> Iterator[Postgresql]:
    """Not the one of the other tests: this one is frozen."""
    with running_postgresql() as postgresql:
        yield postgresql


def scrape(server: Server) -> Samples:
    """Over a connection of its own: which worker takes it, nobody knows."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}
    answer = requests.get(server.http("/metrics"), headers=headers, timeout=30)
    assert answer.status_code == 200
    return read(answer.text)


def connections(samples: Samples) -> float:
    return sum(value for key, value in samples.items() if key[0] == _CONNECTIONS)


def test_any_worker_tells_the_figures_of_all(server: StartServer, postgresql_url: str) -> None:
    running = server(postgresql_url, WEB_CONCURRENCY="2", METRICS_TOKEN=TOKEN)
    answered = ("ocpp_cs_messages_total", "Heartbeat", "answered")
    peers = [RawPeer(running.port).upgraded(f"CP{number}") for number in range(6)]
    for peer in peers:
        assert peer.exchange(HEARTBEAT)[0] == 3
    wait_until(lambda: scrape(running)["ocpp_cs_workers",] == 2)
    wait_until(lambda: connections(scrape(running)) == 6 and scrape(running)[answered] == 6)
    for _ in range(10):
        samples = scrape(running)
        assert connections(samples) == 6
        assert samples[answered] == 6
        assert samples["ocpp_cs_workers",] == 2
        assert samples["ocpp_cs_handshakes_total", "accepted"] == 6
    assert {key[-1] for key in samples if key[0] == "process_open_fds"} == {"0", "1"}
    assert samples["ocpp_cs_commit_group_size_count",] > 0

    # A worker is killed: its connections are gone, its counts are not.
    running.kill(signal.SIGKILL)
    wait_until(lambda: len(running.pids) == 2, seconds=30)
    running.wait_until_ready()
    wait_until(lambda: connections(scrape(running)) == 0, seconds=30)
    assert scrape(running)[answered] == 6
    for peer in peers:
        peer.socket.close()


def test_a_server_that_drains_is_not_ready(server: StartServer) -> None:
    """Who keeps its connection, as a load balancer does, is told so before it ends."""
    running = server(SHUTDOWN_SPREAD="3", SHUTDOWN_TIMEOUT="10")
    peers = [RawPeer(running.port).upgraded(f"CP{number}") for number in range(4)]
    with requests.Session() as session:
        assert session.get(running.http("/readyz"), timeout=10).status_code == 200
        running.process.send_signal(signal.SIGTERM)
        peers[0].receive_close()
        answer = session.get(running.http("/readyz"), timeout=10)
    assert answer.status_code == 503
    assert answer.json()["code"] == "draining"
    for peer in peers[1:]:
        assert peer.receive_close().code == 1012
    for peer in peers:
        peer.socket.close()
    assert running.stop() == 0


def test_a_database_that_hangs_makes_it_not_ready_and_stops_nothing_else(
    server: StartServer, own_postgresql: Postgresql
) -> None:
    running = server(own_postgresql.create_database(), METRICS_TOKEN=TOKEN)
    own_postgresql.signal_all(signal.SIGSTOP)
    try:
        answer = requests.get(running.http("/readyz"), timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_slow")
        assert requests.get(running.http("/healthz"), timeout=30).status_code == 200
        assert scrape(running)["ocpp_cs_workers",] == 1
    finally:
        own_postgresql.signal_all(signal.SIGCONT)
    wait_until(
        lambda: requests.get(running.http("/readyz"), timeout=30).status_code == 200, seconds=60
    )
