"""How many files a process has to open for its charge points, and what becomes of too low a limit.

It opens none.
"""

from __future__ import annotations

import resource

from config.settings import Settings

# Connections kept free of charge points, so that REST always gets an answer (F18).
REST_RESERVE = 512
# Descriptors that are no connections: database, listeners, log, event loop, files being read.
OTHER_DESCRIPTORS = 128


def descriptors_needed(settings: Settings) -> int:
    """Open files of one process that holds as many charge points as it admits (F16)."""
    return (
        settings.max_charge_points
        + REST_RESERVE
        + OTHER_DESCRIPTORS
        + settings.database_pool_size
        + settings.database_write_lanes
    )


def raise_descriptor_limit(needed: int) -> int:
    """Raises this process's soft limit of open files towards `needed`; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return needed
    wanted = needed if hard == unlimited else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # some systems refuse below what they call the hard limit
        return soft
    return wanted


def admitted(settings: Settings, limit: int) -> int:
    """Charge points that fit into `limit` open files, at most MAX_CHARGE_POINTS.

    Ends the process with a sentence when not even one fits.
    """
    fitting = settings.max_charge_points - max(0, descriptors_needed(settings) - limit)
    if fitting < 1:
        raise SystemExit(
            f"Cannot start: this process may open {limit} files (`ulimit -n`), which leaves none "
            f"for charge points; it needs {descriptors_needed(settings)} for MAX_CHARGE_POINTS="
            f"{settings.max_charge_points}."
        )
    return fitting
