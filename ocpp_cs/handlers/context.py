"""What a handler is given besides its transaction: who calls, what, when, under which policy.

Not a place for state: a context is made for one call and thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ocpp_cs import rules
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import Deviation
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.session import CallReceived
from ocpp_cs.ocpp16.times import parse_time

# A message without a time of its own that comes again with the same id within this is the same.
RETRANSMISSION_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ConnectedChargePoint:
    """A charge point as its connection knows it. `id` is the row's key, `epoch` the session's."""

    id: int
    identity: str
    epoch: int
    registration: rules.Registration = "accepted"
    ever_accepted: bool = True
    firmware_version: str = ""
    call_timeout_s: int | None = None

    @property
    def may_report(self) -> bool:
        """Whether its messages are taken: once accepted, its transactions are never refused."""
        return self.registration == "accepted" or self.ever_accepted


class CallContext(Struct, frozen=True):
    """One incoming CALL. `now` is the time of receipt, aware UTC in whole milliseconds."""

    charge_point: ConnectedChargePoint
    call: CallReceived
    now: datetime
    policy: rules.Policy

    @property
    def frame(self) -> str:
        return frame_text(self.call.frame)

    @property
    def repaired(self) -> bool:
        """Whether a field was read otherwise than it was sent; extra ones are merely dropped."""
        return any(deviation.code != "unknown_property" for deviation in self.call.deviations)

    def event_time(self, tx: Tx, text: str) -> rules.EventTime:
        """The time of an event as it is used; its oddities go onto the conformance card (R24)."""
        at, deviation = parse_time(text)
        if deviation is not None:
            note_deviation(tx, self.charge_point, deviation, self.call.action, self.now)
        return rules.event_time(text, at, naive=deviation == "naive_time", received=self.now)


def frame_text(frame: bytes) -> str:
    """A frame as it arrived, for rows that keep it; what PostgreSQL can't hold is marked."""
    return frame.decode("utf-8", "replace").replace("\x00", "\ufffd")


_NOTE_DEVIATION = Statement(
    lambda p: Deviation.insert(
        charge_point_id=p.charge_point_id,
        firmware_version=p.firmware_version,
        code=p.code,
        detail=p.detail,
        seen=p.seen,
        first_seen_at=p.now,
        last_seen_at=p.now,
    ).on_conflict(
        conflict_target=[
            Deviation.charge_point_id,
            Deviation.firmware_version,
            Deviation.code,
            Deviation.detail,
        ],
        update={Deviation.seen: Deviation.seen + p.seen, Deviation.last_seen_at: p.now},
    )
)
_KNOWN_DEVIATIONS = Statement(
    lambda p: (
        Deviation.select(Deviation.code, Deviation.detail)
        .where(Deviation.charge_point_id == p.charge_point_id)
        .distinct()
    )
)
# A hostile charge point may invent a new detail with every frame: the card keeps this many.
_DETAILS_LIMIT = 200


def note_deviation(
    tx: Tx, charge_point: ConnectedChargePoint, code: str, detail: str, now: datetime
) -> None:
    """Counts a broken rule on the conformance card of the charge point and its firmware."""
    memory_key = ("deviations", charge_point.id)
    known: set[Any] | None = tx.memory.get(memory_key)
    if known is None:  # also after a rollback, which must not open the card again
        rows = tx.all(_KNOWN_DEVIATIONS, charge_point_id=charge_point.id)
        known = tx.memory[memory_key] = {tuple(row) for row in rows}
    if (code, detail) not in known:
        if len(known) >= _DETAILS_LIMIT:
            detail = "(others)"
        known.add((code, detail))
    tx.later(_count_deviations, (charge_point.id, charge_point.firmware_version, code, detail, now))


def _count_deviations(tx: Tx, noted: list[tuple[int, str, str, str, datetime]]) -> None:
    """Writes what a group noted: one row per line of a card, however many samples share a fault."""
    counts: dict[tuple[int, str, str, str], list[datetime]] = {}
    for charge_point_id, firmware_version, code, detail, now in noted:
        counts.setdefault((charge_point_id, firmware_version, code, detail), []).append(now)
    rows = [
        {
            "charge_point_id": charge_point_id,
            "firmware_version": firmware_version,
            "code": code,
            "detail": detail,
            "seen": len(times),
            "now": max(times),
        }
        for (charge_point_id, firmware_version, code, detail), times in counts.items()
    ]
    tx.execute_many(_NOTE_DEVIATION, rows)
