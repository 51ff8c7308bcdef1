"""Charge points and id tags as an operator keeps them: added, approved, blocked.

Used by the command line, inside a transaction of the committer, which takes the line of the audit
trail, too. What charge points themselves say is in `handlers`; nothing here talks to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ocpp_cs import audit, rules
from ocpp_cs.audit import Actor
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, IdTag
from ocpp_cs.ocpp16.identity import check_identity
from ocpp_cs.ocpp16.times import format_time


class InventoryError(ValueError):
    """The operator's wish can't be carried out; the text says why."""


def add_charge_point(
    tx: Tx,
    identity: str,
    *,
    key_hash: str | None,
    note: str | None,
    actor: Actor,
    now: datetime,
) -> None:
    """Registers a charge point, accepted; with a key it has security profile 1, else 0."""
    fault = check_identity(identity)
    if fault is not None:
        raise InventoryError(f"{identity!r} cannot be a charge point's identity: {fault}")
    security_profile = 0 if key_hash is None else 1
    inserted = tx.run(
        ChargePoint.insert(
            identity=identity,
            registration="accepted",
            accepted_at=now,
            security_profile=security_profile,
            key_hash=key_hash,
            note=note,
            created_at=now,
        ).on_conflict(action="nothing", conflict_target=[ChargePoint.identity])
    )
    if not inserted.rowcount:
        raise InventoryError(f"charge point {identity!r} is registered already")
    told = {"security_profile": security_profile}
    audit.record(tx, actor, "charge_point.create", f"charge-points/{identity}", now, told)


def set_key(tx: Tx, identity: str, key_hash: str, *, actor: Actor, now: datetime) -> None:
    """Replaces a charge point's key at once and asks for it from now on."""
    changes = {
        ChargePoint.key_hash: key_hash,
        ChargePoint.next_key_hash: None,
        ChargePoint.security_profile: 1,
    }
    _update_charge_point(tx, identity, changes)
    audit.record(tx, actor, "charge_point.set_password", f"charge-points/{identity}", now)


def set_registration(
    tx: Tx, identity: str, registration: rules.Registration, *, actor: Actor, now: datetime
) -> None:
    """Approves or rejects a charge point; a live connection learns it within seconds (R15, R19)."""
    changes: dict[Any, object] = {ChargePoint.registration: registration}
    if registration == "accepted":
        changes[ChargePoint.accepted_at] = now
    _update_charge_point(tx, identity, changes)
    told = {"registration": registration}
    audit.record(tx, actor, "charge_point.set_registration", f"charge-points/{identity}", now, told)


def _update_charge_point(tx: Tx, identity: str, changes: Mapping[Any, object]) -> None:
    changed = tx.run(ChargePoint.update(changes).where(ChargePoint.identity == identity))
    if not changed.rowcount:
        raise InventoryError(f"no charge point {identity!r} is registered")


def put_id_tag(
    tx: Tx,
    id_tag: str,
    *,
    status: str = "accepted",
    parent_id_tag: str | None = None,
    expires_at: datetime | None = None,
    max_active_transactions: int | None = 1,
    note: str | None = None,
    only_new: bool = False,
    actor: Actor,
    now: datetime,
) -> bool:
    """Adds an id tag, or gives the one of that name (in any case, R34) these properties.

    With `only_new` one that is there is left as it is: False.
    """
    for text in (id_tag, parent_id_tag):
        if text is not None and not rules.is_id_tag(text):
            raise InventoryError(f"{text!r} cannot be an id tag: 1 to 20 characters (§7.28)")
    columns = {
        "id_tag": id_tag,
        "parent_id_tag": parent_id_tag,
        "parent_id_tag_key": None if parent_id_tag is None else rules.id_tag_key(parent_id_tag),
        "status": status,
        "expires_at": expires_at,
        "max_active_transactions": max_active_transactions,
        "note": note,
        "updated_at": now,
    }
    insert = IdTag.insert(id_tag_key=rules.id_tag_key(id_tag), created_at=now, **columns)
    if only_new:
        insert = insert.on_conflict(action="nothing", conflict_target=[IdTag.id_tag_key])
    else:
        kept = [getattr(IdTag, name) for name in columns]
        insert = insert.on_conflict(conflict_target=[IdTag.id_tag_key], preserve=kept)
    if not tx.run(insert).rowcount:
        return False
    told = {
        "status": status,
        "parent_id_tag": parent_id_tag,
        "expires_at": None if expires_at is None else format_time(expires_at),
        "max_active_transactions": max_active_transactions,
    }
    audit.record(tx, actor, "id_tag.put", f"id-tags/{id_tag}", now, told)
    return True


def find_id_tag(tx: Tx, id_tag: str) -> queries.IdTagRow | None:
    """The id tag of that text in any case, which nobody else changes before the commit."""
    row = tx.run(
        # An UPDATE takes the row, on both engines.
        IdTag.update(id_tag_key=IdTag.id_tag_key)
        .where(IdTag.id_tag_key == rules.id_tag_key(id_tag))
        .returning(
            IdTag.id_tag,
            IdTag.parent_id_tag,
            IdTag.status,
            IdTag.expires_at,
            IdTag.max_active_transactions,
            IdTag.note,
            IdTag.id_tag_key,
        )
    ).fetchone()
    if row is None:
        return None
    found = queries.IdTagRow(*row)
    return found._replace(expires_at=read_time(found.expires_at))


def delete_id_tag(tx: Tx, id_tag: str, *, actor: Actor, now: datetime) -> bool:
    """Removes an id tag; False when there is none. What was charged with it stays."""
    key = rules.id_tag_key(id_tag)
    if not tx.run(IdTag.delete().where(IdTag.id_tag_key == key)).rowcount:
        return False
    audit.record(tx, actor, "id_tag.delete", f"id-tags/{id_tag}", now)
    return True


def set_id_tag_status(tx: Tx, id_tag: str, status: str, *, actor: Actor, now: datetime) -> None:
    """Blocks or unblocks an id tag."""
    changed = tx.run(
        IdTag.update(status=status, updated_at=now).where(
            IdTag.id_tag_key == rules.id_tag_key(id_tag)
        )
    )
    if not changed.rowcount:
        raise InventoryError(f"no id tag {id_tag!r} is registered")
    told = {"status": status}
    audit.record(tx, actor, "id_tag.set_status", f"id-tags/{id_tag}", now, told)
