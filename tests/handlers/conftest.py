"""A store of each engine, and a desk that hands frames to the handlers as a connection does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import peewee
import pytest

from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.handlers import CallContext, ConnectedChargePoint, handle, refuse_call
from ocpp_cs.handlers.connections import Attempt, Login, connect
from ocpp_cs.ocpp16.errors import CallError
from ocpp_cs.ocpp16.session import CallReceived, CallRefused, Session
from ocpp_cs.rules import Policy

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPEN = Policy(unknown_charge_points="open", unknown_id_tags="open")


class Refused(AssertionError):
    """The answer was a CALLERROR."""

    def __init__(self, error: CallError) -> None:
        super().__init__(f"{error.code}: {error.description}")
        self.code = str(error.code)


class Desk:
    """One charge point at the handlers: `send` a call, get the answer's payload.

    The clock stands still unless `now` is moved.
    """

    def __init__(self, store: Store, identity: str, policy: Policy = OPEN) -> None:
        self.store = store
        self.policy = policy
        self.now = NOW
        self._ids = itertools.count(1)
        attempt = Attempt(identity, "127.0.0.1", "accepted", 101, "ocpp1.6", "")
        connected = store.committer.run(
            0,
            lambda tx: connect(
                tx,
                attempt,
                now=NOW,
                present_until=NOW + timedelta(minutes=1),
                unknown=policy.unknown_charge_points,
                subprotocol_offered=True,
                login=Login(0),
            ),
        )
        assert connected is not None
        self.charge_point: ConnectedChargePoint = connected
        self.session = Session()

    def send(self, action: str, payload: Any, message_id: str | None = None) -> Any:
        frame = json.dumps([2, message_id or f"{action}-{next(self._ids)}", action, payload])
        return self.send_frame(frame.encode())

    def send_frame(self, frame: bytes) -> Any:
        event = self.session.receive(frame, 0.0)
        if isinstance(event, CallRefused):
            refused = event
            self.store.committer.run(
                0, lambda tx: refuse_call(tx, self.charge_point, refused, self.now)
            )
            raise Refused(event.error)
        assert isinstance(event, CallReceived), event
        context = CallContext(self.charge_point, event, self.now, self.policy)
        answer = self.store.committer.run(0, lambda tx: handle(tx, context))
        if isinstance(answer, CallError):
            raise Refused(answer)
        return msgspec.json.decode(msgspec.json.encode(answer))

    def start(self, **changes: Any) -> Any:
        payload = {
            "connectorId": 1,
            "idTag": "TAG",
            "meterStart": 1000,
            "timestamp": "2026-03-01T11:00:00Z",
        }
        return self.send("StartTransaction", {**payload, **changes})

    def stop(self, transaction_id: int, **changes: Any) -> Any:
        payload = {
            "transactionId": transaction_id,
            "meterStop": 5000,
            "timestamp": "2026-03-01T11:30:00Z",
        }
        return self.send("StopTransaction", {**payload, **changes})


class Store:
    """An engine with the newest schema and its committer."""

    def __init__(self, url: str) -> None:
        self.engine = Engine(url)
        migrate.upgrade(self.engine)
        self.committer = Committer(self.engine)

    def rows(self, query: Any) -> list[dict[str, Any]]:
        """What a query finds, as dictionaries."""
        return self.engine.read(lambda: list(query.dicts()))

    def row(self, query: Any) -> dict[str, Any]:
        rows = self.rows(query)
        assert len(rows) == 1, rows
        return rows[0]

    def write(self, query: peewee.Query) -> None:
        self.committer.run(0, lambda tx: tx.run(query).rowcount)

    def desk(self, identity: str = "CP-1", policy: Policy = OPEN) -> Desk:
        return Desk(self, identity, policy)

    def close(self) -> None:
        self.committer.close()
        self.engine.close()


@pytest.fixture
def store(database_url: str, tables: None) -> Iterator[Store]:
    store = Store(database_url)
    try:
        yield store
    finally:
        store.close()
