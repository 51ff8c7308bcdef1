"""Runs a blocking call beside the event loop where there is one.

It is not a task queue: the caller waits for the result. Under gevent the call runs on the hub's
native threads, so that an fsync or an analyst's query stops nobody else; on plain threads it is
simply called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def _gevent_monkey() -> Any | None:
    try:
        from gevent import monkey
    except ImportError:  # gevent is a part of the server, not of the library
        return None
    return monkey


def green() -> bool:
    """Whether threads are green here, which is to say: gevent has patched `threading`."""
    monkey = _gevent_monkey()
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def offload(call: Callable[[], T]) -> T:
    """The result of `call()`; exceptions come through."""
    if not green():
        return call()
    import gevent

    result: T = gevent.get_hub().threadpool.apply(call)
    return result


def native_lock() -> Any:
    """A lock that native threads and green threads may share.

    One made by patched `threading` belongs to the hub; shared with the hub's native threads it
    deadlocks both.
    """
    monkey = _gevent_monkey()
    if monkey is None:
        return threading.Lock()
    return monkey.get_original("threading", "Lock")()
