"""Puts the rooms together: settings go in, a Flask application comes out.

No logic here.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from flask import Flask

from config.settings import Settings, load_or_exit
from ocpp_cs import logs
from ocpp_cs.api import Options, init_api
from ocpp_cs.api.documentation import VERSION as API_VERSION
from ocpp_cs.backup import backup_command
from ocpp_cs.cli import init_cli
from ocpp_cs.console import ConsoleOptions, init_console
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import DATABASE_FAULTS, Engine
from ocpp_cs.doctor.command import doctor_command
from ocpp_cs.files import FilePolicy
from ocpp_cs.gateway import PATHS, Gateway
from ocpp_cs.monitoring.monitor import Monitor
from ocpp_cs.monitoring.readiness import Readiness
from ocpp_cs.proxies import TrustedProxies
from ocpp_cs.retention.command import prune_command
from ocpp_cs.retention.keeper import Keeper
from ocpp_cs.rules import Policy
from ocpp_cs.signing import Signing, load_authority
from ocpp_cs.throttle import FailureLimits
from ocpp_cs.webhooks.dispatcher import Dispatcher
from ocpp_cs.webhooks.targets import Targets

# gunicorn's master does not start a worker anew that ended so.
_NO_START = 3


@dataclass(frozen=True)
class CentralSystem:
    """The parts of a running application, under `app.extensions["ocpp_cs"]`."""

    settings: Settings
    engine: Engine
    committer: Committer
    gateway: Gateway
    keeper: Keeper
    signing: Signing
    monitor: Monitor
    webhooks: Dispatcher

    def start(self) -> None:
        """Begins to work, in the process that serves: after a fork."""
        self.gateway.start()
        self.keeper.start()
        self.signing.start()
        self.monitor.start()
        self.webhooks.start()

    def drain(self) -> None:
        """Ends all connections in good order and finishes what is being written (F19)."""
        self.keeper.stop()
        self.signing.stop()
        self.webhooks.stop()
        self.gateway.drain()
        self.committer.close()
        self.monitor.stop()


def create_app(settings: Settings | None = None) -> Flask:
    """The application for `settings`, or for the environment's; a wrong one ends the process.

    An SQLite file is brought to the newest schema here; PostgreSQL is by
    `flask --app wsgi db upgrade`, which a platform runs once per release.
    """
    settings = settings or load_or_exit(os.environ)
    logs.configure(settings.log_format, settings.log_level)
    engine = _open(settings)
    committer = Committer(engine, lanes=settings.database_write_lanes)
    gateway = Gateway(settings, committer, policy(settings))
    app = Flask(__name__, static_folder=None)
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    gateway.init_app(app)
    limits = FailureLimits(settings.login_attempts_per_id, settings.login_attempts_per_address)
    authority = load_authority(settings)
    readiness = Readiness(engine, lambda: gateway.draining, lambda: gateway.store_down)
    sources = (gateway.gauges, committer.gauges, engine.gauges)
    monitor = Monitor(engine, committer.figures, sources, _build(engine))
    init_api(
        app,
        committer,
        api_without_key=settings.api_without_key,
        limits=limits,
        options=Options(
            file_policy(settings),
            authority,
            settings.certificate_days,
            readiness.obstacles,
            monitor.text,
            settings.metrics_token,
            targets(settings),
        ),
    )
    init_console(app, console_options(settings))
    init_cli(app, engine, committer)
    app.cli.add_command(prune_command(settings, committer))
    app.cli.add_command(doctor_command(settings, engine))
    app.cli.add_command(backup_command(engine))
    keeper = Keeper(settings, committer)
    signing = Signing(settings, committer, authority)
    webhooks = Dispatcher(
        committer,
        targets(settings),
        threads=settings.webhook_threads,
        retry_hours=settings.webhook_retry_hours,
    )
    parts = CentralSystem(settings, engine, committer, gateway, keeper, signing, monitor, webhooks)
    app.extensions["ocpp_cs"] = parts
    return app


def _open(settings: Settings) -> Engine:
    """The database; a file that cannot be used ends the process with a sentence."""
    try:
        engine = Engine(settings.database_url, pool_size=settings.database_pool_size)
        if engine.dialect == "sqlite":
            migrate.upgrade(engine)
        return engine
    except DATABASE_FAULTS as error:
        path = settings.database_url.removeprefix("sqlite:///")
        sys.stderr.write(f"Cannot start: the SQLite file {path} cannot be used: {error}.\n")
        raise SystemExit(_NO_START) from None


def _build(engine: Engine) -> dict[str, str]:
    """What is running, as `/metrics` tells it."""
    return {
        "api": API_VERSION,
        "schema": migrate.newest(),
        "database": engine.dialect,
        "python": platform.python_version(),
    }


def policy(settings: Settings) -> Policy:
    """The part of the settings that handlers decide by."""
    return Policy(
        unknown_charge_points=settings.unknown_charge_points,
        unknown_id_tags=settings.unknown_id_tags,
        heartbeat_interval_s=settings.heartbeat_interval,
        boot_retry_interval_s=settings.boot_retry_interval,
        max_connector_id=settings.max_connector_id,
        operator_name=settings.operator_name,
        refused_starts_per_hour=settings.refused_starts_per_hour,
    )


def file_policy(settings: Settings) -> FilePolicy:
    """The part of the settings that is about files."""
    return FilePolicy(
        public_url=settings.public_url,
        schemes=settings.location_schemes,
        hosts=settings.location_hosts,
        link_hours=settings.file_link_hours,
        upload_max_bytes=settings.upload_max_bytes,
        firmware_max_bytes=settings.firmware_max_bytes,
    )


def console_options(settings: Settings) -> ConsoleOptions:
    """The part of the settings that is about the console."""
    return ConsoleOptions(
        zone=ZoneInfo(settings.console_time_zone),
        session_lasts=timedelta(hours=settings.console_session_hours),
        endpoint=PATHS[-1].rstrip("/"),
        open_to_strangers=settings.unknown_charge_points != "closed",
        archive=settings.message_log_days > 0,
    )


def targets(settings: Settings) -> Targets:
    """The part of the settings that is about where webhooks may go."""
    return Targets(settings.webhook_networks, settings.webhook_plain_http, settings.webhook_timeout)
