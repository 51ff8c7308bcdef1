"""Writes log lines in a native thread of its own, so that a reader who is slow stops nobody.

A pipe that nobody empties would stop whoever writes to it, and under gevent that is every charge
point of the process. It knows nothing of the form of a line, and keeps no more than it says.
"""

from __future__ import annotations

import _thread
import logging
import os
import queue
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

# Lines that wait to be written; a busy server logs some hundred in a second.
LONGEST_QUEUE = 5_000
# How long the end of a process waits for who reads its log.
_FLUSH_S = 2.0
_LOOK_S = 0.005


def _native(module: Any, name: str) -> Any:
    """What the standard library has, whether gevent has put its own in the place or not."""
    try:
        from gevent import monkey
    except ImportError:  # gevent is a part of the server, not of the library
        return getattr(module, name)
    return monkey.get_original(module.__name__, name)


class LineHandler(logging.Handler):
    """Gives each line to the thread. What finds the queue full is dropped, and counted in the log.

    The thread starts with the first line, in whatever process writes it: after each fork anew.
    """

    def __init__(self, stream: TextIO | None = None, longest_queue: int = LONGEST_QUEUE) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._longest_queue = longest_queue
        self._process = 0
        self._lines: Any = None
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if self._process != os.getpid():
            self._begin()
        if self._lines.qsize() >= self._longest_queue:
            self._lost += 1
            return
        if self._lost:
            self._lines.put(self.format(_loss(self._lost)))
            self._lost = 0
        self._lines.put(line)

    def flush(self) -> None:
        """Waits until all has been written, or nobody seems to read it."""
        if self._process != os.getpid():
            return
        written: list[None] = []
        self._lines.put(lambda: written.append(None))
        until, sleep = time.monotonic() + _FLUSH_S, _native(time, "sleep")
        while not written and time.monotonic() < until:
            sleep(_LOOK_S)

    def close(self) -> None:
        """Ends the thread when it has written what it has."""
        self.flush()
        if self._process == os.getpid():
            self._lines.put(None)
            self._process = 0
        super().close()

    def _begin(self) -> None:
        self._process, self._lost = os.getpid(), 0
        self._lines = _native(queue, "SimpleQueue")()
        _native(_thread, "start_new_thread")(_write, (self._stream, self._lines.get))


def _write(stream: TextIO, following: Callable[[], Any]) -> None:
    """The thread. A stream that is broken takes nothing, as with `logging`'s own handler."""
    while (line := following()) is not None:
        if callable(line):
            line()
            continue
        with suppress(OSError, ValueError):
            stream.write(f"{line}\n")
            stream.flush()


def _loss(count: int) -> logging.LogRecord:
    text = "%d lines are missing here: nobody read the log fast enough"
    name = __name__
    return logging.LogRecord(name, logging.WARNING, __file__, 0, text, (count,), None)
