"""Pure decisions: what an id tag may do, what is odd about a transaction, who may connect.

No database, no clock, no network: everything needed is passed in, and the same input gives the
same verdict. Rows and messages are described by the small records below.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntFlag
from typing import Literal, NamedTuple

Registration = Literal["accepted", "pending", "rejected"]
UnknownChargePoints = Literal["open", "pending", "closed"]
UnknownIdTags = Literal["open", "closed"]
AuthorizationStatus = Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]

# Beyond this a time of the future is the charge point's clock, not the network (F27).
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator has decided for the whole installation."""

    unknown_charge_points: UnknownChargePoints = "closed"
    unknown_id_tags: UnknownIdTags = "closed"
    heartbeat_interval_s: int = 14400
    boot_retry_interval_s: int = 60
    max_connector_id: int = 64
    operator_name: str = ""  # the operator's, as certificates have it; "": any
    refused_starts_per_hour: int = 0  # of one charge point; 0: any number


class TransactionFlag(IntFlag):
    """What is odd about a transaction; it was stored and answered all the same (R26).

    The lower-case names are the API's; the numbers are stored and never change.
    """

    SUSPECT_OPEN = 1 << 0  # boot, Available or a new start came while it was open (F3)
    START_TIME_UNREADABLE = 1 << 1
    STOP_TIME_UNREADABLE = 1 << 2
    CLOCK_NOT_SET = 1 << 3  # a time before the year 2000
    START_IN_FUTURE = 1 << 4
    STOP_IN_FUTURE = 1 << 5
    NAIVE_TIME = 1 << 6  # no offset: taken as UTC (R24)
    STOP_BEFORE_START = 1 << 7
    NEGATIVE_ENERGY = 1 << 8
    REGISTER_FELL = 1 << 9  # start below the last stop, or a sample below the one before (R37)
    CONFLICTING_STOP = 1 << 10  # a second, different stop came: the first one stands (F2)
    LATE_STOP = 1 << 11  # stopped after the time at which it was thought to have ended
    UNUSUAL_CONNECTOR = 1 << 12  # 0, or above MAX_CONNECTOR_ID
    ID_TAG_REFUSED = 1 << 13  # started although the tag was not accepted (R27)
    REPEATED_WITHOUT_CLOCK = 1 << 14  # same key as a finished one of a charge point with no clock
    SAMPLE_OUTSIDE = 1 << 15  # a sample before the start or after the stop (F4)
    UNUSUAL_CONTENT = 1 << 16  # a field had to be repaired to be read: see the deviations
    NEGATIVE_REGISTER = 1 << 17
    CLOSED_BY_OPERATOR = 1 << 18  # no stop came: it ended with what was known of it (F3)


def flag_names(flags: int) -> list[str]:
    """The API's names of the flags, in their fixed order."""
    return [flag.name.lower() for flag in TransactionFlag if flags & flag and flag.name]


# Security events that an operator has to look at (security whitepaper, appendix; W12).
CRITICAL_SECURITY_EVENTS = frozenset(
    (
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
    )
)


_ID_TAG = re.compile(r"\S(?:.*\S)?")
_ID_TAG_MAX = 20


def is_id_tag(text: str) -> bool:
    """Whether this can be registered as an id tag: 1 to 20 characters (§7.28) of one line, none of
    them a blank at its ends, which nobody sees and which tags are compared without."""
    return len(text) <= _ID_TAG_MAX and _ID_TAG.fullmatch(text) is not None


def id_tag_key(id_tag: str) -> str:
    """What id tags are compared by: they are case-insensitive (R34)."""
    return id_tag.strip().casefold()


@dataclass(frozen=True, slots=True)
class IdTagRecord:
    id_tag: str
    status: str  # "accepted" or "blocked"
    parent_id_tag: str | None
    expires_at: datetime | None
    max_active_transactions: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The content of an idTagInfo (§7.27)."""

    status: AuthorizationStatus
    expires_at: datetime | None = None
    parent_id_tag: str | None = None


def next_midnight(now: datetime) -> datetime:
    return (now.astimezone(UTC) + timedelta(days=1)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )


def id_tag_verdict(
    tag: IdTagRecord | None,
    *,
    now: datetime,
    unknown: UnknownIdTags,
    active_transactions: int | None = None,
) -> Verdict:
    """Whether a tag may charge now.

    `active_transactions` is how many other transactions the tag has open; None leaves
    ConcurrentTx out, which only StartTransaction may be answered (R32, §7.2). An unknown tag
    under the open policy is accepted until the next midnight UTC, so that no charge point keeps
    it for good.
    """
    if tag is None:
        if unknown == "open":
            return Verdict("Accepted", next_midnight(now))
        return Verdict("Invalid")
    if tag.status == "blocked":
        return Verdict("Blocked", tag.expires_at, tag.parent_id_tag)
    if tag.expires_at is not None and tag.expires_at <= now:
        return Verdict("Expired", tag.expires_at, tag.parent_id_tag)
    limit = tag.max_active_transactions
    if active_transactions is not None and limit is not None and active_transactions >= limit:
        return Verdict("ConcurrentTx", tag.expires_at, tag.parent_id_tag)
    return Verdict("Accepted", tag.expires_at, tag.parent_id_tag)


class EventTime(NamedTuple):
    """A charge point's time as it is used; `sent` is what could not be read, at most 64 characters.

    A tuple, since there is one for each instant of samples.
    """

    at: datetime
    sent: str
    readable: bool
    naive: bool
    clock_set: bool
    future: bool

    @property
    def key(self) -> str:
        """What identifies the event: made from what was sent alone, so that a retransmission has
        the same one even when the text could not be read and `at` is the time of receipt."""
        return self.at.isoformat(timespec="milliseconds") if self.readable else "?" + self.sent


_FIRST_CREDIBLE = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_USABLE = datetime(2, 1, 1, tzinfo=UTC)
_LAST_USABLE = datetime(9998, 12, 31, tzinfo=UTC)


def event_time(
    text: str, parsed: datetime | None, *, naive: bool = False, received: datetime
) -> EventTime:
    """Puts a parsed timestamp to use; unreadable ones become the time of receipt (R24).

    So do those at the ends of the calendar, which no other zone and no tolerance can be told of.
    """
    if parsed is None or not _FIRST_USABLE <= parsed <= _LAST_USABLE:
        clock_set = parsed is None or parsed >= _FIRST_CREDIBLE
        return EventTime(received, text[:64], False, False, clock_set, False)
    future = parsed > received and parsed > received + CLOCK_TOLERANCE
    return EventTime(parsed, "", True, naive, parsed >= _FIRST_CREDIBLE, future)


@dataclass(frozen=True, slots=True)
class PreviousTransaction:
    """The transaction before on the same connector."""

    started_at: datetime
    meter_stop_wh: int | None


def start_flags(
    *,
    time: EventTime,
    connector_id: int,
    meter_start_wh: int,
    verdict: Verdict,
    previous: PreviousTransaction | None,
    policy: Policy,
    repaired: bool,
) -> TransactionFlag:
    """What is odd about a StartTransaction."""
    flags = _time_flags(
        time, TransactionFlag.START_TIME_UNREADABLE, TransactionFlag.START_IN_FUTURE
    )
    if not 1 <= connector_id <= policy.max_connector_id:
        flags |= TransactionFlag.UNUSUAL_CONNECTOR
    if verdict.status != "Accepted":
        flags |= TransactionFlag.ID_TAG_REFUSED
    if meter_start_wh < 0:
        flags |= TransactionFlag.NEGATIVE_REGISTER
    if (
        previous is not None
        and previous.meter_stop_wh is not None
        and previous.started_at <= time.at
        and meter_start_wh < previous.meter_stop_wh
    ):
        flags |= TransactionFlag.REGISTER_FELL
    if repaired:
        flags |= TransactionFlag.UNUSUAL_CONTENT
    return flags


def stop_flags(
    *,
    time: EventTime,
    meter_stop_wh: int,
    started_at: datetime,
    meter_start_wh: int,
    suspect_since: datetime | None,
    repaired: bool,
) -> TransactionFlag:
    """What is odd about a StopTransaction that fits its start.

    A stop from before the moment of suspicion is what that moment hinted at: the status that
    follows a stop may overtake it in a charge point's queue (§3.7).
    """
    flags = _time_flags(time, TransactionFlag.STOP_TIME_UNREADABLE, TransactionFlag.STOP_IN_FUTURE)
    if time.at < started_at:
        flags |= TransactionFlag.STOP_BEFORE_START
    if meter_stop_wh < meter_start_wh:
        flags |= TransactionFlag.NEGATIVE_ENERGY
    if suspect_since is not None and time.at > suspect_since:
        flags |= TransactionFlag.LATE_STOP
    if repaired:
        flags |= TransactionFlag.UNUSUAL_CONTENT
    return flags


def supposed_end(
    *,
    started_at: datetime,
    meter_start_wh: int,
    last_sample_at: datetime | None,
    last_register_at: datetime | None,
    last_register_wh: int | None,
) -> tuple[datetime, int]:
    """Time and register of a transaction whose stop never came: the last thing known (F3).

    No energy is invented: without a register from after the start there was none. What was
    measured before the start says nothing about this transaction.
    """
    stopped_at = max(started_at, last_sample_at or started_at)
    if last_register_at is None or last_register_wh is None or last_register_at < started_at:
        return stopped_at, meter_start_wh
    return stopped_at, last_register_wh


def _time_flags(
    time: EventTime, unreadable: TransactionFlag, future: TransactionFlag
) -> TransactionFlag:
    flags = TransactionFlag(0)
    if not time.readable:
        flags |= unreadable
    if time.naive:
        flags |= TransactionFlag.NAIVE_TIME
    if not time.clock_set:
        flags |= TransactionFlag.CLOCK_NOT_SET
    if time.future:
        flags |= future
    return flags


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """An active transaction that a stop without a usable id might belong to."""

    id: int
    id_tag_key: str
    started_at: datetime
    meter_start_wh: int


def likely_transaction(
    open_transactions: list[OpenTransaction],
    *,
    id_tag: str | None,
    stopped_at: datetime,
    meter_stop_wh: int,
) -> int | None:
    """The one open transaction that a stop with id -1 can belong to, as a hint for a person (R29).

    It is never closed by this evidence alone: a stop carries no connector, and a wrong guess
    would bill one driver for another.
    """
    fitting = [
        transaction.id
        for transaction in open_transactions
        if transaction.started_at <= stopped_at
        and transaction.meter_start_wh <= meter_stop_wh
        and (id_tag is None or id_tag_key(id_tag) == transaction.id_tag_key)
    ]
    return fitting[0] if len(fitting) == 1 else None
