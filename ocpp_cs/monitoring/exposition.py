"""The metrics, each in one line of a table, and the text that Prometheus reads.

It measures nothing: it is given what the workers told. Counts and histograms are sums over all
workers of the server, so that they are right whichever worker is asked; what is true of a moment
is told by worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from ocpp_cs.db.engine import Gauges
from ocpp_cs.figures import Figures, Histogram

_PREFIX = "ocpp_cs_"


class Line(NamedTuple):
    """A metric: `source` is the attribute of `Figures`, or the name of the gauge."""

    kind: Literal["counter", "histogram", "gauge"]
    name: str
    source: str
    labels: tuple[str, ...]
    meaning: str


TABLE = (
    Line(
        "counter",
        "messages_total",
        "messages",
        ("action", "outcome"),
        "Calls of charge points: `answered`, the code of the CALLERROR, or `unanswered`",
    ),
    Line(
        "counter",
        "handshakes_total",
        "handshakes",
        ("outcome",),
        "Handshakes: `accepted`, or the reason of the refusal",
    ),
    Line(
        "counter",
        "commands_total",
        "commands",
        ("action", "status"),
        "Commands that were sent, by how they ended",
    ),
    Line(
        "counter",
        "store_failures_total",
        "losses",
        ("what",),
        "What the database did not take: a `try` that is repeated, a `group` of messages that "
        "nobody is answered, an `archived_frame` that is missing in the archive",
    ),
    Line(
        "histogram",
        "commit_group_size",
        "group_size",
        (),
        "Pieces of work that share a commit",
    ),
    Line(
        "histogram",
        "commit_seconds",
        "group_seconds",
        (),
        "Seconds from when a group is taken up until it is on disk",
    ),
    Line(
        "histogram",
        "event_loop_delay_seconds",
        "loop_delay",
        (),
        "Seconds by which a timer of one second was late: how long everybody had to wait",
    ),
    Line("gauge", "connections", "connections", (), "Charge points that are connected"),
    Line(
        "gauge",
        "connections_limit",
        "connections_limit",
        (),
        "Charge points that are accepted at most",
    ),
    Line(
        "gauge",
        "database_up",
        "database_up",
        (),
        "1; 0 while the database takes nothing and charge points are sent away",
    ),
    Line(
        "gauge",
        "lane_waiting",
        "lane",
        ("lane",),
        "Pieces of work that wait for a commit group of the write lane",
    ),
    Line(
        "gauge",
        "archive_waiting",
        "posted",
        ("lane",),
        "Frames that wait to be archived; beyond 10,000 they are dropped",
    ),
    Line(
        "gauge",
        "reads",
        "reads",
        ("state",),
        "Reads for analysts: `running`, or `waiting` for a thread",
    ),
    Line(
        "gauge",
        "database_pool_connections",
        "pool",
        ("state",),
        "Connections of the read pool (PostgreSQL only): `in_use`, or `idle`",
    ),
)


class Worker(NamedTuple):
    """What a worker that lives told last."""

    pid: int
    gauges: Gauges


def exposition(
    figures: Figures,
    workers: Mapping[int, Worker],
    open_commands: Mapping[str, int],
    info: Mapping[str, str],
    processes: Iterable[Metric],
) -> bytes:
    """The text; `figures` are those of all workers together, `open_commands` by status."""
    families = [
        *_lines(figures, workers),
        _gauge("workers", "Workers of the server that live", (), {(): len(workers)}),
        _gauge(
            "open_commands",
            "Commands that have not ended, of all servers on the database",
            ("status",),
            {(status,): count for status, count in open_commands.items()},
        ),
        InfoMetricFamily(f"{_PREFIX}build", "What is running", value=dict(info)),
        *processes,
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(families))
    return generate_latest(registry)


def processes(pids: Mapping[int, int]) -> list[Metric]:
    """Memory, processor time and open files of the workers, as /proc has them; pids by worker."""
    families: dict[str, Metric] = {}
    for worker, pid in pids.items():
        try:
            told = list(ProcessCollector(pid=_constant(pid), registry=None).collect())
        except (OSError, ValueError):  # just gone, or without a limit of open files
            continue
        for family in told:
            kept = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                kept.add_sample(sample.name, {"worker": str(worker)}, sample.value)
    return list(families.values())


class _Told(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _lines(figures: Figures, workers: Mapping[int, Worker]) -> Iterator[Metric]:
    for line in TABLE:
        if line.kind == "gauge":
            yield _by_worker(line, workers)
            continue
        value = getattr(figures, line.source)
        if isinstance(value, Histogram):
            yield _histogram(line, value)
        else:
            family = CounterMetricFamily(_PREFIX + line.name, line.meaning, labels=line.labels)
            for labels, count in sorted(value.items()):
                family.add_metric(labels, count)
            yield family


def _histogram(line: Line, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(_PREFIX + line.name, line.meaning)
    buckets, sum_so_far = [], 0
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        sum_so_far += count
        buckets.append((str(bound), float(sum_so_far)))
    family.add_metric((), buckets, histogram.total)
    return family


def _by_worker(line: Line, workers: Mapping[int, Worker]) -> Metric:
    values = {
        (*((label,) if line.labels else ()), str(number)): value
        for number, worker in sorted(workers.items())
        for label, value in worker.gauges.get(line.source, {}).items()
    }
    return _gauge(line.name, line.meaning, (*line.labels, "worker"), values)


def _gauge(
    name: str,
    meaning: str,
    labels: tuple[str, ...],
    values: Mapping[tuple[str, ...], float],
) -> Metric:
    family = GaugeMetricFamily(_PREFIX + name, meaning, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


def _constant(pid: int) -> Callable[[], int]:
    return lambda: pid
