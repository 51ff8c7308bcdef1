"""Charge points and id tags as an operator keeps them: added, approved, blocked.

Used by the command line and by the REST API, inside a transaction of the committer, which takes
the line of the audit trail, too. What charge points themselves say is in `handlers`; nothing here
talks to one, and `removal` deletes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs import audit, rules
from ocpp_cs.audit import Actor
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint, IdTag
from ocpp_cs.db.queries import configuration_version
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.identity import check_identity
from ocpp_cs.ocpp16.times import format_time


class InventoryError(ValueError):
    """The operator's wish can't be carried out; the text says why."""


class ChargePointRefused(InventoryError):
    """`status` is one of HTTP, `code` a name that never changes, `field` what is wrong (422)."""

    def __init__(self, status: int, code: str, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.field = field


class StoredChargePoint(NamedTuple):
    """What an operator has set of a charge point; `id` is the row's key."""

    id: int
    registration: rules.Registration
    security_profile: int
    key_hash: str | None
    note: str | None
    call_timeout_s: int | None
    heartbeat_interval_s: int | None

    @property
    def version(self) -> str:
        return configuration_version(*self)


# An update, so that the row is this transaction's until its end: two changes in two processes come
# one after the other, and the second one sees the first.
_HOLD = Statement(
    lambda p: (
        ChargePoint.update(note=ChargePoint.note)
        .where(ChargePoint.identity == p.identity)
        .returning(
            ChargePoint.id,
            ChargePoint.registration,
            ChargePoint.security_profile,
            ChargePoint.key_hash,
            ChargePoint.note,
            ChargePoint.call_timeout_s,
            ChargePoint.heartbeat_interval_s,
            ChargePoint.removing_at,
        )
    )
)


def add_charge_point(
    tx: Tx,
    identity: str,
    *,
    key_hash: str | None,
    security_profile: int | None = None,
    note: str | None,
    actor: Actor,
    now: datetime,
) -> None:
    """Registers a charge point, accepted. Its security profile is 1 with a key and 0 without, where
    no other one is given."""
    fault = check_identity(identity)
    if fault is not None:
        text = f"{identity!r} cannot be a charge point's identity: {fault}"
        raise ChargePointRefused(422, "bad_identity", text, "id")
    if security_profile is None:
        security_profile = 0 if key_hash is None else 1
    _check_key(security_profile, key_hash)
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
        find_charge_point(tx, identity)  # or it is being deleted
        text = f"charge point {identity!r} is registered already"
        raise ChargePointRefused(409, "registered_already", text)
    told = {"security_profile": security_profile}
    audit.record(tx, actor, "charge_point.create", f"charge-points/{identity}", now, told)


def set_key(tx: Tx, identity: str, key_hash: str, *, actor: Actor, now: datetime) -> None:
    """Replaces a charge point's key at once and asks for it from now on."""
    found = find_charge_point(tx, identity)
    changes = {
        ChargePoint.key_hash: key_hash,
        ChargePoint.next_key_hash: None,
        ChargePoint.security_profile: max(1, found.security_profile),
    }
    _update_charge_point(tx, identity, changes)
    audit.record(tx, actor, "charge_point.set_password", f"charge-points/{identity}", now)


def set_registration(
    tx: Tx, identity: str, registration: rules.Registration, *, actor: Actor, now: datetime
) -> None:
    """Approves or rejects a charge point; a live connection learns it within seconds (R15, R19)."""
    find_charge_point(tx, identity)
    changes: dict[Any, object] = {ChargePoint.registration: registration}
    if registration == "accepted":
        changes[ChargePoint.accepted_at] = now
    _update_charge_point(tx, identity, changes)
    told = {"registration": registration}
    audit.record(tx, actor, "charge_point.set_registration", f"charge-points/{identity}", now, told)


def change_charge_point(
    tx: Tx,
    identity: str,
    changes: Mapping[str, Any],
    *,
    default_key_hash: str = "",
    may_lower: bool = False,
    actor: Actor,
    now: datetime,
) -> bool:
    """Gives a charge point other values of its columns; whether it has the default key now.

    `changes` may name `registration`, `note`, `call_timeout_s`, `heartbeat_interval_s`,
    `security_profile` and `key_hash`, where None is the default: without a key in the profiles 0
    and 3, and in the others the key behind `default_key_hash`. `may_lower`: whether this may take
    the charge point to a lower profile, which it can never do itself (W2). A live connection goes
    on: what concerns the login counts at the next one.
    """
    found = find_charge_point(tx, identity)
    told = {k: v for k, v in changes.items() if k != "key_hash" and v != getattr(found, k)}
    columns: dict[str, Any] = dict(told)
    if "note" in told:
        told["note"] = "changed"
    if columns.get("registration") == "accepted":
        columns["accepted_at"] = now
    by_default = False
    if "key_hash" in changes or "security_profile" in changes:
        login, by_default = _login_of(found, changes, default_key_hash)
        lowered = login["security_profile"] < found.security_profile
        if lowered and not may_lower:
            text = f"only an admin may lower the security profile of {identity!r}"
            raise ChargePointRefused(403, "admin_only", text)
        if login["security_profile"] != found.security_profile:
            told["security_profile"] = login["security_profile"]
        if "key_hash" in login:
            told["password"] = "none" if login["key_hash"] is None else "set"
        columns |= login
    if told:
        _update_charge_point(tx, identity, {getattr(ChargePoint, k): v for k, v in columns.items()})
        audit.record(tx, actor, "charge_point.update", f"charge-points/{identity}", now, told)
    return by_default


def _login_of(
    found: StoredChargePoint, changes: Mapping[str, Any], default_key_hash: str
) -> tuple[dict[str, Any], bool]:
    """The profile and, where it changes, the key; and whether that is the default one."""
    profile = changes.get("security_profile", found.security_profile)
    key_hash = changes.get("key_hash", found.key_hash)
    by_default = "key_hash" in changes and key_hash is None and profile in (1, 2)
    if by_default:
        key_hash = default_key_hash
    if "security_profile" not in changes and key_hash is not None:
        profile = max(1, profile)  # a key is there to be asked for
    elif profile == 0 and "key_hash" not in changes:
        key_hash = None  # it would be asked for, whatever the profile says
    _check_key(profile, key_hash)
    login: dict[str, Any] = {"security_profile": profile}
    if "key_hash" in changes or key_hash != found.key_hash:
        login |= {"key_hash": key_hash, "next_key_hash": None}
    return login, by_default


def find_charge_point(tx: Tx, identity: str) -> StoredChargePoint:
    """As it stands, and stays until the end of the transaction. Raises ChargePointRefused: 404
    where there is none, 409 where it is being deleted."""
    row = tx.one(_HOLD, identity=identity)
    if row is None:
        text = f"no charge point {identity!r} is registered"
        raise ChargePointRefused(404, "unknown_charge_point", text)
    *columns, removing_at = row
    if removing_at is not None:
        text = f"charge point {identity!r} is being deleted; if that does not end, delete it again"
        raise ChargePointRefused(409, "being_deleted", text)
    return StoredChargePoint(*columns)


def _check_key(security_profile: int, key_hash: str | None) -> None:
    """Whatever profile asks for a key has one, and profile 0 has none. Profile 3 asks for a
    certificate; a key that is there all the same counts again when an admin lowers it."""
    if security_profile == 0 and key_hash is not None:
        text = "security profile 0 has no password: leave one of the two out"
        raise ChargePointRefused(422, "password_without_profile", text, "password")
    if security_profile in (1, 2) and key_hash is None:
        text = "a password is needed with it, or null to have one made: nobody could log in"
        raise ChargePointRefused(422, "profile_without_password", text, "security_profile")


def _update_charge_point(tx: Tx, identity: str, changes: Mapping[Any, object]) -> None:
    tx.run(ChargePoint.update(changes).where(ChargePoint.identity == identity))


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
