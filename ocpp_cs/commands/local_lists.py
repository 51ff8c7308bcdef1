"""Local lists: the id tags sent to charge points, and what each holds of them (§3.5.2, §5.15).

Whether a charge point uses its list, its configuration says (LocalAuthListEnabled); nothing here
changes that. What it holds is known as long as each message was answered well: afterwards the
entries are forgotten, and the next update is a full one.

An update is one message or more. A charge point gets them one after the other; the first that is
not accepted ends the update, and those behind it are cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime

from ocpp_cs import audit, rules
from ocpp_cs.audit import Actor
from ocpp_cs.commands import local_list_entries
from ocpp_cs.commands.addressee import Addressee, find_addressee
from ocpp_cs.commands.ends import End, encode
from ocpp_cs.commands.local_list_plans import (
    LARGEST_CHUNK,
    USUAL_CHUNK,
    Held,
    UpdateType,
    next_version,
    plan,
)
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import INSERT_COMMAND, QUEUED_FOR, check_order, command_row
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import (
    Command,
    ConfigurationKey,
    IdTag,
    LocalListUpdate,
)
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.ocpp16.messages.local_auth_list import (
    GetLocalListVersionResponse,
    SendLocalListRequest,
    SendLocalListResponse,
)

# Commands that are queued before others get their turn: some 5 ms.
_COMMANDS_PART = 10

_LATEST = Statement(
    lambda p: (
        LocalListUpdate.select(
            LocalListUpdate.id, LocalListUpdate.status, LocalListUpdate.list_version
        )
        .where(LocalListUpdate.charge_point_id == p.charge_point_id)
        .order_by(LocalListUpdate.id.desc())
        .limit(1)
    )
)
_LIMITS = Statement(
    lambda p: ConfigurationKey.select(ConfigurationKey.key_key, ConfigurationKey.value).where(
        (ConfigurationKey.charge_point_id == p.charge_point_id)
        & ConfigurationKey.key_key.in_(("localauthlistmaxlength", "sendlocallistmaxlength"))
    )
)
_COUNT_ID_TAGS = Statement(lambda p: IdTag.select(fn.COUNT(IdTag.id)))
_ID_TAGS = Statement(
    lambda p: IdTag.select(
        IdTag.id_tag, IdTag.status, IdTag.parent_id_tag, IdTag.expires_at
    ).order_by(IdTag.id_tag_key)
)
_INSERT_UPDATE = Statement(
    lambda p: LocalListUpdate.insert(
        charge_point_id=p.charge_point_id,
        update_type=p.update_type,
        list_version=p.list_version,
        entries_total=p.entries_total,
        commands_total=p.commands_total,
        status=p.status,
        retry_of=p.retry_of,
        created_by=p.created_by,
        created_at=p.now,
        finished_at=p.finished_at,
    ).returning(LocalListUpdate.id)
)
_RUNNING = Statement(
    lambda p: LocalListUpdate.select(LocalListUpdate.list_version, LocalListUpdate.retry_of).where(
        (LocalListUpdate.id == p.id) & (LocalListUpdate.status == "sending")
    )
)
_FINISH_UPDATE = Statement(
    lambda p: LocalListUpdate.update(status=p.status, finished_at=p.now).where(
        (LocalListUpdate.id == p.id) & (LocalListUpdate.status == "sending")
    )
)
_CANCEL_REST = Statement(
    lambda p: (
        Command.update(
            status="cancelled",
            error_code="cancelled",
            error_description="A message of the same update of the list was not accepted.",
            finished_at=p.now,
        )
        .where((Command.local_list_update_id == p.id) & (Command.status == "queued"))
        .returning(Command.id)
    )
)

logger = logging.getLogger(__name__)


# --- Sending --------------------------------------------------------------------------------------


def send(
    tx: Tx,
    identity: str,
    update_type: UpdateType | None,
    *,
    deliver_within_s: int,
    actor: Actor,
    now: datetime,
) -> int:
    """Sends a charge point the id tags as they are now; the update's id. Raises Refused.

    Without `update_type` it gets the changes if it is known what it holds, else all.
    """
    addressee = find_addressee(tx, identity)
    known = local_list_entries.take(tx, addressee.id)
    latest_id, status, version = tx.one(_LATEST, charge_point_id=addressee.id) or (None,) * 3
    if status == "sending":
        raise Refused(
            409,
            "local_list_update_running",
            f"Update {latest_id} of this local list has not ended yet.",
        )
    held = {} if update_type == "full" else local_list_entries.held(tx, addressee.id)
    if update_type == "differential" and not held and known != 0:
        raise Refused(
            409,
            "local_list_unknown",
            "It is not known what the charge point has in its list: send it in full.",
        )
    version = next_version(known, version)
    if version == 1 and known != 0:  # below the one that it may have
        update_type = "full"
    return _send(
        tx,
        addressee,
        held,
        update_type or ("differential" if held else "full"),
        version=version,
        deliver_within_s=deliver_within_s,
        retry_of=None,
        actor=actor,
        now=now,
    )


def _send(
    tx: Tx,
    addressee: Addressee,
    held: Held,
    update_type: UpdateType,
    *,
    version: int,
    deliver_within_s: int,
    retry_of: int | None,
    actor: Actor,
    now: datetime,
) -> int:
    _check(addressee, deliver_within_s, now)
    limits = _limits(tx, addressee.id)
    [tags_total] = tx.one(_COUNT_ID_TAGS) or (0,)
    longest = limits.get("localauthlistmaxlength", tags_total)
    if tags_total > longest:
        raise Refused(
            409,
            "local_list_too_long",
            f"There are {tags_total} id tags, and the list of charge point {addressee.identity!r} "
            f"holds {longest} (LocalAuthListMaxLength).",
        )
    chunk = min(limits.get("sendlocallistmaxlength", USUAL_CHUNK), LARGEST_CHUNK)
    planned = plan(_id_tags(tx), held, update_type, version=version, chunk=chunk, now=now)
    last = planned.requests[-1].list_version if planned.requests else version - 1
    [id] = tx.execute(
        _INSERT_UPDATE,
        charge_point_id=addressee.id,
        update_type=planned.update_type,
        list_version=last,
        entries_total=planned.entries_total,
        commands_total=len(planned.requests),
        status="sending" if planned.requests else "accepted",
        retry_of=retry_of,
        created_by=actor.name,
        now=now,
        finished_at=None if planned.requests else now,
    ).fetchone()
    orders = [_order(request, deliver_within_s, id) for request in planned.requests]
    _queue(tx, addressee, orders, actor, now)
    told = {
        "local_list_update_id": id,
        "update_type": planned.update_type,
        "list_version": last,
        "entries_total": planned.entries_total,
        "commands_total": len(orders),
    }
    target = f"charge-points/{addressee.identity}"
    audit.record(tx, actor, "local_list.update", target, now, told)
    return int(id)


def _check(addressee: Addressee, deliver_within_s: int, now: datetime) -> None:
    """Raises Refused where no command may go there, before all the work for it."""
    request = SendLocalListRequest(list_version=1, update_type="Full")
    check_order(addressee, _order(request, deliver_within_s), now)


def _order(
    request: SendLocalListRequest, deliver_within_s: int, update_id: int | None = None
) -> Order:
    return Order(
        action="SendLocalList",
        request=request,
        deliver_within_s=deliver_within_s,
        local_list_update_id=update_id,
    )


def _queue(tx: Tx, addressee: Addressee, orders: list[Order], actor: Actor, now: datetime) -> None:
    """Without a line of the audit trail for each: their lists would fill it."""
    for first in range(0, len(orders), _COMMANDS_PART):
        rows = []
        for place, order in enumerate(orders[first : first + _COMMANDS_PART], first):
            row = command_row(addressee, order, encode(order.request), actor, now)
            # It waits for those before it, a minute for each.
            rows.append({**row, "expires_at": row["expires_at"] + place * QUEUED_FOR})
        tx.execute_many(INSERT_COMMAND, rows)
        local_list_entries.take_turns()
    if orders:
        tx.notify("queued", addressee.id)


def _limits(tx: Tx, charge_point_id: int) -> dict[str, int]:
    """What it has told of its limits, by the casefolded key; nonsense is left out (§9.2)."""
    found = {}
    for key, value in tx.all(_LIMITS, charge_point_id=charge_point_id):
        if value is not None and value.strip().isdecimal() and 0 < int(value) < 2**31:
            found[key] = int(value)
    return found


def _id_tags(tx: Tx) -> Iterator[rules.IdTagRecord]:
    for id_tag, status, parent_id_tag, expires_at in local_list_entries.in_parts(
        tx.execute(_ID_TAGS)
    ):
        yield rules.IdTagRecord(id_tag, status, parent_id_tag, read_time(expires_at), None)


# --- What answers bring ---------------------------------------------------------------------------


def version_read(tx: Tx, end: End) -> None:
    """The end of a GetLocalListVersion."""
    if isinstance(end.response, GetLocalListVersionResponse):
        local_list_entries.told(tx, end.charge_point_id, end.response.list_version, end.now)


def sent(tx: Tx, end: End) -> None:
    """The end of a SendLocalList, whoever ordered it."""
    request = end.request
    assert isinstance(request, SendLocalListRequest)
    answer = end.response.status if isinstance(end.response, SendLocalListResponse) else None
    if answer == "Accepted":
        local_list_entries.accepted(tx, end.charge_point_id, request, end.now)
    elif _may_have_changed(tx, end, request, answer):
        local_list_entries.forget(tx, end.charge_point_id)
    if end.local_list_update_id is not None:
        _advance(tx, end, end.local_list_update_id, request, answer)


def _may_have_changed(tx: Tx, end: End, request: SendLocalListRequest, answer: str | None) -> bool:
    """Whether it is open what the charge point has in its list now."""
    if answer == "VersionMismatch":  # no wonder, where it was sent what it has, or less
        known = local_list_entries.take(tx, end.charge_point_id)
        return known is None or request.list_version > known
    return end.status not in ("expired", "cancelled")  # those were never sent


def _advance(
    tx: Tx, end: End, update_id: int, request: SendLocalListRequest, answer: str | None
) -> None:
    """A message of an update has ended: so does the update, if it was the last or was refused."""
    running = tx.one(_RUNNING, id=update_id)
    if running is None:
        return
    last_version, retry_of = running
    if answer == "Accepted":
        if request.list_version == last_version:
            _finish(tx, update_id, "accepted", retry_of, end.now)
        return
    for [command_id] in tx.execute(_CANCEL_REST, id=update_id, now=end.now).fetchall():
        tx.notify("command", command_id)
    status = _STATUSES.get(answer, "failed")
    _finish(tx, update_id, status, retry_of, end.now)
    if retry_of is None and _may_help(request, answer):
        _retry(tx, end, update_id, request.list_version)


_STATUSES: Mapping[str | None, str] = {
    "NotSupported": "not_supported",
    "VersionMismatch": "version_mismatch",
}


def _may_help(request: SendLocalListRequest, answer: str | None) -> bool:
    """Whether the whole list should be sent: after either answer to a difference (§5.15)."""
    if answer == "Failed":
        return request.update_type == "Differential"
    return answer == "VersionMismatch"


def _retry(tx: Tx, end: End, update_id: int, version: int) -> None:
    """Sends the whole list, once; not where the charge point must not get it any more."""
    try:
        _send(
            tx,
            find_addressee(tx, end.identity),
            {},
            "full",
            version=next_version(version, None),
            deliver_within_s=int(QUEUED_FOR.total_seconds()),
            retry_of=update_id,
            actor=Actor(end.created_by),
            now=end.now,
        )
    except Refused as refused:
        fields = {"charge_point": end.identity}
        logger.warning("its local list is not sent again in full: %s", refused, extra=fields)


def _finish(tx: Tx, update_id: int, status: str, retry_of: int | None, now: datetime) -> None:
    tx.execute(_FINISH_UPDATE, id=update_id, status=status, now=now)
    tx.notify("local_list_update", update_id)
    if retry_of is not None:  # whoever asked for the first one waits for this one
        tx.notify("local_list_update", retry_of)
