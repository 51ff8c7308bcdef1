"""Run: frames that are nearly right, and frames that are not, at a real server (A5, A8, R8 to R12).

What must be answered is; whatever else comes, the connection ends or goes on, nobody else notices,
and nothing is left of it. `SEED=7` in the environment repeats a run; each prints its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import socket
import struct
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field

from websockets.frames import Close, Opcode

from tests.faults import fuzz_json, fuzz_wire
from tests.faults.stage import Outcome, Size, Stage
from tests.faults.watched import (
    MEMORY_SLACK_KIB,
    READERS,
    WATCHED,
    at_rest,
    bystander,
    faults_in_log,
    held,
    not_given_back,
)
from tests.gateway.conftest import RawPeer

FRAMES: dict[Size, int] = {"ci": 10_000, "short": 50_000, "full": 1_000_000}
_PROCESSES = 2
_OFFENDERS = 16  # of each process, at one time: their refusals share commits
_BATCH = 40
_WARM_UP = 3_000
_DEADLINE_S = 30.0
_LONGEST_WAIT_S = 5.0
# What a peer that breaks a rule is told; 1000 and the like are its own codes, sent back.
_REFUSALS = {1002, 1003, 1007, 1009}


def seed() -> int:
    return int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


@dataclass
class Seen:
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


class Offender:
    """One peer: batches of frames, a part of them broken off by what no WebSocket may send."""

    def __init__(self, port: int, name: str, run_seed: int) -> None:
        self._port = port
        self._name = name
        self._rng = random.Random(f"{run_seed} {name}")
        self._peer: RawPeer | None = None
        self._batch = 0
        self.seen = Seen()

    def offend(self, frames: int) -> Seen:
        try:
            while self.seen.counts["frames"] < frames and len(self.seen.findings) < 5:
                self._batch += 1
                try:
                    self._one_batch()
                except (TimeoutError, OSError, AssertionError) as error:
                    where = f"{self._name}, batch {self._batch}"
                    self.seen.findings.append(f"{where}: {error!r}")
                    self._leave()
        finally:
            self._leave()
        return self.seen

    def _one_batch(self) -> None:
        if self._peer is None:
            peer = RawPeer(self._port)
            peer.socket.settimeout(_DEADLINE_S)
            self._peer = peer.upgraded(self._name)
            self.seen.counts["connections"] += 1
        rng = self._rng
        messages = [fuzz_json.near_message(rng, f"m{n}") for n in range(_BATCH)]
        self.seen.counts["frames"] += _BATCH
        if rng.random() < 0.75:
            self._ask(self._peer, messages)
        else:
            self._break(self._peer, messages)

    def _ask(self, peer: RawPeer, messages: list[bytes]) -> None:
        """Each message that can be answered must be, in the batch's time."""
        rng = self._rng
        last = f"end{self._batch}"
        ask_last = json.dumps([2, last, "Heartbeat", {}]).encode()
        data = b"".join(fuzz_wire.as_allowed(rng, each) for each in [*messages, ask_last])
        answered: set[str] = set()
        try:
            for piece in fuzz_wire.pieces(rng, data):
                peer.socket.sendall(piece)
            while True:
                opcode, payload = peer.receive()
                if opcode is Opcode.CLOSE:
                    self._closed(Close.parse(payload).code)
                    return
                if opcode is not Opcode.TEXT:
                    continue
                answer = json.loads(payload)
                if fault := fuzz_json.fault_of(answer):
                    raise AssertionError(fault)
                if answer[1] == last:
                    break
                answered.add(answer[1])
        except (EOFError, ConnectionError):
            self._closed(1006)
            return
        self.seen.counts["answered"] += len(answered)
        for message in messages:
            wanted = fuzz_json.must_be_answered(message)
            if wanted is not None and wanted not in answered:
                raise AssertionError(f"no answer to {message[:500]!r}")

    def _closed(self, code: int) -> None:
        """By the server, for what stands in the messages: too many that nobody can read."""
        self.seen.counts[f"closed {code}"] += 1
        if code not in _REFUSALS:
            raise AssertionError(f"closed with {code}")
        self._leave()

    def _break(self, peer: RawPeer, messages: list[bytes]) -> None:
        """Whatever comes back: the server ends the connection, or lives with its loss."""
        rng = self._rng
        frames = [fuzz_wire.as_allowed(rng, each) for each in messages]
        for _ in range(rng.randint(1, 3)):
            message = fuzz_json.near_message(rng, "broken")
            frames.insert(rng.randrange(len(frames) + 1), fuzz_wire.broken(rng, message))
            self.seen.counts["frames"] += 1
        end = rng.choice(["reset", "close", "wait", "wait"])
        self.seen.counts[f"broken: {end}"] += 1
        try:
            for piece in fuzz_wire.pieces(rng, b"".join(frames)):
                peer.socket.sendall(piece)
            if end == "wait":
                peer.socket.shutdown(socket.SHUT_WR)
                while peer.socket.recv(65536):
                    pass
        except ConnectionError:
            pass  # it has had enough
        if end == "reset":
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._leave()

    def _leave(self) -> None:
        if self._peer is not None:
            self._peer.socket.close()
            self._peer = None


def _offend(port: int, process: int, frames: int, run_seed: int) -> Seen:
    """One process of offenders."""
    offenders = [Offender(port, f"OFFENDER-{process}-{n}", run_seed) for n in range(_OFFENDERS)]
    total = Seen()
    with ThreadPoolExecutor(_OFFENDERS) as threads:
        for seen in threads.map(lambda each: each.offend(frames // _OFFENDERS), offenders):
            total.counts += seen.counts
            total.findings += seen.findings
    return total


def fuzz_frames(stage: Stage, size: Size) -> Outcome:
    """Frames from 32 peers at a time at one worker, with a bystander."""
    run_seed = seed()
    print(f"SEED={run_seed}", flush=True)
    server = stage.server(
        stage.new_database(),
        application=WATCHED,
        WEB_CONCURRENCY="1",
        UNREADABLE_FRAME_LIMIT="200",
    )
    _offend(server.port, 99, _WARM_UP, run_seed)
    base = at_rest(server)
    (pid,) = server.pids
    total = Seen()
    context = multiprocessing.get_context("spawn")
    with bystander(server) as watched, ProcessPoolExecutor(_PROCESSES, context) as processes:
        shares = [
            processes.submit(_offend, server.port, n, FRAMES[size] // _PROCESSES, run_seed)
            for n in range(_PROCESSES)
        ]
        for share in shares:
            total.counts += share.result().counts
            total.findings += share.result().findings
    findings = total.findings + watched.findings
    if watched.longest() > _LONGEST_WAIT_S:
        findings.append(f"the bystander waited for {watched.longest():.1f} s")
    if server.pids != [pid]:
        findings.append("the worker died")
    findings += not_given_back(server, base, memory_kib=MEMORY_SLACK_KIB, descriptors=READERS)
    after = held(server)
    findings += faults_in_log(server)
    figures: dict[str, object] = {
        "seed": run_seed,
        **total.counts,
        "bystander's answers": len(watched.waits),
        "its longest wait": f"{watched.longest():.3f} s",
        "threads": f"{base.threads} -> {after.threads}",
        "descriptors": f"{base.descriptors} -> {after.descriptors}",
        "Pss": f"{base.pss_kib // 1024} -> {after.pss_kib // 1024} MiB",
    }
    return Outcome(figures, findings)
