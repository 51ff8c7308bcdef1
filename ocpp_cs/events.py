"""What the central system tells others of: the types of events, and what each of them carries.

Values only. Who notes an event, and who gets it, stands elsewhere; `docs/events.md` and the
AsyncAPI document are made from what stands here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from ocpp_cs.ocpp16.times import format_time

TEST = "test"
"""The type of what is sent to try a webhook: it is no event, and stands in no feed."""


def _told(description: str, example: Any, **also: Any) -> Meta:
    return Meta(description=description, examples=[example], **also)


_TIME = {"format": "date-time"}
Instant = Annotated[str, Meta(extra_json_schema=_TIME)]
ConnectorId = Annotated[int, _told("The connector; 0: the charge point itself.", 1)]
Session = Annotated[int, _told("Number of the connection, of those of this charge point.", 17)]
TransactionId = Annotated[int, _told("The transaction's id.", 4711)]


class Event(Struct, frozen=True, kw_only=True):
    """What an event carries besides its type, its time and its charge point."""

    type: ClassVar[str]

    def encoded(self) -> str:
        """As JSON."""
        return _encoder.encode(self).decode()


_encoder = msgspec.json.Encoder()


class Connected(Event, frozen=True, kw_only=True):
    """A charge point has connected. Without a `disconnected` before, the new connection replaces
    one that hung, or whose process died."""

    type = "connected"
    session: Session
    remote_address: Annotated[str, _told("Address that it came from.", "192.0.2.17")]
    security_profile: Annotated[int, _told("The security profile that it uses: 0 to 3.", 2)]


class Disconnected(Event, frozen=True, kw_only=True):
    """Its connection has ended, and no newer one has replaced it."""

    type = "disconnected"
    session: Session
    last_seen_at: Annotated[Instant, _told("Its last sign of life.", "2026-11-22T10:14:58.000Z")]


class Offline(Event, frozen=True, kw_only=True):
    """It has been away for longer than `OFFLINE_AFTER`; once for each time that it is away."""

    type = "offline"
    offline_since: Annotated[Instant, _told("Since when.", "2026-11-22T10:15:00.000Z")]
    last_seen_at: Annotated[
        Instant | None, _told("Its last sign of life.", "2026-11-22T10:14:58.000Z")
    ]


class Online(Event, frozen=True, kw_only=True):
    """It is back, after an `offline`."""

    type = "online"
    offline_told_at: Annotated[
        Instant, _told("When `offline` was told.", "2026-11-22T10:20:00.000Z")
    ]


class Faulted(Event, frozen=True, kw_only=True):
    """A connector has become Faulted, or is Faulted with another error than before."""

    type = "faulted"
    connector_id: ConnectorId
    error_code: Annotated[str, _told("As in StatusNotification.", "GroundFailure")]
    info: Annotated[str | None, _told("What it says of the error.", "RCD tripped")]
    vendor_id: Annotated[str | None, _told("Whose error code it is.", "com.example")]
    vendor_error_code: Annotated[str | None, _told("The vendor's own error code.", "E17")]
    since: Annotated[Instant, _told("When it happened.", "2026-11-22T10:15:00.000Z")]


class Recovered(Event, frozen=True, kw_only=True):
    """A connector that was Faulted has another status."""

    type = "recovered"
    connector_id: ConnectorId
    status: Annotated[str, _told("Its status now, as in StatusNotification.", "Available")]
    since: Annotated[Instant, _told("Since when.", "2026-11-22T10:45:00.000Z")]
    faulted_since: Annotated[
        Instant, _told("Since when it was Faulted.", "2026-11-22T10:15:00.000Z")
    ]


class SessionStarted(Event, frozen=True, kw_only=True):
    """A transaction has begun, also with an id tag that was refused: its energy flows."""

    type = "session_started"
    transaction_id: TransactionId
    connector_id: ConnectorId
    id_tag: Annotated[str, _told("The id tag, as it was sent.", "04A2B3C4")]
    parent_id_tag: Annotated[str | None, _told("The group of the id tag.", "FLEET-7")]
    id_tag_status: Annotated[str, _told("What the charge point was answered.", "Accepted")]
    started_at: Annotated[
        Instant, _told("Start, by the charge point's clock.", "2026-11-22T10:15:00.000Z")
    ]
    meter_start_wh: Annotated[int, _told("Register at the start, Wh.", 1204500)]
    reservation_id: Annotated[int | None, _told("The reservation that it used.", 12)]


class SessionStopped(Event, frozen=True, kw_only=True):
    """A transaction has ended: with a stop of its charge point, which may follow an operator's
    closing and then stands; or closed by an operator."""

    type = "session_stopped"
    transaction_id: TransactionId
    connector_id: ConnectorId
    started_at: Annotated[
        Instant, _told("Start, by the charge point's clock.", "2026-11-22T10:15:00.000Z")
    ]
    stopped_at: Annotated[
        Instant, _told("Stop, by the charge point's clock.", "2026-11-22T11:30:00.000Z")
    ]
    duration_s: Annotated[int, _told("From start to stop, s.", 4500)]
    meter_start_wh: Annotated[int, _told("Register at the start, Wh.", 1204500)]
    meter_stop_wh: Annotated[int, _told("Register at the stop, Wh.", 1219300)]
    energy_wh: Annotated[int, _told("What was charged, Wh.", 14800)]
    stop_reason: Annotated[
        str | None, _told("Why, as in StopTransaction; null where it was closed.", "EVDisconnected")
    ]
    closed_by: Annotated[
        str | None, _told("The operator who closed it; null: it stopped.", "booking (k3f7x2ab)")
    ]


class TransactionSuspect(Event, frozen=True, kw_only=True):
    """A transaction that was not stopped seems to have ended: its connector is free, or another
    one began there."""

    type = "transaction_suspect"
    transaction_id: TransactionId
    connector_id: ConnectorId
    suspect_since: Annotated[Instant, _told("Since when.", "2026-11-22T12:00:00.000Z")]


class SecurityEventNoted(Event, frozen=True, kw_only=True):
    """A security event: reported by the charge point, or seen by the central system."""

    type = "security_event"
    event: Annotated[str, _told("As the security extension names it.", "TamperDetectionActivated")]
    source: Annotated[str, _told("Who saw it: charge_point or central_system.", "charge_point")]
    critical: Annotated[bool, _told("Whether somebody should look at it.", True)]
    tech_info: Annotated[str, _told("What else was told; may be empty.", "lid sensor 2")]
    occurred_at: Annotated[
        Instant, _told("When, by the clock of who saw it.", "2026-11-22T10:15:00.000Z")
    ]


class HandshakeRefused(Event, frozen=True, kw_only=True):
    """A charge point, or what calls itself one, was not let in. Of those alike (identity, address,
    outcome) one in an hour is told, and no more than 1,000 in an hour; `/connection-attempts`
    counts all of them."""

    type = "handshake_refused"
    identity: Annotated[
        str, _told("The identity that was sent, known or not; may be empty.", "CB-4711")
    ]
    remote_address: Annotated[str, _told("Address that it came from.", "192.0.2.17")]
    outcome: Annotated[str, _told("Why, as in `/connection-attempts`.", "wrong_password")]
    http_status: Annotated[int, _told("Its answer; 0: it ended within TLS.", 401)]


class DatabaseUnavailable(Event, frozen=True, kw_only=True):
    """The database took nothing for a while: charge points were sent away. Told once it is back,
    by each process that saw it."""

    type = "database_unavailable"
    since: Annotated[Instant, _told("From when.", "2026-11-22T03:00:00.000Z")]
    until: Annotated[Instant, _told("Until when.", "2026-11-22T03:02:10.000Z")]
    duration_s: Annotated[int, _told("How long, s.", 130)]


TYPES: dict[str, type[Event]] = {
    kind.type: kind
    for kind in (
        Connected,
        Disconnected,
        Offline,
        Online,
        Faulted,
        Recovered,
        SessionStarted,
        SessionStopped,
        TransactionSuspect,
        SecurityEventNoted,
        HandshakeRefused,
        DatabaseUnavailable,
    )
}
"""Every type of events by its name."""


def instant(at: datetime) -> str:
    """A time as events write it."""
    return format_time(at)


def seconds_between(begin: datetime, end: datetime) -> int:
    return int((end - begin).total_seconds())


def example(kind: type[Event]) -> Any:
    """The data of such an event, made of the examples of its fields."""
    properties = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    return {name: content["examples"][0] for name, content in properties.items()}
