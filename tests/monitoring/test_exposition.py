"""The text of the metrics, read by Prometheus's own parser."""

from __future__ import annotations

import os

from prometheus_client.parser import text_string_to_metric_families

from ocpp_cs.figures import Figures
from ocpp_cs.monitoring.exposition import TABLE, Worker, exposition, processes
from tests.monitoring.reading import Samples, read


def shown(figures: Figures, **workers: Worker) -> Samples:
    by_place = {int(name[1:]): worker for name, worker in workers.items()}
    return read(exposition(figures, by_place, {"queued": 2}, {"python": "3"}, []).decode())


def test_counts_and_histograms() -> None:
    figures = Figures()
    figures.messages["Heartbeat", "answered"] = 7
    figures.committed(2, 0.3)
    figures.committed(600, 0.3)
    samples = shown(figures)
    assert samples["ocpp_cs_messages_total", "Heartbeat", "answered"] == 7
    assert samples["ocpp_cs_commit_group_size_bucket", "1"] == 0
    assert samples["ocpp_cs_commit_group_size_bucket", "512"] == 1
    assert samples["ocpp_cs_commit_group_size_bucket", "+Inf"] == 2
    assert samples["ocpp_cs_commit_group_size_count",] == 2
    assert samples["ocpp_cs_commit_seconds_sum",] == 0.6


def test_gauges_are_told_by_worker() -> None:
    gauges = {"connections": {"": 5.0}, "lane": {"0": 1.0, "1": 2.0}}
    samples = shown(Figures(), w0=Worker(1, gauges), w3=Worker(2, {"connections": {"": 6.0}}))
    assert samples["ocpp_cs_connections", "0"] == 5
    assert samples["ocpp_cs_connections", "3"] == 6
    assert samples["ocpp_cs_lane_waiting", "1", "0"] == 2
    assert samples["ocpp_cs_workers",] == 2
    assert samples["ocpp_cs_open_commands", "queued"] == 2


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    figures = Figures()
    figures.handshakes['x"\n# HELP y',] = 1
    assert shown(figures)["ocpp_cs_handshakes_total", 'x"\n# HELP y'] == 1


def test_every_metric_has_its_type_and_meaning() -> None:
    text = exposition(Figures(), {}, {}, {}, []).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for line in TABLE:
        family = families["ocpp_cs_" + line.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (line.kind, line.meaning)


def test_processes_of_this_machine() -> None:
    families = {family.name: family for family in processes({4: os.getpid(), 5: 2**22 + 1})}
    (sample,) = families["process_resident_memory_bytes"].samples
    assert sample.labels == {"worker": "4"}
    assert sample.value > 10_000_000
    assert {"process_cpu_seconds", "process_open_fds", "process_max_fds"} <= families.keys()
