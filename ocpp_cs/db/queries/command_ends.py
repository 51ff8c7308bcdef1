"""How a command ended, for whoever waits for it.

The commands themselves, as people read them, are not here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ocpp_cs.db.models import Command


class CommandEnd(NamedTuple):
    """The final state of a command; `response` is JSON text, None where nothing was answered."""

    status: str
    response: str | None
    error_code: str | None
    error_description: str | None


def command_end(id: int) -> CommandEnd | None:
    """None while it has not ended."""
    query: Any = Command.select(
        Command.status, Command.response, Command.error_code, Command.error_description
    ).where((Command.id == id) & Command.finished_at.is_null(False))
    return next((CommandEnd(*values) for values in query.tuples()), None)
