"""What has to be looked at every second, in every process: the net below all wake-ups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ocpp_cs.commands import idempotency, remote_starts, reservations, table
from ocpp_cs.db.commit import Tx

SWEEPS: tuple[Callable[[Tx, datetime], None], ...] = (
    table.expire,
    idempotency.forget,
    reservations.expire,
    remote_starts.expire,
)
"""Each is one or two updates over an index of what is open."""


def sweep(tx: Tx, now: datetime) -> list[int]:
    """Ends what is overdue. The keys of charge points that are there and have commands waiting."""
    for step in SWEEPS:
        step(tx, now)
    return table.due(tx, now)
