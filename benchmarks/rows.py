"""Many transactions with their samples, made by the database itself in one statement each.

They are rows as the handlers leave them, but nobody sent them: for questions of size and speed.
"""

from __future__ import annotations

from ocpp_cs.db.engine import Engine

_CHARGE_POINTS = 100
_SERIES = (
    (1, "Energy.Active.Import.Register", "", "Sample.Periodic", "Wh"),
    (2, "Power.Active.Import", "", "Sample.Periodic", "W"),
    (3, "Current.Import", "L1", "Sample.Periodic", "A"),
    (4, "Energy.Active.Import.Register", "", "Transaction.Begin", "Wh"),
)
_MINUTE = 60_000
_BEGIN = 1_609_459_200_000  # 2021-01-01T00:00:00Z, in milliseconds
# Starts are spread evenly over so many years.
_YEARS = 2

_NUMBERS = {
    "sqlite": "(WITH RECURSIVE counted(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counted"
    " WHERE n < {last}) SELECT n FROM counted) AS numbers",
    "postgresql": "generate_series({first}::int8, {last}) AS numbers(n)",
}
_TIME = {"sqlite": "({0})", "postgresql": "to_timestamp(({0}) / 1000.0)"}
_TEXT = {"sqlite": "CAST({0} AS TEXT)", "postgresql": "({0})::text"}


def fill(engine: Engine, transactions: int, samples: int) -> None:
    """Puts charge points, that many transactions and so many samples of each into empty tables.

    Charge points may go on from there.
    """
    numbers, time, text = (part[engine.dialect].format for part in (_NUMBERS, _TIME, _TEXT))
    step = _YEARS * 365 * 86_400_000 // transactions
    start = f"{_BEGIN} + n * {step}"
    stop = f"{start} + (30 + n % 90) * {_MINUTE}"
    database = engine.writable()
    with database.connection_context(), database.atomic():

        def run(statement: str) -> None:
            # To psycopg a percent sign is a parameter's.
            sign = "%" if engine.dialect == "sqlite" else "%%"
            database.execute_sql(statement.replace("%", sign))

        for series in _SERIES:
            names = "id, measurand, phase, context, unit, sent_unit, location, format"
            values = ", ".join(f"'{part}'" for part in (*series, series[-1], "Outlet", "Raw"))
            run(f"INSERT INTO meter_series ({names}) VALUES ({values})")
        run(
            "INSERT INTO charge_points (id, identity, registration, security_profile, created_at,"
            f" session_epoch) SELECT n, 'CP-' || {text('n')}, 'accepted', 0, {time(_BEGIN)}, 0"
            f" FROM {numbers(first=1, last=_CHARGE_POINTS)}"
        )
        run(
            "INSERT INTO transactions (id, charge_point_id, connector_id, id_tag, id_tag_key,"
            " parent_id_tag, parent_id_tag_key, started_at, start_time_key, meter_start_wh,"
            " occurrence, received_at, id_tag_status, stopped_at, meter_stop_wh, stop_reason,"
            " last_sample_at, last_register_wh, last_register_at, max_power_w, flags)"
            f" SELECT n, 1 + n % {_CHARGE_POINTS}, 1 + n / {_CHARGE_POINTS} % 2,"
            f" 'TAG' || {text('n % 5000')}, 'tag' || {text('n % 5000')},"
            f" 'GROUP' || {text('n % 50')}, 'group' || {text('n % 50')},"
            f" {time(start)}, {text('n')}, 10000, 0, {time(start)}, 'Accepted',"
            f" CASE WHEN n % 5000 <> 0 THEN {time(stop)} END,"
            " CASE WHEN n % 5000 <> 0 THEN 10000 + n % 40000 END,"
            " CASE WHEN n % 5000 <> 0 THEN 'EVDisconnected' END,"
            f" {time(stop)}, 10000 + n % 40000, {time(stop)}, 11000,"
            " CASE WHEN n % 200 = 0 THEN 1 << CAST(n / 200 % 10 AS INTEGER) ELSE 0 END"
            f" FROM {numbers(first=1, last=transactions)}"
        )
        part = f"(n - 1) % {samples}"
        owner = f"(1 + (n - 1) / {samples})"
        at = f"{_BEGIN} + {owner} * {step} + ({part}) / 2 * {_MINUTE}"
        series_id = f"CASE WHEN {part} = 0 THEN 4 ELSE 1 + n % 3 END"
        run(
            "INSERT INTO meter_values (charge_point_id, transaction_id, sampled_at, series_id,"
            f" connector_id, value, raw_value) SELECT 1 + {owner} % {_CHARGE_POINTS}, {owner},"
            f" {time(at)}, {series_id}, 1 + {owner} / {_CHARGE_POINTS} % 2,"
            f" 10000 + n % 40000, {text('10000 + n % 40000')}"
            f" FROM {numbers(first=1, last=transactions * samples)}"
            " ORDER BY 1, 2, 3"
        )
    with database.connection_context():
        if engine.dialect == "postgresql":  # its counters know nothing of keys that were given
            for table in ("charge_points", "meter_series", "transactions"):
                database.execute_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM {table}"
                )
        database.execute_sql("ANALYZE")
