"""Certificates of charge points, files to and from them, and what a quota counts.

It needs 0001 only: whatever comes between them may be applied before or after it.
"""

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

    class InstalledCertificate(Table):
        id = peewee.BigAutoField()
        charge_point_id = peewee.IntegerField()
        certificate_type = peewee.TextField()
        hash_algorithm = peewee.TextField()
        issuer_name_hash = peewee.TextField()
        issuer_key_hash = peewee.TextField(null=True)
        serial_number = peewee.TextField()
        certificate = peewee.TextField(null=True)
        subject = peewee.TextField(null=True)
        issuer = peewee.TextField(null=True)
        not_before = UtcField(null=True)
        not_after = UtcField(null=True)
        installed_at = UtcField(null=True)
        reported_at = UtcField(null=True)
        renewal_status = peewee.TextField(null=True)
        renewal_reason = peewee.TextField(null=True)
        renewal_command_id = peewee.IntegerField(null=True)
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
        id = NeverReusedField()
        charge_point_id = peewee.IntegerField()
        purpose = peewee.TextField()
        name = peewee.TextField()
        size_bytes = peewee.BigIntegerField(default=0)
        sha256 = peewee.TextField(null=True)
        created_by = peewee.TextField()
        created_at = UtcField()
        completed_at = UtcField(null=True)

        class Meta:
            table_name = "files"
            indexes = ((("charge_point_id", "id"), False),)

    class FileChunk(Table):
        charge_point_id = peewee.IntegerField()
        file_id = peewee.IntegerField()
        number = peewee.IntegerField()
        content = peewee.BlobField()

        class Meta:
            table_name = "file_chunks"
            primary_key = peewee.CompositeKey("charge_point_id", "file_id", "number")

    class FileTransfer(Table):
        id = NeverReusedField()
        charge_point_id = peewee.IntegerField()
        command_id = peewee.IntegerField()
        action = peewee.TextField()
        request_id = peewee.IntegerField(null=True)
        location = peewee.TextField()
        token_hash = peewee.TextField(null=True, unique=True)
        expires_at = UtcField(null=True)
        file_id = peewee.IntegerField(null=True)
        file_name = peewee.TextField(null=True)
        status = peewee.TextField(default="requested")
        progress = peewee.TextField(null=True)
        created_by = peewee.TextField()
        created_at = UtcField()
        updated_at = UtcField()
        finished_at = UtcField(null=True)

        class Meta:
            table_name = "file_transfers"
            indexes = (
                (("charge_point_id", "id"), False),
                (("command_id",), False),
            )

    db.create_tables([InstalledCertificate, StoredFile, FileChunk, FileTransfer])
    for name, field in (
        ("reason", peewee.TextField(null=True)),
        ("certificate_chain", peewee.TextField(null=True)),
        ("command_id", peewee.IntegerField(null=True)),
        ("decided_by", peewee.TextField(null=True)),
        ("updated_at", UtcField(null=True)),
    ):
        migrator.add_column("certificate_requests", name, field).run()
    migrator.add_index("certificate_requests", ("command_id",)).run()
    db.execute_sql(
        'CREATE INDEX "transactions_refused" ON "transactions" ("charge_point_id", "received_at") '
        "WHERE (\"id_tag_status\" != 'Accepted')"
    )
