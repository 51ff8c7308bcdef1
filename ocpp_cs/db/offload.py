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


def own_threads(size: int) -> Any | None:
    """Native threads that `offload` takes instead of the hub's, so that no others keep them busy.

    None where threads are native anyway; else to be ended by its `kill()`.
    """
    if not green():
        return None
    from gevent.threadpool import ThreadPool

    return ThreadPool(size)


def offload(call: Callable[[], T], threads: Any | None = None) -> T:
    """The result of `call()`; exceptions come through. `threads` as `own_threads` made them."""
    if not green():
        return call()
    import gevent

    if threads is None:  # an idle pool counts as false
        threads = gevent.get_hub().threadpool
    # Caught on the other side, since gevent would print a traceback of what its threads raise.
    outcome: list[T] = []
    error = threads.apply(_catch, (call, outcome))
    if error is not None:
        raise error
    return outcome[0]


def _catch(call: Callable[[], T], outcome: list[T]) -> BaseException | None:
    try:
        outcome.append(call())
    except BaseException as error:
        return error
    return None


def native_lock() -> Any:
    """A lock that native threads and green threads may share.

    One made by patched `threading` belongs to the hub; shared with the hub's native threads it
    deadlocks both.
    """
    monkey = _gevent_monkey()
    if monkey is None:
        return threading.Lock()
    return monkey.get_original("threading", "Lock")()


def native_rlock() -> Any:
    """As `native_lock`, for a lock that its owner may take again."""
    monkey = _gevent_monkey()
    if monkey is None:
        return threading.RLock()
    return monkey.get_original("threading", "RLock")()
