"""Bytes that connections share: who does not fit waits, and does not wait for ever (A6)."""

from __future__ import annotations

import threading

import pytest

from config.settings import Settings
from ocpp_cs.gateway import limits
from ocpp_cs.gateway.limits import Budget, limits_of
from tests.servers import wait_until


def always() -> bool:
    return True


def test_what_fits_is_taken_at_once() -> None:
    shared = Budget(100)
    assert shared.take(60, always)
    assert shared.take(40, always)
    assert shared.used == 100


def test_one_piece_passes_whatever_its_size() -> None:
    shared = Budget(100)
    assert shared.take(500, always)
    shared.release(500)
    assert shared.used == 0


def test_what_does_not_fit_waits_for_room() -> None:
    shared = Budget(100)
    shared.take(60, always)
    thread = threading.Thread(target=shared.take, args=(60, always))
    thread.start()
    wait_until(lambda: shared._waiting == 1)
    shared.release(60)
    thread.join(5)
    assert not thread.is_alive()
    assert shared.used == 60


def test_whoever_is_cut_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_LOOK_AGAIN_S", 0.01)
    shared = Budget(100)
    shared.take(60, always)
    assert not shared.take(60, lambda: False)
    assert shared.used == 60


@pytest.mark.parametrize(
    ("message", "inflight", "room"), [(1000, 10_000, 5000), (1000, 1500, 1000), (2000, 2000, 2000)]
)
def test_each_budget_has_room_for_the_largest_message(
    message: int, inflight: int, room: int
) -> None:
    found = limits_of(Settings(max_message_bytes=message, max_inflight_bytes=inflight))
    for shared in (found.unfinished, found.unanswered):
        assert shared.take(room - 1, always)
        shared.take(1, always)
        assert shared.used == shared._limit == room
