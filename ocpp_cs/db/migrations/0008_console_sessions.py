"""Browsers that are signed in to the console."""

from __future__ import annotations

from typing import Any

import peewee

from ocpp_cs.db.fields import UtcField


def up(migrator: Any, db: Any) -> None:
    proxy = peewee.DatabaseProxy()
    proxy.initialize(db)

    class ConsoleSession(peewee.Model):
        id = peewee.BigAutoField()
        token_hash = peewee.TextField(unique=True)
        public_id = peewee.TextField()
        created_at = UtcField()
        expires_at = UtcField()

        class Meta:
            database = proxy
            legacy_table_names = False
            table_name = "console_sessions"
            indexes = ((("expires_at",), False),)

    db.create_tables([ConsoleSession])
