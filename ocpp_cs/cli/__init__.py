"""What an operator types: `flask --app wsgi db | charge-point | id-tag | import | export | ...`.

The work is done elsewhere; this reads arguments, and says in a sentence what came of them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import click
from flask import Flask
from flask.cli import AppGroup

from ocpp_cs import api_keys, credentials, inventory, removal
from ocpp_cs.api_keys import NewKey, Role
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.cli.imports import import_commands
from ocpp_cs.cli.pseudonyms import pseudonymise_command
from ocpp_cs.db import migrate, queries
from ocpp_cs.db.commit import Committer, StoreUnavailable, Tx
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import whole_milliseconds
from ocpp_cs.export.command import export_command
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.rules import Registration
from ocpp_cs.simulator.command import simulate

T = TypeVar("T")

_REFUSALS = (
    inventory.InventoryError,
    api_keys.ApiKeyError,
    api_keys.UnknownApiKey,
    StoreUnavailable,
)
_EXPIRES = click.option(
    "--expires",
    "expires_at",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day (UTC) on which it is expired.",
)


def init_cli(app: Flask, engine: Engine, committer: Committer) -> None:
    """Adds the commands to the application's command line."""

    def write(work: Callable[[Tx], T]) -> T:
        try:
            return committer.run(0, work)
        except _REFUSALS as error:
            raise click.ClickException(str(error)) from None

    app.cli.add_command(_db_commands(engine))
    app.cli.add_command(_charge_point_commands(engine, write))
    id_tags = _id_tag_commands(engine, write)
    id_tags.add_command(pseudonymise_command(engine, write, _now))
    app.cli.add_command(id_tags)
    app.cli.add_command(import_commands(engine, write, _now))
    app.cli.add_command(_api_key_commands(engine, write))
    app.cli.add_command(export_command(engine))
    app.cli.add_command(simulate)


def _now() -> datetime:
    return whole_milliseconds(datetime.now(UTC))


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)


def _db_commands(engine: Engine) -> AppGroup:
    group = AppGroup("db", help="The database's schema.")

    @group.command()
    def upgrade() -> None:
        """Bring the database to the newest schema; other processes wait meanwhile."""
        applied = migrate.upgrade(engine)
        click.echo(f"Applied: {', '.join(applied)}." if applied else "The database is up to date.")

    @group.command()
    def status() -> None:
        """Say which migrations are still to be applied; exit status 1 if there are any."""
        pending = migrate.pending(engine)
        click.echo(f"Pending: {', '.join(pending)}." if pending else "The database is up to date.")
        raise SystemExit(1 if pending else 0)

    return group


def _charge_point_commands(
    engine: Engine, write: Callable[[Callable[[Tx], None]], None]
) -> AppGroup:
    group = AppGroup("charge-point", help="The charge points that may connect.")

    def set_registration(identity: str, registration: Registration) -> None:
        write(
            lambda tx: inventory.set_registration(
                tx, identity, registration, actor=COMMAND_LINE, now=_now()
            )
        )

    @group.command()
    @click.argument("identity")
    @click.option("--password", help="16 to 40 characters; made here and shown once if left out.")
    @click.option(
        "--no-password", is_flag=True, help="Security profile 0: anyone may claim to be it."
    )
    @click.option("--note", help="Anything worth remembering.")
    def add(identity: str, password: str | None, no_password: bool, note: str | None) -> None:
        """Register the charge point IDENTITY and accept it."""
        if no_password and password is not None:
            raise click.UsageError("--password and --no-password exclude each other.")
        key_hash, shown = (None, None) if no_password else _make_key(password)
        write(
            lambda tx: inventory.add_charge_point(
                tx, identity, key_hash=key_hash, note=note, actor=COMMAND_LINE, now=_now()
            )
        )
        click.echo(f"Charge point {identity} is registered.")
        _show(shown)

    @group.command("list")
    def list_() -> None:
        """List the registered charge points."""
        for row in engine.read(queries.all_charge_points):
            seen = "never" if row.last_seen_at is None else format_time(row.last_seen_at)
            click.echo(
                f"{row.identity}\t{row.registration}\tprofile {row.security_profile}\t{seen}"
            )

    @group.command()
    @click.argument("identity")
    def accept(identity: str) -> None:
        """Accept a charge point that is pending or was rejected."""
        set_registration(identity, "accepted")
        click.echo(f"Charge point {identity} is accepted.")

    @group.command()
    @click.argument("identity")
    def reject(identity: str) -> None:
        """Answer the charge point's BootNotifications with Rejected from now on."""
        set_registration(identity, "rejected")
        click.echo(f"Charge point {identity} is rejected.")

    @group.command()
    @click.argument("identity")
    def show(identity: str) -> None:
        """Show what is known of a charge point."""
        row = engine.read(partial(queries.charge_point, identity, now=_now()))
        if row is None:
            raise click.ClickException(f"no charge point {identity!r} is registered")
        for name, value in row._asdict().items():
            if name != "version" and value is not None:
                shown = format_time(value) if isinstance(value, datetime) else value
                click.echo(f"{name}\t{shown}")

    @group.command()
    @click.argument("identity")
    @click.option("--note", help="Anything worth remembering; empty: nothing.")
    @click.option(
        "--call-timeout",
        type=click.IntRange(0, 600),
        help="Seconds that it may take to answer a command; 0: as CALL_TIMEOUT says.",
    )
    @click.option(
        "--heartbeat-interval",
        type=click.IntRange(0, 7 * 24 * 3600),
        help="Seconds between its Heartbeats, from its next BootNotification on; 0: as "
        "HEARTBEAT_INTERVAL says.",
    )
    def set(
        identity: str, note: str | None, call_timeout: int | None, heartbeat_interval: int | None
    ) -> None:
        """Change what is given of a charge point."""
        given = {
            "note": note,
            "call_timeout_s": call_timeout,
            "heartbeat_interval_s": heartbeat_interval,
        }
        changes = {name: value or None for name, value in given.items() if value is not None}

        def work(tx: Tx) -> None:
            inventory.change_charge_point(tx, identity, changes, actor=COMMAND_LINE, now=_now())

        write(work)
        click.echo(f"Charge point {identity} is changed.")

    @group.command()
    @click.argument("identity")
    @click.option("--cascade", is_flag=True, help="Also with its transactions.")
    def remove(identity: str, cascade: bool) -> None:
        """Delete a charge point and all that is known of it."""
        removal.remove_charge_point(
            write, identity, cascade=cascade, actor=COMMAND_LINE, now=_now()
        )
        click.echo(f"Charge point {identity} is deleted.")

    @group.command("set-password")
    @click.argument("identity")
    @click.option("--password", help="16 to 40 characters; made here and shown once if left out.")
    def set_password(identity: str, password: str | None) -> None:
        """Replace the charge point's password at once; it is asked for from now on."""
        key_hash, shown = _make_key(password)
        write(lambda tx: inventory.set_key(tx, identity, key_hash, actor=COMMAND_LINE, now=_now()))
        click.echo(f"The password of charge point {identity} is changed.")
        _show(shown)

    return group


def _make_key(password: str | None) -> tuple[str, str | None]:
    """The hash of the password, and the password itself where it was made here."""
    if password is None:
        made = credentials.generate_key()
        return credentials.hash_key(made.encode(), generated=True), made
    if not 16 <= len(password.encode()) <= 40:
        raise click.UsageError("A password has 16 to 40 characters (security whitepaper, FR.205).")
    return credentials.hash_key(password.encode(), generated=False), None


def _show(password: str | None) -> None:
    if password is not None:
        click.echo(f"Its password, shown only now: {password}")


def _id_tag_commands(engine: Engine, write: Callable[[Callable[[Tx], object]], object]) -> AppGroup:
    group = AppGroup("id-tag", help="The id tags that may charge.")

    def set_status(id_tag: str, status: str) -> None:
        write(
            lambda tx: inventory.set_id_tag_status(
                tx, id_tag, status, actor=COMMAND_LINE, now=_now()
            )
        )

    @group.command()
    @click.argument("id_tag")
    @click.option("--parent", "parent_id_tag", help="The group that the tag belongs to.")
    @_EXPIRES
    @click.option(
        "--max-active",
        type=click.IntRange(0),
        default=1,
        show_default=True,
        help="Transactions at one time; 0: no limit.",
    )
    @click.option("--note", help="Anything worth remembering.")
    def add(
        id_tag: str,
        parent_id_tag: str | None,
        expires_at: datetime | None,
        max_active: int,
        note: str | None,
    ) -> None:
        """Add ID_TAG, or change it if it is there."""
        write(
            lambda tx: inventory.put_id_tag(
                tx,
                id_tag,
                parent_id_tag=parent_id_tag,
                expires_at=_utc(expires_at),
                max_active_transactions=max_active or None,
                note=note,
                actor=COMMAND_LINE,
                now=_now(),
            )
        )
        click.echo(f"Id tag {id_tag} is accepted.")

    @group.command("list")
    def list_() -> None:
        """List the id tags."""
        for row in engine.read(queries.all_id_tags):
            click.echo(f"{row.id_tag}\t{row.status}\t{row.parent_id_tag or '-'}")

    @group.command()
    @click.argument("id_tag")
    def block(id_tag: str) -> None:
        """Refuse the tag from now on."""
        set_status(id_tag, "blocked")
        click.echo(f"Id tag {id_tag} is blocked.")

    @group.command()
    @click.argument("id_tag")
    def unblock(id_tag: str) -> None:
        """Accept the tag again."""
        set_status(id_tag, "accepted")
        click.echo(f"Id tag {id_tag} is accepted.")

    return group


def _api_key_commands(
    engine: Engine, write: Callable[[Callable[[Tx], NewKey | None]], NewKey | None]
) -> AppGroup:
    group = AppGroup("api-key", help="The keys of the REST API.")

    @group.command()
    @click.argument("name")
    @click.option(
        "--role",
        type=click.Choice(api_keys.ROLES),
        required=True,
        help="analyst reads; operator also commands and changes; admin does everything.",
    )
    @_EXPIRES
    @click.option("--if-none", is_flag=True, help="Do nothing if a key was ever made.")
    def create(name: str, role: Role, expires_at: datetime | None, if_none: bool) -> None:
        """Make a key; NAME says whose it is or what it is for.

        The key alone goes to standard output, so that KEY=$(...) takes it.
        """

        def work(tx: Tx) -> NewKey | None:
            make = api_keys.create_first if if_none else api_keys.create
            return make(tx, name, role, expires_at=_utc(expires_at), actor=COMMAND_LINE, now=_now())

        made = write(work)
        if made is not None:
            click.echo(
                f"API key {made.id} ({name}) has the role {role}. Requests send it as "
                '"Authorization: Bearer KEY". It is shown only now:',
                err=True,
            )
            click.echo(made.text)

    @group.command("list")
    def list_() -> None:
        """List the keys."""
        for row in engine.read(partial(queries.all_api_keys, now=_now())):
            used = "never" if row.last_used_at is None else format_time(row.last_used_at)
            click.echo(f"{row.id}\t{row.name}\t{row.role}\t{_status(row)}\t{used}")

    @group.command()
    @click.argument("key_id", metavar="ID")
    def revoke(key_id: str) -> None:
        """Refuse the key from now on; ID stands between its underscores."""

        def work(tx: Tx) -> None:
            api_keys.revoke(tx, key_id, actor=COMMAND_LINE, now=_now())

        write(work)
        click.echo(f"API key {key_id} is revoked.")

    return group


def _status(row: queries.ApiKeyRow) -> str:
    if row.status == "valid" and row.expires_at is not None:
        return f"valid until {format_time(row.expires_at)}"
    return row.status
