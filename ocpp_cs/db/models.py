"""The tables: what is stored, under which natural keys, with which indexes.

No behaviour lives here and nothing else of ours is imported: queries are in `queries`, the hot
road's statements beside the handlers that run them. Growing tables hold plain `charge_point_id`
integers instead of foreign keys, so that they can be partitioned by time or sharded by charge
point. Times are aware UTC (`UtcField`), energy is whole Wh, `*_key` columns are what is compared.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import peewee
from peewee import (
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    DoubleField,
    IntegerField,
    SmallIntegerField,
    TextField,
)

from ocpp_cs.db.fields import NeverReusedBigField, NeverReusedField, UtcField

database: Any = peewee.DatabaseProxy()


class Table(peewee.Model):
    class Meta:
        database = database
        legacy_table_names = False


class ChargePoint(Table):
    """A charge point known to us; `identity` is the last segment of its connection URL (R1)."""

    # Never reused: what is left of a deleted one's connection must not be taken for another's.
    id = NeverReusedField()
    identity = TextField(unique=True)
    # As of the latest BootNotification (§4.2).
    vendor = TextField(null=True)
    model = TextField(null=True)
    serial_number = TextField(null=True)
    charge_box_serial_number = TextField(null=True)
    firmware_version = TextField(null=True)
    iccid = TextField(null=True)
    imsi = TextField(null=True)
    meter_type = TextField(null=True)
    meter_serial_number = TextField(null=True)
    # "accepted", "pending" or "rejected": kept per charge point, not per socket (R15).
    registration = TextField(default="accepted")
    accepted_at = UtcField(null=True)  # the first time: what came before it was refused (R21)
    security_profile = SmallIntegerField(default=0)
    # Two slots, so that a key change survives a lost answer (R18).
    key_hash = TextField(null=True)
    next_key_hash = TextField(null=True)
    note = TextField(null=True)
    call_timeout_s = IntegerField(null=True)
    heartbeat_interval_s = IntegerField(null=True)
    subprotocol_offered = BooleanField(null=True)
    created_at = UtcField()
    booted_at = UtcField(null=True)
    # Presence: online while `present_until` lies ahead; a dead process simply lets it pass (F6).
    session_epoch = IntegerField(default=0)
    connected_at = UtcField(null=True)
    last_seen_at = UtcField(null=True)
    present_until = UtcField(null=True)
    offline_since = UtcField(null=True)
    # As of the latest answers (commands).
    configuration_read_at = UtcField(null=True)
    local_list_version = IntegerField(null=True)
    local_list_version_at = UtcField(null=True)
    # From then on it is let in no more and nothing of it is stored: it is being deleted.
    removing_at = UtcField(null=True)
    # When the feed told that it is offline; null: it did not, since it was online last.
    offline_told_at = UtcField(null=True)

    class Meta:
        table_name = "charge_points"


class Connector(Table):
    """The latest status of a connector by the time of the event, not of arrival (R38)."""

    id = peewee.AutoField()
    charge_point_id = IntegerField()
    connector_id = IntegerField()
    status = TextField()
    error_code = TextField()
    info = TextField(null=True)
    vendor_id = TextField(null=True)
    vendor_error_code = TextField(null=True)
    since = UtcField()
    received_at = UtcField()

    class Meta:
        table_name = "connectors"
        indexes = ((("charge_point_id", "connector_id"), True),)


class StatusEvent(Table):
    """One StatusNotification (§4.9)."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    connector_id = IntegerField()
    status = TextField()
    error_code = TextField()
    info = TextField(null=True)
    vendor_id = TextField(null=True)
    vendor_error_code = TextField(null=True)
    occurred_at = UtcField()
    received_at = UtcField()
    message_id = TextField()
    event_key = TextField()

    class Meta:
        table_name = "status_events"
        indexes = (
            (("charge_point_id", "event_key"), True),
            (("charge_point_id", "received_at"), False),
            (("charge_point_id", "connector_id", "occurred_at"), False),
        )


class IdTag(Table):
    """A tag that may charge; compared by its casefolded `id_tag_key` (R34)."""

    id = peewee.AutoField()
    id_tag = TextField()
    id_tag_key = TextField(unique=True)
    parent_id_tag = TextField(null=True)
    parent_id_tag_key = TextField(null=True, index=True)
    status = TextField(default="accepted")  # or "blocked"
    expires_at = UtcField(null=True)
    max_active_transactions = IntegerField(null=True, default=1)  # null: no limit
    note = TextField(null=True)
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        table_name = "id_tags"


class Transaction(Table):
    """A charging transaction; active until `stopped_at` is set.

    The natural key of a start is (charge point, connector, time, id tag, register) as sent (F1);
    `occurrence` counts the starts of a charge point without a clock that share all of it.
    """

    id = NeverReusedField()
    charge_point_id = IntegerField()
    connector_id = IntegerField()
    id_tag = TextField()
    id_tag_key = TextField()
    started_at = UtcField()
    start_time_key = TextField()
    meter_start_wh = BigIntegerField()
    occurrence = IntegerField(default=0)
    reservation_id = IntegerField(null=True)
    received_at = UtcField()
    # The answer given, kept so that a retransmission gets the same one.
    id_tag_status = TextField()
    id_tag_expires_at = UtcField(null=True)
    parent_id_tag = TextField(null=True)
    parent_id_tag_key = TextField(null=True)
    # The stop.
    stopped_at = UtcField(null=True)
    stop_time_key = TextField(null=True)
    meter_stop_wh = BigIntegerField(null=True)
    stop_reason = TextField(null=True)
    stop_id_tag = TextField(null=True)
    stop_received_at = UtcField(null=True)
    # What its samples say so far.
    last_sample_at = UtcField(null=True)
    last_register_wh = BigIntegerField(null=True)
    last_register_at = UtcField(null=True)
    max_power_w = DoubleField(null=True)
    # Oddities, as bits of rules.TransactionFlag; the time since which it is thought to be stuck.
    flags = IntegerField(default=0)
    suspect_since = UtcField(null=True)
    # Closed by an operator, with what was known of it; a real stop overrides and clears these (F3).
    closed_at = UtcField(null=True)
    closed_by = TextField(null=True)
    close_reason = TextField(null=True)
    # Whether any sample lies outside of `STRAY_AFTER`; else NULL. A column of its own, since an
    # index with a condition on `last_sample_at` would be written with each sample (PostgreSQL).
    stray = BooleanField(null=True)

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
            (("stopped_at", "started_at"), False),
            (("charge_point_id", "connector_id", "started_at"), False),
            (("charge_point_id", "started_at"), False),
            (("connector_id", "started_at"), False),
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


# Few of many: those that are open, and those with something odd.
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
        Transaction.flags,
        Transaction.started_at,
        Transaction.id,
        name="transactions_flagged",
        where=Transaction.flags != 0,
    )
)

# By energy, once it is known: that so far would move with each sample. Active ones stand there
# without any, since PostgreSQL keeps no statistics of an expression on some of the rows.
Transaction.add_index(
    Transaction.index(
        Transaction.meter_stop_wh.cast("NUMERIC") - Transaction.meter_start_wh.cast("NUMERIC"),
        Transaction.started_at,
        Transaction.id,
        name="transactions_energy",
    )
)

# A sample lies between the start of its transaction and so long after it, but for a few.
STRAY_AFTER = timedelta(days=2)

# A constant in the text, and no parameter: else SQLite would not see that it is that of the index.
REFUSED_START = Transaction.id_tag_status != peewee.SQL("'Accepted'")

Transaction.add_index(
    Transaction.index(
        Transaction.charge_point_id,
        Transaction.id,
        name="transactions_stray",
        where=Transaction.stray.is_null(False),
    )
)
# Few of many: what a quota counts.
Transaction.add_index(
    Transaction.index(
        Transaction.charge_point_id,
        Transaction.received_at,
        name="transactions_refused",
        where=REFUSED_START,
    )
)


class TransactionEvidence(Table):
    """Each Start and Stop as it arrived: the raw payload behind a transaction (F2, R26)."""

    id = BigAutoField()
    transaction_id = IntegerField()
    charge_point_id = IntegerField()
    kind = TextField()  # "start", "stop", "conflicting_stop"
    event_key = TextField(default="")  # tells conflicting stops apart
    message_id = TextField()
    frame = TextField()
    received_at = UtcField()

    class Meta:
        table_name = "transaction_evidence"
        indexes = ((("transaction_id", "kind", "event_key"), True),)


class OrphanStop(Table):
    """A StopTransaction that fits no transaction of its charge point (R29, R30, A10)."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    transaction_id = IntegerField()  # as claimed
    likely_transaction_id = IntegerField(null=True)
    id_tag = TextField(null=True)
    meter_stop_wh = BigIntegerField()
    stopped_at = UtcField()
    stop_time_key = TextField()
    stop_reason = TextField(null=True)
    flags = IntegerField(default=0)
    frame = TextField()
    received_at = UtcField()
    # What a person made of it: "linked" (to `resolved_transaction_id`) or "dismissed".
    resolution = TextField(null=True)
    resolved_transaction_id = IntegerField(null=True)
    resolution_note = TextField(null=True)
    resolved_by = TextField(null=True)
    resolved_at = UtcField(null=True)

    class Meta:
        table_name = "orphan_stops"
        indexes = (
            (("charge_point_id", "transaction_id", "stop_time_key", "meter_stop_wh"), True),
            (("charge_point_id", "id"), False),
        )


class MeterSeries(Table):
    """What a sampled value measures, once per kind, so that a sample is a few bytes (§7.30 ff).

    Defaults of the specification are filled in (R35); `unit` is that of `MeterValue.value`,
    `sent_unit` that of its raw text.
    """

    id = peewee.AutoField()
    measurand = TextField()
    phase = TextField(default="")
    location = TextField()
    context = TextField()
    format = TextField()
    unit = TextField(default="")
    sent_unit = TextField(default="")

    class Meta:
        table_name = "meter_series"
        indexes = ((("measurand", "phase", "location", "context", "format", "sent_unit"), True),)


class MeterValue(Table):
    """One sampled value; its key is the physical event (F4). `transaction_id` 0 means none.

    `claimed_transaction_id` is what the charge point said where that is no transaction of its own.
    """

    charge_point_id = IntegerField()
    transaction_id = IntegerField()
    sampled_at = UtcField()
    series_id = IntegerField()
    connector_id = IntegerField()
    value = DoubleField(null=True)  # in the series' unit; null where the text is no number
    raw_value = TextField()
    claimed_transaction_id = IntegerField(null=True)

    class Meta:
        table_name = "meter_values"
        primary_key = peewee.CompositeKey(
            "charge_point_id", "transaction_id", "sampled_at", "series_id", "connector_id"
        )


class RegisterReading(Table):
    """The energy register of a transaction at a quarter hour of UTC, or where its samples were
    far apart, at a sample (`energy.Curve.readings`).

    What is left of its samples when they are pruned: enough for reports, whose buckets begin at
    quarter hours in every time zone.
    """

    charge_point_id = IntegerField()
    transaction_id = IntegerField()
    read_at = UtcField()
    register_wh = BigIntegerField()

    class Meta:
        table_name = "register_readings"
        primary_key = peewee.CompositeKey("charge_point_id", "transaction_id", "read_at")


class FirmwareEvent(Table):
    """A FirmwareStatusNotification or SignedFirmwareStatusNotification."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    status = TextField()
    request_id = IntegerField(null=True)
    signed = BooleanField()
    received_at = UtcField()
    message_id = TextField()

    class Meta:
        table_name = "firmware_events"
        indexes = ((("charge_point_id", "received_at"), False),)


class DiagnosticsEvent(Table):
    """A DiagnosticsStatusNotification or LogStatusNotification (`log`)."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    status = TextField()
    request_id = IntegerField(null=True)
    log = BooleanField()
    received_at = UtcField()
    message_id = TextField()

    class Meta:
        table_name = "diagnostics_events"
        indexes = ((("charge_point_id", "received_at"), False),)


class SecurityEvent(Table):
    """A SecurityEventNotification, or an event that we saw ourselves (`source`)."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    source = TextField()  # "charge_point" or "central_system"
    type = TextField()
    occurred_at = UtcField()
    received_at = UtcField()
    tech_info = TextField(default="")
    critical = BooleanField(default=False)
    event_key = TextField()

    class Meta:
        table_name = "security_events"
        indexes = (
            (("charge_point_id", "event_key"), True),
            (("charge_point_id", "received_at"), False),
        )


class DataTransfer(Table):
    """A DataTransfer from a charge point with the answer it got (R40)."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    vendor_id = TextField()
    vendor_message_id = TextField(null=True)
    data = TextField(null=True)
    answer_status = TextField()
    answer_data = TextField(null=True)
    received_at = UtcField()
    message_id = TextField()

    class Meta:
        table_name = "data_transfers"
        indexes = ((("charge_point_id", "received_at"), False),)


class CertificateRequest(Table):
    """A SignCertificate: the certificate signing request, waiting for a signer (W9)."""

    id = peewee.AutoField()
    charge_point_id = IntegerField()
    csr = TextField()
    # "pending", "invalid" (refused at once), "declined" (by an operator), "signed" (on its way);
    # the ends of that: "accepted" or "rejected" by the charge point, "failed": no such answer.
    status = TextField(default="pending")
    received_at = UtcField()
    event_key = TextField()
    reason = TextField(null=True)
    certificate_chain = TextField(null=True)  # PEM, the charge point's own first
    command_id = IntegerField(null=True)  # the CertificateSigned
    decided_by = TextField(null=True)
    updated_at = UtcField(null=True)

    class Meta:
        table_name = "certificate_requests"
        indexes = (
            (("charge_point_id", "event_key"), True),
            (("command_id",), False),
        )


class InstalledCertificate(Table):
    """A certificate that a charge point holds, as far as it told or accepted it.

    `certificate_type` is OCPP's for roots, and "ChargePointCertificate" for its own (W9).
    """

    id = BigAutoField()
    charge_point_id = IntegerField()
    certificate_type = TextField()
    # What names it on the wire (whitepaper, §6.1), lower-case hexadecimal.
    hash_algorithm = TextField()
    issuer_name_hash = TextField()
    issuer_key_hash = TextField(null=True)
    serial_number = TextField()
    certificate = TextField(null=True)  # PEM; null: only its hashes are known
    subject = TextField(null=True)
    issuer = TextField(null=True)
    not_before = UtcField(null=True)
    not_after = UtcField(null=True)
    installed_at = UtcField(null=True)
    reported_at = UtcField(null=True)
    # "requested", "accepted" (by the charge point) or "failed": an operator has to look at it.
    renewal_status = TextField(null=True)
    renewal_reason = TextField(null=True)
    renewal_command_id = IntegerField(null=True)
    renewal_at = UtcField(null=True)

    class Meta:
        table_name = "installed_certificates"
        indexes = (
            (("charge_point_id", "certificate_type"), False),
            (("not_after",), False),
            (("renewal_command_id",), False),
            (("serial_number",), False),
        )


class StoredFile(Table):
    """A file that a charge point uploaded, or firmware for charge points (`charge_point_id` 0)."""

    id = NeverReusedField()
    charge_point_id = IntegerField()
    purpose = TextField()  # "diagnostics", "log" or "firmware"
    name = TextField()
    size_bytes = BigIntegerField(default=0)
    sha256 = TextField(null=True)
    created_by = TextField()
    created_at = UtcField()
    completed_at = UtcField(null=True)  # null while it is being received

    class Meta:
        table_name = "files"
        indexes = ((("charge_point_id", "id"), False),)


class FileChunk(Table):
    """A part of a file; all but the last are of one size (`files.CHUNK_BYTES`)."""

    charge_point_id = IntegerField()
    file_id = IntegerField()
    number = IntegerField()
    content = BlobField()

    class Meta:
        table_name = "file_chunks"
        primary_key = peewee.CompositeKey("charge_point_id", "file_id", "number")


class FileTransfer(Table):
    """What became of a GetDiagnostics, GetLog, UpdateFirmware or SignedUpdateFirmware."""

    id = NeverReusedField()
    charge_point_id = IntegerField()
    command_id = IntegerField()
    action = TextField()
    request_id = IntegerField(null=True)
    location = TextField()  # without passwords; "drop" for our own
    # Of our own URL, while it is good: a digest of what makes it unguessable, until when.
    token_hash = TextField(null=True, unique=True)
    expires_at = UtcField(null=True)
    file_id = IntegerField(null=True)  # uploaded, or to be downloaded
    file_name = TextField(null=True)  # as the charge point says
    # "requested", "accepted", "in_progress"; its ends: "completed", "rejected", "cancelled",
    # "failed", "unknown" (no answer).
    status = TextField(default="requested")
    progress = TextField(null=True)  # the latest status as OCPP has it
    created_by = TextField()
    created_at = UtcField()
    updated_at = UtcField()
    finished_at = UtcField(null=True)

    class Meta:
        table_name = "file_transfers"
        indexes = (
            (("charge_point_id", "id"), False),
            (("command_id",), False),
        )


class QuarantinedFrame(Table):
    """A transaction-related frame whose required fields could not be read, kept for a person."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    action = TextField()
    message_id = TextField()
    frame = TextField()
    frame_key = TextField()  # digest: a frame sent again is counted, not stored again
    error = TextField()
    received = IntegerField(default=1)
    received_at = UtcField()
    last_received_at = UtcField()
    # What a person made of it: "linked" (to `resolved_transaction_id`) or "dismissed".
    resolution = TextField(null=True)
    resolved_transaction_id = IntegerField(null=True)
    resolution_note = TextField(null=True)
    resolved_by = TextField(null=True)
    resolved_at = UtcField(null=True)

    class Meta:
        table_name = "quarantine"
        indexes = (
            (("charge_point_id", "frame_key"), True),
            (("charge_point_id", "id"), False),
        )


class Deviation(Table):
    """How often a charge point with a firmware broke a rule: its conformance card."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    firmware_version = TextField(default="")
    code = TextField()
    detail = TextField(default="")
    seen = IntegerField(default=1)
    first_seen_at = UtcField()
    last_seen_at = UtcField()

    class Meta:
        table_name = "deviations"
        indexes = ((("charge_point_id", "firmware_version", "code", "detail"), True),)


class ConnectionAttempt(Table):
    """WebSocket handshakes: those alike (identity, address, outcome) are counted in one row."""

    id = BigAutoField()
    identity = TextField()
    remote_address = TextField()
    outcome = TextField()  # "accepted", or the reason it was refused for
    http_status = SmallIntegerField()
    subprotocols = TextField(default="")
    user_agent = TextField(default="")
    attempts = IntegerField(default=1)
    attempted_at = UtcField()
    last_attempted_at = UtcField()

    class Meta:
        table_name = "connection_attempts"
        indexes = (
            (("identity", "remote_address", "outcome"), True),
            (("last_attempted_at",), False),
        )


class Message(Table):
    """A CALL and what was answered to it: the archive of frames, kept for MESSAGE_LOG_DAYS.

    `sent_at` is when a call of the charge point was received, or when ours was sent.
    """

    id = BigAutoField()
    charge_point_id = IntegerField()
    direction = TextField()  # "from_charge_point" or "from_central_system"
    message_id = TextField()
    action = TextField()
    request = TextField()  # the frame as text, secrets blotted out
    response = TextField(null=True)  # the frame that answered it
    error_code = TextField(null=True)  # of a CALLERROR, or ours where there was no good answer
    connection_epoch = IntegerField()
    sent_at = UtcField()
    answered_at = UtcField(null=True)

    class Meta:
        table_name = "messages"
        indexes = ((("charge_point_id", "sent_at"), False), (("sent_at",), False))


# Few of many: calls that were refused or not answered.
Message.add_index(
    Message.index(Message.sent_at, name="messages_errors", where=Message.error_code.is_null(False))
)


class Event(Table):
    """What is told to others: the feed. Its ids are places in it, and never used again."""

    id = NeverReusedBigField()
    type = TextField()
    at = UtcField()  # when it was noted, by our clock
    charge_point_id = IntegerField(null=True)
    data = TextField()  # JSON, as `ocpp_cs.events` says for the type

    class Meta:
        table_name = "events"
        indexes = ((("charge_point_id", "id"), False), (("type", "id"), False))


class Webhook(Table):
    """A URL that gets events, and how far it has got them.

    All events up to `position` that it wants were delivered, or given up: then they are rows of
    `WebhookDelivery`. Who delivers holds the claim: one process and one thread at a time.
    """

    id = NeverReusedField()
    url = TextField()
    secret = TextField()  # signing needs it as it is
    note = TextField(null=True)
    event_types = TextField(null=True)  # JSON; null: all
    charge_point_ids = TextField(null=True)  # identities as JSON; null: all
    enabled = BooleanField(default=True)
    created_by = TextField()
    created_at = UtcField()
    updated_at = UtcField()
    position = BigIntegerField()
    claim = TextField(null=True)
    claimed_until = UtcField(null=True)
    # Attempts that failed since the last one that did not.
    failures = IntegerField(default=0)
    failing_since = UtcField(null=True)
    next_attempt_at = UtcField(null=True)
    last_success_at = UtcField(null=True)
    last_failure_at = UtcField(null=True)
    last_error = TextField(null=True)

    class Meta:
        table_name = "webhooks"


class WebhookDelivery(Table):
    """An event that a webhook was not delivered: a dead letter, until it is sent again."""

    id = NeverReusedField()
    webhook_id = IntegerField()
    event_id = BigIntegerField()
    charge_point_id = IntegerField(null=True)
    event = TextField()  # as it is sent, since the feed may have pruned it
    status = TextField()  # "dead", "queued" to be sent again, "delivered"
    attempts = IntegerField()
    error = TextField()
    given_up_at = UtcField()
    delivered_at = UtcField(null=True)

    class Meta:
        table_name = "webhook_deliveries"
        indexes = (
            (("webhook_id", "event_id"), True),
            (("webhook_id", "status", "id"), False),
            (("charge_point_id",), False),
        )


class ApiKey(Table):
    """A key of the REST API: `ocs_<public_id>_<secret>`. Never deleted, so that it stays named."""

    id = peewee.AutoField()
    public_id = TextField(unique=True)
    name = TextField()
    role = TextField()  # "analyst", "operator" or "admin"
    secret_hash = TextField()
    created_by = TextField()
    created_at = UtcField()
    expires_at = UtcField(null=True)
    last_used_at = UtcField(null=True)
    revoked_at = UtcField(null=True)

    class Meta:
        table_name = "api_keys"


class ConsoleSession(Table):
    """A browser that signed in to the console with an API key; only a digest of its token."""

    id = BigAutoField()
    token_hash = TextField(unique=True)
    public_id = TextField()  # of the API key
    created_at = UtcField()
    expires_at = UtcField()

    class Meta:
        table_name = "console_sessions"
        indexes = ((("expires_at",), False),)


class AuditEvent(Table):
    """Who did what, when, from where: every command and every change by a person or a program."""

    id = BigAutoField()
    at = UtcField()
    actor = TextField()  # as audit.Actor names it: "nightly export (k3f7x2ab)", "command line"
    remote_address = TextField(default="")
    action = TextField()  # such as "command.Reset", "api_key.create"
    target = TextField()  # such as "charge-points/CB-4711"
    detail = TextField(default="")  # JSON, without secrets

    class Meta:
        table_name = "audit_events"
        indexes = ((("at", "id"), False),)


class IdempotencyKey(Table):
    """A request that its client may send again: it gets the resource that the first one made."""

    id = BigAutoField()
    owner = TextField()
    key = TextField()
    fingerprint = TextField()  # digest of method, path and body
    resource = TextField()  # such as "commands/17"
    created_at = UtcField()

    class Meta:
        table_name = "idempotency_keys"
        indexes = ((("owner", "key"), True), (("created_at",), False))


class CommandBatch(Table):
    """One action and payload for many charge points; its commands point here."""

    id = NeverReusedField()
    action = TextField()
    request = TextField()
    created_by = TextField()
    created_at = UtcField()
    commands_total = IntegerField()

    class Meta:
        table_name = "command_batches"


class Command(Table):
    """A CALL to a charge point, from its order to its one final state.

    queued → sent → answered | rejected | timeout | unknown, or queued → expired | cancelled.
    Each arrow is one UPDATE that compares `status`, so that no command is sent twice and none ends
    twice. `sent` is never replayed: a second RemoteStart may charge a second car (F26).
    """

    id = NeverReusedField()
    charge_point_id = IntegerField()
    batch_id = IntegerField(null=True)
    local_list_update_id = IntegerField(null=True)
    action = TextField()
    request = TextField()  # JSON as it goes on the wire; secrets are blotted out once it has ended
    message_id = TextField()
    status = TextField(default="queued")
    # Automatic ones wait until the charge point has settled after connecting (F10, F11).
    automatic = BooleanField(default=False)
    # The session that it is for; null: whichever comes first. Set to the sending one when sent.
    session_epoch = IntegerField(null=True)
    not_before = UtcField()
    expires_at = UtcField()  # of the queue
    created_by = TextField()
    created_at = UtcField()
    sent_at = UtcField(null=True)
    deadline_at = UtcField(null=True)  # of the answer
    finished_at = UtcField(null=True)
    response = TextField(null=True)  # JSON
    error_code = TextField(null=True)
    error_description = TextField(null=True)

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
    """A charging session asked for over REST: the RemoteStartTransaction and what came of it."""

    id = NeverReusedField()
    charge_point_id = IntegerField()
    command_id = IntegerField(unique=True)
    connector_id = IntegerField(null=True)
    id_tag = TextField()
    id_tag_key = TextField()
    outcome = TextField(default="pending")  # or "started", "rejected", "not_started"
    reason = TextField(null=True)
    start_within_s = IntegerField()
    waits_until = UtcField(null=True)  # set when the charge point has accepted
    transaction_id = IntegerField(null=True)
    created_by = TextField()
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
    """A configuration key as the charge point last reported it or accepted its change (§9)."""

    id = peewee.AutoField()
    charge_point_id = IntegerField()
    key = TextField()
    key_key = TextField()  # casefolded: keys are case-insensitive
    value = TextField(null=True)
    readonly = BooleanField(null=True)  # null: not reported yet
    reboot_required = BooleanField(default=False)
    read_at = UtcField(null=True)
    changed_at = UtcField(null=True)

    class Meta:
        table_name = "configuration_keys"
        indexes = ((("charge_point_id", "key_key"), True),)


class ConnectorAvailability(Table):
    """What ChangeAvailability set (§5.2); connector 0 is the whole charge point."""

    id = peewee.AutoField()
    charge_point_id = IntegerField()
    connector_id = IntegerField()
    availability = TextField()  # "Operative" or "Inoperative"
    scheduled = BooleanField()  # it takes effect when the running transaction has ended
    since = UtcField()

    class Meta:
        table_name = "connector_availability"
        indexes = ((("charge_point_id", "connector_id"), True),)


class Reservation(Table):
    """A ReserveNow and what became of it; `reservation_id` is the number on the wire."""

    id = NeverReusedField()
    charge_point_id = IntegerField()
    reservation_id = IntegerField()
    connector_id = IntegerField()
    id_tag = TextField()
    parent_id_tag = TextField(null=True)
    # "requested"; the answer: "accepted", "faulted", "occupied", "rejected", "unavailable",
    # "unknown" (none came); the end: "used", "expired", "cancelled".
    status = TextField()
    ended_by = TextField(null=True)
    expires_at = UtcField()
    command_id = IntegerField(null=True)
    transaction_id = IntegerField(null=True)
    created_by = TextField()
    created_at = UtcField()
    updated_at = UtcField()
    ended_at = UtcField(null=True)  # null while it is "requested", "accepted" or "unknown"

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
    """A charging profile of the library; `profile` is the JSON that goes on the wire (§7.8)."""

    id = NeverReusedField()
    name = TextField()
    profile = TextField()
    created_at = UtcField()
    updated_at = UtcField()

    class Meta:
        table_name = "charging_profiles"


class InstalledChargingProfile(Table):
    """A charging profile that a charge point accepted and that nothing has ended since."""

    id = BigAutoField()
    charge_point_id = IntegerField()
    connector_id = IntegerField()
    charging_profile_id = IntegerField()  # the number on the wire
    stack_level = IntegerField()
    purpose = TextField()
    transaction_id = IntegerField(null=True)
    profile = TextField()
    command_id = IntegerField()
    valid_to = UtcField(null=True)
    installed_at = UtcField()

    class Meta:
        table_name = "installed_charging_profiles"
        indexes = ((("charge_point_id", "connector_id"), False),)


class LocalListUpdate(Table):
    """The id tags sent to a charge point as its local list: one SendLocalList or more (§5.15)."""

    id = NeverReusedField()
    charge_point_id = IntegerField()
    update_type = TextField()  # "full" or "differential"
    list_version = IntegerField()  # the last one of its commands
    entries_total = IntegerField()
    commands_total = IntegerField()
    # "sending", "accepted", "failed", "not_supported", "version_mismatch" (retried in full)
    status = TextField()
    retry_of = IntegerField(null=True)
    created_by = TextField()
    created_at = UtcField()
    finished_at = UtcField(null=True)

    class Meta:
        table_name = "local_list_updates"
        indexes = ((("charge_point_id", "id"), False),)


class LocalListEntry(Table):
    """An entry of the local list that a charge point accepted."""

    charge_point_id = IntegerField()
    id_tag_key = TextField()
    id_tag = TextField()
    info = TextField()  # the idTagInfo as JSON

    class Meta:
        table_name = "local_list_entries"
        primary_key = peewee.CompositeKey("charge_point_id", "id_tag_key")


TABLES: tuple[type[Table], ...] = (
    ChargePoint,
    Connector,
    StatusEvent,
    IdTag,
    Transaction,
    TransactionEvidence,
    OrphanStop,
    MeterSeries,
    MeterValue,
    RegisterReading,
    FirmwareEvent,
    DiagnosticsEvent,
    SecurityEvent,
    DataTransfer,
    CertificateRequest,
    InstalledCertificate,
    StoredFile,
    FileChunk,
    FileTransfer,
    QuarantinedFrame,
    Deviation,
    ConnectionAttempt,
    Message,
    Event,
    Webhook,
    WebhookDelivery,
    ApiKey,
    ConsoleSession,
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
)


def bind(to: peewee.Database) -> None:
    """Binds the tables to a database."""
    database.initialize(to)
    # Clustered by its key, a sample needs no second index; PostgreSQL has no such tables.
    for table in (MeterValue, RegisterReading):
        table._meta.without_rowid = isinstance(to, peewee.SqliteDatabase)
