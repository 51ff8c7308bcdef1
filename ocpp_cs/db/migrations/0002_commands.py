"""Commands and what their answers change; API keys and the audit trail."""

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

    class ApiKey(Table):
        id = peewee.AutoField()
        public_id = peewee.TextField(unique=True)
        name = peewee.TextField()
        role = peewee.TextField()
        secret_hash = peewee.TextField()
        created_by = peewee.TextField()
        created_at = UtcField()
        expires_at = UtcField(null=True)
        last_used_at = UtcField(null=True)
        revoked_at = UtcField(null=True)

        class Meta:
            table_name = "api_keys"

    class AuditEvent(Table):
        id = peewee.BigAutoField()
        at = UtcField()
        actor = peewee.TextField()
        remote_address = peewee.TextField(default="")
        action = peewee.TextField()
        target = peewee.TextField()
        detail = peewee.TextField(default="")

        class Meta:
            table_name = "audit_events"
            indexes = ((("at", "id"), False),)

    class IdempotencyKey(Table):
        id = peewee.BigAutoField()
        owner = peewee.TextField()
        key = peewee.TextField()
        fingerprint = peewee.TextField()
        resource = peewee.TextField()
        created_at = UtcField()

        class Meta:
            table_name = "idempotency_keys"
            indexes = ((("owner", "key"), True), (("created_at",), False))

    class CommandBatch(Table):
        id = NeverReusedField()
        action = peewee.TextField()
        request = peewee.TextField()
        created_by = peewee.TextField()
        created_at = UtcField()
        commands_total = peewee.IntegerField()

        class Meta:
            table_name = "command_batches"

    class Command(Table):
        id = NeverReusedField()
        charge_point_id = peewee.IntegerField()
        batch_id = peewee.IntegerField(null=True)
        local_list_update_id = peewee.IntegerField(null=True)
        action = peewee.TextField()
        request = peewee.TextField()
        message_id = peewee.TextField()
        status = peewee.TextField(default="queued")
        automatic = peewee.BooleanField(default=False)
        session_epoch = peewee.IntegerField(null=True)
        not_before = UtcField()
        expires_at = UtcField()
        created_by = peewee.TextField()
        created_at = UtcField()
        sent_at = UtcField(null=True)
        deadline_at = UtcField(null=True)
        finished_at = UtcField(null=True)
        response = peewee.TextField(null=True)
        error_code = peewee.TextField(null=True)
        error_description = peewee.TextField(null=True)

        class Meta:
            table_name = "commands"
            indexes = (
                (("charge_point_id", "id"), False),
                (("batch_id", "status"), False),
                (("local_list_update_id",), False),
            )

    Command.add_index(
        Command.index(
            Command.charge_point_id,
            Command.id,
            name="commands_open",
            where=Command.finished_at.is_null(),
        )
    )

    class RemoteStart(Table):
        id = NeverReusedField()
        charge_point_id = peewee.IntegerField()
        command_id = peewee.IntegerField(unique=True)
        connector_id = peewee.IntegerField(null=True)
        id_tag = peewee.TextField()
        id_tag_key = peewee.TextField()
        outcome = peewee.TextField(default="pending")
        reason = peewee.TextField(null=True)
        start_within_s = peewee.IntegerField()
        waits_until = UtcField(null=True)
        transaction_id = peewee.IntegerField(null=True)
        created_by = peewee.TextField()
        created_at = UtcField()
        finished_at = UtcField(null=True)

        class Meta:
            table_name = "remote_starts"
            indexes = ((("charge_point_id", "id"), False),)

    RemoteStart.add_index(
        RemoteStart.index(
            RemoteStart.charge_point_id,
            RemoteStart.id_tag_key,
            name="remote_starts_pending",
            where=RemoteStart.finished_at.is_null(),
        )
    )

    class ConfigurationKey(Table):
        id = peewee.AutoField()
        charge_point_id = peewee.IntegerField()
        key = peewee.TextField()
        key_key = peewee.TextField()
        value = peewee.TextField(null=True)
        readonly = peewee.BooleanField(null=True)
        reboot_required = peewee.BooleanField(default=False)
        read_at = UtcField(null=True)
        changed_at = UtcField(null=True)

        class Meta:
            table_name = "configuration_keys"
            indexes = ((("charge_point_id", "key_key"), True),)

    class ConnectorAvailability(Table):
        id = peewee.AutoField()
        charge_point_id = peewee.IntegerField()
        connector_id = peewee.IntegerField()
        availability = peewee.TextField()
        scheduled = peewee.BooleanField()
        since = UtcField()

        class Meta:
            table_name = "connector_availability"
            indexes = ((("charge_point_id", "connector_id"), True),)

    class Reservation(Table):
        id = NeverReusedField()
        charge_point_id = peewee.IntegerField()
        reservation_id = peewee.IntegerField()
        connector_id = peewee.IntegerField()
        id_tag = peewee.TextField()
        parent_id_tag = peewee.TextField(null=True)
        status = peewee.TextField()
        ended_by = peewee.TextField(null=True)
        expires_at = UtcField()
        command_id = peewee.IntegerField(null=True)
        transaction_id = peewee.IntegerField(null=True)
        created_by = peewee.TextField()
        created_at = UtcField()
        updated_at = UtcField()
        ended_at = UtcField(null=True)

        class Meta:
            table_name = "reservations"
            indexes = (
                (("charge_point_id", "reservation_id"), False),
                (("command_id",), False),
            )

    Reservation.add_index(
        Reservation.index(
            Reservation.charge_point_id,
            Reservation.connector_id,
            name="reservations_open",
            where=Reservation.ended_at.is_null(),
        )
    )

    class ChargingProfile(Table):
        id = NeverReusedField()
        name = peewee.TextField()
        profile = peewee.TextField()
        created_at = UtcField()
        updated_at = UtcField()

        class Meta:
            table_name = "charging_profiles"

    class InstalledChargingProfile(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        connector_id = peewee.IntegerField()
        charging_profile_id = peewee.IntegerField()
        stack_level = peewee.IntegerField()
        purpose = peewee.TextField()
        transaction_id = peewee.IntegerField(null=True)
        profile = peewee.TextField()
        command_id = peewee.IntegerField()
        valid_to = UtcField(null=True)
        installed_at = UtcField()

        class Meta:
            table_name = "installed_charging_profiles"
            indexes = ((("charge_point_id", "connector_id"), False),)

    class LocalListUpdate(Table):
        id = NeverReusedField()
        charge_point_id = peewee.IntegerField()
        update_type = peewee.TextField()
        list_version = peewee.IntegerField()
        entries_total = peewee.IntegerField()
        commands_total = peewee.IntegerField()
        status = peewee.TextField()
        retry_of = peewee.IntegerField(null=True)
        created_by = peewee.TextField()
        created_at = UtcField()
        finished_at = UtcField(null=True)

        class Meta:
            table_name = "local_list_updates"
            indexes = ((("charge_point_id", "id"), False),)

    class LocalListEntry(Table):
        charge_point_id = peewee.IntegerField()
        id_tag_key = peewee.TextField()
        id_tag = peewee.TextField()
        info = peewee.TextField()

        class Meta:
            table_name = "local_list_entries"
            primary_key = peewee.CompositeKey("charge_point_id", "id_tag_key")

    db.create_tables(
        [
            ApiKey,
            AuditEvent,
            IdempotencyKey,
            CommandBatch,
            Command,
            RemoteStart,
            ConfigurationKey,
            ConnectorAvailability,
            Reservation,
            ChargingProfile,
            InstalledChargingProfile,
            LocalListUpdate,
            LocalListEntry,
        ]
    )
    columns = (
        ("configuration_read_at", UtcField(null=True)),
        ("local_list_version", peewee.IntegerField(null=True)),
        ("local_list_version_at", UtcField(null=True)),
    )
    for name, field in columns:
        migrator.add_column("charge_points", name, field).run()
