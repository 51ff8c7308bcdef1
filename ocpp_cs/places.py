"""Memory that the processes of a server share: each has a place to leave a text that all may read.

It knows nothing of what the texts say. Nobody waits: a reader that meets a writer looks again.
"""

from __future__ import annotations

import mmap
import struct
import zlib

PLACE_BYTES = 64 * 1024
_HEAD = struct.Struct("II")  # length and checksum of what follows
_LOOKS = 5


class Places:
    """Made before the processes are forked; memory that nobody writes to takes none."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._memory = mmap.mmap(-1, count * PLACE_BYTES)

    def leave(self, place: int, text: bytes) -> bool:
        """Puts the text where the last one was; False if it is too long."""
        if len(text) > PLACE_BYTES - _HEAD.size:
            return False
        start = place * PLACE_BYTES
        body = start + _HEAD.size
        self._memory[body : body + len(text)] = text
        _HEAD.pack_into(self._memory, start, len(text), zlib.crc32(text))
        return True

    def read(self, place: int) -> bytes:
        """What was left there last; empty if nothing was, or it changes under our eyes."""
        start = place * PLACE_BYTES
        body = start + _HEAD.size
        for _ in range(_LOOKS):
            length, checksum = _HEAD.unpack_from(self._memory, start)
            text = self._memory[body : body + min(length, PLACE_BYTES)]
            if length and zlib.crc32(text) == checksum:
                return text
        return b""

    def read_all(self) -> dict[int, bytes]:
        """What was left anywhere, by place."""
        texts = {place: self.read(place) for place in range(self._count)}
        return {place: text for place, text in texts.items() if text}
