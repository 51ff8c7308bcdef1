"""What analysts get out: the archive of frames, readings that outlive samples, resolutions."""

from __future__ import annotations

from typing import Any

import peewee

from ocpp_cs.db.fields import UtcField


def up(migrator: Any, db: Any) -> None:
    proxy = peewee.DatabaseProxy()
    proxy.initialize(db)

    class Table(peewee.Model):
        class Meta:
            database = proxy
            legacy_table_names = False

    class Message(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        direction = peewee.TextField()
        message_id = peewee.TextField()
        action = peewee.TextField()
        request = peewee.TextField()
        response = peewee.TextField(null=True)
        error_code = peewee.TextField(null=True)
        connection_epoch = peewee.IntegerField()
        sent_at = UtcField()
        answered_at = UtcField(null=True)

        class Meta:
            table_name = "messages"
            indexes = ((("charge_point_id", "id"), False),)

    class RegisterReading(Table):
        charge_point_id = peewee.IntegerField()
        transaction_id = peewee.IntegerField()
        read_at = UtcField()
        register_wh = peewee.BigIntegerField()

        class Meta:
            table_name = "register_readings"
            primary_key = peewee.CompositeKey("charge_point_id", "transaction_id", "read_at")

    RegisterReading._meta.without_rowid = isinstance(db, peewee.SqliteDatabase)
    db.create_tables([Message, RegisterReading])
    resolution = (
        ("resolved_transaction_id", peewee.IntegerField(null=True)),
        ("resolution_note", peewee.TextField(null=True)),
        ("resolved_by", peewee.TextField(null=True)),
        ("resolved_at", UtcField(null=True)),
    )
    closing = (
        ("closed_at", UtcField(null=True)),
        ("closed_by", peewee.TextField(null=True)),
        ("close_reason", peewee.TextField(null=True)),
    )
    for table, columns in (
        ("orphan_stops", resolution),
        ("quarantine", resolution),
        ("transactions", closing),
    ):
        for name, field in columns:
            migrator.add_column(table, name, field).run()
    for table, names in (
        ("status_events", ("charge_point_id", "connector_id", "occurred_at")),
        ("security_events", ("charge_point_id", "received_at")),
        ("orphan_stops", ("charge_point_id", "id")),
        ("quarantine", ("charge_point_id", "id")),
        ("transactions", ("connector_id", "started_at")),
    ):
        migrator.add_index(table, names).run()
    longest = "172800000" if isinstance(db, peewee.SqliteDatabase) else "interval '172800 seconds'"
    db.execute_sql(
        'CREATE INDEX "transactions_stray" ON "transactions" ("charge_point_id", "id") '
        'WHERE (("flags" & 32768) <> 0 OR "last_sample_at" - "started_at" > ' + longest + ")"
    )
