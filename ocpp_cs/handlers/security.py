"""SecurityEventNotification and SignCertificate (security whitepaper), and events of our own.

Nothing is signed here: a request waits for a signer (W9).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from ocpp_cs import rules
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import CertificateRequest, SecurityEvent
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.context import RETRANSMISSION_WINDOW, CallContext
from ocpp_cs.ocpp16.messages.security import (
    SecurityEventNotificationRequest,
    SecurityEventNotificationResponse,
    SignCertificateRequest,
    SignCertificateResponse,
)

_INSERT_EVENT = Statement(
    lambda p: SecurityEvent.insert(
        charge_point_id=p.charge_point_id,
        source=p.source,
        type=p.type,
        occurred_at=p.occurred_at,
        received_at=p.received_at,
        tech_info=p.tech_info,
        critical=p.critical,
        event_key=p.event_key,
    ).on_conflict(
        action="nothing",
        conflict_target=[SecurityEvent.charge_point_id, SecurityEvent.event_key],
    )
)
_RECENT_EVENT = Statement(
    lambda p: SecurityEvent.select(SecurityEvent.id).where(
        (SecurityEvent.charge_point_id == p.charge_point_id)
        & (SecurityEvent.event_key == p.event_key)
        & (SecurityEvent.received_at > p.since)
    )
)
_INSERT_REQUEST = Statement(
    lambda p: CertificateRequest.insert(
        charge_point_id=p.charge_point_id,
        csr=p.csr,
        status="pending",
        received_at=p.now,
        event_key=p.event_key,
    ).on_conflict(
        action="nothing",
        conflict_target=[CertificateRequest.charge_point_id, CertificateRequest.event_key],
    )
)


def security_event_notification(
    tx: Tx, context: CallContext, request: SecurityEventNotificationRequest
) -> SecurityEventNotificationResponse:
    """Stores the event before it is confirmed: its delivery is guaranteed (W11, A04.FR.02)."""
    time = context.event_time(tx, request.timestamp)
    tech_info = request.tech_info or ""
    digest = hashlib.sha256(tech_info.encode()).hexdigest()[:16]
    key = f"{time.key}|{request.type}|{digest}"
    if not (time.readable and time.clock_set):
        # The same text may stand for an event of every day: the time of receipt tells them apart.
        window = int(context.now.timestamp() // RETRANSMISSION_WINDOW.total_seconds())
        if _came_just_now(tx, context, f"{key}|{window - 1}"):
            return SecurityEventNotificationResponse()
        key = f"{key}|{window}"
    tx.execute(
        _INSERT_EVENT,
        charge_point_id=context.charge_point.id,
        source="charge_point",
        type=request.type,
        occurred_at=time.at,
        received_at=context.now,
        tech_info=tech_info,
        critical=request.type in rules.CRITICAL_SECURITY_EVENTS,
        event_key=key,
    )
    return SecurityEventNotificationResponse()


def _came_just_now(tx: Tx, context: CallContext, event_key: str) -> bool:
    recent = tx.one(
        _RECENT_EVENT,
        charge_point_id=context.charge_point.id,
        event_key=event_key,
        since=context.now - RETRANSMISSION_WINDOW,
    )
    return recent is not None


def note_security_event(tx: Tx, context: CallContext, type: str, tech_info: str) -> None:
    """Records what a message showed us, once a minute per kind and text at most (W13)."""
    minute = context.now.replace(second=0, microsecond=0)
    _insert_own(tx, context.charge_point.id, type, tech_info, context.now, minute, critical=True)


def note_login_event(
    tx: Tx, charge_point_id: int, type: str, tech_info: str, now: datetime, *, critical: bool
) -> None:
    """Records what a login showed us, once an hour per kind and text at most: strangers can make
    as many of them as they like (W13)."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    _insert_own(tx, charge_point_id, type, tech_info, now, hour, critical=critical)


def _insert_own(
    tx: Tx,
    charge_point_id: int,
    type: str,
    tech_info: str,
    now: datetime,
    period: datetime,
    *,
    critical: bool,
) -> None:
    tx.execute(
        _INSERT_EVENT,
        charge_point_id=charge_point_id,
        source="central_system",
        type=type,
        occurred_at=now,
        received_at=now,
        tech_info=tech_info,
        critical=critical,
        event_key=f"own|{period.isoformat()}|{type}|{tech_info}",
    )


def sign_certificate(
    tx: Tx, context: CallContext, request: SignCertificateRequest
) -> SignCertificateResponse:
    """Stores the request once; Accepted says that it will be looked at (A02.FR.04)."""
    tx.execute(
        _INSERT_REQUEST,
        charge_point_id=context.charge_point.id,
        csr=request.csr,
        now=context.now,
        event_key=hashlib.sha256(request.csr.encode()).hexdigest(),
    )
    return SignCertificateResponse(status="Accepted")
