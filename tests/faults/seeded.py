"""The checker proves itself: faults are seeded into a copy of the data, and it finds each of them.

A checker that finds nothing because it looks at nothing would pass every other run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg

from tests.e2e.conftest import plain_sql
from tests.faults.checker import Charge, Told, compare, read_database, read_ledger, read_rest
from tests.faults.fleet import fleet_of
from tests.faults.stage import Outcome, Size, Stage

_FIRST = "(SELECT min(id) FROM transactions)"
_LAST = "(SELECT max(id) FROM transactions)"
_SAMPLE = (
    f"transaction_id = {_FIRST} AND sampled_at = (SELECT min(sampled_at) FROM meter_values"
    f" WHERE transaction_id = {_FIRST}) AND series_id = (SELECT min(series_id) FROM meter_values)"
)
_OTHER_CHARGE_POINT = (
    f"(SELECT charge_point_id FROM transactions WHERE charge_point_id <>"
    f" (SELECT charge_point_id FROM transactions WHERE id = {_FIRST}) LIMIT 1)"
)
_OF_START = (
    "charge_point_id, connector_id, id_tag, id_tag_key, start_time_key, meter_start_wh,"
    " received_at, id_tag_status, flags"
)
_OF_SAMPLE = "charge_point_id, transaction_id, value, raw_value"
# {hour} and {ms} stand for the engine's words for "so much later".
FAULTS: dict[str, str] = {
    "transaction lost": f"DELETE FROM transactions WHERE id = {_FIRST}",
    "all transactions of a charge point lost": "DELETE FROM transactions WHERE charge_point_id ="
    " (SELECT max(charge_point_id) FROM transactions)",
    "transaction doubled": f"INSERT INTO transactions (id, started_at, occurrence, {_OF_START})"
    f" SELECT id + 100000, started_at, 1, {_OF_START} FROM transactions WHERE id = {_FIRST}",
    "transaction doubled later": "INSERT INTO transactions (id, started_at, occurrence,"
    f" {_OF_START}) SELECT id + 100000, started_at {{hour}}, 1, {_OF_START} FROM transactions"
    f" WHERE id = {_FIRST}",
    "transaction under another id": f"UPDATE transactions SET id = id + 100000 WHERE id = {_FIRST}",
    "owner: another charge point": "UPDATE transactions SET charge_point_id ="
    f" {_OTHER_CHARGE_POINT}, occurrence = 7 WHERE id = {_FIRST}",
    "owner: no charge point": f"UPDATE transactions SET charge_point_id = 999 WHERE id = {_FIRST}",
    "owner: another id tag": f"UPDATE transactions SET id_tag = 'THIEF' WHERE id = {_FIRST}",
    "owner: another connector": f"UPDATE transactions SET connector_id = 2 WHERE id = {_FIRST}",
    "owner: id tags exchanged": "UPDATE transactions SET id_tag = (SELECT o.id_tag FROM"
    f" transactions o WHERE o.id = {_FIRST} + {_LAST} - transactions.id)"
    f" WHERE id IN ({_FIRST}, {_LAST})",
    "owner: stopped by another": "UPDATE transactions SET stop_id_tag = 'THIEF'"
    f" WHERE id = {_FIRST}",
    "energy: start": "UPDATE transactions SET meter_start_wh = meter_start_wh - 1"
    f" WHERE id = {_FIRST}",
    "energy: stop": f"UPDATE transactions SET meter_stop_wh = meter_stop_wh + 1 WHERE id = {_LAST}",
    "energy: both registers": "UPDATE transactions SET meter_start_wh = meter_start_wh + 1000,"
    f" meter_stop_wh = meter_stop_wh + 1000 WHERE id = {_FIRST}",
    "energy: stops exchanged": "UPDATE transactions SET meter_stop_wh = (SELECT o.meter_stop_wh"
    f" FROM transactions o WHERE o.id = {_FIRST} + {_LAST} - transactions.id)"
    f" WHERE id IN ({_FIRST}, {_LAST})",
    "stop lost": "UPDATE transactions SET stopped_at = NULL, meter_stop_wh = NULL,"
    f" stop_id_tag = NULL WHERE id = {_LAST}",
    "start an hour later": f"UPDATE transactions SET started_at = started_at {{hour}}"
    f" WHERE id = {_FIRST}",
    "stop an hour later": f"UPDATE transactions SET stopped_at = stopped_at {{hour}}"
    f" WHERE id = {_FIRST}",
    "stop a millisecond later": f"UPDATE transactions SET stopped_at = stopped_at {{ms}}"
    f" WHERE id = {_FIRST}",
    "sample lost": f"DELETE FROM meter_values WHERE {_SAMPLE}",
    "samples of a transaction lost": f"DELETE FROM meter_values WHERE transaction_id = {_LAST}",
    "sample doubled later": f"INSERT INTO meter_values ({_OF_SAMPLE}, sampled_at, series_id,"
    f" connector_id) SELECT {_OF_SAMPLE}, sampled_at {{ms}}, series_id, connector_id"
    f" FROM meter_values WHERE {_SAMPLE}",
    "sample doubled at another connector": f"INSERT INTO meter_values ({_OF_SAMPLE}, sampled_at,"
    f" series_id, connector_id) SELECT {_OF_SAMPLE}, sampled_at, series_id, connector_id + 1"
    f" FROM meter_values WHERE {_SAMPLE}",
    "sample of another text": f"UPDATE meter_values SET raw_value = '1' WHERE {_SAMPLE}",
    "sample of another value": f"UPDATE meter_values SET value = value + 1 WHERE {_SAMPLE}",
    "sample a millisecond later": f"UPDATE meter_values SET sampled_at = sampled_at {{ms}}"
    f" WHERE {_SAMPLE}",
    "sample of another transaction": f"UPDATE meter_values SET transaction_id = {_LAST}"
    f" WHERE {_SAMPLE}",
    "sample of no transaction": f"UPDATE meter_values SET transaction_id = 0 WHERE {_SAMPLE}",
    "sample of another charge point": "UPDATE meter_values SET charge_point_id ="
    f" {_OTHER_CHARGE_POINT} WHERE {_SAMPLE}",
    "sample of another measurand": "UPDATE meter_series SET measurand = 'Temperature'"
    " WHERE id = (SELECT min(id) FROM meter_series)",
    "start's evidence lost": "DELETE FROM transaction_evidence WHERE kind = 'start'"
    f" AND transaction_id = {_FIRST}",
    "stop's evidence lost": "DELETE FROM transaction_evidence WHERE kind = 'stop'"
    f" AND transaction_id = {_LAST}",
    "evidence of another transaction": "UPDATE transaction_evidence SET event_key = 'x',"
    f" transaction_id = {_LAST} WHERE kind = 'start' AND transaction_id = {_FIRST}",
    "a second stop": "INSERT INTO transaction_evidence (transaction_id, charge_point_id, kind,"
    " event_key, message_id, frame, received_at) SELECT transaction_id, charge_point_id,"
    " 'conflicting_stop', 'x', message_id, frame, received_at FROM transaction_evidence"
    f" WHERE kind = 'stop' AND transaction_id = {_FIRST}",
    "an orphan": "INSERT INTO orphan_stops (charge_point_id, transaction_id, meter_stop_wh,"
    " stopped_at, stop_time_key, flags, frame, received_at) SELECT charge_point_id, id, 1,"
    f" stopped_at, '', 0, '', received_at FROM transactions WHERE id = {_FIRST}",
    "a frame in quarantine": "INSERT INTO quarantine (charge_point_id, action, message_id, frame,"
    " frame_key, error, received, received_at, last_received_at) SELECT charge_point_id, '', '',"
    f" '', '', '', 1, received_at, received_at FROM transactions WHERE id = {_FIRST}",
    "charge point lost": "DELETE FROM charge_points WHERE id = (SELECT max(id) FROM charge_points)",
    "charge point under another name": "UPDATE charge_points SET identity = 'OTHER' WHERE id ="
    " (SELECT min(id) FROM charge_points)",
}
_WORDS = {
    "sqlite": {"hour": "+ 3600000", "ms": "+ 1"},
    "postgresql": {"hour": "+ interval '1 hour'", "ms": "+ interval '1 millisecond'"},
}


def _changed(told: Told, **changes: Any) -> Told:
    first, *others = told.charges
    return replace(told, charges=[first._replace(**changes), *others])


# The same of what REST answers: its rows are changed before they are compared.
TALES: dict[str, Callable[[Told], Told]] = {
    "transaction left out": lambda told: replace(told, charges=told.charges[1:]),
    "transaction told twice": lambda told: replace(
        told, charges=[*told.charges, Charge(*told.charges[0])]
    ),
    "another owner": lambda told: _changed(told, id_tag="THIEF"),
    "another energy": lambda told: _changed(told, meter_stop_wh=0),
    "sample left out": lambda told: replace(
        told, samples=told.samples - told.samples.__class__([next(iter(told.samples))])
    ),
}


def run(stage: Stage, size: Size) -> Outcome:
    url = stage.new_database()
    server = stage.server(url)
    with fleet_of(stage, server.ws_url(""), 5, every_s=0.02, samples=3) as (fleet, path):
        fleet.wait_for_acknowledgements(100)
        fleet.finish()
    ledger = read_ledger(path)
    told, findings = read_rest(server.http(""))
    findings += compare(ledger, told, "rest")
    assert not findings, findings
    missed = [
        f"not found: {name}, told by REST"
        for name, tale in TALES.items()
        if not compare(ledger, tale(told), "rest")
    ]
    server.stop()
    with plain_sql(_copy(url)) as connection:
        for name, fault in {"none": "SELECT 1", **FAULTS}.items():
            connection.execute(fault.format(**_WORDS[stage.engine]))
            stored, findings = read_database(connection)
            findings += compare(ledger, stored, "sql")
            connection.rollback()
            if bool(findings) != (name != "none"):
                missed.append(f"not found: {name}" if not findings else f"not seeded: {findings}")
    figures: dict[str, object] = {
        "faults seeded": len(FAULTS) + len(TALES),
        "not found": len(missed),
    }
    return Outcome(figures | {"transactions": len(ledger.told.charges)}, missed)


def _copy(url: str) -> str:
    """The URL of a copy of the database, whose server has stopped."""
    copy = f"{url.removesuffix('.db')}_copy"
    if url.startswith("sqlite:///"):
        # Not the file alone: what was committed last is in the log beside it.
        with plain_sql(url) as source, plain_sql(copy) as target:
            source.backup(target)
        return copy
    administration, _, name = url.rpartition("/")
    with psycopg.connect(f"{administration}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}".encode())
    return copy
