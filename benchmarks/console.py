"""The console's overview over HTTP, in a database that is full and of 2,000 charge points.

What `benchmarks.rows` does not have is added here: who is online, connectors, refused handshakes.
"""

from __future__ import annotations

import http.client
import time

from benchmarks.pages import Kind
from benchmarks.rows import Fleet
from ocpp_cs.db.engine import Engine

CHARGE_POINTS = 2000
_CONNECTORS = 2
_ATTEMPTS = 500
_NOW = {"sqlite": "CAST(strftime('%s') AS INTEGER) * 1000", "postgresql": "now()"}
_LATER = {"sqlite": "{now} + 86400000", "postgresql": "{now} + interval '1 day'"}
_NUMBERS = (
    "(WITH RECURSIVE counted(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counted"
    " WHERE n < {last}) SELECT n FROM counted) AS numbers"
)
# In ten: eight charge points are online; connectors are available, charging or faulted.
_STATUS = (
    "CASE WHEN id % 10 < 5 THEN 'Available' WHEN id % 10 < 9 THEN 'Charging' ELSE 'Faulted' END"
)


def populate(database_url: str, fleet: Fleet) -> None:
    """Brings the fleet to 2,000 charge points, most of them online, with two connectors each."""
    engine = Engine(database_url)
    now = _NOW[engine.dialect]
    later = _LATER[engine.dialect].format(now=now)
    more = _NUMBERS.format(first=fleet.charge_points + 1, last=CHARGE_POINTS)
    attempts = _NUMBERS.format(first=1, last=_ATTEMPTS)
    statements = [
        f"UPDATE charge_points SET last_seen_at = {now}, connected_at = {now}, present_until ="
        f" CASE WHEN id % 10 < 8 THEN {later} ELSE {now} END",
        f"UPDATE transactions SET last_sample_at = {now} WHERE stopped_at IS NULL AND id % 2 = 0",
        f"INSERT INTO connection_attempts (identity, remote_address, outcome, http_status,"
        " subprotocols, user_agent, attempts, attempted_at, last_attempted_at)"
        f" SELECT 'BOX-' || n, '192.0.2.1', 'unknown_charge_point', 404, '', '', 1, {now}, {now}"
        f" FROM {attempts}",
    ]
    if fleet.charge_points < CHARGE_POINTS:
        statements.insert(
            0,
            "INSERT INTO charge_points (id, identity, registration, security_profile, created_at,"
            f" session_epoch) SELECT n, 'CP-' || n, 'accepted', 0, {now}, 0 FROM {more}",
        )
    statements += [
        "INSERT INTO connectors (charge_point_id, connector_id, status, error_code, since,"
        f" received_at) SELECT id, {number}, {_STATUS}, 'NoError', {now}, {now} FROM charge_points"
        for number in range(1, _CONNECTORS + 1)
    ]
    database = engine.writable()
    try:
        with database.connection_context():
            for statement in statements:
                database.execute_sql(
                    # To psycopg a percent sign is a parameter's.
                    statement.replace("%", "%%" if engine.dialect == "postgresql" else "%")
                )
            database.execute_sql("ANALYZE")
    finally:
        engine.close()


def overview(port: int, requests: int) -> list[Kind]:
    """The whole page, the very first one among them, and what a browser fetches of it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    try:
        for name, path in (
            ("overview", "/"),
            ("overview: what happens now", "/?fragment=now"),
            ("overview: energy", "/?fragment=energy"),
        ):
            took = []
            for _ in range(requests):
                began = time.perf_counter()
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                took.append(time.perf_counter() - began)
                if answer.status != 200:
                    raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
            found.append(Kind(name, sorted(took), CHARGE_POINTS))
    finally:
        connection.close()
    return found
