"""Shared memory between forked processes: what one leaves, the others read, whole or not at all."""

from __future__ import annotations

import os
import threading

from ocpp_cs.places import PLACE_BYTES, Places


def test_what_a_forked_process_leaves_is_read_by_its_parent_after_its_end() -> None:
    places = Places(3)
    child = os.fork()
    if child == 0:
        places.leave(2, b"from the child")
        os._exit(0)
    os.waitpid(child, 0)
    places.leave(0, b"from the parent")
    assert places.read_all() == {0: b"from the parent", 2: b"from the child"}
    assert places.read(1) == b""


def test_a_shorter_text_replaces_a_longer_one() -> None:
    places = Places(1)
    places.leave(0, b"a long text")
    places.leave(0, b"short")
    assert places.read(0) == b"short"


def test_what_is_too_long_leaves_the_latest_text() -> None:
    places = Places(2)
    places.leave(0, b"fine")
    places.leave(1, b"neighbour")
    assert not places.leave(0, b"x" * PLACE_BYTES)
    assert places.read_all() == {0: b"fine", 1: b"neighbour"}


def test_a_reader_never_sees_half_a_text() -> None:
    places, ended = Places(1), threading.Event()
    texts = (b"a" * 5000, b"b" * 40_000)

    def write() -> None:
        while not ended.is_set():
            for text in texts:
                places.leave(0, text)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert {places.read(0) for _ in range(2000)} <= {*texts, b""}
    finally:
        ended.set()
        writer.join()
