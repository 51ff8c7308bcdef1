"""Puts rows into a database as the handlers leave them; what a test does not name is usual.

Nothing is checked here: odd rows are what some tests are about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine
from ocpp_cs.rules import id_tag_key

START = datetime(2021, 11, 10, 14, tzinfo=UTC)
STOP = START + timedelta(minutes=75)
CHARGING_PROFILE = (
    '{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"TxDefaultProfile",'
    '"chargingProfileKind":"Relative","chargingSchedule":{"chargingRateUnit":"A",'
    '"chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}}'
)


class Rows:
    """Inserts rows through a connection of its own, committed at once."""

    def __init__(self, engine: Engine) -> None:
        self._database = engine.writable()
        self._series: dict[tuple[str, ...], int] = {}
        self._keys = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction around many rows, for speed."""
        with self._database.atomic():
            yield

    def bound(self, table: type[models.Table]) -> Any:
        """A context in which queries of the table go through this connection."""
        return self._database.bind_ctx([table])

    def insert(self, table: type[models.Table], **values: Any) -> Any:
        """Inserts a row as it is given; its key."""
        with self._database.bind_ctx([table]):
            return table.insert(**values).execute()

    def clear(self, *tables: type[models.Table]) -> None:
        for table in tables:
            with self._database.bind_ctx([table]):
                table.delete().execute()

    def close(self) -> None:
        self._database.close()

    def charge_point(self, identity: str = "CB-4711", **values: Any) -> int:
        given = {"identity": identity, "created_at": START, **values}
        return int(self.insert(models.ChargePoint, **given))

    def connector(self, charge_point_id: int, connector_id: int) -> None:
        self.insert(
            models.Connector,
            charge_point_id=charge_point_id,
            connector_id=connector_id,
            status="Available",
            error_code="NoError",
            since=START,
            received_at=START,
        )

    def status_event(
        self,
        charge_point_id: int,
        connector_id: int = 1,
        status: str = "Available",
        at: datetime = START,
        **values: Any,
    ) -> int:
        usual = {
            "connector_id": connector_id,
            "status": status,
            "error_code": "NoError",
            "occurred_at": at,
            "received_at": at,
            "message_id": "1",
        }
        return self._event(models.StatusEvent, charge_point_id, usual, values)

    def security_event(self, charge_point_id: int, **values: Any) -> int:
        usual = {
            "source": "charge_point",
            "type": "TamperDetectionActivated",
            "occurred_at": START,
            "critical": True,
        }
        return self._event(models.SecurityEvent, charge_point_id, usual, values)

    def firmware_event(self, charge_point_id: int, **values: Any) -> int:
        usual = {"status": "Installed", "signed": False, "message_id": "1"}
        return self._event(models.FirmwareEvent, charge_point_id, usual, values)

    def diagnostics_event(self, charge_point_id: int, **values: Any) -> int:
        usual = {"status": "Uploaded", "log": False, "message_id": "1"}
        return self._event(models.DiagnosticsEvent, charge_point_id, usual, values)

    def data_transfer(self, charge_point_id: int, **values: Any) -> int:
        usual = {
            "vendor_id": "com.example",
            "answer_status": "UnknownVendorId",
            "message_id": "1",
        }
        return self._event(models.DataTransfer, charge_point_id, usual, values)

    def certificate_request(self, charge_point_id: int, **values: Any) -> int:
        usual = {"csr": "-----BEGIN CERTIFICATE REQUEST-----", "status": "pending"}
        return self._event(models.CertificateRequest, charge_point_id, usual, values)

    def installed_certificate(self, charge_point_id: int, **values: Any) -> int:
        """A root that the charge point has accepted."""
        given = {
            "charge_point_id": charge_point_id,
            "certificate_type": "CentralSystemRootCertificate",
            "hash_algorithm": "SHA256",
            "issuer_name_hash": "9f86d081884c7d65",
            "serial_number": "1a2b3c",
            "subject": "CN=Root",
            "not_after": STOP,
            "installed_at": START,
            **values,
        }
        return int(self.insert(models.InstalledCertificate, **given))

    def file(self, charge_point_id: int, content: bytes = b"content", **values: Any) -> int:
        """A log that the charge point has uploaded."""
        given = {
            "charge_point_id": charge_point_id,
            "purpose": "log",
            "name": "security.log",
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "created_by": "CB-4711",
            "created_at": START,
            "completed_at": START,
            **values,
        }
        id = int(self.insert(models.StoredFile, **given))
        place = {"charge_point_id": charge_point_id, "file_id": id, "number": 0}
        self.insert(models.FileChunk, **place, content=content)
        return id

    def file_transfer(self, charge_point_id: int, **values: Any) -> int:
        """A GetLog whose log has arrived."""
        given = {
            "charge_point_id": charge_point_id,
            "command_id": 1,
            "action": "GetLog",
            "request_id": 1,
            "location": "drop",
            "status": "completed",
            "progress": "Uploaded",
            "created_by": "tester (k0000000)",
            "created_at": START,
            "updated_at": START,
            "finished_at": START,
            **values,
        }
        return int(self.insert(models.FileTransfer, **given))

    def deviation(self, charge_point_id: int, **values: Any) -> int:
        given = {
            "charge_point_id": charge_point_id,
            "firmware_version": "1.4.2",
            "code": "too_long",
            "detail": "StatusNotification.info",
            "seen": 1,
            "first_seen_at": START,
            "last_seen_at": START,
            **values,
        }
        return int(self.insert(models.Deviation, **given))

    def connection_attempt(self, identity: str = "CB-4711", **values: Any) -> int:
        self._keys += 1
        given = {
            "identity": identity,
            "remote_address": f"192.0.2.{self._keys}",
            "outcome": "accepted",
            "http_status": 101,
            "attempted_at": START,
            "last_attempted_at": START,
            **values,
        }
        return int(self.insert(models.ConnectionAttempt, **given))

    def event(self, charge_point_id: int | None = None, **values: Any) -> int:
        """That it has connected."""
        data = '{"session":1,"remote_address":"192.0.2.7","security_profile":0}'
        given = {"type": "connected", "at": START, "data": data, **values}
        return int(self.insert(models.Event, charge_point_id=charge_point_id, **given))

    def webhook(self, **values: Any) -> int:
        """To a port where nobody listens."""
        given = {
            "url": "https://127.0.0.1:1/hook",
            "secret": "whsec_c2VjcmV0",
            "created_by": "command line",
            "created_at": START,
            "updated_at": START,
            "position": 0,
            **values,
        }
        return int(self.insert(models.Webhook, **given))

    def webhook_delivery(
        self, webhook_id: int, charge_point_id: int | None = None, **values: Any
    ) -> int:
        """A dead letter."""
        self._keys += 1
        given = {
            "webhook_id": webhook_id,
            "event_id": self._keys,
            "charge_point_id": charge_point_id,
            "event": '{"id":1,"type":"connected"}',
            "status": "dead",
            "attempts": 12,
            "error": "it answered 500 Oops",
            "given_up_at": START,
            **values,
        }
        return int(self.insert(models.WebhookDelivery, **given))

    def _event(
        self,
        table: type[models.Table],
        charge_point_id: int,
        usual: dict[str, Any],
        values: dict[str, Any],
    ) -> int:
        self._keys += 1  # what tells it from others is not what these tests are about
        given = {"charge_point_id": charge_point_id, "received_at": START, **usual, **values}
        if "event_key" in table._meta.fields:
            given.setdefault("event_key", str(self._keys))
        return int(self.insert(table, **given))

    def id_tag(self, id_tag: str = "0fc673", **values: Any) -> int:
        parent = values.get("parent_id_tag")
        given = {
            "id_tag": id_tag,
            "id_tag_key": id_tag_key(id_tag),
            "parent_id_tag_key": None if parent is None else id_tag_key(parent),
            "created_at": START,
            "updated_at": START,
            **values,
        }
        return int(self.insert(models.IdTag, **given))

    def configuration_key(
        self, charge_point_id: int, key: str = "HeartbeatInterval", **values: Any
    ) -> None:
        given = {"charge_point_id": charge_point_id, "key": key, "key_key": key.casefold()}
        self.insert(models.ConfigurationKey, **{**given, **values})

    def availability(self, charge_point_id: int, connector_id: int = 1, **values: Any) -> None:
        given = {
            "charge_point_id": charge_point_id,
            "connector_id": connector_id,
            "availability": "Operative",
            "scheduled": False,
            "since": START,
            **values,
        }
        self.insert(models.ConnectorAvailability, **given)

    def reservation(self, charge_point_id: int, **values: Any) -> int:
        """A reservation that the charge point has accepted."""
        given = {
            "charge_point_id": charge_point_id,
            "reservation_id": 7,
            "connector_id": 1,
            "id_tag": "0fc673",
            "status": "accepted",
            "expires_at": START + timedelta(hours=1),
            "created_by": "tester",
            "created_at": START,
            "updated_at": START,
            **values,
        }
        return int(self.insert(models.Reservation, **given))

    def remote_start(self, charge_point_id: int, **values: Any) -> int:
        """One that nobody plugged in for."""
        given = {
            "charge_point_id": charge_point_id,
            "command_id": 1,
            "id_tag": "0fc673",
            "id_tag_key": "0fc673",
            "outcome": "not_started",
            "reason": "nobody_plugged_in",
            "start_within_s": 120,
            "waits_until": START + timedelta(minutes=2),
            "created_by": "tester (k0000000)",
            "created_at": START,
            "finished_at": START + timedelta(minutes=2),
            **values,
        }
        return int(self.insert(models.RemoteStart, **given))

    def charging_profile(self, **values: Any) -> int:
        given = {
            "name": "at most 16 A",
            "profile": CHARGING_PROFILE,
            "created_at": START,
            "updated_at": START,
            **values,
        }
        return int(self.insert(models.ChargingProfile, **given))

    def installed_charging_profile(self, charge_point_id: int, **values: Any) -> None:
        given = {
            "charge_point_id": charge_point_id,
            "connector_id": 1,
            "charging_profile_id": 1,
            "stack_level": 0,
            "purpose": "TxDefaultProfile",
            "profile": CHARGING_PROFILE,
            "command_id": 1,
            "installed_at": START,
            **values,
        }
        self.insert(models.InstalledChargingProfile, **given)

    def local_list_update(self, charge_point_id: int, **values: Any) -> int:
        """A full update that the charge point has accepted."""
        given = {
            "charge_point_id": charge_point_id,
            "update_type": "full",
            "list_version": 1,
            "entries_total": 3,
            "commands_total": 1,
            "status": "accepted",
            "created_by": "tester",
            "created_at": START,
            "finished_at": START + timedelta(seconds=1),
            **values,
        }
        return int(self.insert(models.LocalListUpdate, **given))

    def local_list_entry(self, charge_point_id: int, id_tag: str = "0fc673") -> None:
        given = {"charge_point_id": charge_point_id, "id_tag_key": id_tag_key(id_tag)}
        info = '{"status":"Accepted"}'
        self.insert(models.LocalListEntry, **given, id_tag=id_tag, info=info)

    def command(self, charge_point_id: int = 1, **values: Any) -> int:
        """A Reset that waits to be sent, unless other values are given."""
        self._keys += 1
        given = {
            "charge_point_id": charge_point_id,
            "action": "Reset",
            "request": '{"type":"Soft"}',
            "message_id": str(self._keys),
            "not_before": START,
            "expires_at": STOP,
            "created_by": "tester (k0000000)",
            "created_at": START,
            **values,
        }
        return int(self.insert(models.Command, **given))

    def command_batch(self, **values: Any) -> int:
        given = {
            "action": "Reset",
            "request": '{"type":"Soft"}',
            "created_by": "tester (k0000000)",
            "created_at": START,
            "commands_total": 1,
            **values,
        }
        return int(self.insert(models.CommandBatch, **given))

    def transaction(self, charge_point_id: int = 1, **values: Any) -> int:
        """An active transaction, unless the values of a stop are given."""
        self._keys += 1  # natural keys are not what these tests are about
        given = {
            "charge_point_id": charge_point_id,
            "connector_id": 1,
            "id_tag": "0fc673",
            "started_at": START,
            "start_time_key": str(self._keys),
            "meter_start_wh": 10000,
            "received_at": START,
            "id_tag_status": "Accepted",
            **values,
        }
        given["id_tag_key"] = id_tag_key(given["id_tag"])
        parent = given.get("parent_id_tag")
        given["parent_id_tag_key"] = None if parent is None else id_tag_key(parent)
        return int(self.insert(models.Transaction, **given))

    def stopped(self, charge_point_id: int = 1, **values: Any) -> int:
        """The transaction of the README's first session: 5 kWh in 75 minutes."""
        stop = {
            "stopped_at": STOP,
            "meter_stop_wh": 15000,
            "stop_reason": "EVDisconnected",
            "stop_id_tag": "0fc673",
            "stop_received_at": STOP,
        }
        return self.transaction(charge_point_id, **{**stop, **values})

    def message(self, charge_point_id: int, **values: Any) -> int:
        """A Heartbeat in the archive, answered after a quarter of a second."""
        sent_at = values.get("sent_at", START)
        given = {
            "charge_point_id": charge_point_id,
            "direction": "from_charge_point",
            "message_id": "1",
            "action": "Heartbeat",
            "request": '[2,"1","Heartbeat",{}]',
            "response": '[3,"1",{"currentTime":"2021-11-10T14:00:00.000Z"}]',
            "connection_epoch": 1,
            "sent_at": sent_at,
            "answered_at": sent_at + timedelta(milliseconds=250),
            **values,
        }
        return int(self.insert(models.Message, **given))

    def evidence(self, transaction_id: int, kind: str, frame: str, **values: Any) -> None:
        given = {
            "transaction_id": transaction_id,
            "charge_point_id": 1,
            "kind": kind,
            "message_id": "3",
            "frame": frame,
            "received_at": START,
            **values,
        }
        self.insert(models.TransactionEvidence, **given)

    def orphan_stop(self, charge_point_id: int = 1, **values: Any) -> int:
        """A stop of a charge point that never got a transaction id."""
        self._keys += 1
        given = {
            "charge_point_id": charge_point_id,
            "transaction_id": -1,
            "id_tag": "0fc673",
            "meter_stop_wh": 15000,
            "stopped_at": STOP,
            "stop_time_key": str(self._keys),
            "stop_reason": "Local",
            "frame": '[2,"9","StopTransaction",{"transactionId":-1,"meterStop":15000,'
            '"timestamp":"2021-11-10T15:15:00Z"}]',
            "received_at": STOP,
            **values,
        }
        return int(self.insert(models.OrphanStop, **given))

    def quarantined_frame(self, charge_point_id: int = 1, **values: Any) -> int:
        """A StopTransaction without a register."""
        self._keys += 1
        given = {
            "charge_point_id": charge_point_id,
            "action": "StopTransaction",
            "message_id": "9",
            "frame": '[2,"9","StopTransaction",{"transactionId":1}]',
            "frame_key": str(self._keys),
            "error": "OccurrenceConstraintViolation: meterStop is missing",
            "received_at": STOP,
            "last_received_at": STOP,
            **values,
        }
        return int(self.insert(models.QuarantinedFrame, **given))

    def series(
        self,
        measurand: str = "Energy.Active.Import.Register",
        *,
        phase: str = "",
        location: str = "Outlet",
        context: str = "Sample.Periodic",
        format: str = "Raw",
        unit: str = "Wh",
        sent_unit: str = "Wh",
    ) -> int:
        """The kind of a sample, inserted once."""
        kind = {
            "measurand": measurand,
            "phase": phase,
            "location": location,
            "context": context,
            "format": format,
            "unit": unit,
            "sent_unit": sent_unit,
        }
        key = tuple(kind.values())
        if key not in self._series:
            self._series[key] = int(self.insert(models.MeterSeries, **kind))
        return self._series[key]

    def sample(
        self,
        transaction_id: int,
        sampled_at: datetime,
        raw_value: str,
        *,
        charge_point_id: int = 1,
        connector_id: int = 1,
        value: float | None = None,
        **kind: Any,
    ) -> None:
        self.insert(
            models.MeterValue,
            charge_point_id=charge_point_id,
            transaction_id=transaction_id,
            sampled_at=sampled_at,
            series_id=self.series(**kind),
            connector_id=connector_id,
            value=value,
            raw_value=raw_value,
        )
