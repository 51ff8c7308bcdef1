"""Workers that share places: each tells the figures of all, and counts never fall."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from ocpp_cs.figures import Figures
from ocpp_cs.monitoring.monitor import Monitor
from ocpp_cs.places import Places
from tests.monitoring.reading import Samples, read
from tests.servers import wait_until


@pytest.fixture
def engine(sqlite_url: str, tables: None) -> Iterator[Engine]:
    engine = Engine(sqlite_url)
    migrate.upgrade(engine)
    try:
        yield engine
    finally:
        engine.close()


def monitor(engine: Engine, connections: float = 0) -> Monitor:
    gauges = {"connections": {"": connections}}
    return Monitor(engine, Figures(), [lambda: gauges, engine.gauges], {"schema": "1"})


def samples_of(worker: Monitor) -> Samples:
    return read(worker.text().decode())


def test_whoever_is_asked_tells_the_figures_of_all(engine: Engine) -> None:
    places = Places(4)
    workers = [monitor(engine, connections) for connections in (10, 20)]
    for place, worker in enumerate(workers):
        worker.share(places, place)
        worker._figures.messages["Heartbeat", "answered"] += 1 + place
        samples_of(worker)  # it tells its own on the way
    for worker in workers:
        samples = samples_of(worker)
        assert samples["ocpp_cs_messages_total", "Heartbeat", "answered"] == 3
        assert samples["ocpp_cs_connections", "0"] == 10
        assert samples["ocpp_cs_connections", "1"] == 20
        assert samples["ocpp_cs_workers",] == 2
        assert samples["ocpp_cs_open_commands", "sent"] == 0


def test_a_worker_that_ended_leaves_its_counts_to_the_next_one(engine: Engine) -> None:
    places = Places(2)
    first, other = monitor(engine, 10), monitor(engine)
    first.share(places, 0)
    other.share(places, 1)
    first._figures.messages["Heartbeat", "answered"] += 5
    first.stop()
    samples = samples_of(other)
    assert samples["ocpp_cs_messages_total", "Heartbeat", "answered"] == 5
    assert ("ocpp_cs_connections", "0") not in samples
    assert samples["ocpp_cs_workers",] == 1

    heir = monitor(engine, 3)
    heir.share(places, 0)
    heir._figures.messages["Heartbeat", "answered"] += 1
    samples_of(heir)
    samples = samples_of(other)
    assert samples["ocpp_cs_messages_total", "Heartbeat", "answered"] == 6
    assert samples["ocpp_cs_connections", "0"] == 3


def test_it_tells_by_itself_and_measures_how_late_it_is(engine: Engine) -> None:
    places = Places(2)
    running, other = monitor(engine, 7), monitor(engine)
    running.share(places, 0)
    other.share(places, 1)
    running.start()
    try:
        wait_until(lambda: samples_of(other).get(("ocpp_cs_connections", "0")) == 7)
        assert samples_of(other)["ocpp_cs_event_loop_delay_seconds_count",] >= 1
    finally:
        running.stop()


def test_figures_are_told_while_the_database_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = Engine(f"postgresql://ocpp_cs@127.0.0.1:{silent.getsockname()[1]}/x")
        samples = samples_of(monitor(engine, 7))
    assert samples["ocpp_cs_connections", "0"] == 7
    assert not [key for key in samples if key[0] == "ocpp_cs_open_commands"]
