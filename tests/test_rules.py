"""The pure decisions: this record and that clock in, this verdict and those flags out.

How the handlers use them is tested in tests/handlers.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocpp_cs.rules import (
    CLOCK_TOLERANCE,
    CRITICAL_SECURITY_EVENTS,
    AuthorizationStatus,
    EventTime,
    IdTagRecord,
    OpenTransaction,
    Policy,
    PreviousTransaction,
    TransactionFlag,
    Verdict,
    event_time,
    flag_names,
    id_tag_key,
    id_tag_verdict,
    likely_transaction,
    next_midnight,
    start_flags,
    stop_flags,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TAG = IdTagRecord("TAG", "accepted", None, None, 1)
TIME = event_time("", NOW, received=NOW)
POLICY = Policy(max_connector_id=4)

instants = st.datetimes(
    datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(UTC)
)
credible = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))


# --- Flags ----------------------------------------------------------------------------------------


def test_the_flags_are_numbered_for_good() -> None:
    """They are stored as bits and shown by name: neither may change (api.md)."""
    assert {flag.name: flag.value.bit_length() - 1 for flag in TransactionFlag} == {
        "SUSPECT_OPEN": 0,
        "START_TIME_UNREADABLE": 1,
        "STOP_TIME_UNREADABLE": 2,
        "CLOCK_NOT_SET": 3,
        "START_IN_FUTURE": 4,
        "STOP_IN_FUTURE": 5,
        "NAIVE_TIME": 6,
        "STOP_BEFORE_START": 7,
        "NEGATIVE_ENERGY": 8,
        "REGISTER_FELL": 9,
        "CONFLICTING_STOP": 10,
        "LATE_STOP": 11,
        "UNUSUAL_CONNECTOR": 12,
        "ID_TAG_REFUSED": 13,
        "REPEATED_WITHOUT_CLOCK": 14,
        "SAMPLE_OUTSIDE": 15,
        "UNUSUAL_CONTENT": 16,
        "NEGATIVE_REGISTER": 17,
        "CLOSED_BY_OPERATOR": 18,
    }


@given(st.sets(st.sampled_from(list(TransactionFlag))), st.booleans())
def test_flag_names_are_those_of_the_bits_in_their_order(
    flags: set[TransactionFlag], unknown_bit: bool
) -> None:
    number = sum(flag.value for flag in flags) + (1 << 30 if unknown_bit else 0)
    names = flag_names(number)
    assert names == [flag.name.lower() for flag in sorted(flags) if flag.name]


# --- Id tags --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [("0fc673", "0FC673"), (" TAG ", "tag"), ("STRASSE", "straße"), ("ΑΣ", "ας")],
)
def test_id_tags_are_compared_without_case(one: str, other: str) -> None:
    assert id_tag_key(one) == id_tag_key(other)


@given(st.text())
def test_the_key_of_a_key_is_itself(text: str) -> None:
    assert id_tag_key(id_tag_key(text)) == id_tag_key(text)


@given(st.text(st.characters(max_codepoint=127), max_size=20))
def test_any_writing_of_a_tag_has_its_key(text: str) -> None:
    assert id_tag_key(text.upper()) == id_tag_key(text.lower()) == id_tag_key(text.swapcase())


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        ("2021-11-10T14:00:00+00:00", "2021-11-11T00:00:00+00:00"),
        ("2021-11-10T00:00:00+00:00", "2021-11-11T00:00:00+00:00"),
        ("2021-12-31T23:59:59.999+00:00", "2022-01-01T00:00:00+00:00"),
        ("2021-11-10T23:30:00-05:00", "2021-11-12T00:00:00+00:00"),
        ("2024-02-28T12:00:00+00:00", "2024-02-29T00:00:00+00:00"),
    ],
)
def test_next_midnight_is_that_of_utc(now: str, midnight: str) -> None:
    assert next_midnight(datetime.fromisoformat(now)) == datetime.fromisoformat(midnight)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))
def test_next_midnight_lies_within_a_day(now: datetime) -> None:
    midnight = next_midnight(now)
    assert timedelta(0) < midnight - now <= timedelta(days=1)
    assert midnight.utcoffset() == timedelta(0)
    assert midnight.time() == datetime.min.time()


@pytest.mark.parametrize(
    ("changes", "active", "status"),
    [
        ({}, 0, "Accepted"),
        ({}, None, "Accepted"),
        ({}, 1, "ConcurrentTx"),
        ({"max_active_transactions": 0}, 0, "ConcurrentTx"),
        ({"max_active_transactions": 0}, None, "Accepted"),  # Authorize never says it (R32)
        ({"max_active_transactions": 2}, 1, "Accepted"),
        ({"max_active_transactions": None}, 99, "Accepted"),
        ({"expires_at": NOW + SECOND}, 0, "Accepted"),
        ({"expires_at": NOW}, 0, "Expired"),
        ({"expires_at": NOW - SECOND}, 5, "Expired"),
        ({"status": "blocked"}, 0, "Blocked"),
        ({"status": "blocked", "expires_at": NOW - SECOND}, 5, "Blocked"),
    ],
)
def test_a_known_tag(changes: dict[str, object], active: int | None, status: str) -> None:
    tag = dataclasses.replace(TAG, parent_id_tag="PARENT", **changes)  # type: ignore[arg-type]
    verdict = id_tag_verdict(tag, now=NOW, unknown="open", active_transactions=active)
    assert verdict.status == status
    assert (verdict.expires_at, verdict.parent_id_tag) == (tag.expires_at, "PARENT")


def test_an_unknown_tag_is_accepted_until_midnight_or_invalid() -> None:
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    assert id_tag_verdict(None, now=NOW, unknown="open") == Verdict("Accepted", midnight)
    assert id_tag_verdict(None, now=NOW, unknown="closed") == Verdict("Invalid")


@given(
    blocked=st.booleans(),
    expires_in=st.none() | st.integers(-5, 5),
    limit=st.none() | st.integers(0, 3),
    active=st.none() | st.integers(0, 3),
)
def test_the_gravest_reason_is_the_answer(
    blocked: bool, expires_in: int | None, limit: int | None, active: int | None
) -> None:
    """Blocked before Expired before ConcurrentTx: a charge point shows the one that stays."""
    expires_at = None if expires_in is None else NOW + expires_in * SECOND
    tag = IdTagRecord("TAG", "blocked" if blocked else "accepted", None, expires_at, limit)
    verdict = id_tag_verdict(tag, now=NOW, unknown="closed", active_transactions=active)
    expected: AuthorizationStatus = "Accepted"
    if limit is not None and active is not None and active >= limit:
        expected = "ConcurrentTx"
    if expires_in is not None and expires_in <= 0:
        expected = "Expired"
    if blocked:
        expected = "Blocked"
    assert verdict.status == expected


# --- Times ----------------------------------------------------------------------------------------


def test_an_unreadable_time_is_that_of_receipt_with_a_key_of_its_text() -> None:
    first = event_time("yesterday", None, received=NOW)
    assert first == EventTime(NOW, "yesterday", False, False, True, False)
    again = event_time("yesterday", None, received=NOW + timedelta(days=1))
    assert (again.key, again.at) == (first.key, NOW + timedelta(days=1))
    assert event_time("tomorrow", None, received=NOW).key != first.key


@pytest.mark.parametrize(("year", "clock_set"), [(1, False), (9999, True)])
def test_a_time_at_an_end_of_the_calendar_is_unreadable(year: int, clock_set: bool) -> None:
    """Year 1 is still what charge points without a clock send (F27)."""
    time = event_time("as sent", datetime(year, 1, 1, tzinfo=UTC), received=NOW)
    assert time == EventTime(NOW, "as sent", False, False, clock_set, False)


@pytest.mark.parametrize(
    ("at", "clock_set", "future"),
    [
        (NOW, True, False),
        (NOW + CLOCK_TOLERANCE, True, False),
        (NOW + CLOCK_TOLERANCE + SECOND, True, True),
        (NOW - timedelta(days=9000), True, False),  # R25: no time is too old
        (datetime(2000, 1, 1, tzinfo=UTC), True, False),
        (datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC), False, False),
        (datetime(1970, 1, 1, tzinfo=UTC), False, False),
    ],
)
def test_a_readable_time(at: datetime, clock_set: bool, future: bool) -> None:
    time = event_time("", at, received=NOW)
    assert (time.at, time.clock_set, time.future) == (at, clock_set, future)
    assert time.readable


@given(at=instants, text=st.text(), received=instants)
def test_the_key_depends_on_what_was_sent_alone(
    at: datetime, text: str, received: datetime
) -> None:
    """Else a retransmission would be a new event."""
    received = min(received, datetime(9999, 1, 1, tzinfo=UTC))
    later = received + timedelta(days=1)
    for parsed in (at, None):
        first = event_time(text, parsed, received=received)
        assert event_time(text, parsed, received=later).key == first.key
        assert len(first.key) <= 65


@given(one=credible, other=credible, text=st.text())
def test_times_have_one_key_if_they_are_the_same_millisecond(
    one: datetime, other: datetime, text: str
) -> None:
    one, other = (at.replace(microsecond=at.microsecond // 1000 * 1000) for at in (one, other))
    first, second, unreadable = (
        event_time(text, at, received=NOW).key for at in (one, other, None)
    )
    assert (first == second) == (one == other)
    assert (first < second) == (one < other)
    assert unreadable not in (first, second)


@given(instants)
@example(datetime(1, 1, 1, tzinfo=UTC))
@example(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
def test_every_time_can_be_told_in_every_zone_and_moved_by_a_day(at: datetime) -> None:
    """PostgreSQL hands times out in the session's zone; at the ends of the calendar that fails."""
    used = event_time("", at, received=NOW).at
    for zone in (timezone(timedelta(hours=15, minutes=59)), timezone(timedelta(hours=-15.9))):
        assert used.astimezone(zone) == used
    assert used - timedelta(days=1) < used < used + timedelta(days=1)


# --- Flags of a start -----------------------------------------------------------------------------


def flags_of_start(
    time: EventTime = TIME,
    connector_id: int = 1,
    meter_start_wh: int = 1000,
    verdict: Verdict = Verdict("Accepted"),  # noqa: B008 - frozen
    previous: PreviousTransaction | None = None,
    repaired: bool = False,
) -> list[str]:
    flags = start_flags(
        time=time,
        connector_id=connector_id,
        meter_start_wh=meter_start_wh,
        verdict=verdict,
        previous=previous,
        policy=POLICY,
        repaired=repaired,
    )
    return flag_names(flags)


@pytest.mark.parametrize(("connector_id", "odd"), [(0, True), (1, False), (4, False), (5, True)])
def test_connectors_of_a_start(connector_id: int, odd: bool) -> None:
    assert flags_of_start(connector_id=connector_id) == ["unusual_connector"] * odd


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_a_refused_tag_of_a_start(status: AuthorizationStatus) -> None:
    assert flags_of_start(verdict=Verdict(status)) == ["id_tag_refused"]


@pytest.mark.parametrize(
    ("previous", "odd"),
    [
        (None, False),
        (PreviousTransaction(NOW - SECOND, None), False),
        (PreviousTransaction(NOW - SECOND, 1000), False),
        (PreviousTransaction(NOW - SECOND, 1001), True),
        (PreviousTransaction(NOW, 1001), True),
        (PreviousTransaction(NOW + SECOND, 1001), False),  # it came late: that one is the next
    ],
)
def test_the_register_of_a_start_goes_on_from_the_last_stop(
    previous: PreviousTransaction | None, odd: bool
) -> None:
    assert flags_of_start(previous=previous) == ["register_fell"] * odd


def test_a_negative_register_and_a_repaired_message() -> None:
    assert flags_of_start(meter_start_wh=-1) == ["negative_register"]
    assert flags_of_start(repaired=True) == ["unusual_content"]
    assert flags_of_start() == []


TIMES = [
    (event_time("?", None, received=NOW), "{}_time_unreadable"),
    (event_time("", NOW, naive=True, received=NOW), "naive_time"),
    (event_time("", datetime(1970, 1, 2, tzinfo=UTC), received=NOW), "clock_not_set"),
    (event_time("", NOW + timedelta(hours=1), received=NOW), "{}_in_future"),
]


@pytest.mark.parametrize(("time", "flag"), TIMES)
def test_times_of_a_start(time: EventTime, flag: str) -> None:
    assert flags_of_start(time) == [flag.format("start")]


# --- Flags of a stop, and whose it may be ---------------------------------------------------------


def flags_of_stop(
    time: EventTime = TIME,
    meter_stop_wh: int = 5000,
    started_at: datetime = datetime(1970, 1, 1, tzinfo=UTC),
    suspect_since: datetime | None = None,
    repaired: bool = False,
) -> list[str]:
    flags = stop_flags(
        time=time,
        meter_stop_wh=meter_stop_wh,
        started_at=started_at,
        meter_start_wh=1000,
        suspect_since=suspect_since,
        repaired=repaired,
    )
    return flag_names(flags)


@pytest.mark.parametrize(("time", "flag"), TIMES)
def test_times_of_a_stop(time: EventTime, flag: str) -> None:
    assert flags_of_stop(time) == [flag.format("stop")]


def test_oddities_of_a_stop() -> None:
    assert flags_of_stop() == []
    assert flags_of_stop(started_at=NOW) == []
    assert flags_of_stop(started_at=NOW + SECOND) == ["stop_before_start"]
    assert flags_of_stop(meter_stop_wh=1000) == []
    assert flags_of_stop(meter_stop_wh=999) == ["negative_energy"]
    assert flags_of_stop(suspect_since=TIME.at) == []
    assert flags_of_stop(suspect_since=TIME.at - SECOND) == ["late_stop"]
    assert flags_of_stop(repaired=True) == ["unusual_content"]


FITTING = OpenTransaction(7, "tag", NOW - SECOND, 1000)


@pytest.mark.parametrize(
    ("others", "id_tag", "found"),
    [
        ([], "TAG", 7),
        ([], None, 7),
        ([], "OTHER", None),
        ([OpenTransaction(8, "other", NOW, 0)], "TAG", 7),
        ([OpenTransaction(8, "tag", NOW + SECOND, 0)], "TAG", 7),  # began after the stop
        ([OpenTransaction(8, "tag", NOW, 5001)], "TAG", 7),  # its register is beyond the stop's
        ([OpenTransaction(8, "tag", NOW, 5000)], "TAG", None),  # two fit: no guess
        ([OpenTransaction(8, "other", NOW, 0)], None, None),
    ],
)
def test_a_stop_without_id_fits_one_open_transaction_or_none(
    others: list[OpenTransaction], id_tag: str | None, found: int | None
) -> None:
    for transactions in ([FITTING, *others], [*others, FITTING]):
        assert (
            likely_transaction(transactions, id_tag=id_tag, stopped_at=NOW, meter_stop_wh=5000)
            == found
        )


def test_critical_security_events_are_those_of_the_whitepaper() -> None:
    assert "TamperDetectionActivated" in CRITICAL_SECURITY_EVENTS
    assert "InvalidMessages" not in CRITICAL_SECURITY_EVENTS
    assert len(CRITICAL_SECURITY_EVENTS) == 7
