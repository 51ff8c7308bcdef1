"""Whether a socket has something to read or room to write, asked as cheaply as each kind allows.

Nothing is read or written here.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any

from ocpp_cs.db.offload import green


def room_to_write(sock: socket.socket) -> select.poll:
    """What `poll(0)` finds when the socket can be written to.

    The operating system's: gevent's `select.poll` would let other threads run meanwhile.
    """
    poll: select.poll
    if green():
        from gevent import monkey

        poll = monkey.get_original("select", "poll")()
    else:
        poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return poll


class Arrival:
    """Waits until there is something to read.

    Under gevent a socket is asked first, and waited for when that finds nothing; a charge point
    that has just been answered has sent nothing yet, so that the question costs more than the
    waiting. Elsewhere, and with TLS, which may have read ahead, this does not wait at all: reading
    does.
    """

    __slots__ = ("_hub", "_watcher")

    def __init__(self, sock: socket.socket) -> None:
        self._hub: Any = None
        self._watcher: Any = None
        if green() and not isinstance(sock, ssl.SSLSocket):
            import gevent

            self._hub = gevent.get_hub()
            self._watcher = self._hub.loop.io(sock.fileno(), 1)

    def wait(self) -> None:
        if self._watcher is not None:
            self._hub.wait(self._watcher)

    def close(self) -> None:
        """To be called before the socket is closed, by the thread that waited."""
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()
