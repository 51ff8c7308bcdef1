"""What a connection leaves in the database: its attempt, its session, its presence, its end.

The handshake itself and the decision to admit belong to the gateway and `rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ocpp_cs import events, rules
from ocpp_cs.commands import table as commands
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.events import note_event
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, ConnectionAttempt
from ocpp_cs.db.queries.charge_points import is_away
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.context import ConnectedChargePoint
from ocpp_cs.handlers.security import note_login_event

_FIND = Statement(
    lambda p: ChargePoint.select(
        ChargePoint.id,
        ChargePoint.security_profile,
        ChargePoint.key_hash,
        ChargePoint.next_key_hash,
        ChargePoint.serial_number,
        ChargePoint.charge_box_serial_number,
    ).where((ChargePoint.identity == p.identity) & ChargePoint.removing_at.is_null())
)
_REGISTER = Statement(
    lambda p: ChargePoint.insert(
        identity=p.identity,
        registration=p.registration,
        accepted_at=p.accepted_at,
        security_profile=0,
        created_at=p.now,
    ).on_conflict(action="nothing", conflict_target=[ChargePoint.identity])
)
_CONNECT = Statement(
    lambda p: (
        ChargePoint.update(
            session_epoch=ChargePoint.session_epoch + 1,
            connected_at=p.now,
            last_seen_at=p.now,
            present_until=p.present_until,
            offline_since=None,
            subprotocol_offered=p.subprotocol_offered,
            # Whoever has shown more is asked for it from now on: a profile never falls (W2).
            security_profile=p.security_profile,
        )
        .where(
            (ChargePoint.identity == p.identity)
            & ChargePoint.removing_at.is_null()
            & (ChargePoint.security_profile <= p.security_profile)
        )
        .returning(
            ChargePoint.id,
            ChargePoint.session_epoch,
            ChargePoint.registration,
            ChargePoint.accepted_at,
            ChargePoint.firmware_version,
            ChargePoint.call_timeout_s,
            ChargePoint.offline_told_at,
        )
    )
)
_DISCONNECT = Statement(
    lambda p: ChargePoint.update(
        present_until=None, offline_since=p.now, last_seen_at=p.last_seen_at
    ).where((ChargePoint.id == p.charge_point_id) & (ChargePoint.session_epoch == p.epoch))
)
_KEEP_PRESENT = Statement(
    lambda p: (
        ChargePoint.update(
            present_until=p.present_until, last_seen_at=p.last_seen_at, offline_since=None
        )
        .where((ChargePoint.id == p.charge_point_id) & (ChargePoint.session_epoch == p.epoch))
        .returning(ChargePoint.registration, ChargePoint.offline_told_at)
    )
)
_IS_BACK = Statement(
    lambda p: ChargePoint.update(offline_told_at=None).where(ChargePoint.id == p.charge_point_id)
)
# Compared again, since it may have come back, or another process may have told it.
_TELL_OFFLINE = Statement(
    lambda p: (
        ChargePoint.update(offline_told_at=p.now)
        .where((ChargePoint.id == p.charge_point_id) & is_away(p.before))
        .returning(ChargePoint.offline_since, ChargePoint.present_until, ChargePoint.last_seen_at)
    )
)
_PROMOTE_KEY = Statement(
    lambda p: ChargePoint.update(key_hash=p.key_hash, next_key_hash=None).where(
        (ChargePoint.identity == p.identity) & (ChargePoint.next_key_hash == p.key_hash)
    )
)
_RECORD_ATTEMPT = Statement(
    lambda p: ConnectionAttempt.insert(
        identity=p.identity,
        remote_address=p.remote_address,
        outcome=p.outcome,
        http_status=p.http_status,
        subprotocols=p.subprotocols,
        user_agent=p.user_agent,
        attempts=1,
        attempted_at=p.now,
        last_attempted_at=p.now,
    ).on_conflict(
        conflict_target=[
            ConnectionAttempt.identity,
            ConnectionAttempt.remote_address,
            ConnectionAttempt.outcome,
        ],
        preserve=[
            ConnectionAttempt.http_status,
            ConnectionAttempt.subprotocols,
            ConnectionAttempt.user_agent,
            ConnectionAttempt.last_attempted_at,
        ],
        update={ConnectionAttempt.attempts: ConnectionAttempt.attempts + 1},
    )
)
# Types of security events of our own (W12, W13).
RECONFIGURED = "ReconfigurationOfSecurityParameters"
FAILED_LOGIN = "FailedToAuthenticateAtCentralSystem"
# What handshakes are refused for that an operator should see with the charge point.
SECURITY_REFUSALS = {
    "wrong_password": FAILED_LOGIN,
    "wrong_user_name": FAILED_LOGIN,
    "tls_required": "LowerSecurityProfileRefused",
    "client_certificate_required": "LowerSecurityProfileRefused",
    "client_certificate_unverified": "InvalidChargePointCertificate",
    "client_certificate_expired": "InvalidChargePointCertificate",
    "client_certificate_of_another": "InvalidChargePointCertificate",
    "client_certificate_of_others": "InvalidChargePointCertificate",
}
# Of refused handshakes: one of each kind in this time, and so many of all kinds.
_TELL_AGAIN = timedelta(hours=1)
_TOLD_PER_HOUR = 1_000
# Unknown identities may come without end: the oldest rows make room (R2).
_ATTEMPTS_LIMIT = 20_000
_PRUNE_EVERY = 500
_PRUNE_ATTEMPTS = Statement(
    lambda p: ConnectionAttempt.delete().where(
        ConnectionAttempt.id.in_(
            ConnectionAttempt.select(ConnectionAttempt.id)
            .order_by(ConnectionAttempt.last_attempted_at.desc())
            .offset(_ATTEMPTS_LIMIT)
            .limit(10 * _PRUNE_EVERY)
        )
    )
)


@dataclass(frozen=True, slots=True)
class KnownChargePoint:
    """What the handshake has to know of a charge point; hashes as `credentials` writes them."""

    id: int
    security_profile: int
    key_hash: str | None
    next_key_hash: str | None
    serial_number: str | None = None
    charge_box_serial_number: str | None = None


class Login(NamedTuple):
    """What a charge point has shown: the security profile that it used (0: nothing), and the hash
    of its new key if it was that (R18). `raised_from`: its profile so far, where that was lower."""

    security_profile: int
    used_next_key: str | None = None
    raised_from: int | None = None


class Attempt(NamedTuple):
    """One handshake as it is recorded: no secret is in it."""

    identity: str
    remote_address: str
    outcome: str  # "accepted", or the reason it was refused for
    http_status: int
    subprotocols: str
    user_agent: str


class Presence(NamedTuple):
    """That a connection was alive at `last_seen_at`."""

    charge_point_id: int
    epoch: int
    last_seen_at: datetime


def find_charge_point(tx: Tx, identity: str) -> KnownChargePoint | None:
    row = tx.one(_FIND, identity=identity)
    return None if row is None else KnownChargePoint(*row)


def record_attempt(tx: Tx, attempt: Attempt, now: datetime) -> None:
    """Counts the handshake with those like it; keeps the table bounded."""
    tx.insert_later(_RECORD_ATTEMPT, **attempt._asdict(), now=now)
    # Also the first time after a rollback, which forgets the count.
    count = tx.memory.get("attempts", 0)
    tx.memory["attempts"] = count + 1
    if count % _PRUNE_EVERY == 0:
        tx.execute(_PRUNE_ATTEMPTS)


def record_refusal(tx: Tx, attempt: Attempt, now: datetime) -> None:
    """As `record_attempt`; what was refused for security is an event of the charge point that it
    was said to be, too (W13, A00.FR.323, FR.408)."""
    record_attempt(tx, attempt, now)
    type = SECURITY_REFUSALS.get(attempt.outcome)
    tell = _is_news(tx, attempt, now)
    known = find_charge_point(tx, attempt.identity) if tell or type is not None else None
    if tell:
        refused = events.HandshakeRefused(
            identity=attempt.identity,
            remote_address=attempt.remote_address,
            outcome=attempt.outcome,
            http_status=attempt.http_status,
        )
        note_event(tx, None if known is None else known.id, refused, now)
    if type is not None and known is not None:
        told = f"{attempt.outcome}, from {attempt.remote_address}"
        critical = type != FAILED_LOGIN
        note_login_event(tx, known.id, type, told, now, critical=critical)


def _is_news(tx: Tx, attempt: Attempt, now: datetime) -> bool:
    """Whether the feed is told of it: anybody may try without end, and as whoever he likes.

    What was told is remembered by the lane, so a process that has just started tells it again.
    """
    key = ("refusal", attempt.identity, attempt.remote_address, attempt.outcome)
    told_at = tx.memory.get(key)
    if told_at is not None and now - told_at < _TELL_AGAIN:
        return False
    begin, count = tx.memory.get("refusals", (now, 0))
    if now - begin >= timedelta(hours=1):
        begin, count = now, 0
    if count >= _TOLD_PER_HOUR:
        return False
    tx.memory["refusals"] = begin, count + 1
    tx.memory[key] = now
    return True


def connect(
    tx: Tx,
    attempt: Attempt,
    *,
    now: datetime,
    present_until: datetime,
    unknown: rules.UnknownChargePoints,
    subprotocol_offered: bool,
    login: Login,
) -> ConnectedChargePoint | None:
    """Begins a session: its epoch fences everything that an older one still does (F8).

    An unknown charge point is created as the policy says; None under the closed one, for one that
    is being deleted, and for one whose security profile was raised above the login meanwhile. The
    profile is what the login has shown from now on. After a login with the new key the old one dies
    (R18).
    """
    if unknown != "closed":
        tx.execute(
            _REGISTER,
            identity=attempt.identity,
            registration="accepted" if unknown == "open" else "pending",
            accepted_at=now if unknown == "open" else None,
            now=now,
        )
    if login.used_next_key is not None:
        tx.execute(_PROMOTE_KEY, identity=attempt.identity, key_hash=login.used_next_key)
    row = tx.execute(
        _CONNECT,
        identity=attempt.identity,
        now=now,
        present_until=present_until,
        subprotocol_offered=subprotocol_offered,
        security_profile=login.security_profile,
    ).fetchone()
    if row is None:
        return None
    record_attempt(tx, attempt, now)
    id, epoch, registration, accepted_at, firmware_version, call_timeout_s, offline_told_at = row
    connected = events.Connected(
        session=epoch,
        remote_address=attempt.remote_address,
        security_profile=login.security_profile,
    )
    note_event(tx, id, connected, now)
    _tell_online(tx, id, offline_told_at, now)
    if login.raised_from is not None:
        told = f"security profile {login.raised_from} raised to {login.security_profile}"
        note_login_event(tx, id, RECONFIGURED, told, now, critical=False)
    commands.begin_session(tx, id, epoch, now)
    tx.notify("session", f"{id}-{epoch}")  # an older connection may hang on another process
    return ConnectedChargePoint(
        id=id,
        identity=attempt.identity,
        epoch=epoch,
        registration=registration,
        ever_accepted=accepted_at is not None,
        firmware_version=firmware_version or "",
        call_timeout_s=call_timeout_s,
    )


def disconnect(tx: Tx, presence: Presence, now: datetime) -> None:
    """Ends a session, unless a newer one has begun: compare and set on its epoch (F8)."""
    commands.end_session(tx, presence.charge_point_id, presence.epoch, now)
    ended = tx.execute(
        _DISCONNECT,
        charge_point_id=presence.charge_point_id,
        epoch=presence.epoch,
        last_seen_at=presence.last_seen_at,
        now=now,
    ).rowcount
    if ended:
        disconnected = events.Disconnected(
            session=presence.epoch, last_seen_at=events.instant(presence.last_seen_at)
        )
        note_event(tx, presence.charge_point_id, disconnected, now)


def keep_present(
    tx: Tx, presences: Sequence[Presence], now: datetime, present_until: datetime
) -> dict[int, rules.Registration | None]:
    """Extends the sessions that are alive (F6).

    For each charge point its registration as it is stored now, or None when a newer session has
    begun elsewhere, or the charge point is gone: that connection has to go.
    """
    registrations: dict[int, rules.Registration | None] = {}
    for presence in presences:
        row = tx.execute(
            _KEEP_PRESENT,
            charge_point_id=presence.charge_point_id,
            epoch=presence.epoch,
            last_seen_at=presence.last_seen_at,
            present_until=present_until,
        ).fetchone()
        registrations[presence.charge_point_id] = None if row is None else row[0]
        if row is not None:  # it was told offline while its process could not write
            _tell_online(tx, presence.charge_point_id, row[1], now)
    return registrations


def tell_offline(tx: Tx, charge_point_ids: Sequence[int], before: datetime, now: datetime) -> None:
    """Tells, once, that those of the charge points are offline that left before `before`.

    What counts is the database, not who held the connection: it may have been a process that died.
    """
    for id in charge_point_ids:
        row = tx.execute(_TELL_OFFLINE, charge_point_id=id, before=before, now=now).fetchone()
        if row is None:
            continue
        offline_since, present_until, last_seen_at = map(read_time, row)
        since = offline_since or present_until
        assert since is not None  # it was compared
        offline = events.Offline(
            offline_since=events.instant(since),
            last_seen_at=None if last_seen_at is None else events.instant(last_seen_at),
        )
        note_event(tx, id, offline, now)


def _tell_online(tx: Tx, charge_point_id: int, offline_told_at: Any, now: datetime) -> None:
    told_at = read_time(offline_told_at)
    if told_at is not None:
        tx.execute(_IS_BACK, charge_point_id=charge_point_id)
        note_event(tx, charge_point_id, events.Online(offline_told_at=events.instant(told_at)), now)
