"""Years of charging made by the database itself: transactions, their samples and their frames.

They are rows as the handlers leave them, samples in the order in which they would have come; but
nobody sent them: for questions of size and speed. All of it follows from the number of a
transaction, so that what reports must say of it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import to_milliseconds

SAMPLES_OF_A_METER_VALUE = 4
# Some transactions have more meter values: 500 samples.
METER_VALUES_OF_A_LONG_ONE = 125
_LONG_ONES = 100
_PERIOD = timedelta(days=730)
# Samples are put in so many transactions at a time, in order of time: much as they would come.
_TRANSACTIONS_AT_A_TIME = 20_000

# measurand, phase, unit; the last one is rare.
_SERIES = (
    ("Energy.Active.Import.Register", "", "Wh"),
    ("Power.Active.Import", "", "W"),
    ("Current.Import", "L1", "A"),
    ("Voltage", "L1-N", "V"),
    ("Temperature", "", "Celsius"),
)
RARE_MEASURAND = _SERIES[-1][0]
RARE_CONNECTOR = 3


class _Dialect(NamedTuple):
    """What the two engines spell differently; each is a format."""

    numbers: str
    time: str
    iso: str
    text: str


_DIALECTS = {
    "sqlite": _Dialect(
        "(WITH RECURSIVE counted(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counted"
        " WHERE n < {last}) SELECT n FROM counted) AS numbers",
        "({0})",
        "strftime('%Y-%m-%dT%H:%M:%SZ', ({0}) / 1000, 'unixepoch')",
        "CAST({0} AS TEXT)",
    ),
    "postgresql": _Dialect(
        "generate_series({first}::int8, {last}) AS numbers(n)",
        "to_timestamp(({0}) / 1000.0)",
        "to_char(to_timestamp(({0}) / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        "({0})::text",
    ),
}

# What a transaction is, from its number n. A connector's registers go on from one to the next, but
# for one in a thousand, which leaves a gap of 150 Wh. Times are in milliseconds, energy in Wh.
_BOUNDARY = (
    "(k * 997 % 5000 * 1000 + ({round}) * 22000"
    " + (({round} + k * 31) * ({round} + k * 31) * 37 + ({round}) * 7919 + k * 104729) % 20000)"
)
_SESSIONS = f"""
(SELECT *, start_wh + (stop_wh - start_wh) * meter_values / (meter_values + 1) AS last_wh,
    started + length * meter_values / (meter_values + 1) / 1000 * 1000 AS last_at,
    (stop_wh - start_wh) * 4000000 / length AS peak_w
FROM (SELECT *, 1 + k / 2 AS charge_point_id, started + length AS stopped,
    CASE WHEN k = {{connectors}} - 1 AND round % 50 = 0 THEN {RARE_CONNECTOR} ELSE 1 + k % 2 END
        AS connector_id,
    {_BOUNDARY.format(round="round")} AS start_wh,
    {_BOUNDARY.format(round="round + 1")} - CASE WHEN n % 1000 = 7 THEN 150 ELSE 0 END AS stop_wh
FROM (SELECT n, (n - 1) * 7919 % {{connectors}} AS k, (n - 1) / {{connectors}} AS round,
    ({{begin}} + n * {{step}} + n * 31337 % {{step}}) / 1000 * 1000 AS started,
    (1800 + n * 7919 % 5400) * 1000 AS length,
    n * 104729 % {{id_tags}} AS tag,
    CASE WHEN n % {{every}} = 0 THEN {METER_VALUES_OF_A_LONG_ONE} ELSE {{meter_values}} END
        AS meter_values,
    CASE WHEN n > {{transactions}} - {{connectors}} / 2 AND n % 10 = 1 THEN 1 ELSE 0 END AS active,
    CASE WHEN n % 200 = 0 THEN 1 << CAST(6 + n / 200 % 5 AS INTEGER)
        WHEN n = {{transactions}} / 2 THEN 1 << 12 ELSE 0 END AS flags
FROM {{numbers}}) AS numbered) AS placed) AS s
"""


class Fleet(NamedTuple):
    """How many there are of what, and since when."""

    transactions: int
    meter_values: int  # of a transaction; a few have more
    charge_points: int
    id_tags: int
    begin: int  # milliseconds since 1970

    @property
    def step(self) -> int:
        """Milliseconds between two starts."""
        return to_milliseconds(_EPOCH + _PERIOD) // self.transactions

    @property
    def every(self) -> int:
        """One transaction of so many is a long one."""
        return max(self.transactions // _LONG_ONES, 10)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fleet_of(transactions: int, meter_values: int) -> Fleet:
    """A thousand sessions per charge point, two hundred per id tag, over the last two years."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Fleet(
        transactions,
        meter_values,
        charge_points=max(transactions // 1000, 10),
        id_tags=max(transactions // 200, 20),
        begin=to_milliseconds(today - _PERIOD),
    )


def fill(engine: Engine, transactions: int, meter_values: int) -> Fleet:
    """Puts that many transactions with so many meter values each into empty tables."""
    fleet = fleet_of(transactions, meter_values)
    with _writing(engine) as run:
        _fill_owners(engine, fleet, run)
        parts = range(1, transactions + 1, _TRANSACTIONS_AT_A_TIME)
        for first in parts:
            last = min(first + _TRANSACTIONS_AT_A_TIME - 1, transactions)
            _fill_sessions(engine, fleet, run, first, last)
        run("ANALYZE" if engine.dialect == "sqlite" else "VACUUM ANALYZE")
    return fleet


@contextmanager
def _writing(engine: Engine) -> Iterator[Callable[[str], Any]]:
    """Executes a statement, each for itself; nobody waits for the disk meanwhile."""
    database = engine.writable()
    sqlite = engine.dialect == "sqlite"
    with database.connection_context():

        def run(statement: str) -> Any:
            # To psycopg a percent sign is a parameter's.
            return database.execute_sql(statement if sqlite else statement.replace("%", "%%"))

        run("PRAGMA synchronous = off" if sqlite else "SET synchronous_commit = off")
        yield run
        if not sqlite:
            run("SELECT setval('transactions_id_seq', (SELECT MAX(id) FROM transactions))")
            run("SELECT setval('charge_points_id_seq', (SELECT MAX(id) FROM charge_points))")
            run("SELECT setval('meter_series_id_seq', (SELECT MAX(id) FROM meter_series))")


def _fill_owners(engine: Engine, fleet: Fleet, run: Callable[[str], Any]) -> None:
    numbers, time, _, text = _DIALECTS[engine.dialect]
    for id, (measurand, phase, unit) in enumerate(_SERIES, 1):
        names = "id, measurand, phase, context, unit, sent_unit, location, format"
        row = (measurand, phase, "Sample.Periodic", unit, unit, "Outlet", "Raw")
        values = ", ".join(f"'{part}'" for part in row)
        run(f"INSERT INTO meter_series ({names}) VALUES ({id}, {values})")
    begin = time.format(fleet.begin)
    run(
        "INSERT INTO charge_points (id, identity, registration, security_profile, created_at,"
        f" session_epoch) SELECT n, {_identity(text)}, 'accepted', 0, {begin}, 0"
        f" FROM {numbers.format(first=1, last=fleet.charge_points)}"
    )
    tag = text.format("n - 1")
    run(
        "INSERT INTO id_tags (id_tag, id_tag_key, status, max_active_transactions, created_at,"
        f" updated_at) SELECT 'TAG' || {tag}, 'tag' || {tag}, 'accepted', 1, {begin}, {begin}"
        f" FROM {numbers.format(first=1, last=fleet.id_tags)}"
    )


def _identity(text: str) -> str:
    return f"'CP-' || {text.format('n')}"


def _fill_sessions(
    engine: Engine, fleet: Fleet, run: Callable[[str], Any], first: int, last: int
) -> None:
    """Transactions of these numbers, with their frames and samples."""
    numbers, time, iso, text = _DIALECTS[engine.dialect]
    sessions = _SESSIONS.format(
        numbers=numbers.format(first=first, last=last),
        connectors=2 * fleet.charge_points,
        step=fleet.step,
        every=fleet.every,
        **fleet._asdict(),
    )
    tag = text.format("tag")
    parent = text.format(f"tag % {max(fleet.id_tags // 100, 2)}")
    started, stopped, last_at = (time.format(name) for name in ("started", "stopped", "last_at"))
    start_text, stop_text = iso.format("started"), iso.format("stopped")

    def stop(value: str) -> str:
        return f"CASE WHEN active = 0 THEN {value} END"

    def sampled(value: str) -> str:
        return f"CASE WHEN meter_values > 0 THEN {value} END"

    def group(value: str) -> str:
        return f"CASE WHEN tag % 10 <> 0 THEN {value} END"

    run(
        "INSERT INTO transactions (id, charge_point_id, connector_id, id_tag, id_tag_key,"
        " parent_id_tag, parent_id_tag_key, started_at, start_time_key, meter_start_wh,"
        " occurrence, received_at, id_tag_status, stopped_at, stop_time_key, meter_stop_wh,"
        " stop_reason, stop_id_tag, stop_received_at, last_sample_at, last_register_wh,"
        " last_register_at, max_power_w, flags)"
        f" SELECT n, charge_point_id, connector_id, 'TAG' || {tag}, 'tag' || {tag},"
        f" {group(f'{chr(39)}GROUP{chr(39)} || {parent}')},"
        f" {group(f'{chr(39)}group{chr(39)} || {parent}')},"
        f" {started}, {start_text}, start_wh, 0, {started}, 'Accepted', {stop(stopped)},"
        f" {stop(stop_text)}, {stop('stop_wh')}, {stop(chr(39) + 'EVDisconnected' + chr(39))},"
        f" {stop(f'{chr(39)}TAG{chr(39)} || {tag}')}, {stop(stopped)},"
        f" {sampled(last_at)}, {sampled('last_wh')}, {sampled(last_at)},"
        f" {sampled('peak_w - 100 / meter_values')}, flags FROM {sessions} ORDER BY s.n"
    )
    for kind, action, payload, at, only in (
        ("start", "Start", "\"meterStart\":' || start_wh || '", "started", "1 = 1"),
        ("stop", "Stop", "\"meterStop\":' || stop_wh || '", "stopped", "active = 0"),
    ):
        run(
            "INSERT INTO transaction_evidence (transaction_id, charge_point_id, kind, event_key,"
            f" message_id, frame, received_at) SELECT n, charge_point_id, '{kind}', '',"
            f' {text.format("n")}, \'[2,"\' || n || \'","{action}Transaction",{{"connectorId":\''
            f' || connector_id || \',"idTag":"TAG\' || tag || \'",{payload},"timestamp":"\''
            f" || {iso.format(at)} || '\"}}]', {time.format(at)}"
            f" FROM {sessions} WHERE {only} ORDER BY s.n"
        )
    at = "started + length * i / (meter_values + 1) / 1000 * 1000"
    # Tenths, whose text is the same on both engines.
    values = (
        ("start_wh + (stop_wh - start_wh) * i / (meter_values + 1)", 1),
        ("peak_w - 100 * i / meter_values", 1),
        ("60 + (n + i) * 7919 % 260", 10),
        ("2200 + (n + i) * 104729 % 200", 10),
    )
    number = " ".join(
        f"WHEN {part} THEN " + (f"({value})" if digits == 1 else f"({value}) / 10.0")
        for part, (value, digits) in enumerate(values, 1)
    )
    raw = " ".join(
        f"WHEN {part} THEN "
        + text.format(f"({value})" if digits == 1 else f"round(({value}) / 10.0, 1)")
        for part, (value, digits) in enumerate(values, 1)
    )
    rare = f"part = 4 AND n % {fleet.every} = 0 AND i = meter_values"
    parts = numbers.format(first=1, last=METER_VALUES_OF_A_LONG_ONE)
    run(
        "INSERT INTO meter_values (charge_point_id, transaction_id, sampled_at, series_id,"
        f" connector_id, value, raw_value) SELECT charge_point_id, s.n, {time.format(at)},"
        f" CASE WHEN {rare} THEN 5 ELSE part END, connector_id,"
        f" CASE part {number} END, CASE part {raw} END"
        f" FROM {sessions}"
        f" JOIN (SELECT n AS i FROM {parts}) AS instants ON i <= meter_values"
        " CROSS JOIN (SELECT 1 AS part UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4)"
        " AS parts ORDER BY 3, 2, part"
    )
