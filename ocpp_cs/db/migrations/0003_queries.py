"""What analysts get out: the archive of frames, readings that outlive samples, resolutions."""

from __future__ import annotations

from typing import Any

import peewee

from ocpp_cs.db.fields import NeverReusedField, UtcField


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
            indexes = ((("charge_point_id", "sent_at"), False), (("sent_at",), False))

    Message.add_index(
        Message.index(
            Message.sent_at, name="messages_errors", where=Message.error_code.is_null(False)
        )
    )

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
        ("charge_points", (("removing_at", UtcField(null=True)),)),
    ):
        for name, field in columns:
            migrator.add_column(table, name, field).run()
    for table, names in (
        ("transactions", ("stopped_at", "started_at")),
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
    if isinstance(db, peewee.SqliteDatabase):
        _never_reuse_ids(Table, db)


def _never_reuse_ids(base: Any, db: Any) -> None:
    """SQLite learns that a table's ids are never given twice only when it is made."""

    class ChargePoint(base):
        id = NeverReusedField()
        identity = peewee.TextField(unique=True)
        vendor = peewee.TextField(null=True)
        model = peewee.TextField(null=True)
        serial_number = peewee.TextField(null=True)
        charge_box_serial_number = peewee.TextField(null=True)
        firmware_version = peewee.TextField(null=True)
        iccid = peewee.TextField(null=True)
        imsi = peewee.TextField(null=True)
        meter_type = peewee.TextField(null=True)
        meter_serial_number = peewee.TextField(null=True)
        registration = peewee.TextField()
        accepted_at = UtcField(null=True)
        security_profile = peewee.SmallIntegerField()
        key_hash = peewee.TextField(null=True)
        next_key_hash = peewee.TextField(null=True)
        note = peewee.TextField(null=True)
        call_timeout_s = peewee.IntegerField(null=True)
        heartbeat_interval_s = peewee.IntegerField(null=True)
        subprotocol_offered = peewee.BooleanField(null=True)
        created_at = UtcField()
        booted_at = UtcField(null=True)
        session_epoch = peewee.IntegerField()
        connected_at = UtcField(null=True)
        last_seen_at = UtcField(null=True)
        present_until = UtcField(null=True)
        offline_since = UtcField(null=True)
        configuration_read_at = UtcField(null=True)
        local_list_version = peewee.IntegerField(null=True)
        local_list_version_at = UtcField(null=True)
        removing_at = UtcField(null=True)

        class Meta:
            table_name = "charge_points"

    columns = ", ".join(f'"{field.column_name}"' for field in ChargePoint._meta.sorted_fields)
    db.execute_sql('ALTER TABLE "charge_points" RENAME TO "old_charge_points"')
    for [name] in db.execute_sql(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND tbl_name = 'old_charge_points'"
    ).fetchall():
        db.execute_sql(f'DROP INDEX "{name}"')
    db.create_tables([ChargePoint])
    db.execute_sql(
        f'INSERT INTO "charge_points" ({columns}) SELECT {columns} FROM "old_charge_points"'
    )
    db.execute_sql('DROP TABLE "old_charge_points"')
