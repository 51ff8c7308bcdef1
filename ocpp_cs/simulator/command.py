"""`flask --app wsgi simulate`: the fleet and the load on the command line, with a progress bar.
No behaviour of its own: it reads options and words the reports.
"""

import csv
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from ocpp_cs.simulator.fleet import (
    CentralSystemUnreachable,
    FleetOptions,
    FleetProgress,
    FleetReport,
    run,
)
from ocpp_cs.simulator.load import LoadOptions, LoadProgress, LoadReport, run_load
from ocpp_cs.simulator.statistics import Latency, Statistics

Row = tuple[str, str]
_EXAMPLES = 3
_FLEET = FleetOptions()
_LOAD = LoadOptions(fleet=_FLEET)


def _endpoint(context: click.Context, parameter: click.Parameter, url: str) -> str:
    if urlsplit(url).scheme not in ("ws", "wss") or not urlsplit(url).hostname:
        raise click.BadParameter(f"{url!r} is no ws:// or wss:// address", context, parameter)
    return url


def _start(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no ISO 8601 time", context, parameter) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _passwords(
    context: click.Context, parameter: click.Parameter, path: Path | None
) -> dict[str, bytes]:
    """Lines of `id,password`; an empty line or one that begins with # is skipped."""
    if path is None:
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    if faulty := next((row for row in rows if len(row) != 2), None):
        raise click.BadParameter(f"{','.join(faulty)!r} is not id,password", context, parameter)
    return {identity: password.encode() for identity, password in rows}


@click.command("simulate", short_help="Run fake charge points against a central system.")
@click.option(
    "--url",
    default=_FLEET.url,
    show_default=True,
    callback=_endpoint,
    help="OCPP-J endpoint, without the charge point's identity.",
)
@click.option(
    "--charge-points",
    default=5,
    show_default=True,
    type=click.IntRange(1, 20_000),
    help="How many.",
)
@click.option(
    "--hours",
    default=_FLEET.hours,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Simulated hours.",
)
@click.option(
    "--speed",
    default=_FLEET.speed,
    show_default=True,
    type=click.FloatRange(0),
    help="Simulated seconds per second; 0 is as fast as answers arrive.",
)
@click.option(
    "--start",
    "starts_at",
    callback=_start,
    metavar="TIME",
    help="When the simulated day begins (ISO 8601, UTC unless it says otherwise). "
    "[default: so that it ends now]",
)
@click.option("--seed", default=_FLEET.seed, show_default=True, help="Another seed, another day.")
@click.option(
    "--id-prefix", default=_FLEET.id_prefix, show_default=True, help="Identities are SIM-0001 ..."
)
@click.option(
    "--password-file",
    "passwords",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_passwords,
    help="CSV of id,password for Basic authentication.",
)
@click.option(
    "--offline-rate",
    default=_FLEET.offline_rate,
    show_default=True,
    type=click.FloatRange(0),
    help="Outages per charge point in 24 simulated hours, on average.",
)
@click.option(
    "--live",
    is_flag=True,
    help="No plan: real time from now on, and who charges does so by remote start.",
)
@click.option("--load", is_flag=True, help="No day: a steady load, timed.")
@click.option(
    "--every",
    default=_LOAD.every_s,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="With --load: seconds between two messages of a charge point.",
)
@click.option(
    "--for",
    "for_s",
    default=_LOAD.for_s,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="With --load: seconds of load.",
)
def simulate(*, load: bool, every: float, for_s: float, **fleet: Any) -> None:
    """Run fake charge points against a central system.

    They connect, boot, authorise, charge, are metered every minute of simulated time, lose their
    connection now and then, and deliver later what they owe. The exit status is 1 when the central
    system cannot be reached at the start, or when it refused or lost something.
    """
    options = FleetOptions(**fleet)
    if load and options.live:
        raise click.UsageError("--live and --load exclude each other.")
    try:
        failed = (
            _load(LoadOptions(fleet=options, every_s=every, for_s=for_s)) if load else _day(options)
        )
    except CentralSystemUnreachable as error:
        raise click.ClickException(str(error)) from None
    if failed:
        raise SystemExit(1)


def _day(options: FleetOptions) -> bool:
    label = f"{options.charge_points} charge points"
    with click.progressbar(length=round(options.hours * 60), label=label, width=0) as bar:
        report = run(options, _drawn_fleet(bar))
    _print_table(_fleet_rows(report))
    return report.failed


def _load(options: LoadOptions) -> bool:
    label = f"{options.fleet.charge_points} charge points"
    with click.progressbar(length=round(options.for_s * 10), label=label, width=0) as bar:
        report = run_load(options, _drawn_load(bar))
    _print_table(_load_rows(report))
    return report.failed


def _drawn_fleet(bar: Any) -> Callable[[FleetProgress], None]:
    """Simulated minutes on the bar."""

    def draw(progress: FleetProgress) -> None:
        label = (
            f"{progress.simulated_at:%Y-%m-%d %H:%M}  {progress.online} online, "
            f"{progress.running_sessions} charging, {progress.messages} messages"
        )
        _advance(bar, int(progress.simulated_s / 60), label)

    return draw


def _drawn_load(bar: Any) -> Callable[[LoadProgress], None]:
    """Tenths of a real second on the bar."""

    def draw(progress: LoadProgress) -> None:
        label = f"{progress.ready} charging, {progress.messages} messages"
        _advance(bar, int(progress.elapsed_s * 10), label)

    return draw


def _advance(bar: Any, position: int, label: str) -> None:
    """Move the bar. Into a pipe it would print its label at every change: there it keeps it."""
    if sys.stdout.isatty():
        bar.label = label
    steps = min(position, bar.length) - bar.pos
    bar.update(steps)
    if not steps:  # in real time a step takes a minute, and more may be told meanwhile
        bar.render_progress()


def _fleet_rows(report: FleetReport) -> Iterable[Row]:
    counted = report.statistics
    yield "Charge points", f"{report.charge_points}"
    hours = report.simulated_s / 3600
    ended = ", ended early by Ctrl-C" if report.interrupted else ""
    yield "Simulated", f"{hours:.1f} h in {report.real_s:.1f} s{ended}"
    yield "Sessions", f"{counted.sessions_started} started, {counted.sessions_finished} finished"
    yield "Energy", f"{counted.energy_wh / 1000:,.1f} kWh"
    yield from _common_rows(counted, counted.latency, report.not_accepted)
    if report.undelivered or counted.discarded:
        yield "Undelivered", f"{report.undelivered}, and {counted.discarded} given up (§3.7.1)"


def _load_rows(report: LoadReport) -> Iterable[Row]:
    yield "Charge points", f"{report.ready} of {report.charge_points} charging"
    rate = report.latency.count / report.real_s if report.real_s else 0.0
    ended = ", ended early by Ctrl-C" if report.interrupted else ""
    yield "Load", f"{rate:,.1f} MeterValues/s for {report.real_s:.1f} s{ended}"
    yield from _common_rows(report.statistics, report.latency, report.not_accepted)
    yield "Late", f"{report.late} left over a second after their turn"
    yield "Lost", f"{report.lost} got no answer"


def _common_rows(
    counted: Statistics, latency: Latency, not_accepted: dict[str, str]
) -> Iterable[Row]:
    actions = ", ".join(f"{action} {count}" for action, count in counted.messages.most_common())
    yield "Messages", f"{counted.messages.total():,} answered: {actions or 'none'}"
    if counted.commands:
        commands = (f"{action} {count}" for action, count in counted.commands.most_common())
        yield "Commands", ", ".join(commands)
    yield "CALLERRORs", f"{counted.call_errors.total()}"
    for (action, code, text), count in counted.call_errors.most_common(_EXAMPLES):
        yield "", f"{count} x {action}: {code} {text}".rstrip()
    if counted.violations:
        yield "Violations", f"{counted.violations.total()}"
        for text, count in counted.violations.most_common(_EXAMPLES):
            yield "", f"{count} x {text}"
    yield "Timeouts", f"{counted.timeouts}"
    lost = counted.connections_lost
    yield "Reconnects", f"{counted.reconnects} ({lost} connections lost without an outage)"
    for identity, reason in list(not_accepted.items())[:_EXAMPLES]:
        yield "Not connected", f"{identity}: {reason}"
    if len(not_accepted) > _EXAMPLES:
        yield "", f"and {len(not_accepted) - _EXAMPLES} more"
    percentiles = [(share, latency.percentile(share)) for share in (0.5, 0.95, 0.99)]
    yield (
        "Latency",
        ", ".join(f"p{share * 100:.0f} {s * 1000:.1f} ms" for share, s in percentiles if s)
        or "no answer",
    )


def _print_table(rows: Iterable[Row]) -> None:
    for name, value in rows:
        click.echo(f"{name:<14} {value}")
