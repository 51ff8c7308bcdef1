"""A worker tells the others its figures once a second, and whoever is asked tells those of all.

All workers of a server listen on one socket, so nobody knows which of them a scraper reaches. It
counts nothing itself but how late the event loop is.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ocpp_cs.db import queries
from ocpp_cs.db.engine import Engine, Gauges
from ocpp_cs.db.offload import offload
from ocpp_cs.figures import Figures
from ocpp_cs.monitoring.checks import SharedCheck
from ocpp_cs.monitoring.exposition import Worker, exposition, processes
from ocpp_cs.places import Places

_PERIOD_S = 1.0
# A worker that has told nothing for so long is gone: its counts stay, what it held does not.
_GONE_S = 10.0
_COMMANDS_DEADLINE_S = 1.0
_COMMANDS_FRESH_S = 5.0


class Monitor:
    """The figures of this worker and, once it shares `Places`, of all. `info` is told as it is."""

    def __init__(
        self,
        engine: Engine,
        figures: Figures,
        gauges: Sequence[Callable[[], Gauges]],
        info: Mapping[str, str],
    ) -> None:
        self._figures = figures
        self._gauges = gauges
        self._info = info
        self._places = Places(1)
        self._place = 0
        self._open_commands = SharedCheck(
            "open-commands",
            lambda: engine.read(queries.open_commands),
            deadline_s=_COMMANDS_DEADLINE_S,
            fresh_s=_COMMANDS_FRESH_S,
        )
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def share(self, places: Places, place: int) -> None:
        """Tells its figures there from now on, and goes on with the counts of who had the place
        before: counts of a server never fall when one of its workers is replaced."""
        self._places, self._place = places, place
        if told := _read(places.read(place)):
            self._figures.add(told["figures"])

    def start(self) -> None:
        """Begins to tell; after a fork, any number of times."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Tells the last counts, as of a worker that is no longer there."""
        self._stopped.set()
        self._tell(lives=False)

    def text(self) -> bytes:
        """The metrics of all workers, in the text format of Prometheus."""
        self._tell(lives=not self._stopped.is_set())
        told = {place: _read(text) for place, text in self._places.read_all().items()}
        figures, workers = Figures(), {}
        for place, each in told.items():
            if each is None:
                continue
            figures.add(each["figures"])
            if each["lives"] and time.monotonic() - each["at"] < _GONE_S:
                workers[place] = Worker(each["pid"], each["gauges"])
        pids = {place: worker.pid for place, worker in workers.items()}
        # With thousands of descriptors it takes milliseconds to count them.
        of_processes = offload(lambda: processes(pids))
        return exposition(figures, workers, self._commands(), self._info, of_processes)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stopped.wait(_PERIOD_S):
            self._figures.loop_delay.observe(max(0.0, time.monotonic() - began - _PERIOD_S))
            self._tell(lives=True)
            began = time.monotonic()

    def _tell(self, *, lives: bool) -> None:
        gauges: Gauges = {}
        for source in self._gauges:
            gauges |= source()
        told = {
            "pid": os.getpid(),
            "at": time.monotonic(),
            "lives": lives,
            "figures": self._figures.told(),
            "gauges": gauges,
        }
        self._places.leave(self._place, json.dumps(told).encode())

    def _commands(self) -> dict[str, int]:
        """None where the database does not say: the other figures are needed all the more."""
        try:
            return self._open_commands()
        except Exception:
            return {}


def _read(text: bytes) -> Any:
    return json.loads(text) if text else None
