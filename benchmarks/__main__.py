"""`make bench`: what one worker carries, beside others and alone; how long commands and downloads
take.

Ratios of one run can be compared between machines; the absolute figures can't.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks import (
    beside,
    closed_loop,
    commands,
    crowds,
    scale,
    streams,
    under_load,
    webhooks,
    workers,
)
from benchmarks.server import commanding, pin_load, serving
from ocpp_cs.simulator.fleet import FleetOptions
from ocpp_cs.simulator.load import LoadOptions, LoadReport, run_load

_WORK: dict[str, closed_loop.MakeScript] = {
    "Heartbeat": closed_loop.heartbeats,
    "MeterValues of 4 samples": closed_loop.meter_values,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=")
    parser.add_argument("--sockets", type=int, default=500, help="of the closed loops")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--charge-points", type=int, default=1000, help="of the open loop")
    parser.add_argument("--commands", type=float, default=200.0, help="per second, over --sockets")
    parser.add_argument("--transactions", type=int, default=1_000_000, help="that are stored")
    parser.add_argument("--requests", type=int, default=100, help="for pages of each kind")
    parser.add_argument("--only", choices=tuple(_PARTS), help="one part of it")
    parser.add_argument("--database-url", help="PostgreSQL instead of a fresh SQLite file")
    options = parser.parse_args(arguments)
    pin_load()
    failed = [part(options) for name, part in _PARTS.items() if options.only in (None, name)]
    return 1 if any(failed) else 0


def measure_beside(options: argparse.Namespace) -> bool:
    """Ours beside other central systems."""
    chosen = beside.Options(
        sockets=options.sockets,
        seconds=options.seconds,
        rounds=options.rounds,
        database_url=options.database_url,
    )
    figures = beside.measure(chosen)
    beside.print_figures(figures, chosen)
    on_sqlite = options.database_url is None
    beside.print_bars(figures, beside.BARS if on_sqlite else beside.BARS_ON_POSTGRESQL)
    return False


def measure_crowds(options: argparse.Namespace) -> bool:
    """Thousands of connections."""
    crowds.print_arrival(crowds.measure_arrival(10 * options.sockets))
    crowds.print_idle(crowds.measure_idle(20 * options.sockets, 10 * options.seconds))
    return False


def measure_load(options: argparse.Namespace) -> bool:
    """A steady load, alone and beside analysts."""
    chosen = under_load.Options(
        charge_points=4 * options.sockets,
        per_second=2.0 * options.sockets,
        seconds=2 * options.seconds,
        rounds=options.rounds,
        transactions=options.transactions,
    )
    under_load.print_figures(under_load.measure(chosen), chosen)
    return False


def measure_webhooks(options: argparse.Namespace) -> bool:
    """A steady load beside receivers of webhooks, those that hang, too."""
    chosen = webhooks.Options(
        charge_points=2 * options.sockets,
        per_second=float(options.sockets),
        seconds=2 * options.seconds,
        rounds=options.rounds,
    )
    webhooks.print_figures(webhooks.measure(chosen), chosen)
    return False


def measure_workers(options: argparse.Namespace) -> bool:
    """One worker and two on PostgreSQL; whether somebody was refused."""
    found = workers.measure(4 * options.sockets, 4 * options.seconds, options.rounds)
    workers.print_figures(found)
    return any(each.refused for each in found)


def measure_messages(options: argparse.Namespace) -> bool:
    """What charge points send; whether something was refused or lost."""
    results: dict[str, list[closed_loop.Result]] = {name: [] for name in _WORK}
    with serving(options.database_url) as port:
        peers = [closed_loop.connect(port, f"BENCH-{n}") for n in range(options.sockets)]
        for round_ in range(options.rounds):
            for name, make in _WORK.items():
                print(f"round {round_ + 1} of {options.rounds}: {name}", file=sys.stderr)
                results[name].append(closed_loop.run(peers, make, options.seconds))
        for peer in peers:
            peer.socket.close()
        print(f"{options.charge_points} simulated charge points", file=sys.stderr)
        fleet = FleetOptions(url=f"ws://127.0.0.1:{port}/ocpp", charge_points=options.charge_points)
        load = LoadOptions(fleet=fleet, every_s=5.0, for_s=6 * options.seconds)
        report = run_load(load, lambda progress: None)
    print_closed_loops(results, options.sockets, options.rounds)
    print_open_loop(report)
    return report.failed


def measure_commands(options: argparse.Namespace) -> bool:
    """What operators send; whether a command was not answered."""
    print(
        f"{options.commands:g} commands/s over {options.sockets} charge points, without the time "
        f"that these take, medians of {options.rounds} rounds:"
    )
    print(f"{'':26}{'commands/s':>12}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}")
    failed = False
    for name, across in (("one process", False), ("across processes", True)):
        print(f"commands, {name}", file=sys.stderr)
        with commanding(options.database_url, across=across) as servers:
            if servers is None:
                print(f"{name:26}not measured: PostgreSQL's programs were not found")
                continue
            holding, ordering, key = servers
            results = commands.run(
                commands.Options(
                    holding_port=holding,
                    ordering_port=ordering,
                    key=key,
                    charge_points=options.sockets,
                    per_second=options.commands,
                    seconds=options.seconds,
                    rounds=options.rounds,
                )
            )
        failed |= any(set(result.statuses) != {"200 answered"} for result in results)
        print_commands(name, results)
    return failed


def measure_streams(options: argparse.Namespace) -> bool:
    """What analysts download."""
    with streams.databases(options.database_url) as databases:
        for engine, url in databases.items():
            print(f"{engine}, medians of {options.rounds} rounds, memory at most:")
            streams.print_figures(streams.measure(url, options.transactions, options.rounds))
    return False


def measure_scale(options: argparse.Namespace) -> bool:
    """A large database, on each engine; whatever it is, `--database-url` is not used."""
    with scale.both_engines() as engines:
        for databases in engines:
            figures = list(scale.measure(options, databases))
            scale.print_figures(databases.dialect, options.transactions, figures)
    return False


def print_commands(name: str, results: list[commands.Result]) -> None:
    rate = statistics.median(result.rate for result in results)
    columns = "".join(
        f"{statistics.median(result.percentile(share) for result in results) * 1000:9.1f}"
        for share in (0.5, 0.95, 0.99)
    )
    counted = sum((result.statuses for result in results), Counter[str]())
    ends = ", ".join(f"{count} {status}" for status, count in counted.most_common())
    print(f"{name:26}{rate:12.0f}{columns}  {ends}")


def print_closed_loops(
    results: dict[str, list[closed_loop.Result]], sockets: int, rounds: int
) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, one worker")
    print(f"Closed loop, {sockets} sockets, medians of {rounds} rounds:")
    print(f"{'':26}{'messages/s':>12}{'ratio':>8}{'p50 ms':>9}{'p99 ms':>9}")
    baseline = statistics.median(result.rate for result in results["Heartbeat"])
    for name, runs in results.items():
        rate = statistics.median(result.rate for result in runs)
        p50 = statistics.median(result.percentile(0.5) for result in runs) * 1000
        p99 = statistics.median(result.percentile(0.99) for result in runs) * 1000
        print(f"{name:26}{rate:12.0f}{rate / baseline:8.2f}{p50:9.1f}{p99:9.1f}")


def print_open_loop(report: LoadReport) -> None:
    p50, p99 = ((report.latency.percentile(share) or 0.0) * 1000 for share in (0.5, 0.99))
    answered = report.statistics.messages.total()
    errors = report.statistics.call_errors.total() + report.statistics.timeouts + report.lost
    print(
        f"Open loop, {report.charge_points} charge points with a message every 5 s: "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {answered} messages, {errors} errors"
    )


_PARTS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "beside": measure_beside,
    "crowds": measure_crowds,
    "messages": measure_messages,
    "commands": measure_commands,
    "load": measure_load,
    "webhooks": measure_webhooks,
    "workers": measure_workers,
    "streams": measure_streams,
    "scale": measure_scale,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
