"""The audit trail: who did what, when and from where, written with the deed in one transaction.

It decides nothing and knows no secret: whoever records something leaves keys and passwords out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import AuditEvent
from ocpp_cs.db.statement import Statement

_RECORD = Statement(
    lambda p: AuditEvent.insert(
        at=p.at,
        actor=p.actor,
        remote_address=p.remote_address,
        action=p.action,
        target=p.target,
        detail=p.detail,
    )
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: the holder of an API key, a person at the command line, or the server itself.

    `name` is unique for a key: its public id and its name.
    """

    name: str
    remote_address: str = ""


COMMAND_LINE = Actor("command line")
CENTRAL_SYSTEM = Actor("central system")


def record(
    tx: Tx,
    actor: Actor,
    action: str,
    target: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Writes one line: `action` such as "command.Reset", `target` such as "charge-points/CB-1"."""
    tx.insert_later(_RECORD, **_line(actor, action, now, detail), target=target)


def record_each(
    tx: Tx,
    actor: Actor,
    action: str,
    targets: Iterable[str],
    now: datetime,
    detail: Mapping[str, Any],
) -> None:
    """Writes a line per target at once: of what is done to many in one go."""
    line = _line(actor, action, now, detail)
    tx.execute_many(_RECORD, [{**line, "target": target} for target in targets])


def _line(
    actor: Actor, action: str, now: datetime, detail: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "at": now,
        "actor": actor.name,
        "remote_address": actor.remote_address,
        "action": action,
        "detail": ""
        if not detail
        else json.dumps(detail, ensure_ascii=False, separators=(",", ":")),
    }
