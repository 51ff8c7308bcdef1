"""gunicorn's gevent worker, which leaves a new connection to the worker that has more room for it.

Not a load balancer: all workers share one listening socket, and the kernel lets whoever is awake
take from it. One could take most of the charge points, and refuse them at its limit while the
others have room. So each says in shared memory how many connections it holds, and does not accept
while another one holds clearly fewer.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

from config.descriptors import REST_RESERVE

# Connections that a worker may hold more than another one: when many come at a time, they shall
# not wait for each other.
AHEAD = 8
# How long a worker that holds more leaves new connections to the others.
PAUSE_S = 0.005
# A worker that has not said anything for so long stands still or is gone, and is not waited for.
STALE_S = 3.0
# A worker that starts is waited for so long: else the first one up would take all who come at once.
STARTING_S = 10.0
MOST_WORKERS = 256
_PLACE = struct.Struct("dq")  # when it was written, on the system's monotonic clock; connections


class Occupancy:
    """How many connections each worker holds; made before workers are forked, a place for each."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory = mmap.mmap(-1, MOST_WORKERS * _PLACE.size)
        self._clock = clock

    def tell(self, place: int, connections: int) -> None:
        _PLACE.pack_into(self._memory, place * _PLACE.size, self._clock(), connections)

    def expect(self, place: int) -> None:
        """A worker that is about to start holds none."""
        until = self._clock() + STARTING_S
        _PLACE.pack_into(self._memory, place * _PLACE.size, until - STALE_S, 0)

    def clear(self, place: int) -> None:
        """Of a worker that has ended."""
        _PLACE.pack_into(self._memory, place * _PLACE.size, 0.0, 0)

    def least(self, place: int) -> int | None:
        """The fewest connections that another one than this holds; None if there is no other."""
        since = self._clock() - STALE_S
        told = enumerate(_PLACE.iter_unpack(self._memory[:]))
        held = [count for other, (at, count) in told if other != place and at and at >= since]
        return min(held, default=None)


def leaves_it(own: int, least: int | None, limit: int) -> bool:
    """Whether a worker that holds `own` connections leaves the next one to the worker that holds
    `least`; each admits `limit` charge points."""
    if least is None:
        return False
    # Beyond its limit it only answers that it is full, so anybody who has room comes first.
    ahead = 1 if least < limit <= own else AHEAD
    return own - least >= ahead


class SharingWorker(GeventWorker):  # type: ignore[misc]  # the library has no types
    """A worker among others. `gunicorn.py` gives each its place in `occupancy` before the fork."""

    occupancy = Occupancy()
    place = 0

    def server_class(self, listener: Any, *, spawn: Any, **options: Any) -> StreamServer:
        """What gunicorn accepts connections with; of what it says, only TLS concerns us."""
        tls = {name: options[name] for name in ("ssl_context",) if name in options}
        self._listener = _Listener(self, listener, spawn, tls)
        return self._listener

    def notify(self) -> None:
        """gunicorn calls this once a second."""
        super().notify()
        self._listener.tell()

    def handle(self, listener: Any, client: Any, address: Any) -> None:
        try:
            super().handle(listener, client, address)
        finally:
            self._listener.tell(ended=1)

    def leaves_it(self, connections: int) -> bool:
        limit = self.cfg.worker_connections - REST_RESERVE
        return leaves_it(connections, self.occupancy.least(self.place), limit)


class _Listener(StreamServer):  # type: ignore[misc]
    max_accept = 1  # at a time: then it is another worker's turn

    def __init__(
        self, worker: SharingWorker, listener: Any, spawn: Any, tls: dict[str, Any]
    ) -> None:
        self._worker = worker
        super().__init__(listener, handle=partial(worker.handle, listener), spawn=spawn, **tls)

    def do_read(self) -> Any:
        """gevent's hook: a connection, or None if none is taken now."""
        if self._worker.leaves_it(self._held()):
            self.stop_accepting()
            self._timer = self.loop.timer(PAUSE_S)
            self._timer.start(self._start_accepting_if_started)
            return None
        accepted = super().do_read()
        if accepted:
            self.tell(ended=-1)
        return accepted

    def tell(self, *, ended: int = 0) -> None:
        """Says how many connections are held, but for those that are just `ended`."""
        if self.started:
            self._worker.occupancy.tell(self._worker.place, self._held() - ended)

    def close(self) -> None:
        """Takes no more: nobody shall leave a connection to it."""
        super().close()
        self._worker.occupancy.clear(self._worker.place)

    def _held(self) -> int:
        return len(self.pool)
