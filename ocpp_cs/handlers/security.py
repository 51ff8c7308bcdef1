"""SecurityEventNotification and SignCertificate (security whitepaper), and events of our own.

Nothing is signed here: a request waits for a signer (W9).
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from ocpp_cs import rules, x509
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import CertificateRequest, ChargePoint, SecurityEvent
from ocpp_cs.db.security_events import insert_event, note_own_event
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.handlers.context import RETRANSMISSION_WINDOW, CallContext
from ocpp_cs.ocpp16.messages.security import (
    SecurityEventNotificationRequest,
    SecurityEventNotificationResponse,
    SignCertificateRequest,
    SignCertificateResponse,
)

REQUESTS_PER_DAY = 50
"""Certificate requests that are stored of one charge point (A9)."""

# What becomes of a request in these is still to be told.
_OPEN = ("pending", "signed")

_RECENT_EVENT = Statement(
    lambda p: SecurityEvent.select(SecurityEvent.id).where(
        (SecurityEvent.charge_point_id == p.charge_point_id)
        & (SecurityEvent.event_key == p.event_key)
        & (SecurityEvent.received_at > p.since)
    )
)
_LATEST_REQUEST = Statement(
    lambda p: (
        CertificateRequest.select(CertificateRequest.status, CertificateRequest.received_at)
        .where(
            (CertificateRequest.charge_point_id == p.charge_point_id)
            & (CertificateRequest.csr == p.csr)
        )
        .order_by(CertificateRequest.id.desc())
        .limit(1)
    )
)
_REQUESTS_SINCE = Statement(
    lambda p: CertificateRequest.select(fn.COUNT(CertificateRequest.id)).where(
        (CertificateRequest.charge_point_id == p.charge_point_id)
        & (CertificateRequest.received_at > p.since)
    )
)
_SERIAL_NUMBERS = Statement(
    lambda p: ChargePoint.select(
        ChargePoint.serial_number, ChargePoint.charge_box_serial_number
    ).where(ChargePoint.id == p.charge_point_id)
)
_NAMED_ALIKE = Statement(
    lambda p: (
        ChargePoint.select(ChargePoint.id)
        .where(
            (ChargePoint.id != p.charge_point_id)
            & (
                (ChargePoint.identity == p.name)
                | (ChargePoint.serial_number == p.name)
                | (ChargePoint.charge_box_serial_number == p.name)
            )
        )
        .limit(1)
    )
)
_INSERT_REQUEST = Statement(
    lambda p: (
        CertificateRequest.insert(
            charge_point_id=p.charge_point_id,
            csr=p.csr,
            status=p.status,
            reason=p.reason,
            received_at=p.now,
            event_key=p.event_key,
        )
        .on_conflict(
            action="nothing",
            conflict_target=[CertificateRequest.charge_point_id, CertificateRequest.event_key],
        )
        .returning(CertificateRequest.id)
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
    insert_event(
        tx,
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
    note_own_event(tx, context.charge_point.id, type, tech_info, now=context.now)


def note_login_event(
    tx: Tx, charge_point_id: int, type: str, tech_info: str, now: datetime, *, critical: bool
) -> None:
    """Records what a login showed us, once an hour per kind and text at most: strangers can make
    as many of them as they like (W13)."""
    hour = timedelta(hours=1)
    note_own_event(tx, charge_point_id, type, tech_info, now=now, period=hour, critical=critical)


def sign_certificate(
    tx: Tx, context: CallContext, request: SignCertificateRequest
) -> SignCertificateResponse:
    """Checks the request and stores it, once; a signer takes it up from there (A02.FR.04).

    The same text again is the same request sent again while that one is open, or was made just
    now. Rejected says that nothing will come of it (A02.FR.12).
    """
    found = tx.one(_LATEST_REQUEST, charge_point_id=context.charge_point.id, csr=request.csr)
    if found is not None:
        status, received_at = found
        just_now = read_time(received_at) > context.now - RETRANSMISSION_WINDOW  # type: ignore[operator]
        if status in _OPEN or just_now:
            return _answer(status)
    since = context.now - timedelta(days=1)
    counted = tx.one(_REQUESTS_SINCE, charge_point_id=context.charge_point.id, since=since)
    if counted is not None and counted[0] >= REQUESTS_PER_DAY:
        note_security_event(tx, context, "TooManyCertificateRequests", "")
        return SignCertificateResponse(status="Rejected")
    fault = _fault(tx, context, request.csr)
    if fault is not None:
        note_security_event(tx, context, "InvalidCertificateRequest", fault)
    status = "pending" if fault is None else "invalid"
    digest = hashlib.sha256(request.csr.encode()).hexdigest()
    row = tx.execute(
        _INSERT_REQUEST,
        charge_point_id=context.charge_point.id,
        csr=request.csr,
        status=status,
        reason=fault,
        now=context.now,
        event_key=digest if found is None else f"{digest}|{context.now.isoformat()}",
    ).fetchone()
    if row is not None and fault is None:
        tx.notify("certificate_request", row[0])
    return _answer(status)


def _answer(status: str) -> SignCertificateResponse:
    return SignCertificateResponse(status="Rejected" if status == "invalid" else "Accepted")


def _fault(tx: Tx, context: CallContext, csr: str) -> str | None:
    """Why nobody may sign it (A00.FR.501 ff, A00.FR.511); None if somebody may."""
    charge_point_id = context.charge_point.id
    [*serial_numbers] = tx.one(_SERIAL_NUMBERS, charge_point_id=charge_point_id) or ()
    names = {context.charge_point.identity, *serial_numbers} - {None, ""}
    try:
        name = x509.check_request(
            csr, organization=context.policy.operator_name, common_names=names
        )
    except x509.CertificateFault as fault:
        return str(fault)
    # A charge point says itself which serial number it has.
    if tx.one(_NAMED_ALIKE, charge_point_id=charge_point_id, name=name) is not None:
        return f"Another charge point has the identity or serial number {name!r}, too."
    return None
