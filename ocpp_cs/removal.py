"""Deletes a charge point with every row that is its, a bounded number of them at a time.

The audit trail stays, and so do the handshakes of whoever called itself so. It is no undo: what it
has begun it ends, or whoever asks for it once more does.

1. The charge point is marked. From then on it is let in no more, nothing is stored for it
   (`handlers.removed`), no command is taken for it, and its connection is closed.
2. Its rows go in pieces, each in a transaction of its own, so that other charge points' messages
   are stored in between.
3. Its own row goes last, so that until then the request can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from ocpp_cs import audit
from ocpp_cs.audit import Actor
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.db.owned import OWNED, delete_owned, owns_transactions
from ocpp_cs.db.statement import Statement
from ocpp_cs.inventory import ChargePointRefused

CHUNK = 1000
"""Rows that are deleted in one transaction: some 10 ms of the writer's time."""

Run = Callable[[Callable[[Tx], Any]], Any]

_FIND = Statement(
    lambda p: ChargePoint.select(ChargePoint.id, ChargePoint.removing_at).where(_is(p))
)
_MARK = Statement(
    lambda p: ChargePoint.update(
        removing_at=p.now,
        # What its connection still does is that of an older session (F8).
        session_epoch=ChargePoint.session_epoch + 1,
        present_until=None,
        offline_since=p.now,
    ).where(_is(p))
)
_UNMARK = Statement(lambda p: ChargePoint.update(removing_at=None).where(_is(p)))
_DELETE = Statement(lambda p: ChargePoint.delete().where(ChargePoint.id == p.charge_point_id))


def _is(p: Any) -> Any:
    return ChargePoint.identity == p.identity


def remove_charge_point(
    run: Run,
    identity: str,
    *,
    cascade: bool,
    actor: Actor,
    now: datetime,
    check: Callable[[Tx], None] = lambda tx: None,
) -> None:
    """Deletes the charge point; `run(work)` runs work in a transaction of its own.

    `check` may refuse before anything is changed. Raises ChargePointRefused: 404 where there is no
    such charge point, 409 where it has transactions and `cascade` is not wanted.
    """

    def mark(tx: Tx) -> int:
        charge_point_id, begun = _find(tx, identity)
        if not begun:
            check(tx)
        if not cascade:
            _demand_no_transactions(tx, identity, charge_point_id)
        tx.execute(_MARK, identity=identity, now=now)
        tx.notify("removed", charge_point_id)
        return charge_point_id

    charge_point_id: int = run(mark)

    def confirm(tx: Tx) -> bool:
        """Looks again, for what was being stored while it was marked."""
        if not cascade and owns_transactions(tx, charge_point_id):
            tx.execute(_UNMARK, identity=identity)
            return False
        told = {"cascade": True} if cascade else None
        audit.record(tx, actor, "charge_point.delete", f"charge-points/{identity}", now, told)
        return True

    if not run(confirm):
        raise _has_transactions(identity)
    _clear(run, charge_point_id)
    run(lambda tx: tx.execute(_DELETE, charge_point_id=charge_point_id).rowcount)
    _clear(run, charge_point_id)  # what another process was committing all the while


def _clear(run: Run, charge_point_id: int) -> None:
    for table in OWNED:
        piece = partial(delete_owned, table=table, charge_point_id=charge_point_id, limit=CHUNK)
        while run(piece) == CHUNK:
            pass


def _find(tx: Tx, identity: str) -> tuple[int, bool]:
    """Key of the row, and whether it is marked already."""
    row = tx.one(_FIND, identity=identity)
    if row is None:
        text = f"no charge point {identity!r} is registered"
        raise ChargePointRefused(404, "unknown_charge_point", text)
    return int(row[0]), row[1] is not None


def _demand_no_transactions(tx: Tx, identity: str, charge_point_id: int) -> None:
    if owns_transactions(tx, charge_point_id):
        raise _has_transactions(identity)


def _has_transactions(identity: str) -> ChargePointRefused:
    text = f"charge point {identity!r} has transactions: with cascade, they are deleted, too"
    return ChargePointRefused(409, "has_transactions", text)
