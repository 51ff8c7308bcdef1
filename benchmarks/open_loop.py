"""A load of raw sockets in one thread that sends by the clock, however fast it is answered.

A latency counts from the moment at which the message was due, also when it had to wait for the
answer to the one before, or for this program: nothing is left out because the server was slow.
"""

from __future__ import annotations

import random
import select
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.closed_loop import MakeScript, Peer, Result, Script, check, receive, send

_DEADLINE_S = 60.0


@dataclass
class OpenResult(Result):
    """`late`: seconds after which messages were sent whose charge point was free, ascending."""

    late: list[float]


@dataclass(slots=True)
class _Sender:
    peer: Peer
    script: Script
    following: bytes
    due: deque[float] = field(default_factory=deque)  # the first one is what is being answered
    waiting: bool = False


def run(
    peers: list[Peer], make: MakeScript, per_second: float, seconds: float, poll: select.epoll
) -> OpenResult:
    """Each charge point sends a message every `len(peers) / per_second` seconds.

    They begin at random moments of that time, the same in each run, as they do without a conductor.
    `poll` is an epoll that was made before the connections: it needs a low number for `select`,
    since epoll alone counts in milliseconds, which would be added to each latency.
    """
    by_fd = {peer.socket.fileno(): _begin(peer, make) for peer in peers}
    senders = list(by_fd.values())
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    latencies: list[float] = []
    late: list[float] = []
    clock = time.perf_counter
    began, own_cpu = clock(), time.process_time()
    schedule = _schedule(senders, per_second, began, seconds)
    coming = next(schedule, None)
    unanswered = 0
    while coming is not None or unanswered:
        now = clock()
        if now - began > seconds + _DEADLINE_S:
            raise RuntimeError(f"{unanswered} messages were not answered")
        while coming is not None and coming[0] <= now:
            at, sender = coming
            sender.due.append(at)
            unanswered += 1
            if not sender.waiting:
                _send(sender)
                late.append(sender.peer.sent_at - at)
            coming = next(schedule, None)
        pause = 1.0 if coming is None else max(0.0, coming[0] - clock())
        select.select([poll], [], [], pause)
        for fd, _ in poll.poll(0):
            unanswered -= _take(by_fd[fd], latencies)
    elapsed, own_cpu = clock() - began, time.process_time() - own_cpu
    for sender in senders:
        poll.unregister(sender.peer.socket)
        sender.script.close()
        sender.peer.number -= 1  # it was made and not sent
    rate = len(latencies) / elapsed
    return OpenResult(rate, sorted(latencies), own_cpu / elapsed, sorted(late))


def _begin(peer: Peer, make: MakeScript) -> _Sender:
    script = make(peer)
    return _Sender(peer, script, next(script))


def _schedule(
    senders: list[_Sender], per_second: float, began: float, seconds: float
) -> Iterator[tuple[float, _Sender]]:
    """When who sends, in order."""
    period = len(senders) / per_second
    dice = random.Random(1)
    phases = sorted((dice.uniform(0, period), number) for number in range(len(senders)))
    turn = 0
    while True:
        for phase, number in phases:
            if turn * period + phase >= seconds:
                return
            yield began + turn * period + phase, senders[number]
        turn += 1


def _send(sender: _Sender) -> None:
    sender.waiting = True
    send(sender.peer, sender.following)


def _take(sender: _Sender, latencies: list[float]) -> int:
    """Takes what has come; how many answers it was."""
    answer = receive(sender.peer)
    if answer is None:
        return 0
    latencies.append(time.perf_counter() - sender.due.popleft())
    check(sender.peer, answer)
    sender.following = sender.script.send(answer)
    sender.waiting = False
    if sender.due:
        _send(sender)
    return 1
