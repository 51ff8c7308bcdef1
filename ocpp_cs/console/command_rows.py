"""Commands of one charge point as its pages show them, with what their answers mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from ocpp_cs.api.commands import shown_commands
from ocpp_cs.api.database import current_engine
from ocpp_cs.console.page import Values
from ocpp_cs.console.paging import read_page
from ocpp_cs.db import queries

_SHOWN, _LOOKED_AT = 3, 50
_GOOD = frozenset(("Accepted", "Unlocked"))
_LATER = frozenset(("Scheduled", "RebootRequired", "AcceptedCanceled"))
_TONES = {"queued": "busy", "sent": "active", "rejected": "bad", "timeout": "bad"}


def commands_part(charge_point_id: str) -> Values:
    """A page of all of them, the newest first."""
    read = partial(shown_commands, queries.CommandFilter(charge_point_id=charge_point_id))
    return {
        "page": read_page("charge-point-commands", (int,), read, lambda row: (row.id,)),
        "answer_of": answer_of,
        "tone_of": tone_of,
    }


def latest_part(charge_point_id: str, actions: Sequence[str]) -> Values:
    """The latest few of these actions, for `latest` of `commands/macros.html`.

    Looked for among so many of the latest only, since pages ask for them again and again.
    """
    wanted = queries.CommandFilter(charge_point_id=charge_point_id)
    rows = current_engine().read(lambda: shown_commands(wanted, None, _LOOKED_AT))
    found = [row for row in rows if row.action in actions]
    return {"latest_commands": found[:_SHOWN], "answer_of": answer_of, "tone_of": tone_of}


def answer_of(row: queries.CommandRow) -> str:
    """The status that the charge point answered; empty where an answer has none."""
    if row.status != "answered" or row.error_code is not None or row.response is None:
        return ""
    answer: Any = json.loads(row.response)
    status = answer.get("status", "") if isinstance(answer, dict) else ""
    return str(status)


def tone_of(row: queries.CommandRow) -> str:
    if row.status != "answered":
        return _TONES.get(row.status, "idle")
    answer = answer_of(row)
    if row.error_code is not None:
        return "bad"
    return "good" if not answer or answer in _GOOD else "busy" if answer in _LATER else "bad"
