"""How gunicorn runs the server: one gevent worker, every charge point in a green thread.

No settings of its own: all values come from `config.settings`. Run it with
`gunicorn -c config/gunicorn.py wsgi:app`.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import gevent

from config import tls
from config.descriptors import (
    REST_RESERVE,
    admitted,
    descriptors_needed,
    raise_descriptor_limit,
)
from config.kinds import EVERYWHERE
from config.settings import Settings, SettingsError, load_or_exit, misspelt
from config.worker import MOST_WORKERS, SharingWorker
from ocpp_cs.log_writer import LineHandler
from ocpp_cs.logs import JsonFormatter, TextFormatter, log_stray
from ocpp_cs.places import Places

# Garbage in cycles is rare here; looking for it at the stock threshold of 700 new objects took 11 %
# of a busy worker's time.
GC_THRESHOLDS = (50_000, 20, 50)
# How long the event loop lets a native thread compute for an analyst before it asks for the
# interpreter back. It has to at most calls of the kernel, several times for a message: with the
# stock 5 ms messages waited for tenths of a second.
SWITCH_INTERVAL_S = 0.00005
# Seconds for the body of a request, as a whole: gunicorn has no limit for it. Files come over slow
# lines, too: each so many bytes of one give a second more.
BODY_S = 60.0
SLOWEST_BYTES_S = 4096
# Shared memory, where there is any: a worker's sign of life must not wait for a disk that is busy
# with the database's commits.
# gunicorn makes a file of a random name in it.
SHARED_MEMORY = "/dev/shm"  # nosec B108
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


settings = load_or_exit(os.environ)
try:
    tls.check(settings)
except SettingsError as error:
    raise SystemExit(f"Cannot start: {error}") from None
_descriptor_limit = raise_descriptor_limit(descriptors_needed(settings))
_admitted = admitted(settings, _descriptor_limit)
# Where each worker tells its figures to the others, for `/metrics`; also after its end.
_figures = Places(MOST_WORKERS)

bind = settings.bind
backlog = 4096
# SQLite has one worker, which has nothing to share.
worker_class = "gevent" if settings.dialect == "sqlite" else "config.worker.SharingWorker"
workers = settings.workers
worker_connections = _admitted + REST_RESERVE
# The workers, too, admit only as many charge points as they have descriptors for.
raw_env = [] if _admitted == settings.max_charge_points else [f"MAX_CHARGE_POINTS={_admitted}"]
if os.access(SHARED_MEMORY, os.W_OK):
    worker_tmp_dir = SHARED_MEMORY

# What proxies say is taken over in one place, for our own list of them: `ocpp_cs.proxies` (A19).
forwarded_allow_ips = ""
if settings.tls_cert_file:
    certfile, keyfile = settings.tls_cert_file, settings.tls_key_file

# gevent patches the standard library in the worker; the app must not be imported before.
preload_app = False
# A recycled worker would drop every charge point.
max_requests = 0
# Without this gunicorn opens a socket in the user's home that can command it (F20).
control_socket_disable = True
# Of a worker whose event loop stands still; a connection has its own deadlines.
timeout = 60
graceful_timeout = math.ceil(settings.shutdown_timeout) + 2
# Also the time a client has for its request's header, even the first one (A7): enough for a bad
# mobile link. An idle REST connection may hold up the end of a worker for so long.
keepalive = 10

# One access line per WebSocket session would appear at its end, days late: sessions log themselves.
accesslog = None
loglevel = settings.log_level
_as_json = settings.log_format == "json" or (
    settings.log_format == "auto" and not sys.stderr.isatty()
)
# gunicorn's own lines, in the form of ours.
logconfig_dict = {
    "formatters": {"generic": {"()": JsonFormatter if _as_json else TextFormatter}},
    "handlers": {"error_console": {"()": LineHandler, "formatter": "generic"}},
    "root": {"level": "WARNING", "handlers": ["error_console"]},
    "loggers": {
        "gunicorn.error": {
            "level": settings.log_level.upper(),
            "handlers": ["error_console"],
            "propagate": False,
        }
    },
}


def when_ready(server: Any) -> None:
    """Says once, in plain words, what the person who started the server should know."""
    for sentence in notices(settings):
        server.log.warning(sentence)
    for sentence in misspelt(os.environ):
        server.log.warning(sentence)
    if _admitted < settings.max_charge_points:
        server.log.warning(
            "This process may open %d files (`ulimit -n`): at most %d charge points are accepted, "
            "not MAX_CHARGE_POINTS=%d.",
            _descriptor_limit,
            _admitted,
            settings.max_charge_points,
        )


def notices(settings: Settings) -> list[str]:
    """Sentences about doors that stand open, and about what was asked for and is not done."""
    sentences = []
    if settings.unknown_charge_points == "open":
        sentences.append("Open policy: charge points that nobody registered are accepted.")
    if settings.unknown_id_tags == "open":
        sentences.append("Open policy: id tags that nobody registered may charge.")
    if settings.api_without_key:
        sentences.append(
            "The REST API can be read without a key. Use this on your own machine only."
        )
    if settings.trusted_proxies == EVERYWHERE:
        sentences.append(
            "TRUSTED_PROXIES=*: whoever reaches this port is believed about address, TLS and "
            "client certificate. Only your platform's router may be able to."
        )
    if settings.workers < settings.web_concurrency:
        sentences.append(
            "SQLite has one writer: one worker process starts, whatever "
            f"WEB_CONCURRENCY={settings.web_concurrency} asks for."
        )
    return sentences


def ssl_context(_config: Any, _default_factory: Any) -> Any:
    """The context of a worker, made after gevent has patched it and its app is loaded."""
    return tls.green_context(settings, _refuse_tls)


# Set in each worker: who records TLS handshakes that failed.
_record_tls: list[Callable[[str, str, str], None]] = []


def _refuse_tls(address: str, outcome: str, words: str) -> None:
    for record in _record_tls:
        record(address, outcome, words)


def nworkers_changed(server: Any, new_value: int, _old_value: int | None) -> None:
    """Keeps SQLite at one worker, also against `--workers` and the signal TTIN."""
    if settings.dialect == "sqlite" and new_value > 1:
        server.log.warning("SQLite has one writer: one worker process, not %d.", new_value)
        server.num_workers = 1


def pre_fork(server: Any, worker: Any) -> None:
    """Gives a worker its place among the others."""
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = next(place for place in range(MOST_WORKERS) if place not in taken)
    SharingWorker.occupancy.expect(worker.place)


def child_exit(_server: Any, worker: Any) -> None:
    """In the master, after a worker's end, whatever it was."""
    SharingWorker.occupancy.clear(worker.place)


def post_fork(_server: Any, _worker: Any) -> None:
    """Lets a worker die of a signal until it has its own handlers.

    It is born with its master's, which only note the signal: the master would then wait in vain.
    """
    for number in _ENDING_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _log_strays() -> None:
    """What ends a thread, green or not, is a line of the log."""

    def of_green_thread(context: Any, kind: Any, error: Any, traceback: Any) -> None:
        log_stray(kind, error, traceback, str(context))

    def of_thread(told: threading.ExceptHookArgs) -> None:
        name = "a thread" if told.thread is None else told.thread.name
        log_stray(told.exc_type, told.exc_value, told.exc_traceback, name)

    gevent.get_hub().print_exception = of_green_thread
    threading.excepthook = of_thread


def post_worker_init(worker: Any) -> None:
    """Prepares a worker whose app is loaded: an orderly end at any signal, a quiet collector."""
    # gunicorn closes nothing at SIGTERM: it waits for every socket to end and then cuts them
    # without a Close frame (F19). So the app's own drain starts with the signal. At SIGINT and
    # SIGQUIT it would leave in the middle of that, with a traceback out of gevent's end: Ctrl-C
    # sends both.
    _log_strays()
    worker.drain = gevent.Greenlet(worker.wsgi.extensions["ocpp_cs"].drain)

    def handle_exit(signal_number: int, frame: FrameType | None) -> None:
        worker.handle_exit(signal_number, frame)
        worker.drain.start()  # a second start does nothing: signals may arrive twice

    for number in _ENDING_SIGNALS:
        signal.signal(number, handle_exit)
    worker.wsgi.extensions["ocpp_cs"].monitor.share(_figures, worker.place)
    worker.wsgi.extensions["ocpp_cs"].start()
    if settings.tls_cert_file:
        _record_tls.append(worker.wsgi.extensions["ocpp_cs"].gateway.record_tls_failure)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def pre_request(_worker: Any, request: Any) -> None:
    """Gives the request's body a deadline: what comes later does not come (A7)."""
    unreader = request.unreader
    sock = getattr(unreader, "sock", None)
    if sock is None:  # a stream of HTTP/2, which is not switched on
        return
    read, deadline = unreader.chunk, time.monotonic() + BODY_S

    def read_in_time(*arguments: Any) -> Any:
        nonlocal deadline
        if (left := deadline - time.monotonic()) <= 0:
            return b""  # as if the client had gone
        sock.settimeout(left)
        try:
            data = read(*arguments)
        except TimeoutError:
            return b""
        finally:
            sock.settimeout(None)
        deadline += len(data) / SLOWEST_BYTES_S
        return data

    unreader.chunk = read_in_time


def post_request(_worker: Any, request: Any, _environ: Any, _response: Any) -> None:
    """The head of the connection's next request has a limit of its own: see `keepalive`."""
    vars(request.unreader).pop("chunk", None)


def worker_exit(_server: Any, worker: Any) -> None:
    """Whatever ended the worker, it goes when its drain is done: also after its master died."""
    drain = getattr(worker, "drain", None)  # absent where the app failed to load
    if drain is not None:
        drain.start()
        drain.join(timeout=settings.shutdown_timeout)
    for number in _ENDING_SIGNALS:  # too late to mean anything
        signal.signal(number, signal.SIG_IGN)
