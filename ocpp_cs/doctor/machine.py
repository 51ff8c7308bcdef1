"""Checks of the machine: disk, workers, open files, and what gunicorn was told beside our file."""

from __future__ import annotations

from collections.abc import Iterator

from config import platforms
from config.descriptors import descriptors_needed
from ocpp_cs.doctor.deployment import Deployment, Finding

_MIB = 1024 * 1024
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 2048 * _MIB, 200 * _MIB
# What our configuration chooses, and gunicorn would take from elsewhere all the same.
_OURS = (
    *("--timeout", "-t", "--graceful-timeout", "--worker-class", "-k", "--workers", "-w"),
    *("--max-requests", "--preload", "--threads", "--worker-connections", "--keep-alive"),
    *("--bind", "-b", "--reload"),
)
_MARGIN_S = 2


def disk(deployment: Deployment) -> Iterator[Finding]:
    path = deployment.engine.path
    if deployment.engine.dialect != "sqlite":
        return
    platform = deployment.platform
    if platform is not None and platforms.is_lost(path, platform, deployment.mountinfo):
        yield Finding(
            "warning",
            f"ALLOW_EPHEMERAL_SQLITE: on {platform.name} {path} is gone after the next restart.",
            "Set DATABASE_URL to a PostgreSQL database.",
        )
    elif platforms.vanishes(path, deployment.mountinfo):
        yield Finding(
            "warning",
            f"{path} lies in memory or in a container's own layer, and goes with it.",
            "Mount a disk or a volume there, or set DATABASE_URL to a PostgreSQL database.",
        )
    free = deployment.free_bytes
    if free is not None and free < _LITTLE_BYTES:
        yield Finding(
            "error" if free < _TOO_LITTLE_BYTES else "warning",
            f"{free // _MIB} MiB are free where {path} lies.",
            "Make room, or keep less: METER_VALUE_DAYS, MESSAGE_LOG_DAYS, EVENT_DAYS, FILE_DAYS.",
        )


def workers(deployment: Deployment) -> Iterator[Finding]:
    settings = deployment.settings
    if settings.workers < settings.web_concurrency:
        yield Finding(
            "warning",
            f"WEB_CONCURRENCY={settings.web_concurrency} has no effect: SQLite has one worker.",
            "Set DATABASE_URL to a PostgreSQL database if one worker is not enough.",
        )


def descriptors(deployment: Deployment) -> Iterator[Finding]:
    needed, limit = descriptors_needed(deployment.settings), deployment.descriptors
    if limit is not None and limit < needed:
        wanted = deployment.settings.max_charge_points
        most = max(0, wanted - (needed - limit))
        yield Finding(
            "warning" if most else "error",
            f"A process may open {limit} files; MAX_CHARGE_POINTS={wanted} needs {needed}. At most "
            f"{most} charge points are accepted.",
            "Raise the limit (`ulimit -Hn`, LimitNOFILE= of systemd), or lower MAX_CHARGE_POINTS.",
        )


def server(deployment: Deployment) -> Iterator[Finding]:
    words = deployment.environ.get("GUNICORN_CMD_ARGS", "").split()
    given = [word.partition("=")[0] for word in words]
    if theirs := [word for word in given if word in _OURS]:
        yield Finding(
            "error",
            f"GUNICORN_CMD_ARGS overrides what config/gunicorn.py chooses: {', '.join(theirs)}.",
            "Take it away. Each connection of a charge point is one long request to gunicorn.",
        )


def shutdown(deployment: Deployment) -> Iterator[Finding]:
    platform, settings = deployment.platform, deployment.settings
    if platform is None:
        return
    needed = settings.shutdown_timeout + _MARGIN_S
    if needed > platform.grace_s:
        setting = platform.grace_setting
        yield Finding(
            "warning",
            f"An orderly end may take {needed:g} s; {platform.name} kills after "
            f"{platform.grace_s} s, unless it was told otherwise.",
            f"Set {setting} there to {needed:g} or more, if that is not done yet."
            if setting
            else f"Lower SHUTDOWN_TIMEOUT to {platform.grace_s - _MARGIN_S} or less.",
        )
