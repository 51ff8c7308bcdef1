"""The central system of the `ocpp` package on `websockets`, as the package's own example builds it.

It answers and stores nothing; with `--database` each message is written to SQLite and committed
with `synchronous=FULL` before its answer. A peer for the bench, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePointBase
from ocpp.v16 import call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

_transaction_ids = itertools.count(1)


class Table:
    """One row a message, one commit a row: what a first version of storing looks like."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE messages (charge_point_id TEXT, action TEXT, payload TEXT)"
        )

    def insert(self, charge_point_id: str, action: str, payload: Any) -> None:
        self._connection.execute(
            "INSERT INTO messages VALUES (?, ?, ?)", (charge_point_id, action, json.dumps(payload))
        )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ChargePoint(ChargePointBase):  # type: ignore[misc]
    def __init__(self, identity: str, connection: ServerConnection, table: Table | None) -> None:
        super().__init__(identity, connection)
        self._table = table

    def _store(self, action: str, payload: Any) -> None:
        if self._table is not None:
            self._table.insert(self.id, action, payload)

    @on(Action.boot_notification)  # type: ignore[untyped-decorator]
    def on_boot_notification(self, **payload: Any) -> call_result.BootNotification:
        self._store("BootNotification", payload)
        return call_result.BootNotification(
            current_time=_now(), interval=300, status=RegistrationStatus.accepted
        )

    @on(Action.heartbeat)  # type: ignore[untyped-decorator]
    def on_heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=_now())

    @on(Action.start_transaction)  # type: ignore[untyped-decorator]
    def on_start_transaction(self, **payload: Any) -> call_result.StartTransaction:
        self._store("StartTransaction", payload)
        return call_result.StartTransaction(
            transaction_id=next(_transaction_ids),
            id_tag_info=IdTagInfo(status=AuthorizationStatus.accepted),
        )

    @on(Action.meter_values)  # type: ignore[untyped-decorator]
    def on_meter_values(self, **payload: Any) -> call_result.MeterValues:
        self._store("MeterValues", payload)
        return call_result.MeterValues()

    @on(Action.stop_transaction)  # type: ignore[untyped-decorator]
    def on_stop_transaction(self, **payload: Any) -> call_result.StopTransaction:
        self._store("StopTransaction", payload)
        return call_result.StopTransaction(
            id_tag_info=IdTagInfo(status=AuthorizationStatus.accepted)
        )


async def main(port: int, database: str | None) -> None:
    table = Table(database) if database else None

    async def on_connect(connection: ServerConnection) -> None:
        assert connection.request is not None
        identity = connection.request.path.rpartition("/")[2]
        await ChargePoint(identity, connection, table).start()

    async with serve(
        on_connect, "127.0.0.1", port, subprotocols=[Subprotocol("ocpp1.6")]
    ) as server:
        [address] = [each.getsockname() for each in server.sockets]
        print(f"Listening at: http://127.0.0.1:{address[1]} ", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--database")
    options = parser.parse_args()
    asyncio.run(main(options.port, options.database))
