"""Questions to the exported Parquet files in SQL, by DuckDB; nothing is loaded beforehand.

python docs/examples/power.py data-set
"""

import sys

import duckdb

folder = sys.argv[1]
database = duckdb.connect()
database.execute("SET TimeZone = 'Europe/Berlin'")
print("Energy by charge point:")
database.sql(f"""
    SELECT charge_point_id, count(*) AS sessions, sum(energy_wh) / 1000 AS energy_kwh
    FROM '{folder}/transactions-*.parquet'
    WHERE NOT list_contains(flags, 'negative_energy')
    GROUP BY charge_point_id ORDER BY energy_kwh DESC
""").show()
print("Highest power by hour of the day:")
database.sql(f"""
    SELECT hour(sampled_at) AS hour, max(value) / 1000 AS power_kw
    FROM '{folder}/meter_values-*.parquet'
    WHERE measurand = 'Power.Active.Import' AND phase IS NULL
    GROUP BY ALL ORDER BY hour
""").show()
