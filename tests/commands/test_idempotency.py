"""Idempotency keys: the second request gets what the first one made, from whichever process."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from ocpp_cs.commands.idempotency import KEPT_FOR, Repeatable, begin, finish, forget
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.db.commit import Committer, Tx
from tests.handlers import kept
from tests.handlers.conftest import NOW, Store

store = kept.store

FIRST = Repeatable("key a", "once", "digest 1")


def request(tx: Tx, repeatable: Repeatable | None, resource: str) -> str:
    found = begin(tx, repeatable, NOW)
    if found is not None:
        return found
    finish(tx, repeatable, resource)
    return resource


def test_the_second_request_gets_the_first_ones_resource(store: Store) -> None:
    run = store.committer.run
    assert run(0, lambda tx: request(tx, FIRST, "commands/1")) == "commands/1"
    assert run(0, lambda tx: request(tx, FIRST, "commands/2")) == "commands/1"
    other = Repeatable("key b", "once", "digest 1")
    assert run(0, lambda tx: request(tx, other, "commands/3")) == "commands/3"
    assert run(0, lambda tx: request(tx, None, "commands/4")) == "commands/4"


def test_a_key_is_good_for_one_request(store: Store) -> None:
    store.committer.run(0, lambda tx: request(tx, FIRST, "commands/1"))
    other = Repeatable("key a", "once", "digest 2")
    with pytest.raises(Refused) as refused:
        store.committer.run(0, lambda tx: request(tx, other, "commands/2"))
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")


def test_of_requests_at_the_same_time_one_is_carried_out(store: Store) -> None:
    got: list[str] = []
    committers = [Committer(store.engine) for _ in range(6)]

    def send(number: int) -> None:
        work = committers[number].run
        got.append(work(0, lambda tx: request(tx, FIRST, f"commands/{number}")))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for committer in committers:
        committer.close()
    assert len(got) == 6
    assert len(set(got)) == 1


def test_keys_are_forgotten_after_a_week(store: Store) -> None:
    store.committer.run(0, lambda tx: request(tx, FIRST, "commands/1"))
    store.committer.run(0, lambda tx: forget(tx, NOW + KEPT_FOR))
    assert store.committer.run(0, lambda tx: request(tx, FIRST, "commands/2")) == "commands/1"
    store.committer.run(0, lambda tx: forget(tx, NOW + KEPT_FOR + timedelta(seconds=1)))
    assert store.committer.run(0, lambda tx: request(tx, FIRST, "commands/3")) == "commands/3"
