"""What a data set consists of, as a table: a line per list of the REST API.

How a list is read stands in `db.queries`, and its columns in the API's schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ocpp_cs.api import (
    audit_events,
    certificates,
    charge_points,
    charging_profiles,
    command_batches,
    commands,
    configuration,
    connection_attempts,
    connectors,
    events,
    files,
    histories,
    id_tags,
    local_lists,
    messages,
    meter_values,
    orphan_stops,
    quarantine,
    reservations,
    sessions,
    transactions,
    webhooks,
)
from ocpp_cs.api.columns import Columns, columns_of
from ocpp_cs.api.cursors import Key
from ocpp_cs.api.fields import Flags, Number, Row, Text, Time, Truth, Whole
from ocpp_cs.api.lists import Listing, Read
from ocpp_cs.db import queries

_TYPES: dict[type, str] = {
    Text: "text",
    Whole: "integer",
    Number: "number",
    Truth: "boolean",
    Time: "time",
    Flags: "list of texts",
}


def type_of(field: Any) -> str:
    """What a column holds, in a word; whatever has a structure of its own is JSON."""
    return next((name for kind, name in _TYPES.items() if isinstance(field, kind)), "JSON")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows: a range of time, half-open, and the time at which what is open is looked at."""

    now: datetime
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """A list as a part of a data set; `ranged` says whether a range of time concerns it."""

    name: str
    listing: Listing
    read: Callable[[Scope], Read]
    table: str  # whose rows are counted for the progress
    ranged: bool = False

    @property
    def columns(self) -> Columns:
        return columns_of(self.listing.row)


def _ranged(
    name: str, listing: Listing, query: Callable[..., Any], wanted: Callable[..., Any], **also: Any
) -> Resource:
    """A list whose filter has a range of time."""

    def read(scope: Scope) -> Read:
        given = {key: scope.now if key == "now" else value for key, value in also.items()}
        return partial(query, wanted(since=scope.since, until=scope.until), **given)

    return Resource(name, listing, read, name, ranged=True)


class _OfChargePoint(Row):
    charge_point_id = Text("The charge point that it belongs to.", "CB-4711")


class _Owned:
    """A row of a charge point's own list, with the charge point."""

    __slots__ = ("charge_point_id", "row")

    def __init__(self, charge_point_id: str, row: Any) -> None:
        self.charge_point_id, self.row = charge_point_id, row

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


def _of_each(
    name: str,
    listing: Listing,
    query: Callable[..., Any],
    table: str,
    wanted: Callable[..., Any] | None = None,
) -> Resource:
    """A list that each charge point has: those of all, with a column that says whose a row is.

    `wanted` makes the filter of one that has a range of time.
    """
    schema = type(listing.row.__name__, (listing.row, _OfChargePoint), {})
    key, types = ("charge_point_id", *listing.key), (str, *listing.key_types)
    owned = Listing(f"each {listing.name}", schema, key, types)

    def read(scope: Scope) -> Read:
        if wanted is None:
            return partial(_read_each, query, scope.now)
        chosen = wanted(since=scope.since, until=scope.until)
        return partial(
            _read_each,
            lambda identity, after, limit: query(identity, chosen, after, limit),
            scope.now,
        )

    return Resource(name, owned, read, table, ranged=wanted is not None)


def _histories() -> list[Resource]:
    return [
        _of_each(table, history.listing, history.read, table, history.wanted)
        for name, history in histories.HISTORIES.items()
        for table in [name.replace("-", "_")]
    ]


def _read_each(
    query: Callable[..., Sequence[Any]], now: datetime, after: Key | None, limit: int
) -> list[_Owned]:
    rows: list[_Owned] = []
    if after is not None:
        identity, *place = after
        rows += [_Owned(identity, row) for row in query(identity, tuple(place), limit)]
    last = None if after is None else (after[0],)
    while len(rows) < limit:
        everyone = queries.ChargePointFilter()
        identities = queries.charge_point_ids(everyone, last, 100, now=now)
        if not identities:
            break
        for identity in identities:
            found = query(identity, None, limit - len(rows))
            rows += [_Owned(identity, row) for row in found]
            if len(rows) >= limit:
                return rows
        last = (identities[-1],)
    return rows


def _read_feed(wanted: queries.EventFilter, after: Key | None, limit: int) -> list[Any]:
    """The feed as far as it is there: an event that is committed late may be missing."""
    return queries.events(wanted, after[0] if after else 0, None, limit)


RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            "charge_points",
            charge_points.CHARGE_POINTS,
            lambda scope: partial(
                queries.charge_points, queries.ChargePointFilter(), now=scope.now
            ),
            "charge_points",
        ),
        Resource(
            "id_tags",
            id_tags.ID_TAGS,
            lambda scope: partial(queries.id_tags, queries.IdTagFilter()),
            "id_tags",
        ),
        _ranged(
            "transactions",
            transactions.TRANSACTIONS,
            queries.transactions,
            queries.TransactionFilter,
            now=True,
            newest_first=False,
        ),
        _ranged(
            "meter_values",
            meter_values.ANY_METER_VALUES,
            queries.meter_values,
            queries.AnyMeterValueFilter,
        ),
        Resource(
            "reservations",
            reservations.RESERVATIONS,
            lambda scope: partial(queries.reservations, queries.ReservationFilter()),
            "reservations",
        ),
        _ranged(
            "orphan_stops",
            orphan_stops.ORPHAN_STOPS,
            queries.orphan_stops,
            queries.OrphanStopFilter,
        ),
        _ranged(
            "quarantine",
            quarantine.QUARANTINE,
            queries.quarantined_frames,
            queries.QuarantineFilter,
        ),
        _ranged(
            "connection_attempts",
            connection_attempts.ATTEMPTS,
            queries.connection_attempts,
            queries.ConnectionAttemptFilter,
        ),
        _ranged(
            "messages",
            messages.MESSAGES,
            queries.messages,
            queries.MessageFilter,
            newest_first=False,
        ),
        _ranged("events", events.EVENTS, _read_feed, queries.EventFilter),
        Resource("webhooks", webhooks.WEBHOOKS, lambda scope: queries.webhooks, "webhooks"),
        _ranged(
            "webhook_deliveries",
            webhooks.DELIVERIES,
            queries.deliveries,
            queries.DeliveryFilter,
        ),
        Resource(
            "certificates",
            certificates.CERTIFICATES,
            lambda scope: partial(queries.certificates, queries.CertificateFilter()),
            "installed_certificates",
        ),
        _ranged("files", files.FILES, queries.files, queries.FileFilter),
        _ranged(
            "file_transfers",
            files.TRANSFERS,
            queries.file_transfers,
            queries.FileTransferFilter,
        ),
        _of_each("connectors", connectors.CONNECTORS, queries.connectors, "connectors"),
        *_histories(),
        _of_each(
            "deviations",
            connectors.DEVIATIONS,
            queries.deviations,
            "deviations",
            queries.DeviationFilter,
        ),
        _ranged("commands", commands.COMMANDS, commands.shown_commands, queries.CommandFilter),
        _ranged(
            "command_batches",
            command_batches.BATCHES,
            queries.command_batches,
            queries.CommandBatchFilter,
        ),
        Resource(
            "charging_profiles",
            charging_profiles.PROFILES,
            lambda scope: queries.charging_profiles,
            "charging_profiles",
        ),
        _ranged(
            "audit_events",
            audit_events.AUDIT_EVENTS,
            queries.audit_events,
            queries.AuditEventFilter,
        ),
        _of_each(
            "availability",
            configuration.AVAILABILITY,
            queries.availability,
            "connector_availability",
        ),
        _of_each(
            "configuration",
            configuration.CONFIGURATION,
            queries.configuration,
            "configuration_keys",
        ),
        _of_each(
            "local_list_entries",
            local_lists.ENTRIES,
            queries.local_list_entries,
            "local_list_entries",
        ),
        _of_each(
            "local_list_updates",
            local_lists.UPDATES,
            queries.local_list_updates,
            "local_list_updates",
        ),
        _of_each("sessions", sessions.SESSIONS, queries.remote_starts, "remote_starts"),
    )
}
