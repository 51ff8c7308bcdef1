"""`flask --app wsgi id-tag pseudonymise`: takes an id tag out of the database.

What that means stands in `ocpp_cs.pseudonyms`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from ocpp_cs import pseudonyms
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.engine import Engine

Write = Callable[[Callable[[Tx], Any]], Any]


def pseudonymise_command(
    engine: Engine, write: Write, now: Callable[[], datetime]
) -> click.Command:
    @click.command()
    @click.argument("id_tag")
    @click.option("--pseudonym", help="To go on after a failure: the one that was shown then.")
    def pseudonymise(id_tag: str, pseudonym: str | None) -> None:
        """Replace ID_TAG by a random pseudonym, wherever it stands. It cannot be undone."""
        if pseudonym is not None and not pseudonyms.PSEUDONYM.fullmatch(pseudonym):
            raise click.UsageError('A pseudonym is "anon-" and 12 hexadecimal digits.')
        pseudonym = pseudonym or pseudonyms.new_pseudonym()
        # Before the first row, so that it can be gone on with.
        click.echo(f"Its pseudonym is {pseudonym}.")
        try:
            done = pseudonyms.pseudonymise(
                engine, write, id_tag, pseudonym, actor=COMMAND_LINE, now=now()
            )
        except Refused as refused:
            raise click.ClickException(refused.detail) from None
        for table, count in sorted(done.rows.items()):
            click.echo(f"{table}\t{count}")
        if not done.rows:
            click.echo("It stood nowhere.")

    return pseudonymise
