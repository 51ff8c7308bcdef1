"""A charge point that is connected, and somebody who commands it, on a store of each engine."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from ocpp_cs.audit import Actor
from ocpp_cs.commands import table
from ocpp_cs.commands.order import Order
from ocpp_cs.commands.orders import key_hash_of, place, read_request
from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.db.models import Command
from ocpp_cs.handlers.connections import Presence, disconnect
from ocpp_cs.ocpp16.messages import ACTIONS
from tests.handlers import kept
from tests.handlers.conftest import NOW, Store

store = kept.store

ACTOR = Actor("tester (k0000000)", "192.0.2.1")


class Office:
    """Places commands for one charge point, and plays the connection that sends them."""

    def __init__(self, store: Store, identity: str = "CP-1") -> None:
        self.store = store
        self.identity = identity
        self.now: datetime = NOW
        self.desk = store.desk(identity)

    @property
    def key(self) -> int:
        """The key of the charge point's row."""
        return self.desk.charge_point.id

    @property
    def epoch(self) -> int:
        return self.desk.charge_point.epoch

    def reconnect(self) -> None:
        """A newer connection of the charge point begins."""
        self.desk = self.store.desk(self.identity)

    def disconnect(self) -> None:
        presence = Presence(self.key, self.epoch, self.now)
        self.run(lambda tx: disconnect(tx, presence, self.now))

    def run(self, work: Any) -> Any:
        return self.store.committer.run(0, work)

    def place(self, action: str = "ClearCache", payload: Any = None, **options: Any) -> int:
        request = read_request(action, msgspec.json.encode(payload or {}))
        key_hash = key_hash_of(request)
        order = Order(action=action, request=request, key_hash=key_hash, **options)
        id: int = self.run(lambda tx: place(tx, self.identity, order, actor=ACTOR, now=self.now))
        return id

    def claim(self, *, epoch: int | None = None, settled: bool = True) -> Claimed | None:
        claimed: Claimed | None = self.run(
            lambda tx: table.claim(
                tx,
                self.key,
                self.epoch if epoch is None else epoch,
                settled=settled,
                timeout_s=30,
                now=self.now,
            )
        )
        return claimed

    def claimed(self) -> Claimed:
        claimed = self.claim()
        assert claimed is not None, "nothing waits for the charge point"
        return claimed

    def finish(self, claimed: Claimed, result: Result) -> bool:
        stored: bool = self.run(
            lambda tx: table.finish(tx, claimed, result, session_epoch=self.epoch, now=self.now)
        )
        return stored

    def answer(self, **payload: Any) -> Claimed:
        """The charge point answers the next command that waits for it."""
        claimed = self.claimed()
        decoder = ACTIONS[claimed.action].response_decoder
        response = decoder.decode(msgspec.json.encode(payload))
        assert self.finish(claimed, Result(status="answered", response=response))
        return claimed

    def command(self, id: int) -> dict[str, Any]:
        return self.store.row(Command.select().where(Command.id == id))

    def status(self, id: int) -> str:
        return str(self.command(id)["status"])

    def later(self, seconds: float) -> None:
        """The clock moves on, for the office and for the desk."""
        self.now += timedelta(seconds=seconds)
        self.desk.now = self.now


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store)
