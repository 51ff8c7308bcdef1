"""Keeps a table of sessions in an SQLite file up to date: each run fetches what is new or changed.

python docs/examples/increment.py http://localhost:8081/api/v1 sessions.db
"""

import csv
import io
import os
import sqlite3
import sys
from datetime import UTC, datetime, timedelta

import requests

# A charge point that was offline reports its sessions late: look back as far as that happens.
LOOK_BACK = timedelta(days=14)
KEY = os.environ.get("KEY")
HEADERS = {"Accept": "text/csv", **({"Authorization": f"Bearer {KEY}"} if KEY else {})}


def fetch(url: str, **query: str) -> list[dict[str, str]]:
    answer = requests.get(url, params=query, headers=HEADERS, timeout=600)
    answer.raise_for_status()
    answer.encoding = "utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def main(api: str, path: str) -> None:
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE IF NOT EXISTS sessions (id INTEGER PRIMARY KEY, charge_point_id TEXT,"
        " started_at TEXT, stopped_at TEXT, energy_wh INTEGER, flags TEXT)"
    )
    (newest,) = database.execute("SELECT max(started_at) FROM sessions").fetchone()
    query = {"sort": "started_at"}
    if newest:
        began = datetime.fromisoformat(newest) - LOOK_BACK
        query["from"] = began.astimezone(UTC).isoformat()
    found = fetch(f"{api}/transactions", **query)
    # What was active at the last run may have begun long ago.
    active = database.execute("SELECT id FROM sessions WHERE stopped_at = ''").fetchall()
    known = {row["id"] for row in found}
    for (id,) in active:
        if str(id) not in known:
            headers = {**HEADERS, "Accept": "application/json"}
            answer = requests.get(f"{api}/transactions/{id}", headers=headers, timeout=30)
            answer.raise_for_status()
            row = answer.json()
            row["stopped_at"] = row["stopped_at"] or ""
            found.append({**row, "flags": " ".join(row["flags"])})
    with database:  # all or nothing; a row that is there already is replaced: `id` is the key
        database.executemany(
            "INSERT OR REPLACE INTO sessions VALUES"
            " (:id, :charge_point_id, :started_at, :stopped_at, :energy_wh, :flags)",
            found,
        )
    (total,) = database.execute("SELECT count(*) FROM sessions").fetchone()
    print(f"{len(found)} sessions fetched, {total} in {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
