"""The charge point that a command is for, as its row says at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ocpp_cs import rules
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.db.statement import Statement


def _select(condition: Any) -> Any:
    return ChargePoint.select(
        ChargePoint.id,
        ChargePoint.identity,
        ChargePoint.registration,
        ChargePoint.session_epoch,
        ChargePoint.present_until,
    ).where(condition & ChargePoint.removing_at.is_null())


_FIND = Statement(lambda p: _select(ChargePoint.identity == p.identity))
_FIND_BY_KEY = Statement(lambda p: _select(ChargePoint.id == p.id))


@dataclass(frozen=True, slots=True)
class Addressee:
    """`id` is the row's key; `session_epoch` that of its latest connection."""

    id: int
    identity: str
    registration: rules.Registration
    session_epoch: int
    present_until: datetime | None

    def online(self, now: datetime) -> bool:
        return self.present_until is not None and self.present_until > now


def find_addressee(tx: Tx, identity: str) -> Addressee:
    """Raises Refused (404) where there is none of that identity."""
    row = tx.one(_FIND, identity=identity)
    if row is None:
        raise Refused(404, "unknown_charge_point", f"There is no charge point {identity!r}.")
    return _addressee(row)


def addressee_of(tx: Tx, charge_point_id: int) -> Addressee:
    """The same by the row's key."""
    row = tx.one(_FIND_BY_KEY, id=charge_point_id)
    if row is None:
        raise Refused(404, "unknown_charge_point", "The charge point has been deleted.")
    return _addressee(row)


def _addressee(row: Sequence[Any]) -> Addressee:
    id, identity, registration, session_epoch, present_until = row
    return Addressee(id, identity, registration, session_epoch, read_time(present_until))
