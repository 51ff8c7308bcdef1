"""`flask --app wsgi prune`: retention on the command line, and the only way to delete transactions.

No behaviour of its own: it reads options and words what came of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click

from config.settings import Settings
from ocpp_cs import retention
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db.commit import Committer, StoreUnavailable, Tx
from ocpp_cs.db.fields import whole_milliseconds
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.retention import KINDS, Store, transactions

T = TypeVar("T")

_SAY_EVERY = 10_000  # rows


def prune_command(settings: Settings, committer: Committer) -> click.Command:
    def write(work: Callable[[Tx], T]) -> T:
        return committer.run(0, work)

    store = Store(committer.engine, write)

    @click.command("prune", short_help="Delete what is older than the settings allow.")
    @click.option(
        "--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Only this; again."
    )
    @click.option("--dry-run", is_flag=True, help="Only count.")
    @click.option(
        "--transactions-before",
        type=click.DateTime(["%Y-%m-%d"]),
        help="Instead: delete transactions that ended before this day (UTC), and all about them.",
    )
    @click.option("--yes", is_flag=True, help="Do delete transactions, do not only count them.")
    def prune(
        kinds: Sequence[str], dry_run: bool, transactions_before: datetime | None, yes: bool
    ) -> None:
        """Delete what is older than the settings allow, as the server does every hour."""
        now = whole_milliseconds(datetime.now(UTC))
        try:
            if transactions_before is not None:
                if kinds:
                    raise click.UsageError("--kind and --transactions-before exclude each other.")
                before = transactions_before.replace(tzinfo=UTC)
                _prune_transactions(store, before, yes=yes and not dry_run, now=now)
                return
            if yes:
                raise click.UsageError("--yes belongs to --transactions-before.")
            for name in kinds or KINDS:
                _prune_kind(store, name, settings, dry_run=dry_run, now=now)
        except StoreUnavailable as error:
            raise click.ClickException(str(error)) from None

    return prune


def _prune_kind(
    store: Store, name: str, settings: Settings, *, dry_run: bool, now: datetime
) -> None:
    kind = KINDS[name]
    before = retention.cutoff(kind, settings, now)
    if before is None:
        click.echo(f"{name}: kept for good ({kind.setting.upper()} is 0).")
        return
    progress = _Progress(name)
    rows = retention.prune(store, kind, before, dry_run=dry_run, progress=progress.at)
    done = "would be deleted" if dry_run else "deleted"
    click.echo(f"{name}: {rows} rows from before {format_time(before)} {done}.")


def _prune_transactions(store: Store, before: datetime, *, yes: bool, now: datetime) -> None:
    until = format_time(before)
    if not yes:
        found = transactions.count(store, before)
        click.echo(f"{found} transactions ended before {until}. Delete them for good with --yes.")
        return
    progress = _Progress("transactions")
    total = 0
    for deleted in transactions.prune(store, before, actor=COMMAND_LINE, now=now):
        total += deleted
        progress.at(total)
    click.echo(f"{total} transactions that ended before {until} deleted, with all about them.")


class _Progress:
    """Says now and then how far it is, on standard error."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said = 0

    def at(self, rows: int) -> None:
        if rows - self._said >= _SAY_EVERY:
            self._said = rows
            click.echo(f"{self._name}: {rows} so far", err=True)
