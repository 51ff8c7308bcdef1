"""`flask --app wsgi import`: CSV files of id tags and of charge points.

What a file may hold, and what becomes of it, stands in `ocpp_cs.imports`.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO

import click
from flask.cli import AppGroup

from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.imports import ImportRefused, Report, charge_points, id_tags
from ocpp_cs.imports.csv_files import Progress

Write = Callable[[Callable[[Tx], object]], object]
_FILE = click.argument("file", type=click.File("rb"))
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what the file would do.")


def import_commands(engine: Engine, write: Write, now: Callable[[], datetime]) -> AppGroup:
    group = AppGroup("import", help="CSV files of id tags and charge points: all of it or nothing.")

    @group.command("id-tags")
    @_FILE
    @_DRY_RUN
    def import_id_tags(file: IO[bytes], dry_run: bool) -> None:
        """Add and change the id tags of FILE ("-": standard input).

        Columns are those of the CSV of /api/v1/id-tags; only id_tag is needed.
        """
        with _told_faults():
            content = id_tags.read(file.read())
        with _bar(len(content.tags)) as progress:
            plan = id_tags.plan(engine, content, dry_run=dry_run, progress=progress)
        if plan.rows and not dry_run:
            write(lambda tx: id_tags.carry_out(tx, plan, actor=COMMAND_LINE, now=now()))
        _tell("Id tags", plan.report)

    @group.command("charge-points")
    @_FILE
    @_DRY_RUN
    @click.option(
        "--passwords",
        "passwords_file",
        type=click.Path(dir_okay=False),
        help="New file for the passwords that are made; without it they are printed.",
    )
    def import_charge_points(file: IO[bytes], dry_run: bool, passwords_file: str | None) -> None:
        """Register and change the charge points of FILE ("-": standard input).

        Columns: id, security_profile, password, note; only id is needed. A password is made where
        one is needed and none is given. It is shown, or written to a file, only now.
        """
        with _told_faults():
            content = charge_points.read(file.read())
        with _bar(len(content.wishes)) as progress:
            plan = charge_points.plan(engine, content, dry_run=dry_run, progress=progress)
        if not dry_run:
            with _kept(plan.passwords, passwords_file):
                write(lambda tx: charge_points.carry_out(tx, plan, actor=COMMAND_LINE, now=now()))
        _tell("Charge points", plan.report)
        if not dry_run and passwords_file is None:
            csv.writer(sys.stdout, lineterminator="\n").writerows(plan.passwords)

    return group


@contextmanager
def _told_faults() -> Iterator[None]:
    """Faults of a file end the command, a line for each."""
    try:
        yield
    except ImportRefused as refused:
        for fault in refused.faults:
            click.echo(str(fault), err=True)
        more = refused.total - len(refused.faults)
        listed = f", of which {more} are not listed" if more else ""
        told = f"{refused.total} fault{'s' * (refused.total > 1)}{listed}: nothing was imported"
        raise click.ClickException(told) from None


@contextmanager
def _bar(length: int) -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=length, label="Comparing", file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def _kept(passwords: Sequence[tuple[str, str]], path: str | None) -> Iterator[None]:
    """Writes the passwords before they count, for nobody else to read; takes them back if it
    fails."""
    if path is None:
        yield
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "password"))
            writer.writerows(passwords)
            file.flush()
            os.fsync(file.fileno())
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise


def _tell(what: str, report: Report) -> None:
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged"
    tried = "; a dry run, nothing was written" if report.dry_run else ""
    click.echo(f"{what}: {counts}{tried}.")
