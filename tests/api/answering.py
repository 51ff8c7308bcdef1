"""The other side of the command table: a thread that answers whatever is queued for charge points.

No socket is in it and no wire: commands are claimed and ended as the gateway does it.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec

from ocpp_cs.commands import table
from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.db.fields import whole_milliseconds
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM, Action

# Properties without a list of values to take in turn.
_OTHER_ANSWERS: dict[str, list[Any]] = {
    "GetConfiguration": [
        {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}]},
        {"configurationKey": [{"key": "Odd", "readonly": True}], "unknownKey": ["Unknown"]},
        {},
    ],
    "GetDiagnostics": [{"fileName": "diagnostics.zip"}, {}],
    "GetLocalListVersion": [{"listVersion": version} for version in (-1, 0, 7)],
    "UpdateFirmware": [{}],
}
_REFUSED = Result(
    status="rejected", error_code="NotSupported", error_description="Not in this model."
)
_UNREADABLE = Result(
    status="answered",
    raw_response='{"status":"Perhaps"}',
    error_code="PropertyConstraintViolation",
    error_description="The answer breaks its schema: status",
)
_TIMEOUT = Result(
    status="timeout", error_code="no_answer", error_description="No answer within 30 s."
)


@contextmanager
def answering(committer: Committer) -> Iterator[None]:
    """Answers the commands of every charge point in its first session, while the block lasts."""
    queued: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    committer.notices.subscribe("queued", queued.put)
    thread = threading.Thread(target=_serve, args=(committer, queued), daemon=True)
    thread.start()
    try:
        yield
    finally:
        queued.put(None)
        thread.join(10.0)


def _serve(committer: Committer, queued: queue.SimpleQueue[str | None]) -> None:
    turns = {name: itertools.cycle(_results(a)) for name, a in FROM_CENTRAL_SYSTEM.items()}
    while (key := queued.get()) is not None:
        claimed = _claim(committer, int(key))
        while claimed is not None:
            _finish(committer, int(key), claimed, next(turns[claimed.action]))
            claimed = _claim(committer, int(key))


def _claim(committer: Committer, charge_point_id: int) -> Claimed | None:
    def work(tx: Tx) -> Claimed | None:
        return table.claim(tx, charge_point_id, 1, settled=True, timeout_s=30, now=_now())

    return committer.run(charge_point_id, work)


def _finish(committer: Committer, charge_point_id: int, claimed: Claimed, result: Result) -> None:
    committer.run(
        charge_point_id,
        lambda tx: table.finish(tx, claimed, result, session_epoch=1, now=_now()),
    )


def _results(action: Action) -> list[Result]:
    """Every status that the action's answer may have, and how else a command may end."""
    answers = _OTHER_ANSWERS.get(action.name) or [
        {"status": status} for status in get_args(get_type_hints(action.response)["status"])
    ]
    responses = [msgspec.convert(answer, action.response) for answer in answers]
    return [
        *(Result(status="answered", response=response) for response in responses),
        _REFUSED,
        _UNREADABLE,
        _TIMEOUT,
    ]


def _now() -> datetime:
    return whole_milliseconds(datetime.now(UTC))
