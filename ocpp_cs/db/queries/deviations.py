"""The conformance card of a charge point as people read it: each rule that it breaks, counted.

Who notes them is `handlers.context`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ocpp_cs.db.models import Deviation
from ocpp_cs.db.queries.conditions import key_of, where
from ocpp_cs.ocpp16.deviations import rule_of


class DeviationRow(NamedTuple):
    """A line of the card."""

    firmware_version: str
    code: str
    detail: str
    seen: int
    first_seen_at: datetime
    last_seen_at: datetime

    @property
    def rule(self) -> str | None:
        return rule_of(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationFilter:
    """Which lines; None does not filter. `since` and `until` are of the latest time."""

    firmware_version: str | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def deviations(
    identity: str, wanted: DeviationFilter, after: tuple[str, str, str] | None, limit: int
) -> list[DeviationRow]:
    """Lines in the order of their key (firmware_version, code, detail)."""
    firmware_version, code, detail = Deviation.firmware_version, Deviation.code, Deviation.detail
    conditions: list[Any] = [Deviation.charge_point_id == key_of(identity)]
    if wanted.firmware_version is not None:
        conditions.append(firmware_version == wanted.firmware_version)
    if wanted.code is not None:
        conditions.append(code == wanted.code)
    if wanted.since is not None:
        conditions.append(Deviation.last_seen_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Deviation.last_seen_at < wanted.until)
    if after is not None:
        behind = (code == after[1]) & (detail > after[2])
        behind = (firmware_version == after[0]) & ((code > after[1]) | behind)
        conditions += [firmware_version >= after[0], (firmware_version > after[0]) | behind]
    query = Deviation.select(
        firmware_version,
        code,
        detail,
        Deviation.seen,
        Deviation.first_seen_at,
        Deviation.last_seen_at,
    )
    query = where(query, conditions).order_by(firmware_version, code, detail).limit(limit)
    return [DeviationRow(*values) for values in query.tuples()]
