"""The tables of the first release."""

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

    class ChargePoint(Table):
        id = peewee.AutoField()
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
        registration = peewee.TextField(default="accepted")
        accepted_at = UtcField(null=True)
        security_profile = peewee.SmallIntegerField(default=0)
        key_hash = peewee.TextField(null=True)
        next_key_hash = peewee.TextField(null=True)
        note = peewee.TextField(null=True)
        call_timeout_s = peewee.IntegerField(null=True)
        heartbeat_interval_s = peewee.IntegerField(null=True)
        subprotocol_offered = peewee.BooleanField(null=True)
        created_at = UtcField()
        booted_at = UtcField(null=True)
        session_epoch = peewee.IntegerField(default=0)
        connected_at = UtcField(null=True)
        last_seen_at = UtcField(null=True)
        present_until = UtcField(null=True)
        offline_since = UtcField(null=True)

        class Meta:
            table_name = "charge_points"

    class Connector(Table):
        id = peewee.AutoField()
        charge_point_id = peewee.IntegerField()
        connector_id = peewee.IntegerField()
        status = peewee.TextField()
        error_code = peewee.TextField()
        info = peewee.TextField(null=True)
        vendor_id = peewee.TextField(null=True)
        vendor_error_code = peewee.TextField(null=True)
        since = UtcField()
        received_at = UtcField()

        class Meta:
            table_name = "connectors"
            indexes = ((("charge_point_id", "connector_id"), True),)

    class StatusEvent(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        connector_id = peewee.IntegerField()
        status = peewee.TextField()
        error_code = peewee.TextField()
        info = peewee.TextField(null=True)
        vendor_id = peewee.TextField(null=True)
        vendor_error_code = peewee.TextField(null=True)
        occurred_at = UtcField()
        received_at = UtcField()
        message_id = peewee.TextField()
        event_key = peewee.TextField()

        class Meta:
            table_name = "status_events"
            indexes = (
                (("charge_point_id", "event_key"), True),
                (("charge_point_id", "received_at"), False),
            )

    class IdTag(Table):
        id = peewee.AutoField()
        id_tag = peewee.TextField()
        id_tag_key = peewee.TextField(unique=True)
        parent_id_tag = peewee.TextField(null=True)
        parent_id_tag_key = peewee.TextField(null=True, index=True)
        status = peewee.TextField(default="accepted")
        expires_at = UtcField(null=True)
        max_active_transactions = peewee.IntegerField(null=True, default=1)
        note = peewee.TextField(null=True)
        created_at = UtcField()
        updated_at = UtcField()

        class Meta:
            table_name = "id_tags"

    class Transaction(Table):
        id = NeverReusedField()
        charge_point_id = peewee.IntegerField()
        connector_id = peewee.IntegerField()
        id_tag = peewee.TextField()
        id_tag_key = peewee.TextField()
        started_at = UtcField()
        start_time_key = peewee.TextField()
        meter_start_wh = peewee.BigIntegerField()
        occurrence = peewee.IntegerField(default=0)
        reservation_id = peewee.IntegerField(null=True)
        received_at = UtcField()
        id_tag_status = peewee.TextField()
        id_tag_expires_at = UtcField(null=True)
        parent_id_tag = peewee.TextField(null=True)
        parent_id_tag_key = peewee.TextField(null=True)
        stopped_at = UtcField(null=True)
        stop_time_key = peewee.TextField(null=True)
        meter_stop_wh = peewee.BigIntegerField(null=True)
        stop_reason = peewee.TextField(null=True)
        stop_id_tag = peewee.TextField(null=True)
        stop_received_at = UtcField(null=True)
        last_sample_at = UtcField(null=True)
        last_register_wh = peewee.BigIntegerField(null=True)
        last_register_at = UtcField(null=True)
        max_power_w = peewee.DoubleField(null=True)
        flags = peewee.IntegerField(default=0)
        suspect_since = UtcField(null=True)

        class Meta:
            table_name = "transactions"
            indexes = (
                (
                    (
                        "charge_point_id",
                        "connector_id",
                        "start_time_key",
                        "id_tag_key",
                        "meter_start_wh",
                        "occurrence",
                    ),
                    True,
                ),
                (("started_at", "id"), False),
                (("charge_point_id", "connector_id", "started_at"), False),
                (("charge_point_id", "started_at"), False),
                (("id_tag_key", "started_at"), False),
                (("parent_id_tag_key", "started_at"), False),
            )

    Transaction.add_index(
        Transaction.index(
            Transaction.charge_point_id,
            Transaction.connector_id,
            name="transactions_active_connector",
            where=Transaction.stopped_at.is_null(),
        )
    )

    Transaction.add_index(
        Transaction.index(
            Transaction.id_tag_key,
            name="transactions_active_id_tag",
            where=Transaction.stopped_at.is_null(),
        )
    )

    Transaction.add_index(
        Transaction.index(
            Transaction.started_at,
            Transaction.id,
            name="transactions_active_started",
            where=Transaction.stopped_at.is_null(),
        )
    )

    Transaction.add_index(
        Transaction.index(
            Transaction.started_at,
            Transaction.id,
            name="transactions_flagged_started",
            where=Transaction.flags != 0,
        )
    )

    class TransactionEvidence(Table):
        id = peewee.BigAutoField()
        transaction_id = peewee.IntegerField()
        charge_point_id = peewee.IntegerField()
        kind = peewee.TextField()
        event_key = peewee.TextField(default="")
        message_id = peewee.TextField()
        frame = peewee.TextField()
        received_at = UtcField()

        class Meta:
            table_name = "transaction_evidence"
            indexes = ((("transaction_id", "kind", "event_key"), True),)

    class OrphanStop(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        transaction_id = peewee.IntegerField()
        likely_transaction_id = peewee.IntegerField(null=True)
        id_tag = peewee.TextField(null=True)
        meter_stop_wh = peewee.BigIntegerField()
        stopped_at = UtcField()
        stop_time_key = peewee.TextField()
        stop_reason = peewee.TextField(null=True)
        flags = peewee.IntegerField(default=0)
        frame = peewee.TextField()
        received_at = UtcField()
        resolution = peewee.TextField(null=True)

        class Meta:
            table_name = "orphan_stops"
            indexes = (
                (("charge_point_id", "transaction_id", "stop_time_key", "meter_stop_wh"), True),
            )

    class MeterSeries(Table):
        id = peewee.AutoField()
        measurand = peewee.TextField()
        phase = peewee.TextField(default="")
        location = peewee.TextField()
        context = peewee.TextField()
        format = peewee.TextField()
        unit = peewee.TextField(default="")
        sent_unit = peewee.TextField(default="")

        class Meta:
            table_name = "meter_series"
            indexes = (
                (("measurand", "phase", "location", "context", "format", "sent_unit"), True),
            )

    class MeterValue(Table):
        charge_point_id = peewee.IntegerField()
        transaction_id = peewee.IntegerField()
        sampled_at = UtcField()
        series_id = peewee.IntegerField()
        connector_id = peewee.IntegerField()
        value = peewee.DoubleField(null=True)
        raw_value = peewee.TextField()
        claimed_transaction_id = peewee.IntegerField(null=True)

        class Meta:
            table_name = "meter_values"
            primary_key = peewee.CompositeKey(
                "charge_point_id", "transaction_id", "sampled_at", "series_id", "connector_id"
            )
            without_rowid = isinstance(db, peewee.SqliteDatabase)

    class FirmwareEvent(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        status = peewee.TextField()
        request_id = peewee.IntegerField(null=True)
        signed = peewee.BooleanField()
        received_at = UtcField()
        message_id = peewee.TextField()

        class Meta:
            table_name = "firmware_events"
            indexes = ((("charge_point_id", "received_at"), False),)

    class DiagnosticsEvent(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        status = peewee.TextField()
        request_id = peewee.IntegerField(null=True)
        log = peewee.BooleanField()
        received_at = UtcField()
        message_id = peewee.TextField()

        class Meta:
            table_name = "diagnostics_events"
            indexes = ((("charge_point_id", "received_at"), False),)

    class SecurityEvent(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        source = peewee.TextField()
        type = peewee.TextField()
        occurred_at = UtcField()
        received_at = UtcField()
        tech_info = peewee.TextField(default="")
        critical = peewee.BooleanField(default=False)
        event_key = peewee.TextField()

        class Meta:
            table_name = "security_events"
            indexes = ((("charge_point_id", "event_key"), True),)

    class DataTransfer(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        vendor_id = peewee.TextField()
        vendor_message_id = peewee.TextField(null=True)
        data = peewee.TextField(null=True)
        answer_status = peewee.TextField()
        answer_data = peewee.TextField(null=True)
        received_at = UtcField()
        message_id = peewee.TextField()

        class Meta:
            table_name = "data_transfers"
            indexes = ((("charge_point_id", "received_at"), False),)

    class CertificateRequest(Table):
        id = peewee.AutoField()
        charge_point_id = peewee.IntegerField()
        csr = peewee.TextField()
        status = peewee.TextField(default="pending")
        received_at = UtcField()
        event_key = peewee.TextField()

        class Meta:
            table_name = "certificate_requests"
            indexes = ((("charge_point_id", "event_key"), True),)

    class QuarantinedFrame(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        action = peewee.TextField()
        message_id = peewee.TextField()
        frame = peewee.TextField()
        frame_key = peewee.TextField()
        error = peewee.TextField()
        received = peewee.IntegerField(default=1)
        received_at = UtcField()
        last_received_at = UtcField()
        resolution = peewee.TextField(null=True)

        class Meta:
            table_name = "quarantine"
            indexes = ((("charge_point_id", "frame_key"), True),)

    class Deviation(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        firmware_version = peewee.TextField(default="")
        code = peewee.TextField()
        detail = peewee.TextField(default="")
        seen = peewee.IntegerField(default=1)
        first_seen_at = UtcField()
        last_seen_at = UtcField()

        class Meta:
            table_name = "deviations"
            indexes = ((("charge_point_id", "firmware_version", "code", "detail"), True),)

    class ConnectionAttempt(Table):
        id = peewee.BigAutoField()
        identity = peewee.TextField()
        remote_address = peewee.TextField()
        outcome = peewee.TextField()
        http_status = peewee.SmallIntegerField()
        subprotocols = peewee.TextField(default="")
        user_agent = peewee.TextField(default="")
        attempts = peewee.IntegerField(default=1)
        attempted_at = UtcField()
        last_attempted_at = UtcField()

        class Meta:
            table_name = "connection_attempts"
            indexes = (
                (("identity", "remote_address", "outcome"), True),
                (("last_attempted_at",), False),
            )

    db.create_tables(
        [
            ChargePoint,
            Connector,
            StatusEvent,
            IdTag,
            Transaction,
            TransactionEvidence,
            OrphanStop,
            MeterSeries,
            MeterValue,
            FirmwareEvent,
            DiagnosticsEvent,
            SecurityEvent,
            DataTransfer,
            CertificateRequest,
            QuarantinedFrame,
            Deviation,
            ConnectionAttempt,
        ]
    )
