"""Messages that are nearly OCPP-J: good samples with something in them changed, and plain noise.

What must be answered is judged by the standard library's JSON; none of our reading code is here.
"""

from __future__ import annotations

import copy
import json
import random
from contextlib import suppress
from typing import Any

from ocpp_cs.ocpp16.errors import CallErrorCode
from tests.servers import PROJECT

_SAMPLES = PROJECT / "tests" / "samples"
_CODES = {str(code) for code in CallErrorCode} - {"InternalError"}  # that is a defect of ours
STRANGE: list[Any] = [
    None, True, False, 0, -1, -0.0, 1.5, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, 2**70, -(2**40),
    "", " ", "x" * 300, "\x00", "\ud800", "\udfff\ud800", "\u202e", "\x1b[31m", "NaN", "1e999",
    "9999-99-99", "222222017-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-03-01T24:00:00Z",
    [], {}, [[[[]]]], [None] * 50, {"a": {}}, {"": 0}, {"\x00": "\x00"},
    "<script>alert(1)</script>", "=1+1", "'; DROP TABLE transactions; --", "%s%n{0}",
]  # fmt: skip
# Texts that `json.dumps` does not write, put in the place of a value.
_RAW_VALUES = [
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"01", b"+1", b"0x10", b"9" * 5000,
    b"1." + b"0" * 400, b'"\\ud800"', b'"\\u0000"', b'"\xff\xfe"', b'"\xc0\xaf"', b"'x'",
    b'{"a":1,"a":2}', b"[" * 33 + b"]" * 33, b"[" * 3000 + b"]" * 3000, b"nul", b"[1,]", b"{,}",
    b"\xef\xbb\xbf1", b'"\x01"', b"/**/1",
]  # fmt: skip
_NOISE = [
    b"", b" ", b"[]", b"{}", b"null", b"NaN", b"2", b'"x"', b"[2]", b"[2,NaN]", b"[[[[",
    b"[" * 20_000, b'{"a":' * 5_000, b'[9,"x",{}]', b'[3,"nobody",{}]', b'[4,"nobody"]',
    b'[4,"nobody","GenericError","",{}]', b'[2,"x","Heartbeat",{}] trailing', b"\x00" * 50,
    b"\xff\xfe[\x002\x00", b"GET / HTTP/1.1\r\n\r\n",
]  # fmt: skip
_PLACE = "@@PLACE@@"


def _samples() -> list[list[Any]]:
    """Frames that are good, of every action that a charge point sends, and its answers."""
    frames = json.loads((_SAMPLES / "good_frames.json").read_text(encoding="utf-8"))
    found = []
    for each in frames:
        with suppress(ValueError):  # some are good for us and for no other reader
            found.append(json.loads(each["frame"]))
    actions = {
        "FirmwareStatusNotification": {"status": "Installed"},
        "DiagnosticsStatusNotification": {"status": "Idle"},
        "LogStatusNotification": {"status": "Idle", "requestId": 1},
        "SecurityEventNotification": {"type": "X", "timestamp": "2026-03-01T11:00:00Z"},
        "SignCertificate": {"csr": "-----BEGIN CERTIFICATE REQUEST-----"},
        "SignedFirmwareStatusNotification": {"status": "Idle", "requestId": 1},
    }
    found += [[2, "id", action, payload] for action, payload in actions.items()]
    found += [[3, "id", {"status": "Accepted"}], [4, "id", "GenericError", "text", {}]]
    return [frame for frame in found if isinstance(frame, list) and len(frame) >= 3]


SAMPLES = _samples()


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    found: list[tuple[Any, Any]] = []
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        if isinstance(item, dict | list):
            found += places(item)
    return found


def mutate(rng: random.Random, value: Any) -> None:
    """Replaces, removes or adds something, anywhere in a container."""
    found = places(value)
    if not found:
        return
    container, key = rng.choice(found)
    what = rng.random()
    if what < 0.2:
        del container[key]
    elif what < 0.3 and isinstance(container, dict):
        container[rng.choice(["x", "\x00", "", str(key).upper()])] = copy.deepcopy(
            rng.choice(STRANGE)
        )
    elif what < 0.4 and isinstance(container, list):
        container.insert(key, copy.deepcopy(rng.choice(STRANGE)))
    else:
        container[key] = copy.deepcopy(rng.choice(STRANGE))


def near_message(rng: random.Random, message_id: str) -> bytes:
    """A sample with none to three changes in its JSON, and perhaps one in its text."""
    if rng.random() < 0.05:
        return rng.choice(_NOISE) if rng.random() < 0.8 else rng.randbytes(rng.randint(1, 200))
    message = copy.deepcopy(rng.choice(SAMPLES))
    message[1] = message_id
    for _ in range(rng.randint(0, 3)):
        mutate(rng, message)
    return near_text(rng, message)


def near_text(rng: random.Random, value: Any) -> bytes:
    """The value as JSON; in one of three cases something is wrong with the text of it."""
    what = rng.random()
    if what < 0.1 and isinstance(value, dict | list) and (found := places(value)):
        container, key = rng.choice(found)
        container[key] = _PLACE
        text = json.dumps(value).encode()
        return text.replace(f'"{_PLACE}"'.encode(), rng.choice(_RAW_VALUES), 1)
    data = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if what < 0.18:
        return data[: rng.randrange(len(data) + 1)]
    if what < 0.26:
        noisy = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            noisy[rng.randrange(len(noisy))] = rng.randrange(256)
        return bytes(noisy)
    if what < 0.28:
        return data + data
    if what < 0.32:  # each name twice
        return data.replace(b"{", b'{"idTag":"twice","connectorId":2,', 1)
    return data


def must_be_answered(data: bytes) -> str | None:
    """The id that an answer must carry, where the frame is a CALL whose id can be echoed."""
    try:
        message = json.loads(data.decode())  # strictly: text frames are UTF-8
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, list) or len(message) < 4 or type(message[0]) is not int:
        return None
    kind, message_id = message[:2]
    if kind != 2 or not isinstance(message_id, str) or not 0 < len(message_id) <= 36:
        return None
    return message_id if message_id.isascii() and message_id.isprintable() else None


def fault_of(answer: Any) -> str | None:
    """What is wrong with an answer of the central system, as OCPP-J has it (J §4.2)."""
    match answer:
        case [3, str(), dict()]:
            return None
        case [4, str(), str(code), str(), dict()] if code in _CODES:
            return None
    return f"not an answer: {json.dumps(answer)[:300]}"
