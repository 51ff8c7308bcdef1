"""Charge points that each send a message every few seconds, in one thread; some may freeze.

Who is frozen reads and writes nothing more, and its socket stays open: a box that hangs.
"""

from __future__ import annotations

import random
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.closed_loop import Peer, frame, open_websocket, receive

_METER_VALUES = (
    b'[2,"%d","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-03-01T%02d:%02d:%02dZ",'
    b'"sampledValue":[{"value":"%d"},{"value":"16.0","measurand":"Current.Import","unit":"A"}]}]}]'
)
_DAY_S = 86_400


class Steady:
    """`every_s`: a charge point's pause between two messages, which are answered after a commit."""

    def __init__(self, port: int, count: int, every_s: float) -> None:
        self.findings: list[str] = []
        self._every_s = every_s
        self._rng = random.Random(count)
        self._peers = [open_websocket_peer(port, f"STEADY-{n}") for n in range(count)]
        self._frozen: set[str] = set()
        self._latencies: list[float] = []
        self._left = threading.Event()

    @property
    def identities(self) -> list[str]:
        return [peer.identity for peer in self._peers]

    def freeze(self, identities: list[str]) -> None:
        self._frozen |= set(identities)

    def latencies(self, seconds: float) -> list[float]:
        """Those of the messages that are answered from now on, in ascending order; in seconds."""
        latencies: list[float] = []
        self._latencies = latencies
        time.sleep(seconds)
        return sorted(latencies)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._left.set()
            thread.join()
            for peer in self._peers:
                peer.socket.close()

    def _work(self) -> None:
        poll = select.epoll()
        by_fd = {peer.socket.fileno(): peer for peer in self._peers}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        due = {peer.identity: time.perf_counter() + self._pause() for peer in self._peers}
        waiting: set[str] = set()
        while not self._left.is_set():
            for fd, _ in poll.poll(0.005):
                peer = by_fd[fd]
                if peer.identity in self._frozen:
                    poll.unregister(fd)
                    continue
                try:
                    answered = receive(peer) is not None
                except (OSError, RuntimeError) as error:
                    self.findings.append(f"{peer.identity}: {error}")
                    poll.unregister(fd)
                    self._frozen.add(peer.identity)
                    continue
                if answered:
                    self._latencies.append(time.perf_counter() - peer.sent_at)
                    waiting.discard(peer.identity)
            now = time.perf_counter()
            for peer in self._peers:
                if due[peer.identity] > now or (
                    peer.identity in waiting or peer.identity in self._frozen
                ):
                    continue
                self._send(peer)
                waiting.add(peer.identity)
                due[peer.identity] = now + self._every_s

    def _pause(self) -> float:
        return self._rng.uniform(0, self._every_s)

    def _send(self, peer: Peer) -> None:
        peer.number += 1
        minutes, seconds = divmod(peer.number % _DAY_S, 60)
        hours, minutes = divmod(minutes, 60)
        text = _METER_VALUES % (peer.number, hours, minutes, seconds, 1000 + peer.number)
        peer.sent_at = time.perf_counter()
        peer.socket.sendall(frame(text))


def open_websocket_peer(port: int, identity: str) -> Peer:
    return Peer(open_websocket(port, identity), identity)


def percentile(ascending: list[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
