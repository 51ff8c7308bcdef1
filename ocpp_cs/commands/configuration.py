"""Configuration keys as charge points report them, and the change of their passwords (R18).

It asks for nothing itself: what is known is what GetConfiguration and ChangeConfiguration brought.
No value of a secret key is ever stored, whoever names it.
"""

from __future__ import annotations

import re
from datetime import datetime

from ocpp_cs import credentials
from ocpp_cs.commands.addressee import Addressee
from ocpp_cs.commands.ends import End, decode_request
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.secrets import is_secret_key
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint, Command, ConfigurationKey
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages.core import (
    ChangeConfigurationRequest,
    ChangeConfigurationResponse,
    GetConfigurationRequest,
    GetConfigurationResponse,
)

_REPORTED = Statement(
    lambda p: ConfigurationKey.insert(
        charge_point_id=p.charge_point_id,
        key=p.key,
        key_key=p.key_key,
        value=p.value,
        readonly=p.readonly,
        reboot_required=False,
        read_at=p.now,
    ).on_conflict(
        conflict_target=[ConfigurationKey.charge_point_id, ConfigurationKey.key_key],
        preserve=[
            ConfigurationKey.key,
            ConfigurationKey.value,
            ConfigurationKey.readonly,
            ConfigurationKey.reboot_required,
            ConfigurationKey.read_at,
        ],
    )
)
_FORGET_KEY = Statement(
    lambda p: ConfigurationKey.delete().where(
        (ConfigurationKey.charge_point_id == p.charge_point_id)
        & (ConfigurationKey.key_key == p.key_key)
    )
)
_FORGET_UNREPORTED = Statement(
    lambda p: ConfigurationKey.delete().where(
        (ConfigurationKey.charge_point_id == p.charge_point_id)
        & (ConfigurationKey.read_at.is_null() | (ConfigurationKey.read_at < p.now))
    )
)
_READ_IN_FULL = Statement(
    lambda p: ChargePoint.update(configuration_read_at=p.now).where(
        ChargePoint.id == p.charge_point_id
    )
)
_CHANGED = Statement(
    lambda p: ConfigurationKey.insert(
        charge_point_id=p.charge_point_id,
        key=p.key,
        key_key=p.key_key,
        value=p.value,
        reboot_required=p.reboot_required,
        changed_at=p.now,
    ).on_conflict(
        conflict_target=[ConfigurationKey.charge_point_id, ConfigurationKey.key_key],
        preserve=[
            ConfigurationKey.value,
            ConfigurationKey.reboot_required,
            ConfigurationKey.changed_at,
        ],
    )
)
_OPEN_CHANGES = Statement(
    lambda p: Command.select(Command.request).where(
        (Command.charge_point_id == p.charge_point_id)
        & Command.finished_at.is_null()
        & (Command.action == "ChangeConfiguration")
    )
)
_PROFILE = Statement(
    lambda p: ChargePoint.select(ChargePoint.security_profile).where(
        ChargePoint.id == p.charge_point_id
    )
)
_SLOT = Statement(
    lambda p: ChargePoint.select(ChargePoint.next_key_hash).where(
        ChargePoint.id == p.charge_point_id
    )
)
_TAKE_SLOT = Statement(
    lambda p: ChargePoint.update(next_key_hash=p.key_hash).where(
        (ChargePoint.id == p.charge_point_id) & ChargePoint.next_key_hash.is_null()
    )
)
_FREE_SLOT = Statement(
    lambda p: ChargePoint.update(next_key_hash=None).where(ChargePoint.id == p.charge_point_id)
)


# --- What answers bring ---------------------------------------------------------------------------


def read(tx: Tx, end: End) -> None:
    """A GetConfiguration has ended. Without a list of keys it asks for all of them (§5.8)."""
    if not isinstance(end.response, GetConfigurationResponse):
        return
    reported = [
        {
            "charge_point_id": end.charge_point_id,
            "key": each.key,
            "key_key": key_key(each.key),
            "value": None if is_secret_key(each.key) else each.value,
            "readonly": each.readonly,
            "now": end.now,
        }
        for each in end.response.configuration_key or ()
    ]
    unknown = [
        {"charge_point_id": end.charge_point_id, "key_key": key_key(key)}
        for key in end.response.unknown_key or ()
    ]
    if reported:
        tx.execute_many(_REPORTED, reported)
    if unknown:
        tx.execute_many(_FORGET_KEY, unknown)
    assert isinstance(end.request, GetConfigurationRequest)
    if not end.request.key:
        tx.execute(_FORGET_UNREPORTED, charge_point_id=end.charge_point_id, now=end.now)
        tx.execute(_READ_IN_FULL, charge_point_id=end.charge_point_id, now=end.now)


def changed(tx: Tx, end: End) -> None:
    """A ChangeConfiguration has ended (§5.3). The first login with a new password is its proof."""
    assert isinstance(end.request, ChangeConfigurationRequest)
    secret = is_secret_key(end.request.key)
    response = end.response
    status = response.status if isinstance(response, ChangeConfigurationResponse) else None
    if status in ("Accepted", "RebootRequired"):
        tx.execute(
            _CHANGED,
            charge_point_id=end.charge_point_id,
            key=end.request.key,
            key_key=key_key(end.request.key),
            value=None if secret else end.request.value,
            reboot_required=status == "RebootRequired",
            now=end.now,
        )
        if secret:
            _keep_slot(tx, end, end.request.value)
    elif secret and (status is not None or end.status in ("rejected", "expired", "cancelled")):
        # The old password lives, and nothing else does (A01.FR.04). No answer: both live.
        tx.execute(_FREE_SLOT, charge_point_id=end.charge_point_id)


def key_key(key: str) -> str:
    """What configuration keys are compared by: they are case-insensitive (§7.29)."""
    return key.strip().casefold()


# --- The change of a password (R18, W4) -----------------------------------------------------------


def placing(tx: Tx, addressee: Addressee, order: Order, now: datetime) -> None:
    """Before a ChangeConfiguration is queued: a new password is valid beside the old one.

    From here on, since nobody knows the moment at which the charge point takes it. Refused while
    an earlier change is open: with three passwords one would be lost, and the charge point locked
    out.
    """
    request = order.request
    assert isinstance(request, ChangeConfigurationRequest)
    if request.key.lower() == "securityprofile":
        _demand_no_lower_profile(tx, addressee, request.value)
    if not is_secret_key(request.key):
        return
    if order.key_hash is None:
        raise ValueError("an order that sets a password needs its hash")
    free = not _another_is_open(tx, addressee.id) and bool(
        tx.execute(_TAKE_SLOT, charge_point_id=addressee.id, key_hash=order.key_hash).rowcount
    )
    if not free:
        raise Refused(
            409,
            "key_change_unsettled",
            f"An earlier change of the key of charge point {addressee.identity!r} is open: both "
            "keys are valid until it logs in with the new one. Make it connect anew, with Reset "
            "for example; or set a key by hand, with charge-point set-password.",
        )


def _demand_no_lower_profile(tx: Tx, addressee: Addressee, value: str) -> None:
    """OCPP must not be used to lower a security profile (W2, A00.FR.005)."""
    [profile] = tx.one(_PROFILE, charge_point_id=addressee.id) or (0,)
    if not re.fullmatch("[0-3]", value.strip()) or int(value) < profile:
        raise Refused(
            409,
            "lower_security_profile",
            f"Charge point {addressee.identity!r} is in security profile {profile}; a lower one "
            "must not be set over OCPP (A00.FR.005). Set it in the charge point itself; an admin "
            "lowers it here with PATCH /charge-points/{id}.",
        )


def _another_is_open(tx: Tx, charge_point_id: int) -> bool:
    """Whether a password is on its way; its slot may have been emptied by a person meanwhile."""
    for [text] in tx.all(_OPEN_CHANGES, charge_point_id=charge_point_id):
        request = decode_request("ChangeConfiguration", text)
        if isinstance(request, ChangeConfigurationRequest) and is_secret_key(request.key):
            return True
    return False


def _keep_slot(tx: Tx, end: End, secret: str) -> None:
    """The charge point has the new password for sure: it is valid, even if a person has set
    another one while the command was on its way, which emptied the slot."""
    [next_key_hash] = tx.one(_SLOT, charge_point_id=end.charge_point_id) or (None,)
    if next_key_hash is None:
        key_hash = credentials.hash_key(secret.encode(), generated=False)
        tx.execute(_TAKE_SLOT, charge_point_id=end.charge_point_id, key_hash=key_hash)
