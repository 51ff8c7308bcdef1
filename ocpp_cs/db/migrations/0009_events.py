"""The feed of events, and the webhooks that get it.

It needs 0001 only: whatever comes between them may be applied before or after it.
"""

from __future__ import annotations

from typing import Any

import peewee

from ocpp_cs.db.fields import NeverReusedBigField, NeverReusedField, UtcField


def up(migrator: Any, db: Any) -> None:
    proxy = peewee.DatabaseProxy()
    proxy.initialize(db)

    class Table(peewee.Model):
        class Meta:
            database = proxy
            legacy_table_names = False

    class Event(Table):
        id = NeverReusedBigField()
        type = peewee.TextField()
        at = UtcField()
        charge_point_id = peewee.IntegerField(null=True)
        data = peewee.TextField()

        class Meta:
            table_name = "events"
            indexes = ((("charge_point_id", "id"), False), (("type", "id"), False))

    class Webhook(Table):
        id = NeverReusedField()
        url = peewee.TextField()
        secret = peewee.TextField()
        note = peewee.TextField(null=True)
        event_types = peewee.TextField(null=True)
        charge_point_ids = peewee.TextField(null=True)
        enabled = peewee.BooleanField(default=True)
        created_by = peewee.TextField()
        created_at = UtcField()
        updated_at = UtcField()
        position = peewee.BigIntegerField()
        claim = peewee.TextField(null=True)
        claimed_until = UtcField(null=True)
        failures = peewee.IntegerField(default=0)
        failing_since = UtcField(null=True)
        next_attempt_at = UtcField(null=True)
        last_success_at = UtcField(null=True)
        last_failure_at = UtcField(null=True)
        last_error = peewee.TextField(null=True)

        class Meta:
            table_name = "webhooks"

    class WebhookDelivery(Table):
        id = NeverReusedField()
        webhook_id = peewee.IntegerField()
        event_id = peewee.BigIntegerField()
        charge_point_id = peewee.IntegerField(null=True)
        event = peewee.TextField()
        status = peewee.TextField()
        attempts = peewee.IntegerField()
        error = peewee.TextField()
        given_up_at = UtcField()
        delivered_at = UtcField(null=True)

        class Meta:
            table_name = "webhook_deliveries"
            indexes = (
                (("webhook_id", "event_id"), True),
                (("webhook_id", "status", "id"), False),
                (("charge_point_id",), False),
            )

    db.create_tables([Event, Webhook, WebhookDelivery])
    migrator.add_column("charge_points", "offline_told_at", UtcField(null=True)).run()
    # Who has been away for long is no news.
    db.execute_sql('UPDATE "charge_points" SET "offline_told_at" = "offline_since"')
