"""Tests of `ocpp_cs.retention`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ocpp_cs.db.commit import Committer, Tx
from ocpp_cs.retention import Store

T = TypeVar("T")


def store_of(committer: Committer) -> Store:
    """Where retention reads and writes, without a server."""

    def write(work: Callable[[Tx], T]) -> T:
        return committer.run(0, work)

    return Store(committer.engine, write)
