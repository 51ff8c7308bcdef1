"""A sample no longer touches the indexes of its transaction: which ones are stray is a column."""

from __future__ import annotations

from typing import Any

import peewee


def up(migrator: Any, db: Any) -> None:
    migrator.add_column("transactions", "stray", peewee.BooleanField(null=True)).run()
    sqlite = isinstance(db, peewee.SqliteDatabase)
    longest = "172800000" if sqlite else "interval '172800 seconds'"
    db.execute_sql(
        'UPDATE "transactions" SET "stray" = TRUE '
        'WHERE ("flags" & 32768) <> 0 OR "last_sample_at" - "started_at" > ' + longest
    )
    db.execute_sql('DROP INDEX "transactions_stray"')
    db.execute_sql(
        'CREATE INDEX "transactions_stray" ON "transactions" ("charge_point_id", "id") '
        'WHERE ("stray" IS NOT NULL)'
    )
    if not sqlite:
        # Room for the next version of a row beside it: then no index is written (HOT).
        db.execute_sql('ALTER TABLE "transactions" SET (fillfactor = 80)')
