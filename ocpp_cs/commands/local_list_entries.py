"""What charge points hold in their local lists, as far as their answers tell (§3.5.2).

Nothing is sent from here. Where it is not known what one holds, there are no entries; an empty list
is known as such by the version 0 alone (§6.28). Long lists are read and written in parts, so that
no other charge point waits for them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ocpp_cs.commands.local_list_plans import Held, entry_of
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint, LocalListEntry
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages.local_auth_list import SendLocalListRequest

# Rows that are read or written before others get their turn: some 5 ms.
_PART = 500
# Not 0: then gevent looks at sockets and timers only after fifty turns.
_TURN_S = 0.0001

# It takes the row, too: on PostgreSQL a second update of the same list waits for the first.
_TAKE = Statement(
    lambda p: (
        ChargePoint.update(local_list_version=ChargePoint.local_list_version)
        .where(ChargePoint.id == p.charge_point_id)
        .returning(ChargePoint.local_list_version)
    )
)
_SET_VERSION = Statement(
    lambda p: ChargePoint.update(local_list_version=p.version, local_list_version_at=p.at).where(
        ChargePoint.id == p.charge_point_id
    )
)
_ENTRIES = Statement(
    lambda p: LocalListEntry.select(
        LocalListEntry.id_tag_key, LocalListEntry.id_tag, LocalListEntry.info
    ).where(LocalListEntry.charge_point_id == p.charge_point_id)
)
_ANY_ENTRY = Statement(
    lambda p: (
        LocalListEntry.select(LocalListEntry.id_tag_key)
        .where(LocalListEntry.charge_point_id == p.charge_point_id)
        .limit(1)
    )
)
_FORGET = Statement(
    lambda p: LocalListEntry.delete().where(LocalListEntry.charge_point_id == p.charge_point_id)
)
_PUT = Statement(
    lambda p: LocalListEntry.insert(
        charge_point_id=p.charge_point_id, id_tag_key=p.key, id_tag=p.id_tag, info=p.info
    ).on_conflict(
        conflict_target=[LocalListEntry.charge_point_id, LocalListEntry.id_tag_key],
        preserve=[LocalListEntry.id_tag, LocalListEntry.info],
    )
)
_DROP = Statement(
    lambda p: LocalListEntry.delete().where(
        (LocalListEntry.charge_point_id == p.charge_point_id) & (LocalListEntry.id_tag_key == p.key)
    )
)


def take(tx: Tx, charge_point_id: int) -> int | None:
    """The version of the list as it was last told; nobody else changes it until the commit."""
    [version] = tx.execute(_TAKE, charge_point_id=charge_point_id).fetchone() or (None,)
    return None if version is None else int(version)


def told(tx: Tx, charge_point_id: int, version: int, now: datetime) -> None:
    """The charge point has told its version: if it is another one, so is its list."""
    if version != take(tx, charge_point_id):
        tx.execute(_FORGET, charge_point_id=charge_point_id)
    tx.execute(_SET_VERSION, charge_point_id=charge_point_id, version=version, at=now)


def accepted(tx: Tx, charge_point_id: int, request: SendLocalListRequest, now: datetime) -> None:
    """It holds what it was sent: on top of what it held before, if that was known."""
    if request.update_type == "Full":
        tx.execute(_FORGET, charge_point_id=charge_point_id)
    if request.update_type == "Full" or _is_known(tx, charge_point_id):
        _put(tx, charge_point_id, request)
    version = request.list_version
    tx.execute(_SET_VERSION, charge_point_id=charge_point_id, version=version, at=now)


def forget(tx: Tx, charge_point_id: int) -> None:
    """It is no longer known what the charge point holds."""
    tx.execute(_FORGET, charge_point_id=charge_point_id)
    tx.execute(_SET_VERSION, charge_point_id=charge_point_id, version=None, at=None)


def held(tx: Tx, charge_point_id: int) -> Held:
    """The entries that it is known to hold."""
    rows = in_parts(tx.execute(_ENTRIES, charge_point_id=charge_point_id))
    return {key: (id_tag, info) for key, id_tag, info in rows}


def in_parts(cursor: Any) -> Iterator[Any]:
    """The rows of a cursor, with turns for others in between."""
    while rows := cursor.fetchmany(_PART):
        yield from rows
        take_turns()


def take_turns() -> None:
    """Lets the other green threads run, as a commit does."""
    time.sleep(_TURN_S)


def _is_known(tx: Tx, charge_point_id: int) -> bool:
    if tx.one(_ANY_ENTRY, charge_point_id=charge_point_id) is not None:
        return True
    return take(tx, charge_point_id) == 0


def _put(tx: Tx, charge_point_id: int, request: SendLocalListRequest) -> None:
    """Those without an info are deleted (§7.1)."""
    entries = request.local_authorization_list or ()
    for first in range(0, len(entries), _PART):
        rows = [
            {"charge_point_id": charge_point_id, **entry_of(data)._asdict()}
            for data in entries[first : first + _PART]
        ]
        tx.execute_many(_PUT, [row for row in rows if row["info"]])
        tx.execute_many(_DROP, [row for row in rows if not row["info"]])
        take_turns()
