"""Date-times on the wire: a reader that never raises (R24), and the one form that we send.

Not a clock: what "now" is, the callers say.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

NAIVE_TIME = "naive_time"
UNREADABLE_TIME = "unreadable_time"
CLOCK_NOT_SET = "clock_not_set"

FIRST_SANE_YEAR = 2000
"""A charge point without a clock begins at 1970 (MicroOcpp #311); OCPP itself is of 2009."""


class ParsedTime(NamedTuple):
    """A date-time as read.

    `at` is UTC, cut to milliseconds; None = unreadable, then the time of receipt counts.
    `deviation` is None or one of NAIVE_TIME (no offset: read as UTC, §3.14), CLOCK_NOT_SET (before
    the year 2000) and UNREADABLE_TIME.
    """

    at: datetime | None
    deviation: str | None


_UNREADABLE = ParsedTime(None, UNREADABLE_TIME)

# ISO 8601, extended or basic, as loosely as charge points write it.
_LOOSE = re.compile(
    r"""\s* (\d{4})-?(\d\d)-?(\d\d) (?:[Tt]|\s+)
        (\d\d):?(\d\d) (?: :?(\d\d) (?:[.,:](\d+))? )?
        \s* (?: ([Zz]) | ([+-])(\d\d):?(\d\d)? )? \s*""",
    re.ASCII | re.VERBOSE,
)


def parse_time(text: str) -> ParsedTime:
    """Read a date-time that a charge point sent; never raises, whatever the text (R24)."""
    try:
        return _judge(datetime.fromisoformat(text) if _is_usual(text) else _parse_loosely(text))
    except (ValueError, OverflowError):  # OverflowError: year 1 east of Greenwich, 9999 west of it
        return _UNREADABLE


def _is_usual(text: str) -> bool:
    """Whether this is `…T14:00:00Z` or `…T14:00:00.000Z`, for which there is a fast way.

    `fromisoformat` takes much that is no date-time (a bare date, any separator, NULs), so only
    what looks like these two is handed to it.
    """
    return (
        len(text) in (20, 24)
        and text[10] == "T"
        and text[13] == text[16] == ":"
        and text[-1] == "Z"
        and "\x00" not in text
    )


def _parse_loosely(text: str) -> datetime:
    match = _LOOSE.fullmatch(text)
    if match is None:
        raise ValueError("not a date-time")
    year, month, day, hour, minute, second, fraction, zulu, sign, hours, minutes = match.groups()
    zone: timezone | None = None
    if zulu:
        zone = UTC
    elif sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        int(second or 0),
        int((fraction or "")[:3].ljust(3, "0")) * 1000,
        zone,
    )


def _judge(at: datetime) -> ParsedTime:
    deviation = None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
        deviation = NAIVE_TIME
    elif at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    if at.year < FIRST_SANE_YEAR:
        deviation = CLOCK_NOT_SET
    return ParsedTime(at, deviation)


def format_time(at: datetime) -> str:
    """The form that we send: UTC with milliseconds and Z (R24). ValueError for a naive `at`."""
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise ValueError("a date-time without an offset cannot be sent")
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"
