"""20,000 broken frames over a real socket: each is answered as it deserves (R8 to R12, A5, A8).

The oracle is the standard library's JSON and a few lines; none of our reading code.
"""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from websockets.frames import Opcode

from ocpp_cs.ocpp16.errors import CallErrorCode
from tests.conftest import StartServer
from tests.gateway.conftest import HEARTBEAT, RawPeer

FRAMES = 20_000
OFFENDERS = 40  # at one time: their refusals share commits
BATCH = 50
SEED = 20260301
SAMPLES: list[Any] = [
    [2, "id", "Heartbeat", {}],
    [2, "id", "Authorize", {"idTag": "TAG"}],
    [2, "id", "BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"}],
    [
        2,
        "id",
        "StatusNotification",
        {"connectorId": 1, "errorCode": "NoError", "status": "Faulted"},
    ],
    [2, "id", "DataTransfer", {"vendorId": "v", "data": "d"}],
    [
        2,
        "id",
        "StartTransaction",
        {"connectorId": 1, "idTag": "T", "meterStart": 1, "timestamp": "2026-03-01T11:00:00Z"},
    ],
    [
        2,
        "id",
        "MeterValues",
        {
            "connectorId": 1,
            "meterValue": [{"timestamp": "2026-03-01T11:00:00Z", "sampledValue": [{"value": "1"}]}],
        },
    ],
    [3, "id", {"status": "Accepted"}],
    [4, "id", "GenericError", "text", {}],
]
STRANGE: list[Any] = [
    None, True, 0, -1, 2**70, 1.5, "", "x" * 300, "\x00", "\ud800", [], {}, [[[[]]]], {"a": {}},
    "NaN", 1e400,
]  # fmt: skip


def mutate(chance: random.Random, value: Any) -> Any:
    """The same with one thing in it replaced, removed, doubled or added."""
    if isinstance(value, list) and value and chance.random() < 0.8:
        changed = list(value)
        place = chance.randrange(len(changed))
        what = chance.random()
        if what < 0.6:
            changed[place] = mutate(chance, changed[place])
        elif what < 0.8:
            del changed[place]
        else:
            changed.insert(place, chance.choice(STRANGE))
        return changed
    if isinstance(value, dict) and value and chance.random() < 0.8:
        changed_object = dict(value)
        name = chance.choice(list(changed_object))
        what = chance.random()
        if what < 0.6:
            changed_object[name] = mutate(chance, changed_object[name])
        elif what < 0.8:
            del changed_object[name]
        else:
            changed_object[chance.choice(["x", "\x00", name.upper()])] = chance.choice(STRANGE)
        return changed_object
    return chance.choice(STRANGE)


def broken_frame(chance: random.Random, number: int) -> bytes:
    sample = chance.choice(SAMPLES)
    message = mutate(chance, [sample[0], f"id{number}", *sample[2:]])
    data = json.dumps(message).encode()
    what = chance.random()
    if what < 0.1:
        data = data[: chance.randrange(len(data))]
    elif what < 0.2:
        place = chance.randrange(len(data))
        data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
    elif what < 0.21:
        data = b"[" * chance.randrange(1, 5000)
    return data


def expected_id(data: bytes) -> str | None:
    """The id that an answer must carry, where the frame is a CALL whose id can be echoed."""
    try:
        message = json.loads(data.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, list) or len(message) < 2:
        return None
    kind, message_id = message[:2]
    if type(kind) is not int or kind != 2 or not isinstance(message_id, str):
        return None
    return message_id if message_id.isprintable() else None


def check_answer(answer: Any) -> None:
    assert answer[0] in (3, 4)
    assert isinstance(answer[1], str)
    if answer[0] == 3:
        assert len(answer) == 3
        assert isinstance(answer[2], dict)
    else:
        assert len(answer) == 5
        assert answer[2] in set(CallErrorCode)
        assert answer[2] != "InternalError"  # that would be a defect of ours
        assert isinstance(answer[3], str)
        assert isinstance(answer[4], dict)


def answers_until(peer: RawPeer, last: str) -> list[Any]:
    found: list[Any] = []
    while True:
        opcode, payload = peer.receive()
        assert opcode is Opcode.TEXT
        answer = json.loads(payload)
        if answer[1] == last:
            return found
        check_answer(answer)
        found.append(answer[1])


def offend(port: int, number: int) -> int:
    """Sends one offender's share; the number of frames that were answered."""
    chance = random.Random(SEED + number)
    count = 0
    with RawPeer(port).upgraded(f"offender-{number}") as offender:
        for batch in range(FRAMES // OFFENDERS // BATCH):
            frames = [broken_frame(chance, batch * BATCH + each) for each in range(BATCH)]
            for frame in frames:
                offender.send(frame)
            offender.send(json.dumps([2, f"end{batch}", "Heartbeat", {}]))
            answered = answers_until(offender, f"end{batch}")
            missing = {expected_id(frame) for frame in frames} - {None, *answered}
            assert not missing, [frame for frame in frames if expected_id(frame) in missing]
            count += len(answered)
    return count


def test_broken_frames_are_answered_and_disturb_nobody(server: StartServer) -> None:
    running = server(UNREADABLE_FRAME_LIMIT="1000000")
    port = running.port
    with RawPeer(port).upgraded("bystander") as bystander, ThreadPoolExecutor(OFFENDERS) as pool:
        offenders = [pool.submit(offend, port, number) for number in range(OFFENDERS)]
        while not all(each.done() for each in offenders):
            assert bystander.exchange(HEARTBEAT)[0] == 3
        answered = sum(each.result() for each in offenders)
        assert FRAMES // 4 < answered < FRAMES  # many can be answered, some cannot
        assert bystander.exchange(HEARTBEAT)[0] == 3
    log = running.log_text()
    assert "Traceback" not in log
    assert '"level": "error"' not in log
