"""Everything that is decided before the 101: who is let in, and what the others are told.

It opens nothing and reads no socket. `Handshake.admit` is the sequence, one line per decision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from config.kinds import EVERYWHERE
from config.settings import Settings
from ocpp_cs import credentials
from ocpp_cs.db.commit import StoreUnavailable
from ocpp_cs.figures import Figures
from ocpp_cs.gateway import refusal
from ocpp_cs.gateway.login import KeyCheck, Overloaded
from ocpp_cs.gateway.profiles import certificate_fault
from ocpp_cs.gateway.refusal import SUBPROTOCOL, Refusal
from ocpp_cs.gateway.store import Store, utc_now
from ocpp_cs.gateway.upgrade import Upgrade, check_identity_of, check_websocket, greeting
from ocpp_cs.handlers.connections import (
    Attempt,
    KnownChargePoint,
    Login,
    connect,
    find_charge_point,
    record_refusal,
)
from ocpp_cs.handlers.context import ConnectedChargePoint
from ocpp_cs.proxies import address_of, within
from ocpp_cs.rules import Policy
from ocpp_cs.throttle import FailureLimits

logger = logging.getLogger("ocpp_cs.gateway")


@dataclass(frozen=True, slots=True)
class Admission:
    """A charge point that is let in, and the bytes of its 101."""

    charge_point: ConnectedChargePoint
    greeting: bytes


class Handshake:
    """The decisions, with what they need to know of the process."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        store: Store,
        figures: Figures,
        *,
        draining: Callable[[], bool],
        has_room_for: Callable[[str], bool],
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._store = store
        self._figures = figures
        self._draining = draining
        self._has_room_for = has_room_for
        self._keys = KeyCheck()
        self._failures = FailureLimits(
            settings.login_attempts_per_id, settings.login_attempts_per_address
        )

    def admit(self, upgrade: Upgrade) -> Admission:
        """Begins the charge point's session in the database, or raises Refusal."""
        accept = check_websocket(upgrade)
        identity = check_identity_of(upgrade)
        self._check_failures(upgrade.remote_address, identity)
        self._check_capacity(identity)
        try:
            known = self._store.run(identity, lambda tx: find_charge_point(tx, identity))
            login = self._log_in(upgrade, identity, known)
            self._check_subprotocol(upgrade)
            charge_point = self._connect(upgrade, login)
        except StoreUnavailable:
            raise refusal.store_down() from None
        self._figures.handshakes["accepted",] += 1
        with_subprotocol = SUBPROTOCOL in upgrade.subprotocols
        return Admission(charge_point, greeting(accept, with_subprotocol=with_subprotocol))

    def record(self, upgrade: Upgrade, refused: Refusal) -> None:
        """Notes a refused handshake; that it can't be noted changes nothing for the peer."""
        self._figures.handshakes[refused.outcome,] += 1
        text = f"refused with {refused.status} {refused.outcome}"
        fields = {"charge_point": upgrade.shown_identity, "remote_address": upgrade.remote_address}
        logger.info(text, extra=fields)
        self._store_refusal(upgrade.attempt(refused.outcome, refused.status), fields)

    def record_tls_failure(self, address: str, outcome: str, words: str) -> None:
        """Notes a connection that ended before it was one; without an identity and a status."""
        self._figures.handshakes[outcome,] += 1
        fields = {"remote_address": address}
        logger.info("TLS handshake failed: %s (%s)", outcome, words, extra=fields)
        self._store_refusal(Attempt("", address, outcome, 0, "", ""), fields)

    def _store_refusal(self, attempt: Attempt, fields: dict[str, str]) -> None:
        if self._store.down:
            return
        try:
            self._store.run(attempt.identity, lambda tx: record_refusal(tx, attempt, utc_now()))
        except Exception as error:
            logger.warning("the refused handshake could not be recorded: %s", error, extra=fields)

    # --- The decisions, in their order ----------------------------------------------------------

    def _check_failures(self, address: str, identity: str) -> None:
        if wait := self._failures.retry_after(address, identity):
            raise refusal.too_many_failures(wait)

    def _check_capacity(self, identity: str) -> None:
        if self._draining():
            raise refusal.shutting_down()
        if self._store.down:
            raise refusal.store_down()
        if not self._has_room_for(identity):
            raise refusal.too_many()

    def _log_in(self, upgrade: Upgrade, identity: str, known: KnownChargePoint | None) -> Login:
        """Checks the transport, then the credentials that the security profile asks for (W1)."""
        if known is None and self._policy.unknown_charge_points == "closed":
            if not self._settings.hide_unknown:
                raise refusal.unknown()
            # From here on an unknown charge point is one whose key nobody has (A4).
            self._check_key(upgrade, identity, (), "unknown_charge_point")
        stored = 0 if known is None else known.security_profile
        if not self._may_be_plain(upgrade, stored):
            raise self._told(upgrade, identity, refusal.tls_required())
        fault = certificate_fault(
            upgrade.transport,
            _names_of(identity, known),
            self._settings.operator_name,
            datetime.now(UTC),
        )
        if stored == 3 and fault is not None:
            raise self._told(upgrade, identity, fault)
        # A certificate beside a password that is asked for anyway changes nothing.
        if fault is None and (stored == 3 or upgrade.authorization is None):
            return _login(3, known)
        with_key = 2 if upgrade.transport.secure else 1
        if known is None:
            return _login(0, known)
        if stored == 0 and known.key_hash is None:
            used = self._first_key(upgrade, identity, known.next_key_hash)
            return _login(0 if used is None else with_key, known, used)
        hashes = tuple(filter(None, (known.key_hash, known.next_key_hash)))
        used = self._check_key(upgrade, identity, hashes, "wrong_password")
        return _login(with_key, known, None if used == known.key_hash else used)

    def _may_be_plain(self, upgrade: Upgrade, stored: int) -> bool:
        """Whether the transport is good enough as far as TLS goes (W1, W3)."""
        if upgrade.transport.secure:
            return True
        address = address_of(upgrade.remote_address)
        allowed = self._settings.plain_networks
        return stored < 2 and (
            allowed == EVERYWHERE or (address is not None and within(address, allowed))
        )

    def _told(self, upgrade: Upgrade, identity: str, refused: Refusal) -> Refusal:
        """The refusal as the peer may know it: under `hide_unknown` it looks, and takes as long, as
        that of an unknown charge point (A4)."""
        if self._settings.hide_unknown:
            self._check_key(upgrade, identity, (), refused.outcome)
        return refused

    def _first_key(self, upgrade: Upgrade, identity: str, next_key_hash: str | None) -> str | None:
        """No key is asked for yet; one that was sent to the charge point may be shown (R18)."""
        shown = credentials.parse_basic(upgrade.authorization or "")
        if next_key_hash is None or shown is None or shown[0] != identity.encode():
            return None
        return self._find_key((next_key_hash,), shown[1])

    def _check_key(
        self, upgrade: Upgrade, identity: str, hashes: tuple[str, ...], failure: str
    ) -> str:
        """The hash of the key that was shown. `failure` is what a wrong one is recorded as."""
        if upgrade.authorization is None:  # nothing was guessed, so it is no failure that counts
            raise refusal.unauthorized("no_password")
        shown = credentials.parse_basic(upgrade.authorization)
        if shown is None:
            raise refusal.unauthorized("unreadable_authorization_header")
        user, password = shown
        if wait := self._failures.begin(upgrade.remote_address, identity):
            raise refusal.too_many_failures(wait)
        right_user = user == identity.encode()
        found = self._find_key(hashes, password) if right_user else None
        if found is None:
            self._failures.failed(upgrade.remote_address)
            raise refusal.unauthorized(failure if right_user else "wrong_user_name")
        self._failures.succeeded(upgrade.remote_address, identity)
        return found

    def _find_key(self, hashes: tuple[str, ...], password: bytes) -> str | None:
        try:
            return self._keys.find(hashes, password, hide=self._settings.hide_unknown)
        except Overloaded:
            raise refusal.overloaded() from None

    def _check_subprotocol(self, upgrade: Upgrade) -> None:
        """R3: something else was offered; or nothing was, and the operator insists."""
        if upgrade.subprotocols and SUBPROTOCOL not in upgrade.subprotocols:
            raise refusal.bad_subprotocol("unsupported_subprotocol")
        if not upgrade.subprotocols and self._settings.ocpp_require_subprotocol:
            raise refusal.bad_subprotocol("no_subprotocol")

    def _connect(self, upgrade: Upgrade, login: Login) -> ConnectedChargePoint:
        attempt = upgrade.attempt("accepted", 101)
        now = utc_now()
        charge_point = self._store.run(
            attempt.identity,
            lambda tx: connect(
                tx,
                attempt,
                now=now,
                present_until=now + timedelta(seconds=self._settings.presence_expiry),
                unknown=self._policy.unknown_charge_points,
                subprotocol_offered=bool(upgrade.subprotocols),
                login=login,
            ),
        )
        if charge_point is None:  # deleted, or its profile raised, since we looked
            raise refusal.unknown()
        return charge_point


def _login(security_profile: int, known: KnownChargePoint | None, used: str | None = None) -> Login:
    stored = 0 if known is None else known.security_profile
    return Login(security_profile, used, stored if stored < security_profile else None)


def _names_of(identity: str, known: KnownChargePoint | None) -> frozenset[str]:
    """What a charge point's certificate may call it: its serial number (A00.FR.405), or its
    identity, which is the serial number for many."""
    serials = () if known is None else (known.serial_number, known.charge_box_serial_number)
    return frozenset(filter(None, (identity, *serials)))
