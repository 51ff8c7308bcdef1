"""`flask --app wsgi backup FILE`: a copy of the SQLite file, beside a running server.

The work is done by `db.copying`; PostgreSQL has programs of its own.
"""

from __future__ import annotations

import click

from ocpp_cs.db.copying import CopyFault, copy_file
from ocpp_cs.db.engine import Engine

_POSTGRESQL = (
    "this is PostgreSQL, which has a program for it: "
    'pg_dump --format=custom --file=FILE "$DATABASE_URL"'
)


def backup_command(engine: Engine) -> click.Command:
    """The command, over the database of an application."""

    @click.command("backup", short_help="Copy the SQLite database, beside a running server.")
    @click.argument("file", type=click.Path(dir_okay=False))
    def backup(file: str) -> None:
        """Copy the SQLite database to FILE, which must not exist, beside a running server."""
        if engine.dialect != "sqlite":
            raise click.ClickException(_POSTGRESQL)
        try:
            size = copy_file(engine, file)
        except CopyFault as fault:
            raise click.ClickException(f"no backup was made: {fault}") from None
        click.echo(f"{file}: {size} bytes, whole and checked.")

    return backup
