"""Charging profiles: a library of them, and what each charge point holds as far as we know (§3.13).

How profiles stack and combine is the charge point's affair; no schedule is computed here. What it
holds follows from what it accepted: it does not say by itself (GetCompositeSchedule gives a sum).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.commands.addressee import find_addressee
from ocpp_cs.commands.ends import End, encode
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import place_at, read_request
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargingProfile, InstalledChargingProfile, Transaction
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.ocpp16 import types
from ocpp_cs.ocpp16.messages.smart_charging import (
    ClearChargingProfileRequest,
    ClearChargingProfileResponse,
    SetChargingProfileRequest,
    SetChargingProfileResponse,
)
from ocpp_cs.ocpp16.times import parse_time

_INSERT = Statement(
    lambda p: ChargingProfile.insert(
        name=p.name, profile=p.profile, created_at=p.now, updated_at=p.now
    ).returning(ChargingProfile.id)
)
_REPLACE = Statement(
    lambda p: ChargingProfile.update(name=p.name, profile=p.profile, updated_at=p.now).where(
        ChargingProfile.id == p.id
    )
)
_DELETE = Statement(lambda p: ChargingProfile.delete().where(ChargingProfile.id == p.id))
# It takes the row, too: on PostgreSQL others who want to change it wait for the end of this.
_FIND = Statement(
    lambda p: (
        ChargingProfile.update(updated_at=ChargingProfile.updated_at)
        .where(ChargingProfile.id == p.id)
        .returning(ChargingProfile.name, ChargingProfile.profile)
    )
)
# A profile takes the place of the one with its id, and of its like on its connector (§5.16.4).
_MAKE_ROOM = Statement(
    lambda p: InstalledChargingProfile.delete().where(
        (InstalledChargingProfile.charge_point_id == p.charge_point_id)
        & (
            (InstalledChargingProfile.charging_profile_id == p.charging_profile_id)
            | (
                (InstalledChargingProfile.connector_id == p.connector_id)
                & (InstalledChargingProfile.purpose == p.purpose)
                & (InstalledChargingProfile.stack_level == p.stack_level)
            )
        )
    )
)
_INSTALL = Statement(
    lambda p: InstalledChargingProfile.insert(
        charge_point_id=p.charge_point_id,
        connector_id=p.connector_id,
        charging_profile_id=p.charging_profile_id,
        stack_level=p.stack_level,
        purpose=p.purpose,
        transaction_id=p.transaction_id,
        profile=p.profile,
        command_id=p.command_id,
        valid_to=p.valid_to,
        installed_at=p.now,
    )
)
_RUNNING = Statement(
    lambda p: (
        Transaction.select(Transaction.id)
        .where(
            (Transaction.charge_point_id == p.charge_point_id)
            & (Transaction.connector_id == p.connector_id)
            & Transaction.stopped_at.is_null()
        )
        .order_by(Transaction.started_at.desc())
        .limit(1)
    )
)
_ACTIVE = Statement(
    lambda p: Transaction.select(Transaction.id).where(
        (Transaction.id == p.transaction_id)
        & (Transaction.charge_point_id == p.charge_point_id)
        & (Transaction.connector_id == p.connector_id)
        & Transaction.stopped_at.is_null()
    )
)
_TRANSACTION_STOPPED = Statement(
    lambda p: InstalledChargingProfile.delete().where(
        (InstalledChargingProfile.charge_point_id == p.charge_point_id)
        & (InstalledChargingProfile.connector_id == p.connector_id)
        & (InstalledChargingProfile.purpose == "TxProfile")
        & (
            InstalledChargingProfile.transaction_id.is_null()
            | (InstalledChargingProfile.transaction_id == p.transaction_id)
        )
    )
)


# --- The library ----------------------------------------------------------------------------------


def read_profile(content: Any) -> types.ChargingProfile:
    """A profile for the library, as it will go on the wire. Raises Refused (422).

    It names no transaction: `apply` does.
    """
    purpose = content.get("chargingProfilePurpose") if isinstance(content, dict) else None
    # Judged as in a SetChargingProfile to a connector that its purpose allows.
    payload = {
        "connectorId": 0 if purpose == "ChargePointMaxProfile" else 1,
        "csChargingProfiles": content,
    }
    try:
        request = read_request("SetChargingProfile", msgspec.json.encode(payload))
    except Refused as refused:
        raise refused.renamed({"csChargingProfiles": "profile"}) from None
    assert isinstance(request, SetChargingProfileRequest)
    profile = request.cs_charging_profiles
    if profile.transaction_id is not None:
        text = "Must be left out: it is named when the profile is applied."
        errors = {"profile.transactionId": [text]}
        raise Refused(422, "bad_payload", f"profile.transactionId: {text}", errors)
    return profile


def find(tx: Tx, id: int) -> tuple[str, str]:
    """Name and JSON text of a profile, which nobody else changes now. Raises Refused (404)."""
    row = tx.execute(_FIND, id=id).fetchone()
    if row is None:
        raise _unknown(id)
    name, profile = row
    return name, profile


def create(
    tx: Tx, name: str, profile: types.ChargingProfile, *, actor: Actor, now: datetime
) -> int:
    """Puts a profile into the library; its id there."""
    [id] = tx.execute(_INSERT, name=name, profile=encode(profile), now=now).fetchone()
    audit.record(tx, actor, "charging_profile.create", _target(id), now, {"name": name})
    return int(id)


def replace(
    tx: Tx, id: int, name: str, profile: types.ChargingProfile, *, actor: Actor, now: datetime
) -> None:
    """Changes a profile of the library; what charge points hold stays. Raises Refused (404)."""
    if not tx.execute(_REPLACE, id=id, name=name, profile=encode(profile), now=now).rowcount:
        raise _unknown(id)
    audit.record(tx, actor, "charging_profile.replace", _target(id), now, {"name": name})


def delete(tx: Tx, id: int, *, actor: Actor, now: datetime) -> None:
    """Takes a profile out of the library; what charge points hold stays. Raises Refused (404)."""
    if not tx.execute(_DELETE, id=id).rowcount:
        raise _unknown(id)
    audit.record(tx, actor, "charging_profile.delete", _target(id), now)


def apply(
    tx: Tx,
    id: int,
    identity: str,
    connector_id: int,
    *,
    transaction_id: int | None,
    deliver_within_s: int,
    actor: Actor,
    now: datetime,
) -> int:
    """Sends a profile of the library to a charge point; the command's id. Raises Refused."""
    _, text = find(tx, id)
    addressee = find_addressee(tx, identity)
    profile = msgspec.json.decode(text, type=types.ChargingProfile)
    if transaction_id is not None:
        if profile.charging_profile_purpose != "TxProfile":
            _refuse_transaction("Only for a TxProfile (§7.8).")
        values = {"charge_point_id": addressee.id, "connector_id": connector_id}
        if tx.one(_ACTIVE, transaction_id=transaction_id, **values) is None:
            _refuse_transaction("Not an active transaction of that connector.")
        profile = msgspec.structs.replace(profile, transaction_id=transaction_id)
    request = SetChargingProfileRequest(connector_id=connector_id, cs_charging_profiles=profile)
    order = Order(
        action="SetChargingProfile",
        request=read_request("SetChargingProfile", encode(request).encode()),
        deliver_within_s=deliver_within_s,
    )
    return place_at(tx, addressee, order, actor=actor, now=now)


# --- What charge points hold ----------------------------------------------------------------------


def installed(tx: Tx, end: End) -> None:
    """The end of a SetChargingProfile."""
    request, response = end.request, end.response
    if not isinstance(request, SetChargingProfileRequest):
        return
    if not isinstance(response, SetChargingProfileResponse) or response.status != "Accepted":
        return
    profile = request.cs_charging_profiles
    transaction_id = profile.transaction_id
    if profile.charging_profile_purpose == "TxProfile" and transaction_id is None:
        # It is for the transaction that runs there now, and for no later one (§3.13.1).
        values = {"charge_point_id": end.charge_point_id, "connector_id": request.connector_id}
        [transaction_id] = tx.one(_RUNNING, **values) or (None,)
    install(
        tx,
        end.charge_point_id,
        request.connector_id,
        profile,
        transaction_id=transaction_id,
        command_id=end.command_id,
        now=end.now,
    )


def install(
    tx: Tx,
    charge_point_id: int,
    connector_id: int,
    profile: types.ChargingProfile,
    *,
    transaction_id: int | None,
    command_id: int,
    now: datetime,
) -> None:
    """Notes that a charge point holds a profile from now on."""
    row = {
        "charge_point_id": charge_point_id,
        "connector_id": connector_id,
        "charging_profile_id": profile.charging_profile_id,
        "stack_level": profile.stack_level,
        "purpose": profile.charging_profile_purpose,
    }
    valid_to = None if profile.valid_to is None else parse_time(profile.valid_to).at
    tx.execute(_MAKE_ROOM, **row)
    tx.execute(
        _INSTALL,
        **row,
        transaction_id=transaction_id,
        profile=encode(profile),
        command_id=command_id,
        valid_to=valid_to,
        now=now,
    )


def cleared(tx: Tx, end: End) -> None:
    """The end of a ClearChargingProfile. Both its answers say that none that matches is there."""
    request = end.request
    if not isinstance(request, ClearChargingProfileRequest):
        return
    if not isinstance(end.response, ClearChargingProfileResponse):
        return
    held = InstalledChargingProfile
    conditions = [held.charge_point_id == end.charge_point_id]
    # All that are given must match; none given: all profiles (errata, 3.25).
    for column, wanted in (
        (held.charging_profile_id, request.id),
        (held.connector_id, request.connector_id),
        (held.purpose, request.charging_profile_purpose),
        (held.stack_level, request.stack_level),
    ):
        if wanted is not None:
            conditions.append(column == wanted)
    tx.run(held.delete().where(*conditions))


def holds_tx_profile(charge_point_id: Any) -> Any:
    """As a column of a query: whether `transaction_stopped` might find anything to end."""
    held = InstalledChargingProfile
    return fn.EXISTS(
        held.select(held.id).where(
            (held.charge_point_id == charge_point_id) & (held.purpose == "TxProfile")
        )
    )


def transaction_stopped(
    tx: Tx, charge_point_id: int, connector_id: int, transaction_id: int
) -> None:
    """A TxProfile ends with its transaction (§3.13.1); one without, with the next that stops."""
    tx.execute(
        _TRANSACTION_STOPPED,
        charge_point_id=charge_point_id,
        connector_id=connector_id,
        transaction_id=transaction_id,
    )


def _refuse_transaction(text: str) -> None:
    raise Refused(422, "bad_payload", f"transaction_id: {text}", {"transaction_id": [text]})


def _target(id: int) -> str:
    return f"charging-profiles/{id}"


def _unknown(id: int) -> Refused:
    return Refused(404, "unknown_charging_profile", f"There is no charging profile {id}.")
