"""WebSocket frames as a peer may send them (RFC 6455): the odd ones that are allowed, and the rest.

Nothing is sent from here, and nothing judged.
"""

from __future__ import annotations

import random

from websockets.frames import Frame, Opcode

_CLOSE_CODES = (0, 999, 1000, 1001, 1004, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 65535)


def masked(opcode: int, payload: bytes, *, fin: bool = True, mask: bytes = b"\0\0\0\0") -> bytes:
    """A frame as a client sends it."""
    return _head(opcode, payload, fin=fin) + mask + _apply(payload, mask)


def _head(opcode: int, payload: bytes, *, fin: bool) -> bytes:
    size = len(payload)
    first = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return first + bytes([0x80 | size])
    if size < 65536:
        return first + b"\xfe" + size.to_bytes(2, "big")
    return first + b"\xff" + size.to_bytes(8, "big")


def _apply(payload: bytes, mask: bytes) -> bytes:
    if mask == b"\0\0\0\0" or not payload:
        return payload
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return number.to_bytes(size, "big")


def as_allowed(rng: random.Random, message: bytes) -> bytes:
    """A text message in one frame or several, pings and pongs in between."""
    mask = rng.randbytes(4) if rng.random() < 0.7 else b"\0\0\0\0"
    if rng.random() < 0.75:
        return masked(Opcode.TEXT, message, mask=mask)
    pieces, opcode = [], Opcode.TEXT
    cuts = sorted(rng.randint(0, len(message)) for _ in range(rng.randint(1, 5)))
    for begin, end in zip([0, *cuts], [*cuts, None], strict=True):
        pieces.append(masked(opcode, message[begin:end], fin=end is None, mask=mask))
        opcode = Opcode.CONT
        if end is not None and rng.random() < 0.3:
            control = rng.choice([Opcode.PING, Opcode.PONG])
            pieces.append(masked(control, rng.randbytes(rng.randint(0, 125)), mask=mask))
    return b"".join(pieces)


def broken(rng: random.Random, message: bytes) -> bytes:
    """Something that is not allowed, or ends everything; it may be no whole frame."""
    good = masked(Opcode.TEXT, message, mask=rng.randbytes(4))
    match rng.randrange(16):
        case 0:  # reserved bits
            return bytes([good[0] | rng.choice([0x40, 0x20, 0x10, 0x70])]) + good[1:]
        case 1:  # reserved opcodes
            return bytes([0x80 | rng.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])]) + good[1:]
        case 2:  # not masked
            return Frame(Opcode.TEXT, message).serialize(mask=False)
        case 3:  # a control frame that is too long, or in fragments
            control = rng.choice([Opcode.PING, Opcode.PONG, Opcode.CLOSE])
            long = rng.random() < 0.5
            return masked(control, bytes(200 if long else 2), fin=long)
        case 4:  # goes on with what was not begun
            return masked(Opcode.CONT, message)
        case 5:  # begins within what has not ended
            return masked(Opcode.TEXT, message, fin=False) + good
        case 6:  # lengths that nobody may send, or nobody can
            size = rng.choice([2**20 + 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
            return b"\x81\xff" + size.to_bytes(8, "big") + rng.randbytes(rng.randint(0, 300))
        case 7:  # longer than they must be
            return b"\x81\xfe" + len(message[:100]).to_bytes(2, "big") + bytes(4) + message[:100]
        case 8:
            head = b"\x81\xff" + len(message).to_bytes(8, "big")
            return head + bytes(4) + message
        case 9:  # an end of any kind
            code = rng.choice(_CLOSE_CODES).to_bytes(2, "big")
            reason = rng.choice([b"", b"bye", b"\xff\xfe", b"x" * 123])
            return masked(Opcode.CLOSE, rng.choice([b"", b"\x03", code + reason]))
        case 10:
            return masked(Opcode.BINARY, message)
        case 11:  # pieces without end
            return masked(Opcode.TEXT, message, fin=False) + masked(
                Opcode.CONT, b"", fin=False
            ) * rng.randint(1, 2000)
        case 12:
            return masked(Opcode.PING, rng.randbytes(rng.randint(0, 125))) * rng.randint(1, 500)
        case 13:  # nothing but noise
            return rng.randbytes(rng.randint(1, 500))
        case 14:  # cut off
            return good[: rng.randrange(len(good))]
        case _:
            noisy = bytearray(good)
            for _ in range(rng.randint(1, 6)):
                noisy[rng.randrange(min(len(noisy), 20))] ^= 1 << rng.randrange(8)
            return bytes(noisy)


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """The data in packets: whole, halved at any byte, or byte by byte at its begin."""
    what = rng.random()
    if what < 0.5 or len(data) < 2:
        return [data]
    if what < 0.95:
        cuts = sorted(rng.randrange(1, len(data)) for _ in range(rng.randint(1, 4)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    return [*(data[n : n + 1] for n in range(min(30, len(data)))), data[30:]]
