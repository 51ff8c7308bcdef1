"""Checks of the database: there, migrated, writable, with room for our connections, on time."""

from __future__ import annotations

from collections.abc import Iterator

from ocpp_cs.doctor.deployment import Deployment, Finding

# Beside pool and lanes: one that listens for notices, one that looks whether it is ready.
_OTHER_CONNECTIONS = 2
_CLOCK_WARNING_S, _CLOCK_ERROR_S = 1.0, 30.0


def database(deployment: Deployment) -> Iterator[Finding]:
    try:
        pending = deployment.pending
    except Exception as error:
        yield Finding(
            "error",
            f"The database cannot be reached: {_first_line(error)}",
            "Look at DATABASE_URL, and whether the database runs and lets this machine in.",
        )
        return
    if pending:
        yield Finding(
            "error",
            f"Migrations are missing: {', '.join(pending)}.",
            "Run `flask --app wsgi db upgrade`, and make it the release phase.",
        )
    elif deployment.state is not None and deployment.state.fault:
        yield Finding(
            "error",
            f"The database cannot be written to: {deployment.state.fault.splitlines()[0]}",
            "Give the role the right to write, name the primary and not a standby, make room.",
        )


def connections(deployment: Deployment) -> Iterator[Finding]:
    state, settings = deployment.state, deployment.settings
    if state is None or state.most_connections is None:
        return
    of_each = settings.database_pool_size + settings.database_write_lanes + _OTHER_CONNECTIONS
    needed, most = settings.workers * of_each, state.most_connections
    told = (
        f"{settings.workers} workers open up to {of_each} connections each, {needed} together; the "
        f"database gives {most}"
    )
    fix = "Lower DATABASE_POOL_SIZE or WEB_CONCURRENCY, or take a larger database."
    if needed > most:
        yield Finding("error", f"{told}.", fix)
    elif 2 * needed > most:
        yield Finding(
            "warning", f"{told}: not enough for two releases, which overlap in a deploy.", fix
        )


def clock(deployment: Deployment) -> Iterator[Finding]:
    state = deployment.state
    if state is None:
        return
    fix = "Let the machines' clocks be set over the network (NTP)."
    if state.ahead_s is not None and (apart := abs(state.ahead_s)) > _CLOCK_WARNING_S:
        told = f"This machine's clock and the database's are {apart:.0f} s apart."
        yield Finding("error" if apart > _CLOCK_ERROR_S else "warning", told, fix)
    if state.newest is None:
        return
    if (ahead := (state.newest - deployment.now).total_seconds()) > _CLOCK_ERROR_S:
        told = f"The latest sign of life of a charge point lies {ahead:.0f} s in the future."
        yield Finding("error", told, fix)


def _first_line(error: Exception) -> str:
    """Drivers say in several lines what they tried."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
