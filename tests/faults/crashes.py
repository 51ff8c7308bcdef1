"""A crash at every step of every message: the charge point asks again, and it is stored once.

What a message leaves in the tables is looked at with plain SQL, before and after.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.e2e.conftest import plain_sql
from tests.faults.stage import Outcome, Size, Stage
from tests.servers import Server

# As in `tests.faults.crashing`, which only a server may import.
STEPS = (
    "before parse",
    "after parse",
    "before insert",
    "after insert",
    "before commit",
    "after commit",
    "before send",
    "after send",
)
_AT = "2024-05-01T{:02}:{:02}:00.000Z"
_RETRY_S = 60.0


class _Message(NamedTuple):
    """A CALL; what it leaves are rows of `table`, `rows` of them for each physical event."""

    payload: dict[str, Any]
    table: str = ""
    rows: int = 1


class _Case:
    """The messages of one charge point, each about another event every time."""

    def __init__(self) -> None:
        self.count = 0
        self.transaction_id = 0

    def message(self, action: str) -> _Message:
        self.count += 1
        at = _AT.format(self.count // 60, self.count % 60)
        payload: dict[str, Any]
        match action:
            case "BootNotification":
                payload = {"chargePointVendor": "Crash", "chargePointModel": "Crash"}
                return _Message(payload, "charge_points", 0)
            case "Authorize":
                return _Message({"idTag": "CRASH"})
            case "Heartbeat":
                return _Message({})
            case "StartTransaction":
                payload = {"connectorId": 1, "idTag": "CRASH", "meterStart": 10, "timestamp": at}
                return _Message(payload, "transactions")
            case "MeterValues":
                value = {"timestamp": at, "sampledValue": [{"value": "11"}, _POWER]}
                ids: dict[str, Any] = {"connectorId": 1, "transactionId": self.transaction_id}
                return _Message({**ids, "meterValue": [value]}, "meter_values", 2)
            case "StopTransaction":
                ids = {"transactionId": self.transaction_id, "idTag": "CRASH"}
                return _Message(
                    {**ids, "meterStop": 20, "timestamp": at},
                    "transaction_evidence WHERE kind = 'stop'",
                )
            case "StatusNotification":
                payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
                return _Message({**payload, "timestamp": at}, "status_events")
            case "SecurityEventNotification":
                return _Message({"type": "MemoryExhaustion", "timestamp": at}, "security_events")
            case "FirmwareStatusNotification":
                return _Message({"status": "Downloaded"}, "firmware_events")
            case "DiagnosticsStatusNotification":
                return _Message({"status": "Uploaded"}, "diagnostics_events")
            case _:
                return _Message({"vendorId": "crash", "data": at}, "data_transfers")


_POWER = {"value": "7000", "measurand": "Power.Active.Import", "unit": "W"}
# Those that are retried as one event, since their time says which; and those without one, which
# are each time another event (a charge point does not repeat them).
ACTIONS = (
    "StartTransaction",
    "MeterValues",
    "StopTransaction",
    "StatusNotification",
    "SecurityEventNotification",
    "BootNotification",
    "Authorize",
    "Heartbeat",
    "DataTransfer",
    "FirmwareStatusNotification",
    "DiagnosticsStatusNotification",
)
_CI_ACTIONS = ("StartTransaction", "StopTransaction")
_CI_STEPS = ("before commit", "after commit")


def run(stage: Stage, size: Size) -> Outcome:
    armed = stage.directory / "armed"
    url = stage.new_database()
    server = stage.server(
        url,
        application="tests.faults.crashing:app",
        more={"CRASH_FILE": str(armed)},
        WEB_CONCURRENCY="1",
    )
    outcome, counts = Outcome({}), Counter[str]()
    case = _Case()
    for action in _CI_ACTIONS if size == "ci" else ACTIONS:
        for step in _CI_STEPS if size == "ci" else STEPS:
            if action in ("MeterValues", "StopTransaction"):
                _ask(server, "StartTransaction", case, None, counts)
            _try(server, url, case, action, step, armed, outcome, counts)
    outcome.figures |= {
        "crashes": counts["crashes"],
        "of messages times steps": counts["tries"],
        "not on the road of the message": counts["not reached"],
        "asked again": counts["retries"],
        "recovered": counts["recovered"],
        "lost or doubled": len(outcome.findings),
    }
    return outcome


def _try(
    server: Server,
    url: str,
    case: _Case,
    action: str,
    step: str,
    armed: Path,
    outcome: Outcome,
    counts: Counter[str],
) -> None:
    counts["tries"] += 1
    before = len(outcome.findings)
    message = case.message(action)
    rows = _rows(url, message.table)
    armed.write_text(f"{action} {step}", encoding="ascii")
    answer = _ask(server, action, case, message, counts)
    if armed.exists():
        armed.unlink()
        counts["not reached"] += 1
    else:
        counts["crashes"] += 1
    more = _rows(url, message.table) - rows
    if answer[0] != 3:
        outcome.findings.append(f"{action}, {step}: answered with {answer}")
    elif more != message.rows and message.table:
        outcome.findings.append(f"{action}, {step}: {more} rows in {message.table}")
    if action == "StopTransaction":
        query = "SELECT meter_stop_wh FROM transactions WHERE id = " + str(case.transaction_id)
        with plain_sql(url) as connection:
            if (found := connection.execute(query).fetchone()) != (20,):
                outcome.findings.append(f"{action}, {step}: {found} stored")
    counts["recovered"] += len(outcome.findings) == before


def _rows(url: str, table: str) -> int:
    if not table:
        return 0
    with plain_sql(url) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _ask(
    server: Server, action: str, case: _Case, message: _Message | None, counts: Counter[str]
) -> Any:
    """Asks until there is an answer: the same again, on a new connection (§3.7.1)."""
    payload = (message or case.message(action)).payload
    frame = json.dumps([2, str(uuid4()), action, payload])
    give_up_at = time.monotonic() + _RETRY_S
    while True:
        try:
            with connect(
                server.ws_url("CRASH-1"),
                subprotocols=[Subprotocol("ocpp1.6")],
                compression=None,
                open_timeout=10.0,
                close_timeout=1.0,
                proxy=None,
            ) as client:
                client.send(frame)
                answer = json.loads(client.recv(10.0))
                if action == "StartTransaction" and answer[0] == 3:
                    case.transaction_id = answer[2]["transactionId"]
                return answer
        except (OSError, WebSocketException, TimeoutError):
            if time.monotonic() > give_up_at:
                raise
            counts["retries"] += 1
            time.sleep(0.1)
