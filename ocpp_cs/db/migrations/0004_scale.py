"""Transactions are found by their energy, and by each of their flags."""

from __future__ import annotations

from typing import Any

import peewee


def up(migrator: Any, db: Any) -> None:
    db.execute_sql('DROP INDEX "transactions_flagged_started"')
    db.execute_sql(
        'CREATE INDEX "transactions_flagged" ON "transactions" ("flags", "started_at", "id")'
        ' WHERE ("flags" != 0)'
    )
    db.execute_sql(
        'CREATE INDEX "transactions_energy" ON "transactions" ((CAST("meter_stop_wh" AS NUMERIC)'
        ' - CAST("meter_start_wh" AS NUMERIC)), "started_at", "id")'
    )
    if isinstance(db, peewee.PostgresqlDatabase):
        # It knows how energies are spread once it has looked, and not before it uses the index.
        db.execute_sql('ANALYZE "transactions"')
