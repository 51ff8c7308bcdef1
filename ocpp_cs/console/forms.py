"""What is typed into forms, read by the schemas of the API: both take the same, at the same field.

Which words tell what is wrong with a field is the affair of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ocpp_cs.api.blueprint import Body, Parameters
from ocpp_cs.console.options import current_options
from ocpp_cs.ocpp16.times import format_time


class Checked(NamedTuple):
    """Values as the schema loads them; `wrong` names the fields that it does not take."""

    values: dict[str, Any]
    wrong: frozenset[str]


def check(schema: Body | Parameters, given: Mapping[str, Any]) -> Checked:
    """Reads what is given, as it would be in JSON or in the query of a request."""
    wrong = frozenset(schema.validate(given))
    return Checked({} if wrong else schema.load(given), wrong)


def whole(text: str) -> int | str:
    """A whole number as JSON has it; what is none stays a text, which schemas refuse."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


def typed_time(text: str) -> str:
    """The time of an `<input type="datetime-local">`, which is in the zone of the settings, as the
    API reads it; what is none stays as it is, which schemas refuse."""
    try:
        at = datetime.fromisoformat(text)
        local = at.replace(tzinfo=current_options().zone) if at.tzinfo is None else at
        return format_time(local.astimezone(UTC))
    except (ValueError, OverflowError):
        return text


def time_to_type(at: datetime | None) -> str:
    """The same way back: no more digits than are needed."""
    if at is None:
        return ""
    local = at.astimezone(current_options().zone).replace(tzinfo=None)
    exact = "milliseconds" if local.second or local.microsecond else "minutes"
    return local.isoformat(timespec=exact)
