"""Energy and sessions by day in Berlin, from one CSV download.

python docs/examples/days.py http://localhost:8081/api/v1
"""

import os
import sys

import pandas

key = os.environ.get("KEY")
sessions = pandas.read_csv(
    f"{sys.argv[1]}/transactions?status=completed&format=csv",
    parse_dates=["started_at", "stopped_at", "received_at"],
    dtype={"id_tag": "string", "parent_id_tag": "string", "flags": "string"},
    storage_options={"Authorization": f"Bearer {key}"} if key else None,
)
# The whole session counts for the day on which it began; /reports splits it over the days.
sessions["day"] = sessions["started_at"].dt.tz_convert("Europe/Berlin").dt.date
days = sessions.groupby("day").agg(energy_wh=("energy_wh", "sum"), sessions=("id", "count"))
days["energy_kwh"] = days["energy_wh"] / 1000
print(days)
# For a German spreadsheet: semicolons between the cells, a comma before the decimals.
days.to_csv("days.csv", sep=";", decimal=",", encoding="utf-8-sig")
