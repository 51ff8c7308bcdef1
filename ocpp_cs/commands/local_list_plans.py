"""What a charge point is to be sent as its local list: entries, changes, chunks, versions (§5.15).

Pure decisions; what it is known to hold and who may charge is passed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from ocpp_cs import rules
from ocpp_cs.commands.ends import encode
from ocpp_cs.ocpp16.messages.local_auth_list import AuthorizationData, SendLocalListRequest
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.ocpp16.types import IdTagInfo

UpdateType = Literal["full", "differential"]

HIGHEST_VERSION = 2**31 - 1
# An update has to end below the highest one; none has so many messages.
_LAST_TO_COUNT_ON = HIGHEST_VERSION - 1_000_000
USUAL_CHUNK = 100
"""Entries of a message to a charge point that has not told its SendLocalListMaxLength.

A hundred make some 15 kB, which small charge points can still hold; those that cannot say so.
"""


class Entry(NamedTuple):
    """An entry of a list; `info` is its idTagInfo as JSON text, `key` what tags are compared by."""

    key: str
    id_tag: str
    info: str


LARGEST_CHUNK = 1000
"""Entries of a message, however many the charge point takes: it is one frame, and one answer."""

Held = Mapping[str, tuple[str, str]]
"""What a charge point holds: id tag and info by key."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The messages of an update, in their order; none if there is nothing to tell."""

    update_type: UpdateType
    requests: tuple[SendLocalListRequest, ...]
    entries_total: int


def entry_of(data: AuthorizationData) -> Entry:
    return Entry(
        rules.id_tag_key(data.id_tag),
        data.id_tag,
        "" if data.id_tag_info is None else encode(data.id_tag_info),
    )


def next_version(known: int | None, sent: int | None) -> int:
    """After the version that it has, or where that is not known, after the last that was sent.

    0 and -1 mean something else (R39). Near the highest one it is 1 again: only a full update may
    go back.
    """
    latest = sent if known is None else known
    return 1 if latest is None or not 0 < latest < _LAST_TO_COUNT_ON else latest + 1


def plan(
    tags: Iterable[rules.IdTagRecord],
    held: Held,
    update_type: UpdateType,
    *,
    version: int,
    chunk: int,
    now: datetime,
) -> Plan:
    """The messages that bring a charge point from what it holds to what the tags are at `now`.

    The first one of a full update is Full, all others are Differential, with rising versions.
    """
    entries = _all(tags, now) if update_type == "full" else _changes(tags, held, now)
    parts = [tuple(entries[first : first + chunk]) for first in range(0, len(entries), chunk)]
    if update_type == "full" and not parts:
        parts = [()]  # an empty list takes all from it
    requests = tuple(
        SendLocalListRequest(
            list_version=version + place,
            update_type="Full" if update_type == "full" and place == 0 else "Differential",
            local_authorization_list=part,
        )
        for place, part in enumerate(parts)
    )
    return Plan(update_type, requests, len(entries))


def _all(tags: Iterable[rules.IdTagRecord], now: datetime) -> list[AuthorizationData]:
    return [_authorization(tag, now) for tag in tags]


def _changes(
    tags: Iterable[rules.IdTagRecord], held: Held, now: datetime
) -> list[AuthorizationData]:
    """What is new or other, and what is gone: that without an idTagInfo."""
    changed, gone = [], dict(held)
    for tag in tags:
        data = _authorization(tag, now)
        key, *content = entry_of(data)
        if gone.pop(key, None) != tuple(content):
            changed.append(data)
    # What goes makes room for what comes.
    return [AuthorizationData(id_tag=id_tag) for id_tag, _ in gone.values()] + changed


def _authorization(tag: rules.IdTagRecord, now: datetime) -> AuthorizationData:
    verdict = rules.id_tag_verdict(tag, now=now, unknown="closed")
    expires_at = verdict.expires_at
    return AuthorizationData(
        id_tag=tag.id_tag.strip(),
        id_tag_info=IdTagInfo(
            status=verdict.status,
            expiry_date=None if expires_at is None else format_time(expires_at),
            parent_id_tag=verdict.parent_id_tag,
        ),
    )
