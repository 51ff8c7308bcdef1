"""What a charge point told in the course of time, as people read it: the last received first.

By receipt, since that order never changes: an event that was queued for days comes on top. The
period is that of the event where it has a time of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import (
    CertificateRequest,
    DataTransfer,
    DiagnosticsEvent,
    FirmwareEvent,
    SecurityEvent,
    StatusEvent,
    Table,
)
from ocpp_cs.db.queries.conditions import key_of, where

After = tuple[datetime, int] | None


class StatusEventRow(NamedTuple):
    """A StatusNotification."""

    id: int
    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    occurred_at: datetime
    received_at: datetime


class SecurityEventRow(NamedTuple):
    """A SecurityEventNotification, or what we saw ourselves."""

    id: int
    type: str
    source: str
    critical: bool
    tech_info: str
    occurred_at: datetime
    received_at: datetime


class FirmwareEventRow(NamedTuple):
    """A FirmwareStatusNotification or SignedFirmwareStatusNotification."""

    id: int
    status: str
    request_id: int | None
    signed: bool
    received_at: datetime


class DiagnosticsEventRow(NamedTuple):
    """A DiagnosticsStatusNotification or LogStatusNotification."""

    id: int
    status: str
    request_id: int | None
    log: bool
    received_at: datetime


class DataTransferRow(NamedTuple):
    """A DataTransfer and its answer."""

    id: int
    vendor_id: str
    vendor_message_id: str | None
    data: str | None
    answer_status: str
    answer_data: str | None
    received_at: datetime


class CertificateRequestRow(NamedTuple):
    """A SignCertificate."""

    id: int
    csr: str
    status: str
    reason: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFilter:
    """Which rows; None does not filter. `since` inclusive, `until` exclusive."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEventFilter(HistoryFilter):
    connector_id: int | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventFilter(HistoryFilter):
    type: str | None = None
    critical: bool | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareEventFilter(HistoryFilter):
    status: str | None = None
    signed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsEventFilter(HistoryFilter):
    status: str | None = None
    log: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransferFilter(HistoryFilter):
    vendor_id: str | None = None
    answer_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequestFilter(HistoryFilter):
    status: str | None = None


def status_events(
    identity: str, wanted: StatusEventFilter, after: After, limit: int
) -> list[StatusEventRow]:
    return _history(StatusEvent, StatusEventRow, identity, wanted, after, limit)


def connector_status_events(
    identity: str, connector_id: int, since: datetime, until: datetime, limit: int
) -> list[StatusEventRow]:
    """The first ones within a time, both ends included, in the order in which they occurred."""
    at: Any = StatusEvent.occurred_at
    query: Any = (
        StatusEvent.select(*(getattr(StatusEvent, name) for name in StatusEventRow._fields))
        .where(StatusEvent.charge_point_id == key_of(identity))
        .where(StatusEvent.connector_id == connector_id)
        .where((at >= since) & (at <= until))
        .order_by(at, StatusEvent.id)
        .limit(limit)
    )
    return [StatusEventRow(*values) for values in query.tuples()]


def security_events(
    identity: str, wanted: SecurityEventFilter, after: After, limit: int
) -> list[SecurityEventRow]:
    return _history(SecurityEvent, SecurityEventRow, identity, wanted, after, limit)


def firmware_events(
    identity: str, wanted: FirmwareEventFilter, after: After, limit: int
) -> list[FirmwareEventRow]:
    return _history(FirmwareEvent, FirmwareEventRow, identity, wanted, after, limit)


def diagnostics_events(
    identity: str, wanted: DiagnosticsEventFilter, after: After, limit: int
) -> list[DiagnosticsEventRow]:
    return _history(DiagnosticsEvent, DiagnosticsEventRow, identity, wanted, after, limit)


def data_transfers(
    identity: str, wanted: DataTransferFilter, after: After, limit: int
) -> list[DataTransferRow]:
    return _history(DataTransfer, DataTransferRow, identity, wanted, after, limit)


def certificate_requests(
    identity: str, wanted: CertificateRequestFilter, after: After, limit: int
) -> list[CertificateRequestRow]:
    return _history(CertificateRequest, CertificateRequestRow, identity, wanted, after, limit)


def _history(
    table: type[Table], row: Any, identity: str, wanted: Any, after: After, limit: int
) -> list[Any]:
    """Rows of a table, whose columns the row names and the filter, too; key (received_at, id)."""
    columns: Any = table
    at = getattr(table, "occurred_at", columns.received_at)
    conditions: list[Any] = [columns.charge_point_id == key_of(identity)]
    for name in wanted.__dataclass_fields__:
        value = getattr(wanted, name)
        if value is None:
            continue
        if name == "since":
            conditions.append(at >= value)
        elif name == "until":
            conditions.append(at < value)
        else:
            conditions.append(getattr(columns, name) == value)
    received_at, id = columns.received_at, columns.id
    if after is not None:
        # The first half is implied by the second; engines walk an index by it.
        conditions += [received_at <= after[0], (received_at < after[0]) | (id < after[1])]
    query = table.select(*(getattr(columns, name) for name in row._fields))
    query = where(query, conditions).order_by(received_at.desc(), id.desc()).limit(limit)
    return [row(*values) for values in query.tuples()]
