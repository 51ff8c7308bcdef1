"""`flask --app wsgi export FOLDER`: the data set on the command line, with a progress bar.

It reads options and words what came of them; the work is `data_set`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from marshmallow import ValidationError

from ocpp_cs.api.fields import Time
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import whole_milliseconds
from ocpp_cs.export.data_set import MANIFEST, NotThisDataSet, Wanted, export
from ocpp_cs.export.files import FORMATS, ParquetMissing, check_format
from ocpp_cs.export.resources import RESOURCES

_TIME = Time("A time.", "2021-11-10T14:00:00Z")


def _time(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """A time with its offset, or a day, which begins in UTC."""
    if text is None:
        return None
    try:
        at: datetime = _TIME.deserialize(f"{text}T00:00:00Z" if len(text) == 10 else text)
        return at
    except ValidationError:
        raise click.BadParameter(
            f"{text!r} is neither a day nor a time with its offset, such as 2021-11-10T14:00:00Z",
            context,
            parameter,
        ) from None


def _names(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    if text is None:
        return tuple(RESOURCES)
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in RESOURCES:
            raise click.BadParameter(
                f"{name!r} is none of {', '.join(RESOURCES)}", context, parameter
            )
    return names


@contextmanager
def _bar(name: str, rows: int) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=rows, label=f"{name:<20}", show_pos=True) as bar:
        yield bar.update


def export_command(engine: Engine) -> click.Command:
    """The command, over the database of an application."""

    @click.command("export", short_help="Write the whole data set as files.")
    @click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
    @click.option(
        "--format",
        type=click.Choice(tuple(FORMATS)),
        default="csv",
        show_default=True,
        help="csv as the REST API gives it; parquet needs the package pyarrow.",
    )
    @click.option(
        "--only",
        metavar="NAME,...",
        callback=_names,
        help=f"Not all of {', '.join(RESOURCES)}.",
    )
    @click.option(
        "--from",
        "since",
        metavar="TIME",
        callback=_time,
        help="Of what has a time, only from this time or day (UTC) on.",
    )
    @click.option(
        "--to", "until", metavar="TIME", callback=_time, help="And only before this time or day."
    )
    @click.option(
        "--rows-per-file",
        type=click.IntRange(1),
        default=1_000_000,
        show_default=True,
        help="What has more rows is written in several files.",
    )
    def command(
        folder: Path,
        format: str,
        only: tuple[str, ...],
        since: datetime | None,
        until: datetime | None,
        rows_per_file: int,
    ) -> None:
        """Write the whole data set into FOLDER: one or more files per list of the REST API.

        Cut off, it goes on after the last whole file when it is called again in the same way.
        """
        wanted = Wanted(format, only, since, until, rows_per_file)
        now = whole_milliseconds(datetime.now(UTC))
        try:
            check_format(format)
            manifest = export(engine, folder, wanted, now, _bar)
        except (NotThisDataSet, ParquetMissing, OSError) as error:
            raise click.ClickException(str(error)) from None
        resources = [manifest["resources"][name] for name in only]
        rows = sum(resource["rows"] for resource in resources)
        files = sum(len(resource["files"]) for resource in resources)
        click.echo(
            f"{rows} rows in {files} files, as of {manifest['begun_at']}. "
            f"{folder / MANIFEST} describes them."
        )

    return command
