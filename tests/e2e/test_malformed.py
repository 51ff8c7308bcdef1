"""Whatever a charge point sends, it gets its answer or its close, and nobody else notices.

20,000 seeded frames, mutated from good ones or plain noise (R8 to R12, A5, A8).
"""

from __future__ import annotations

import copy
import json
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from ocpp_cs.ocpp16.errors import CallErrorCode
from tests.conftest import StartServer
from tests.e2e.conftest import ask, plain_client
from tests.servers import Server

FRAMES = 20_000
OFFENDERS = 8
SEED = 20260301
AT = "2026-03-01T11:00:00Z"
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("Authorize", {"idTag": "TAG"}),
    ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}),
    ("DataTransfer", {"vendorId": "com.example", "messageId": "m", "data": "d"}),
    ("DiagnosticsStatusNotification", {"status": "Idle"}),
    ("FirmwareStatusNotification", {"status": "Installed"}),
    ("Heartbeat", {}),
    ("LogStatusNotification", {"status": "Idle", "requestId": 1}),
    (
        "MeterValues",
        {
            "connectorId": 1,
            "transactionId": 1,
            "meterValue": [
                {"timestamp": AT, "sampledValue": [{"value": "1", "unit": "Wh", "phase": "L1"}]}
            ],
        },
    ),
    ("SecurityEventNotification", {"type": "ResetOrReboot", "timestamp": AT}),
    ("SignCertificate", {"csr": "-----BEGIN CERTIFICATE REQUEST-----"}),
    ("SignedFirmwareStatusNotification", {"status": "Idle", "requestId": 1}),
    (
        "StartTransaction",
        {"connectorId": 1, "idTag": "TAG", "meterStart": 1, "timestamp": AT, "reservationId": 7},
    ),
    (
        "StatusNotification",
        {"connectorId": 1, "errorCode": "NoError", "status": "Available", "timestamp": AT},
    ),
    (
        "StopTransaction",
        {"transactionId": 1, "meterStop": 2, "timestamp": AT, "idTag": "TAG", "reason": "Local"},
    ),
]
ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    2**31,
    2**63,
    2**70,
    -(2**40),
    1e308,
    "",
    " ",
    "x" * 600,
    "\x00",
    "\ud800",
    "9999-99-99",
    "222222017-01-01T00:00:00Z",
    [],
    [[]],
    {},
    {"a": {"b": []}},
    "<script>alert(1)</script>",
    "=1+1",
    "'; DROP TABLE transactions; --",
]
ALLOWED_CLOSES = {1002, 1003, 1007, 1009}
CODES = {str(code) for code in CallErrorCode}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        for key in value:
            found += [(value, key), *places(value[key])]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += [(value, index), *places(item)]
    return found


def mutated(rng: random.Random, message_id: str) -> bytes:
    """A frame made from a good one by one to three mutations of its JSON or its text."""
    action, payload = rng.choice(GOOD)
    call: list[Any] = [2, message_id, action, json.loads(json.dumps(payload))]
    for _ in range(rng.randint(0, 3)):
        inside = rng.random() < 0.7 and len(call) > 3 and places(call[3])
        container, key = rng.choice(inside or places(call))
        if rng.random() < 0.25:
            del container[key]
        elif rng.random() < 0.1 and isinstance(container, dict):
            container[f"extra{rng.randint(0, 9)}"] = copy.deepcopy(rng.choice(ODD_VALUES))
        else:
            container[key] = copy.deepcopy(rng.choice(ODD_VALUES))
        if not call:
            break
    text = json.dumps(call, ensure_ascii=rng.random() < 0.5)
    frame = text.encode("utf-8", "surrogatepass")
    roll = rng.random()
    if roll < 0.08:
        return frame[: rng.randrange(len(frame) + 1)]
    if roll < 0.16:
        noisy = bytearray(frame)
        for _ in range(rng.randint(1, 4)):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        return bytes(noisy)
    return frame


def noise(rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"",
            b"[]",
            b"{}",
            b"null",
            b"NaN",
            b"[2]",
            b"[2,NaN]",
            b'[9,"x",{}]',
            b'[3,"nobody",{}]',
            b'[4,"nobody","GenericError","",{}]',
            b'[4,"nobody"]',
            b'[2,"x","Heartbeat",{}] trailing',
            b"[" * 100_000,
            b'[2,"deep","Heartbeat",' + b"[" * 5000 + b"]" * 5000 + b"]",
            b'[2,"big","Heartbeat",{"x":' + b"9" * 5000 + b"}]",
            rng.randbytes(rng.randint(1, 200)),
        ]
    )


def must_be_answered(frame: bytes) -> str | None:
    """The message id that an answer has to carry, where the frame is a call by any reading."""
    try:
        value = json.loads(frame.decode())  # strictly: text frames are UTF-8
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list) or len(value) < 4 or value[0] != 2 or value[0] is True:
        return None
    message_id = value[1]
    if not isinstance(message_id, str) or not 0 < len(message_id) <= 36:
        return None
    return message_id if message_id.isascii() and message_id.isprintable() else None


class Offender:
    """Sends bad frames, each followed by a Heartbeat, and checks what comes back in between."""

    def __init__(self, server: Server, number: int) -> None:
        self.server = server
        self.identity = f"OFFENDER-{number}"
        self.rng = random.Random(SEED + number)
        self.outcomes: Counter[str] = Counter()
        self.client: ClientConnection | None = None

    def run(self, frames: int) -> Counter[str]:
        for number in range(frames):
            if self.client is None:
                self.client = connect(
                    self.server.ws_url(self.identity), compression=None, legacy=True
                )
            try:
                self.outcomes[self.one(self.client, number)] += 1
            except ConnectionClosed as closed:
                self.outcomes[f"close {closed.rcvd and closed.rcvd.code}"] += 1
                self.client = None
        return self.outcomes

    def one(self, client: ClientConnection, number: int) -> str:
        probe = f"probe-{number}"
        frame = noise(self.rng) if self.rng.random() < 0.1 else mutated(self.rng, f"m{number}")
        if self.rng.random() < 0.01:
            client.send(frame)  # binary
        else:
            client.send(frame, text=True)
        client.send(json.dumps([2, probe, "Heartbeat", {}]))
        answers = []
        while True:
            answer = json.loads(client.recv(20))
            if answer[1] == probe:
                break
            answers.append(answer)
        assert len(answers) <= 1, (frame, answers)
        expected = must_be_answered(frame)
        if expected is not None:
            assert answers, f"no answer to {frame!r}"
            assert answers[0][1] == expected, (frame, answers)
        if not answers:
            return "no answer"
        kind, _, *rest = answers[0]
        if kind == 3:
            assert len(rest) == 1, (frame, answers)
            return "result"
        assert kind == 4, (frame, answers)
        assert len(rest) == 3, (frame, answers)
        code, description, details = rest
        assert code in CODES - {"InternalError"}, (frame, answers)
        assert isinstance(description, str), answers
        assert details == {}, answers
        return str(code)


def test_twenty_thousand_bad_frames(server: StartServer) -> None:
    running = server(UNREADABLE_FRAME_LIMIT="20")
    done = threading.Event()

    def bystander() -> int:
        answered = 0
        with plain_client(running, "BYSTANDER") as client:
            while not done.is_set():
                kind, message_id, _ = ask(client, f'[2,"{answered}","Heartbeat",{{}}]')
                assert (kind, message_id) == (3, str(answered))
                answered += 1
                done.wait(0.02)
        return answered

    with ThreadPoolExecutor(OFFENDERS + 1) as threads:
        watching = threads.submit(bystander)
        try:
            runs = [
                threads.submit(Offender(running, number).run, FRAMES // OFFENDERS)
                for number in range(OFFENDERS)
            ]
            outcomes = sum((run.result() for run in runs), Counter[str]())
        finally:
            done.set()
        assert watching.result() > 50
    print(outcomes)
    assert outcomes.total() == FRAMES
    closes = {kind for kind in outcomes if kind.startswith("close")}
    assert closes <= {f"close {code}" for code in ALLOWED_CLOSES}
    # The mixture reaches every kind of answer, or the test would prove little.
    for kind in (
        "result",
        "no answer",
        "close 1003",
        "FormationViolation",
        "NotImplemented",
        "PropertyConstraintViolation",
        "TypeConstraintViolation",
    ):
        assert outcomes[kind] > 0, outcomes
    assert "Traceback" not in running.log_text()
    assert running.process.poll() is None
