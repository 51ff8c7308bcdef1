"""Puts the rooms together: settings go in, a Flask application comes out.

No logic here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from flask import Flask

from config.settings import Settings, load_or_exit
from ocpp_cs import logs
from ocpp_cs.api import Options, init_api
from ocpp_cs.cli import init_cli
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.files import FilePolicy
from ocpp_cs.gateway import Gateway
from ocpp_cs.proxies import TrustedProxies
from ocpp_cs.retention.command import prune_command
from ocpp_cs.retention.keeper import Keeper
from ocpp_cs.rules import Policy
from ocpp_cs.signing import Signing, load_authority
from ocpp_cs.throttle import FailureLimits
from ocpp_cs.webhooks.dispatcher import Dispatcher
from ocpp_cs.webhooks.targets import Targets


@dataclass(frozen=True)
class CentralSystem:
    """The parts of a running application, under `app.extensions["ocpp_cs"]`."""

    settings: Settings
    engine: Engine
    committer: Committer
    gateway: Gateway
    keeper: Keeper
    signing: Signing
    webhooks: Dispatcher

    def start(self) -> None:
        """Begins to work, in the process that serves: after a fork."""
        self.gateway.start()
        self.keeper.start()
        self.signing.start()
        self.webhooks.start()

    def drain(self) -> None:
        """Ends all connections in good order and finishes what is being written (F19)."""
        self.keeper.stop()
        self.signing.stop()
        self.webhooks.stop()
        self.gateway.drain()
        self.committer.close()


def create_app(settings: Settings | None = None) -> Flask:
    """The application for `settings`, or for the environment's; a wrong one ends the process.

    An SQLite file is brought to the newest schema here; PostgreSQL is by
    `flask --app wsgi db upgrade`, which a platform runs once per release.
    """
    settings = settings or load_or_exit(os.environ)
    logs.configure(settings.log_format, settings.log_level)
    engine = Engine(settings.database_url, pool_size=settings.database_pool_size)
    if engine.dialect == "sqlite":
        migrate.upgrade(engine)
    committer = Committer(engine, lanes=settings.database_write_lanes)
    gateway = Gateway(settings, committer, policy(settings))
    app = Flask(__name__, static_folder=None)
    app.wsgi_app = TrustedProxies(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    gateway.init_app(app)
    limits = FailureLimits(settings.login_attempts_per_id, settings.login_attempts_per_address)
    authority = load_authority(settings)
    init_api(
        app,
        committer,
        api_without_key=settings.api_without_key,
        limits=limits,
        options=Options(
            file_policy(settings), authority, settings.certificate_days, targets(settings)
        ),
    )
    init_cli(app, engine, committer)
    app.cli.add_command(prune_command(settings, committer))
    keeper = Keeper(settings, committer)
    signing = Signing(settings, committer, authority)
    webhooks = Dispatcher(
        committer,
        targets(settings),
        threads=settings.webhook_threads,
        retry_hours=settings.webhook_retry_hours,
    )
    parts = CentralSystem(settings, engine, committer, gateway, keeper, signing, webhooks)
    app.extensions["ocpp_cs"] = parts
    return app


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


def targets(settings: Settings) -> Targets:
    """The part of the settings that is about where webhooks may go."""
    return Targets(settings.webhook_networks, settings.webhook_plain_http, settings.webhook_timeout)
